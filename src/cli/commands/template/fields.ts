import { ruleText, type FieldKind, type FieldRule } from '../../../core/answer/field-rules.ts'
import { AppError } from '../../../errors.ts'
import {
  removeFieldRule,
  RULES_COUNT_FROM,
  setFieldRule,
} from '../../../lifecycle/fields/field-rules.ts'
import { templateOf, withStore } from '../../context.ts'
import { visibleName } from '../../../visible-text.ts'
import { print, secondText, table, type OutputOptions } from '../../output.ts'

export interface RuleOptions extends OutputOptions {
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

const rulesIn = ({ free, set, round, written, remove }: RuleOptions): (FieldKind | null)[] => [
  ...(free ? [{ kind: 'free' } as const] : []),
  ...(set ? [{ kind: 'set' } as const] : []),
  ...(round === undefined ? [] : [{ kind: 'rounded', to: round } as const]),
  ...(written ? [{ kind: 'written' } as const] : []),
  ...(remove ? [null] : []),
]

export const hasRule = (options: RuleOptions): boolean => rulesIn(options).length > 0

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

/** @throws AppError `invalid-request` unless one rule is given */
export const changeRule = (wanted: string, path: string, options: RuleOptions): Promise<void> =>
  withStore(async (store) => {
    const { version } = await templateOf(store, wanted)
    const rule = wantedRule(rulesIn(options))
    const by = { by: 'cli', now: Date.now() }
    if (rule === null) await removeFieldRule(store, version, path)
    else await setFieldRule(store, version, { path, rule, why: options.why ?? '' }, by)
    const rules = await store.templates.fields(version)
    if (options.json) return print({ version, fields: rules })
    const listed =
      rules.length === 0
        ? 'the template has no rules: every field of an answer is compared as it is'
        : fieldRulesText(rules)
    print(`${listed}\n\n${RULES_COUNT_FROM}`)
  })
