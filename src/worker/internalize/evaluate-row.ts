/**
 * One row of an evaluation: the lora's answer to a logged request, sent and checked exactly as a live
 * route would, and compared with the upstream's logged answer.
 */
import { answerFault, endingFault } from '../../core/answer/answer-rules.ts'
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import type { InternalizationPlan } from '../../core/internalization/internalization.ts'
import { agree } from '../../core/answer/agreement.ts'
import { textOf } from '../../core/answer/outcome.ts'
import { isProven, kindOf } from '../../core/route/request-kind.ts'
import { adaptedRequest } from '../../core/route/route.ts'
import { similarity } from '../../core/answer/similarity.ts'
import type { Engine } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import type { ChatCompletion } from '../../openai/chat.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'

/** Rows that are sent at the same time, so that the engine can batch them. */
export const BATCH_ROWS = 16

export type AnsweredRow = Pick<
  EvaluationRow,
  'answer' | 'logprobSum' | 'logprobMin' | 'agrees' | 'similarity' | 'deferred'
>

const notAsked = (deferred: string): AnsweredRow => ({
  answer: '',
  logprobSum: 0,
  logprobMin: 0,
  agrees: false,
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
    agrees: fault === null && logged !== null && agree(answers, answer, logged),
    similarity: fault === null && logged !== null ? similarity(answers, answer, logged) : 0,
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

/** What a row has of the upstream's answers of today, before they are bought. */
export const NOT_ASKED_TODAY = { agreesToday: null, upstreamAnswer: null, fresh: null } as const

/** Whose row it is, and who answers it how. */
export interface RowOwner {
  internalizationId: string
  /** its arm in the store */
  arm: number
  /** how the lora's answers are requested and checked */
  plan: InternalizationPlan
  lora: string
}

/** The row to store, before any answer of the upstream of today is bought. @throws as `evaluateRow` does */
export const newRow = async (
  deps: EvaluateDeps,
  { internalizationId, arm, plan, lora }: RowOwner,
  exchange: MatchedExchange
): Promise<EvaluationRow> => ({
  internalizationId,
  arm,
  recordId: exchange.id,
  ...(await evaluateRow(deps, plan, lora, exchange)),
  ...NOT_ASKED_TODAY,
})

/**
 * The row compared with the first of two fresh answers, which are those of the first arm's row.
 * @param first undefined, or without fresh answers, where none were bought
 */
export const comparedToday = (
  { answers }: Pick<InternalizationPlan, 'answers'>,
  row: EvaluationRow,
  first: EvaluationRow | undefined
): EvaluationRow => {
  const today = first?.fresh ? first.upstreamAnswer : null
  if (today === null) return row
  // an upstream's answer of today that is no text is stored as ''
  return { ...row, agreesToday: today !== '' && agree(answers, row.answer, today) }
}
