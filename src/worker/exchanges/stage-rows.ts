/** The training rows of one stage. */
import { trainingRow } from '../../core/learn/dataset.ts'
import { targetOf, textOf } from '../../core/answer/outcome.ts'
import type { FewShot, StagePrompt } from '../../core/template/prompt.ts'
import { createExampleIndex } from '../../core/learn/retrieve.ts'
import type { TrainingMethod, TrainingRow } from '../../openai/fine-tuning.ts'
import type { MatchedExchange } from './exchanges.ts'

/** The part of the template that a stage's prompt has. */
export interface StageText {
  template: string
  examples: FewShot[]
}

/**
 * The targets are the same, byte for byte, in every stage. Only exchanges that were answered with text
 * become examples. A teacher gets the request as the client sent it.
 */
export const stageRows = (
  exchanges: MatchedExchange[],
  text: StageText,
  { retrieved, method }: { retrieved: number; method: TrainingMethod }
): TrainingRow[] => {
  const index = createExampleIndex(
    exchanges.flatMap(({ id, query, outcome }) => {
      const answer = textOf(outcome)
      return answer === null ? [] : [{ id, query, answer }]
    })
  )
  return exchanges.map(({ id, query, match, outcome, request }) => {
    const prompt: StagePrompt = {
      template: text.template,
      constantExamples: text.examples,
      retrievedExamples:
        retrieved === 0 ? [] : index.retrieve(query, { k: retrieved, excludeId: id }),
    }
    const row = trainingRow(match, prompt, targetOf(outcome))
    return method === 'self-distillation' ? { ...row, teacher_messages: request.messages } : row
  })
}
