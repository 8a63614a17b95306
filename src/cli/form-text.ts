/** The form of a template's answers in lines for a terminal, with answers that it does not reproduce. Pure. */
import type { FieldDescription, FormSummary } from '../core/form/describe-form.ts'
import type { UnexplainedAnswer } from '../lifecycle/logged-texts.ts'
import { visibleName } from '../visible-text.ts'
import { shortened } from './layout.ts'
import { percent } from '../core/figure-text.ts'

export interface ShownForm extends FormSummary {
  /** see `PlannedForm` */
  change?: string
  unexplained: readonly Pick<UnexplainedAnswer, 'query' | 'answer'>[]
}

const EXAMPLES = 3
const TEXT_CHARS = 120

const textLine = (text: string): string => visibleName(shortened(text, TEXT_CHARS))

const fieldLine = ({ path, kind, rules, isOptional, examples }: FieldDescription): string => {
  const name = path === '' ? 'the whole answer' : visibleName(path)
  const told = [kind, ...rules, ...(isOptional ? ['optional'] : [])].join(', ')
  const shown = visibleName(examples.slice(0, EXAMPLES).join(', '))
  return `  ${name}: ${told}${shown === '' ? '' : `; ${shown}`}`
}

/** A line a field, and two for an answer that the form does not reproduce. */
export const formText = ({ explained, fields, unexplained, change }: ShownForm): string =>
  [
    `the form of its answers, which reproduces ${percent(explained)} of them:`,
    ...fields.map(fieldLine),
    ...(change === undefined ? [] : [`  the form of the answers changed: ${visibleName(change)}`]),
    ...(unexplained.length === 0 ? [] : ['  it does not reproduce, for example:']),
    ...unexplained.flatMap(({ query, answer }) => [
      ...(query === null ? [] : [`    question: ${textLine(query)}`]),
      `    answer: ${textLine(answer)}`,
    ]),
  ].join('\n')
