/**
 * One row of an evaluation: the arm's answer to a logged request, sent and checked exactly as a live
 * route would, and compared with the upstream's logged answer.
 */
import { answerFault, endingFault } from '../../core/answer/answer-rules.ts'
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import type {
  Internalization,
  InternalizationPlan,
} from '../../core/internalization/internalization.ts'
import { agree } from '../../core/answer/agreement.ts'
import { textOf } from '../../core/answer/outcome.ts'
import { factFault } from '../../core/facts/fact-fault.ts'
import { readLogprobs } from '../../core/route/confidence.ts'
import { isProven, kindOf } from '../../core/route/request-kind.ts'
import type { EvaluationRow, Store } from '../../store/store.ts'
import type { Engine } from '../../engine/engine.ts'
import type { Template } from '../../core/template/template.ts'
import type { WorkerDeps } from '../deps.ts'
import type { Pay } from '../answers/proof-budget.ts'
import type { Witness } from '../judge/witness.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import type { RowAnswer, RowAnswerer } from '../answers/row-answers.ts'

/** Rows that are sent at the same time, so that the engine can batch them. */
export const BATCH_ROWS = 16

export type AnsweredRow = Pick<
  EvaluationRow,
  'answer' | 'logprobSum' | 'logprobMin' | 'longLogprobs' | 'agrees' | 'deferred'
>

const notAsked = (deferred: string): AnsweredRow => ({
  answer: '',
  logprobSum: 0,
  logprobMin: 0,
  longLogprobs: null,
  agrees: false,
  deferred,
})

const answeredRow = (
  { text: answer, finishReason, logprobs }: RowAnswer,
  { answers }: Pick<InternalizationPlan, 'answers'>,
  { outcome, request, match }: MatchedExchange,
  formats: AnswerFormats
): AnsweredRow => {
  const logged = textOf(outcome)
  const fault =
    endingFault(finishReason, logprobs && logprobs.length) ??
    answerFault(answer, request, { answers, template: match.template }, formats) ??
    factFault(match, answers, answer)
  return {
    answer,
    ...readLogprobs(logprobs ?? []),
    agrees: fault === null && logged !== null && agree(answers, answer, logged),
    deferred: fault,
  }
}

/** What all rows of an evaluation share. */
export interface EvaluationContext {
  deps: WorkerDeps
  engine: Engine
  formats: AnswerFormats
  /** for the answers of other models */
  pay: Pay
  /** where one vouches for agreement; else null */
  witness: Witness | null
  internalization: Internalization
  plan: InternalizationPlan
  template: Template
}

export interface EvaluateDeps {
  answerer: RowAnswerer
  formats: AnswerFormats
}

/**
 * @returns with what the answer cost, US dollars
 * @throws AppError of what answers, except when it refuses the request itself
 */
export const evaluateRow = async (
  { answerer, formats }: EvaluateDeps,
  plan: InternalizationPlan,
  exchange: MatchedExchange
): Promise<{ row: AnsweredRow; usd: number }> => {
  const { match, request } = exchange
  if (!isProven(plan.kinds, kindOf(request, match)))
    return { row: notAsked('kind-not-proven'), usd: 0 }
  const { usd, ...answered } = await answerer(exchange)
  return {
    row:
      answered.deferred === undefined
        ? answeredRow(answered, plan, exchange, formats)
        : notAsked(answered.deferred),
    usd,
  }
}

/** What a row has of the upstream's answers of today, before they are bought. */
export const NOT_ASKED_TODAY = {
  agreesToday: null,
  upstreamAnswer: null,
  secondAnswer: null,
  fresh: null,
  judged: null,
} as const

/** Whose row it is, and who answers it how. */
export interface RowOwner {
  internalizationId: string
  /** its arm in the store */
  arm: number
  /** how the answers are requested and checked */
  plan: InternalizationPlan
}

/**
 * The row to store, before any answer of the upstream of today is bought. The gate chooses among the statistics of long
 * answers where a judge compares them.
 * @throws as `evaluateRow` does
 */
export const newRow = async (
  deps: EvaluateDeps,
  { internalizationId, arm, plan }: RowOwner,
  exchange: MatchedExchange
): Promise<EvaluationRow> => {
  const { row } = await evaluateRow(deps, plan, exchange)
  const longLogprobs = plan.judge === undefined ? null : row.longLogprobs
  const owner = { internalizationId, arm, recordId: exchange.id }
  return { ...owner, ...row, longLogprobs, ...NOT_ASKED_TODAY }
}

/**
 * Makes the rows of a batch side by side, and stores those that are made: an answer may have been paid for.
 * @throws the first error of one that is not
 */
export const storeAnswered = async (
  { internalizations }: Pick<Store, 'internalizations'>,
  batch: readonly MatchedExchange[],
  make: (exchange: MatchedExchange, index: number) => Promise<EvaluationRow>
): Promise<EvaluationRow[]> => {
  const settled = await Promise.allSettled(batch.map(make))
  const rows = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  if (rows.length > 0) await internalizations.addEvaluations(rows)
  const failed = settled.find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
  return rows
}

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
