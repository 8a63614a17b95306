/** The log at the time when the rows of a plan were chosen, in sentences for page and terminal. Pure. */
import { reasonText, sentenceOf } from '../core/reasons/say-reason.ts'
import type { Population } from '../core/internalization/internalization.ts'
import type { Repeats } from '../core/learn/dataset.ts'
import { compact } from '../core/lists.ts'
import { counted, percent, whole } from '../core/figure-text.ts'

const repeatsText = ({ questions, changed, changedShare }: Repeats): string =>
  changed === 0
    ? `${whole(questions)} questions were repeated, each with the same answer.`
    : `${whole(questions)} questions were repeated. ${whole(changed)} of them (${percent(changedShare)} of the requests) ` +
      'got different answers, and a small model cannot agree with all of these.'

const outcomesText = ({ outcomes, exchanges }: Population): string =>
  Object.entries(outcomes)
    .toSorted(([, a], [, b]) => b - a)
    .map(([kind, number]) => `${whole(number)} ${kind} (${percent(number / exchanges)})`)
    .join(', ')

export const populationLines = (population: Population): string[] => {
  const { exchanges, conversations, repeats, tooLong, otherParameters, cutByHead } = population
  const { withoutPrompt, modelsLeftOut = [] } = population
  return compact([
    `${counted(exchanges, 'request')} of the log in ${counted(conversations, 'conversation')}; the upstream answered them with: ${outcomesText(population)}.`,
    repeats.questions !== 0 && repeatsText(repeats),
    tooLong > 0 &&
      `${whole(tooLong)} questions were left out: they are too long for the base model.`,
    otherParameters > 0 &&
      `${whole(otherParameters)} questions were left out: too few requests have their parameters.`,
    cutByHead !== undefined &&
      `A label head reads ${cutByHead.tokens} tokens, and ${cutByHead.rows} training rows are longer.`,
    withoutPrompt !== null &&
      `Every stage was trained without the prompt: ${reasonText(withoutPrompt)}.`,
    ...modelsLeftOut.map((why) => sentenceOf(reasonText(why))),
  ])
}
