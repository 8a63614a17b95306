import { Command } from 'commander'
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
  written?: true
  remove?: true
  why?: string
}

const RULE_OPTIONS = ['--free', '--set', '--round', '--written', '--remove']

/** @returns null: the rule is removed @throws AppError `invalid-request` unless one rule is given */
const wantedRule = (given: (FieldKind | null)[]): FieldKind | null => {
  const [rule, ...others] = given
  if (rule === undefined || others.length > 0)
    throw new AppError('invalid-request', `give one of ${RULE_OPTIONS.join(', ')} for a path`)
  return rule
}

const rulesIn = ({ free, set, round, written, remove }: FieldsOptions): (FieldKind | null)[] => [
  ...(free ? [{ kind: 'free' } as const] : []),
  ...(set ? [{ kind: 'set' } as const] : []),
  ...(round === undefined ? [] : [{ kind: 'rounded', to: round } as const]),
  ...(written ? [{ kind: 'written' } as const] : []),
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
    .description('list the rules for fields of JSON answers, or set or remove one')
    .argument('<template>', 'template version, or the start of it')
    .argument('[path]', 'of the field: order.id, items[].sku, tags')
    .option('--free', 'any value agrees')
    .option('--set', 'a list in any order')
    .option('--round <step>', 'compare the nearest multiples, such as 0.01', positiveAmount)
    .option('--written', 'a text that the judge (JUDGE_MODEL) compares')
    .option('--remove', 'compare the field as it is')
    .option('--why <text>', 'of a rule; stored in the proof file', noteText)
    .option('--json', 'print JSON')
    .action(fields)
