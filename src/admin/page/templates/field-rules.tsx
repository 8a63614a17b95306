/** What operators said of fields of the answers, with who and why, and the forms to say it. */
import {
  MAX_PATH_CHARS,
  ruleText,
  type FieldKind,
  type FieldRule,
} from '../../../core/answer/field-rules.ts'
import { RULES_COUNT_FROM } from '../../../lifecycle/fields/field-rules.ts'
import { Time } from '../parts/figures.tsx'
import { Action } from '../parts/form.tsx'
import { Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import { visibleText } from '../parts/visible-text.ts'

interface FieldRulesProps {
  rules: readonly FieldRule[]
  caption: string
}

export const FieldRules = ({ rules, caption }: FieldRulesProps) => (
  <Table
    caption={caption}
    columns={['Field', 'Rule', 'By', 'Since (UTC)', 'Why']}
    rows={rules.map(({ path, rule, by, at, why }) => [
      <Line text={path} chars={80} />,
      ruleText(rule),
      <Line text={by} chars={60} />,
      <Time at={at} />,
      <Line text={why} chars={300} />,
    ])}
    empty="Every field of an answer is compared as it is."
  />
)

const KINDS: [FieldKind['kind'], words: string][] = [
  ['free', 'any value agrees, if the field is there'],
  ['set', 'a list whose order does not matter'],
  ['rounded', 'a number, compared after rounding'],
  ['written', 'a text that the judge compares (JUDGE_MODEL)'],
]

interface FormsProps {
  rules: readonly FieldRule[]
  /** address of the template */
  path: string
  formToken: string
}

const RemoveRule = ({ rules, path, formToken }: FormsProps) =>
  rules.length === 0 ? null : (
    <Action
      verb="Remove a rule"
      says={`The field is compared as it is again: ${RULES_COUNT_FROM}.`}
      path={`${path}/remove-field`}
      formToken={formToken}
      reason="none"
    >
      <label for="removed-field">Field</label>
      <select id="removed-field" name="path">
        {rules.map((rule) => (
          <option value={rule.path}>{visibleText(rule.path)}</option>
        ))}
      </select>
    </Action>
  )

export const FieldRuleForms = (props: FormsProps) => (
  <>
    <Action
      verb="Rule for a field"
      says={
        'Takes a field of JSON answers out of the promise, in whole or in part, such as an id that the ' +
        'upstream makes up, or lets the judge compare a field that is written in other words each time: ' +
        `${RULES_COUNT_FROM}. The proof file names the rule and the reason.`
      }
      path={`${props.path}/field`}
      formToken={props.formToken}
      reason="required"
    >
      <label for="field-path">Field (order.id, items[].sku, tags)</label>
      <input id="field-path" name="path" maxlength={MAX_PATH_CHARS} required autocomplete="off" />
      <label for="field-rule">How it is compared</label>
      <select id="field-rule" name="rule">
        {KINDS.map(([kind, words]) => (
          <option value={kind}>{words}</option>
        ))}
      </select>
      <label for="field-step">Rounded to multiples of (numbers only)</label>
      <input
        id="field-step"
        name="step"
        inputmode="decimal"
        placeholder="0.01"
        autocomplete="off"
      />
    </Action>
    <RemoveRule {...props} />
  </>
)
