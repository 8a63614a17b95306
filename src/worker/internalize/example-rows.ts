/** Rows of the prompt's few-shot examples, which a head learns before those of the exchanges. */
import { findAnswerForm, formRowOf } from '../../core/answer/answer-form.ts'
import { textOf } from '../../core/answer/outcome.ts'
import { readTargets } from '../../core/form/read-targets.ts'
import { heldOutIds, type InternalizationPlan } from '../../core/internalization/internalization.ts'
import { queryKey, trainingRow } from '../../core/learn/dataset.ts'
import { answerTestOf, exampleKey, promptExamples } from '../../core/learn/head/prompt-examples.ts'
import type { HeadName } from '../../core/learn/schedule.ts'
import { EMPTY_PROMPT, type FewShot } from '../../core/template/prompt.ts'
import { slotsOf, type Match, type Template } from '../../core/template/template.ts'
import type { TrainingRow } from '../../openai/fine-tuning.ts'
import type { Store } from '../../store/store.ts'
import { exchangesByIds, type MatchedExchange } from '../exchanges/exchanges.ts'

interface HeadContext {
  plan: InternalizationPlan
  template: Template
  head: HeadName
}

const matchOf = (template: Template, { query }: FewShot): Match => ({
  template,
  slots: {},
  examples: {},
  query,
  turns: [],
})

/**
 * Those that the form of the exchanges explains. Many others would leave the head without any form, and its training
 * would fail.
 */
const ofForm = (
  examples: FewShot[],
  template: Template,
  exchanges: MatchedExchange[]
): FewShot[] => {
  const found = findAnswerForm(exchanges)
  if (found === null) return []
  return examples.filter((example) => {
    const outcome = { kind: 'text' as const, text: example.answer }
    return readTargets(found.form, formRowOf({ match: matchOf(template, example), outcome })!)
  })
}

/**
 * None of them has a question that is held out, because the head is judged by it, or that an exchange answers.
 * @param exchanges to learn from, oldest first
 */
export const exampleRows = async (
  store: Store,
  { plan, template, head }: HeadContext,
  exchanges: MatchedExchange[]
): Promise<TrainingRow[]> => {
  // an example says nothing of the slots, which a head reads with the question
  if (slotsOf(template).some(({ kept }) => kept)) return []
  const answers = exchanges.flatMap(({ outcome }) => textOf(outcome) ?? [])
  const isAnswer = answerTestOf(plan.answers.responseType, answers)
  const examples = promptExamples({ template, exchanges, isAnswer })
  if (examples.length === 0) return []
  const heldOut = await exchangesByIds(store, template, heldOutIds(plan))
  const asked = new Set(
    [...exchanges, ...heldOut].flatMap((exchange) => [
      queryKey(exchange),
      // the first question of a conversation, which may be an example, too
      exampleKey(exchange.match),
    ])
  )
  const others = examples.filter((example) => !asked.has(exampleKey(example)))
  const learned = head === 'field-head' ? ofForm(others, template, exchanges) : others
  return learned.map((example) =>
    trainingRow(matchOf(template, example), EMPTY_PROMPT, example.answer)
  )
}
