/** Renders a verdict and the log that it is of. */
import { reasonText } from '../core/reasons/say-reason.ts'
import { ruleNames, type FieldRule } from '../core/answer/field-rules.ts'
import type {
  Internalization,
  InternalizationPlan,
  ProvenVerdict,
} from '../core/internalization/internalization.ts'
import { dollars } from '../core/figure-text.ts'
import { admissionText, judgePromiseText } from '../core/judge/promise.ts'
import { judgeCostText, lostAuditsText, type JudgeReading } from '../lifecycle/read-judge.ts'
import { cellText, type FactTable } from '../views/facts.ts'
import { fieldsTable, otherFieldsText, verdictLines, verdictTables } from '../views/say-verdict.ts'
import { table } from './output.ts'
import { compact } from '../core/lists.ts'

/** None where every field is compared as it is, by equality. */
export const planRulesText = ({ answers: { fields }, judge }: InternalizationPlan): string[] =>
  compact([
    fields !== undefined && `judged under rules for fields: ${ruleNames(fields).join(', ')}`,
    judge !== undefined && judgeCostText(judge),
  ])

/** Who vouches for written answers, why audits do not count, and what the judge has cost. */
export const judgedText = ({ says, audits }: JudgeReading, spentUsd: number): string =>
  [
    ...says,
    ...(audits === null ? [] : lostAuditsText(audits)),
    `the judge has cost ${dollars(spentUsd)} for this proof`,
  ].join('\n')

export const factsText = ({ columns, rows }: FactTable): string =>
  table([
    columns.map((column) => (typeof column === 'string' ? column : column.number)),
    ...rows.map((cells) => cells.map(cellText)),
  ])

const judgeText = (
  { judge: admission, margin, verdict }: ProvenVerdict,
  fields: readonly FieldRule[] | undefined
): string[] => {
  if (admission === undefined) return []
  const says =
    verdict === 'promote'
      ? judgePromiseText({ admission, margin, fields })
      : admissionText(admission)
  return [says.join('\n')]
}

/** The decision, and what a person who looks at the page reads of it. @param model the upstream's */
export const verdictText = (
  row: Internalization,
  verdict: ProvenVerdict,
  model = 'the upstream'
): string => {
  const { fields } = verdict
  return compact([
    `${verdict.verdict}: ${reasonText(verdict.reason)}`,
    verdictLines(row, verdict, model).join('\n'),
    ...verdictTables(verdict, model).map(factsText),
    fields !== undefined && fields.fields.length > 0 && factsText(fieldsTable(fields)),
    fields !== undefined && otherFieldsText(fields),
    ...judgeText(verdict, row.plan?.answers.fields),
  ]).join('\n\n')
}
