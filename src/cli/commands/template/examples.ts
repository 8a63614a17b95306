import { checkedPath } from '../../../core/answer/field-rules.ts'
import { examplesOf, type HeldOutExample } from '../../../lifecycle/held-out-examples.ts'
import { withStore } from '../../context.ts'
import { chosen } from '../../rollout/rollout-of.ts'
import { print, type OutputOptions } from '../../output.ts'
import { internalizationTitle, readTitles } from '../../titles.ts'
import { visibleName } from '../../../visible-text.ts'

export interface ExamplesOptions extends OutputOptions {
  limit: number
  arm?: number
  field?: string
}

const DELETED = '(the record was deleted)'

const givenText = ({ deferred, foundLate, isAboveThreshold }: HeldOutExample): string => {
  if (deferred !== null) return `no: ${deferred}`
  if (isAboveThreshold === null) return 'no threshold passed the gate'
  if (!isAboveThreshold) return 'no: below the threshold'
  return foundLate === null ? 'yes' : `yes, where it is streamed; then found: ${foundLate}`
}

const blockOf = (example: HeldOutExample): string =>
  [
    `record     ${example.recordId}`,
    `query      ${example.query ?? DELETED}`,
    `upstream   ${example.promptedAnswer ?? example.outcome ?? DELETED}`,
    `lora       ${example.adaptedAnswer}`,
    `${example.agrees ? 'agrees' : 'disagrees'}, similarity ${example.similarity.toFixed(3)}, confidence ${example.confidence.toFixed(3)}`,
    ...(example.fieldsApart.length === 0
      ? []
      : [`differs in ${example.fieldsApart.map(visibleName).join(', ')}`]),
    `given      ${givenText(example)}`,
  ].join('\n')

/** @param id of an internalization, or of a template, which stands for the one that waits for approval, else its live or newest one */
export const showExamples = (
  id: string,
  { limit, arm, field, json }: ExamplesOptions
): Promise<void> =>
  withStore(async (store) => {
    const row = await chosen(store, id, ['approval', 'live'])
    const wanted = { limit, arm, field: field && checkedPath(field) }
    const rows = await examplesOf(store, row, wanted)
    if (json) return print(rows)
    if (rows.length === 0)
      return print(
        field === undefined
          ? 'no held-out row has been answered yet'
          : 'no held-out answer disagrees in this field'
      )
    const title = internalizationTitle(row, await readTitles(store))
    print([title, ...rows.map(blockOf)].join('\n\n'))
  })
