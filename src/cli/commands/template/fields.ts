import { Command, Option } from 'commander'
import { ruleText, type FieldKind, type FieldRule } from '../../../core/answer/field-rules.ts'
import { AppError } from '../../../errors.ts'
import {
  removeFieldRule,
  RULES_COUNT_FROM,
  setFieldRule,
} from '../../../lifecycle/fields/field-rules.ts'
import { templateOf, withStore } from '../../context.ts'
import { noteText, positiveAmount } from '../../options.ts'
import { visibleName } from '../../../visible-text.ts'
import { print, secondText, table, type OutputOptions } from '../../output.ts'

interface FieldsOptions extends OutputOptions {
  free?: true
  set?: true
  round?: number
  remove?: true
  why?: string
}

const RULE_OPTIONS = ['--free', '--set', '--round', '--remove']

/** @returns null: the rule is removed @throws AppError `invalid-request` unless one rule is given */
const wantedRule = (given: (FieldKind | null)[]): FieldKind | null => {
  if (given.length !== 1)
    throw new AppError('invalid-request', `give one of ${RULE_OPTIONS.join(', ')} for a path`)
  return given[0]!
}

const rulesIn = ({ free, set, round, remove }: FieldsOptions): (FieldKind | null)[] => [
  ...(free ? [{ kind: 'free' } as const] : []),
  ...(set ? [{ kind: 'set' } as const] : []),
  ...(round === undefined ? [] : [{ kind: 'rounded', to: round } as const]),
  ...(remove ? [null] : []),
]

/** Of rules that are set, or that a plan has. */
export const fieldRulesText = (rules: readonly FieldRule[]): string =>
  table([
    ['field', 'rule', 'by', 'since (UTC)', 'why'],
    ...rules.map(({ path, rule, by, at, why }) => [
      path,
      ruleText(rule),
      visibleName(by),
      secondText(at),
      visibleName(why),
    ]),
  ])

const fields = (wanted: string, path: string | undefined, options: FieldsOptions): Promise<void> =>
  withStore(async (store) => {
    const { version } = await templateOf(store, wanted)
    const given = rulesIn(options)
    if (path === undefined && given.length > 0)
      throw new AppError('invalid-request', 'name the field of the rule')
    if (path !== undefined) {
      const rule = wantedRule(given)
      const by = { by: 'cli', now: Date.now() }
      if (rule === null) await removeFieldRule(store, version, path)
      else await setFieldRule(store, version, { path, rule, why: options.why ?? '' }, by)
    }
    const rules = await store.templates.fields(version)
    if (options.json) return print({ version, fields: rules })
    const listed =
      rules.length === 0
        ? 'the template has no rules: every field of an answer is compared as it is'
        : fieldRulesText(rules)
    print(path === undefined ? listed : `${listed}\n\n${RULES_COUNT_FROM}`)
  })

export const fieldsCommand = (): Command =>
  new Command('fields')
    .description(
      'say of a field of JSON answers how it is compared, or list what was said; it takes effect with the next internalization'
    )
    .argument('<template>', 'template version, or the start of it')
    .argument(
      '[path]',
      'of the field: order.id, items[].sku, tags; without it the rules are listed'
    )
    .option('--free', 'any value agrees; whether the field is there is still compared')
    .option('--set', 'the order of the list does not matter')
    .addOption(
      new Option(
        '--round <step>',
        'numbers agree whose nearest multiples of this are equal, such as 0.01'
      ).argParser(positiveAmount)
    )
    .option('--remove', 'compare the field as it is again')
    .option('--why <text>', 'stored with the rule, and part of the proof file', noteText)
    .option('--json', 'print JSON')
    .action(fields)
