/**
 * One row of an evaluation: the lora's answer to a logged request, sent and checked exactly as a live
 * route would, and compared with the upstream's logged answer.
 */
import { answerFault, endingFault } from '../../core/answer/answer-rules.ts'
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import type { InternalizationPlan } from '../../core/lifecycle/internalization.ts'
import { textOf, type Outcome } from '../../core/answer/outcome.ts'
import { isProven, kindOf } from '../../core/route/request-kind.ts'
import { adaptedRequest } from '../../core/route/route.ts'
import { similarity } from '../../core/answer/score.ts'
import type { Engine } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import type { ChatCompletion } from '../../openai/chat.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'

/** Rows that are sent at the same time, so that the engine can batch them. */
export const BATCH_ROWS = 16

export type AnsweredRow = Pick<
  EvaluationRow,
  'answer' | 'logprobSum' | 'logprobMin' | 'similarity' | 'deferred'
>

const notAsked = (deferred: string): AnsweredRow => ({
  answer: '',
  logprobSum: 0,
  logprobMin: 0,
  similarity: 0,
  deferred,
})

/** Whether the engine will refuse this request at every attempt. */
const isRefusal = (error: unknown): boolean =>
  error instanceof AppError &&
  (error.code === 'context-length-exceeded' || error.code === 'invalid-request')

const answeredRow = (
  completion: ChatCompletion,
  { answers }: InternalizationPlan,
  { outcome, request, match: { template } }: MatchedExchange,
  formats: AnswerFormats
): AnsweredRow => {
  const choice = completion.choices[0]
  const content = choice?.message.content
  const answer = typeof content === 'string' ? content : ''
  const logprobs = choice?.logprobs?.content?.map((token) => token.logprob) ?? []
  const logged = textOf(outcome)
  const fault =
    endingFault(choice?.finish_reason ?? null, logprobs.length) ??
    answerFault(answer, request, { answers, template }, formats)
  return {
    answer,
    logprobSum: logprobs.reduce((sum, logprob) => sum + logprob, 0),
    logprobMin: Math.min(0, ...logprobs),
    similarity:
      fault === null && logged !== null ? similarity(answers.responseType, answer, logged) : 0,
    deferred: fault,
  }
}

export interface EvaluateDeps {
  engine: Engine
  formats: AnswerFormats
}

/**
 * @param lora of the arm
 * @throws AppError of the engine, except when it refuses the request itself
 */
export const evaluateRow = async (
  { engine, formats }: EvaluateDeps,
  plan: InternalizationPlan,
  lora: string,
  exchange: MatchedExchange
): Promise<AnsweredRow> => {
  const { match, request } = exchange
  if (!isProven(plan.kinds, kindOf(request, match))) return notAsked('kind-not-proven')
  try {
    const asked = adaptedRequest({ lora, answers: plan.answers }, match, request)
    return answeredRow(await engine.complete(asked), plan, exchange, formats)
  } catch (error) {
    if (!isRefusal(error)) throw error
    return notAsked('engine-refused')
  }
}

/** Whether two answers are the same by the rules of the plan: an equivalence relation. */
export const sameAnswer = (
  { answers }: Pick<InternalizationPlan, 'answers'>,
  one: Outcome,
  other: Outcome
): boolean => {
  const [first, second] = [textOf(one), textOf(other)]
  if (first === null || second === null) return one.kind === other.kind
  return similarity(answers.responseType, first, second) === 1
}

/** Similarity of the upstream's fresh answer to its logged one, 0 to 1. */
export const outcomeSimilarity = (
  { answers }: InternalizationPlan,
  fresh: Outcome,
  logged: Outcome
): number => {
  const [again, before] = [textOf(fresh), textOf(logged)]
  if (again === null || before === null) return fresh.kind === logged.kind ? 1 : 0
  return similarity(answers.responseType, again, before)
}
