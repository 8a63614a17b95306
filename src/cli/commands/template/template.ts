import { Command, InvalidArgumentError } from 'commander'
import { MAX_LABEL_CHARS } from '../../../core/template/template.ts'
import { AppError } from '../../../errors.ts'
import { visibleName } from '../../../visible-text.ts'
import { templateOf, withStore } from '../../context.ts'
import { noteText, positiveAmount, wholeNumber } from '../../options.ts'
import { print, type OutputOptions } from '../../output.ts'
import { readTitles, internalizationTitle } from '../../titles.ts'
import { changeRule, hasRule, type RuleOptions } from './fields.ts'
import { showTemplate } from './show.ts'
import { checkedPath } from '../../../core/answer/field-rules.ts'
import { examplesOf, type HeldOutExample } from '../../../lifecycle/held-out-examples.ts'
import { chosen } from '../../rollout/rollout-of.ts'

interface ExamplesOptions extends OutputOptions {
  limit: number
  arm?: number
  field?: string
}

const DELETED = '(the record was deleted)'

const givenText = ({ deferred, isAboveThreshold }: HeldOutExample): string => {
  if (deferred !== null) return `no: ${deferred}`
  if (isAboveThreshold === null) return 'no threshold passed the gate'
  return isAboveThreshold ? 'yes' : 'no: below the threshold'
}

const blockOf = (example: HeldOutExample): string =>
  [
    `record     ${example.recordId}`,
    `query      ${example.query ?? DELETED}`,
    `upstream   ${example.promptedAnswer ?? example.outcome ?? DELETED}`,
    `lora       ${example.adaptedAnswer}`,
    `${example.agrees ? 'agrees' : 'disagrees'}, confidence ${example.confidence.toFixed(3)}`,
    ...(example.fieldsApart.length === 0
      ? []
      : [`differs in ${example.fieldsApart.map(visibleName).join(', ')}`]),
    `given      ${givenText(example)}`,
  ].join('\n')

/** @param id of an internalization, or of a template, which stands for the one that waits for approval, else its live or newest one */
const showExamples = (id: string, { limit, arm, field, json }: ExamplesOptions): Promise<void> =>
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

interface TemplateOptions extends RuleOptions, ExamplesOptions {
  name?: string
  examples?: true
}

/** Empty: none. */
const nameText = (text: string): string => {
  const name = text.trim()
  if (name.length > MAX_LABEL_CHARS)
    throw new InvalidArgumentError(`It must have at most ${MAX_LABEL_CHARS} characters.`)
  return name
}

const rename = (wanted: string, name: string, { json }: OutputOptions): Promise<void> =>
  withStore(async (store) => {
    const { version } = await templateOf(store, wanted)
    const label = name === '' ? null : name
    await store.templates.label(version, label)
    const titles = await readTitles(store)
    if (json) return print({ version, label, name: titles.name(version) })
    print(
      label === null
        ? `template ${titles.title(version)} has no name of its own`
        : `template ${titles.id(version)} is named ${visibleName(label)}`
    )
  })

const template = (wanted: string, options: TemplateOptions): Promise<void> => {
  const { name, field, examples } = options
  if (name !== undefined && (field !== undefined || examples))
    throw new AppError('invalid-request', '--name stands alone')
  if (hasRule(options) && (field === undefined || examples))
    throw new AppError('invalid-request', 'a rule needs --field, and stands alone')
  if (examples) return showExamples(wanted, options)
  if (name !== undefined) return rename(wanted, name, options)
  return field === undefined ? showTemplate(wanted, options) : changeRule(wanted, field, options)
}

export const templateCommand = (): Command =>
  new Command('template')
    .description(
      'show one template: its messages, slots, rules for fields and internalizations; or change its name or a rule, ' +
        'or show held-out answers'
    )
    .argument(
      '<template>',
      'template version, or the start of it; for --examples also the id of an internalization'
    )
    .option('--name <text>', "name it; '' removes the name", nameText)
    .option('--field <path>', 'field of JSON answers: order.id, items[].sku, tags; with a rule:')
    .option('--free', '  any value agrees')
    .option('--set', '  a list in any order')
    .option('--round <step>', '  compare the nearest multiples, such as 0.01', positiveAmount)
    .option('--written', '  a text that the judge (JUDGE_MODEL) compares')
    .option('--remove', '  compare the field as it is')
    .option('--why <text>', 'of a rule; stored in the proof file', noteText)
    .option(
      '--examples',
      "held-out rows of the internalization that waits for approval, else of the live or newest one, with the upstream's and the lora's answer: mistakes first, the " +
        'most confident of them first; with --field only those that disagree in it'
    )
    .option('--limit <count>', 'number of examples', wholeNumber(1), 20)
    .option('--arm <index>', 'arm of the examples (default: the winning arm)', wholeNumber(0))
    .option('--json', 'print JSON')
    .action(template)
