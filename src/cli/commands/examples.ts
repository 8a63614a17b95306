import { Command } from 'commander'
import { checkedPath } from '../../core/answer/field-rules.ts'
import { examplesOf, type HeldOutExample } from '../../lifecycle/held-out-examples.ts'
import { internalizationOf, withStore } from '../context.ts'
import { print, type OutputOptions } from '../output.ts'
import { internalizationTitle, readTitles } from '../titles.ts'
import { wholeNumber } from '../options.ts'
import { visibleName } from '../../visible-text.ts'

interface ExamplesOptions extends OutputOptions {
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

const examples = (id: string, { limit, arm, field, json }: ExamplesOptions): Promise<void> =>
  withStore(async (store) => {
    const row = await internalizationOf(store, id)
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

export const examplesCommand = (): Command =>
  new Command('examples')
    .description(
      "show held-out rows with the upstream's and the lora's answer: mistakes first, the most confident of them first"
    )
    .argument('<internalization>', 'id of the internalization, or the start of it')
    .option('--limit <count>', 'number of rows', wholeNumber(1), 20)
    .option('--arm <index>', 'arm of the plan (default: the winning arm)', wholeNumber(0))
    .option('--field <path>', 'only disagreements in this field of JSON')
    .option('--json', 'print JSON')
    .action(examples)
