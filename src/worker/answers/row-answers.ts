/**
 * Who answers held-out and audited requests: a lora or a head of the engine, or another model of the upstreams. Each is
 * asked as its route would ask it.
 */
import type { AnswerRules } from '../../core/answer/answer-rules.ts'
import { answerOfModel } from '../../core/answer/outcome.ts'
import { requestCost } from '../../core/cost/prices.ts'
import { isSuccess } from '../../core/http-status.ts'
import { loraOfArm, type Arm } from '../../core/internalization/internalization.ts'
import { completionOf } from '../../core/log/record-bodies.ts'
import type { StoredRecord } from '../../core/log/record.ts'
import { adaptedRequest, type OtherModel, type Route } from '../../core/route/route.ts'
import type { Engine } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import type { FinishReason } from '../../openai/chat.ts'
import { CHAT, dialectOfRecord } from '../../openai/dialect.ts'
import { answerUsage } from '../../openai/usage/usage.ts'
import {
  askModel,
  expectedCost,
  mostUsd,
  type AskDeps,
  type AskedModel,
  type AskedRecord,
  type CostedRecord,
  type NoAnswer,
} from './ask-model.ts'
import type { AskUpstream, UpstreamAnswer, WorkerDeps } from '../deps.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import type { Pay } from './proof-budget.ts'

export interface RowAnswer {
  text: string
  finishReason: FinishReason | null
  /** natural logarithms, of each token; null: all answers have one confidence */
  logprobs: number[] | null
}

/** `deferred`: why a route would send the request to the upstream. */
type Answered = (RowAnswer & { deferred?: never }) | { deferred: string }

/** @returns with what the upstream charged, US dollars; 0: the engine answered */
export type RowAnswerer = (exchange: MatchedExchange) => Promise<Answered & { usd: number }>

/** Whether the engine will refuse this request at every attempt. */
const isRefusedByEngine = (error: unknown): boolean =>
  error instanceof AppError &&
  (error.code === 'context-length-exceeded' || error.code === 'invalid-request')

const ofEngine =
  (engine: Engine, answers: AnswerRules, lora: string): RowAnswerer =>
  async ({ match, request }) => {
    try {
      const completion = await engine.complete(adaptedRequest({ lora, answers }, match, request))
      const choice = completion.choices[0]
      const content = choice?.message.content
      return {
        text: typeof content === 'string' ? content : '',
        finishReason: choice?.finish_reason ?? null,
        logprobs: choice?.logprobs?.content?.map(({ logprob }) => logprob) ?? [],
        usd: 0,
      }
    } catch (error) {
      if (!isRefusedByEngine(error)) throw error
      return { deferred: 'engine-refused', usd: 0 }
    }
  }

type ModelDeps = Pick<WorkerDeps, 'store' | 'askUpstream' | 'priceOf' | 'sleep' | 'now'>

export interface Buying {
  pay: Pay
  /** how often a request is sent that the upstream has no room for; by default some times */
  tries?: number
  /** milliseconds since the epoch; one that it has no room for after that counts as not answered */
  patientUntil?: number
}

/** US dollars. What was lost on its way may have been charged. */
const chargedUsd = (
  record: CostedRecord,
  { price }: AskedModel,
  answer: UpstreamAnswer | NoAnswer
): number => {
  if (answer === 'lost') return expectedCost(record, price)
  if (typeof answer === 'string' || !isSuccess(answer.status)) return 0
  const usage = answerUsage(completionOf({ path: record.path, response: answer.body }))
  return (usage && requestCost(price, usage)) ?? expectedCost(record, price)
}

/**
 * Sends a request and pays for it.
 * @returns the answer and its cost in US dollars; null where no money is left
 */
export const buyAnswer = async (
  { pay, ...deps }: AskDeps & { pay: Pay },
  record: AskedRecord & CostedRecord,
  model: AskedModel
): Promise<{ answer: UpstreamAnswer | NoAnswer; usd: number } | null> => {
  const most = mostUsd(record, model)
  return pay({ most, expected: expectedCost(record, model.price) }, async () => {
    const answer = await askModel(deps, record, model)
    const usd = chargedUsd(record, model, answer)
    return { answer: { answer, usd }, usd }
  })
}

const readOther = (
  { path }: StoredRecord,
  { hasLogprobs }: OtherModel,
  { status, body }: UpstreamAnswer
): Answered => {
  // another model may refuse what the present one takes
  if (!isSuccess(status)) return { deferred: 'engine-refused' }
  const read = answerOfModel(completionOf({ path, response: body }))
  if (read === null) return { deferred: 'engine-error' }
  const logprobs = hasLogprobs ? read.logprobs.map(({ logprob }) => logprob) : null
  return { ...read, logprobs }
}

/** Of the operator, to ask with. @throws AppError `invalid-config` where something is missing */
export const askedModel = (
  { askUpstream, priceOf }: Pick<ModelDeps, 'askUpstream' | 'priceOf'>,
  { name, hasLogprobs }: OtherModel
): { model: AskedModel; ask: AskUpstream } => {
  const price = priceOf(name)
  if (askUpstream === null || price === null)
    throw new AppError(
      'invalid-config',
      `the answers of ${name} cannot be compared: set UPSTREAM_API_KEY, and a price of it in PRICES_FILE`
    )
  return { model: { name, price, addsLogprobs: hasLogprobs }, ask: askUpstream }
}

/**
 * @returns why it has no answer, where it has none
 * @throws AppError `upstream-unavailable` where there may be one later
 */
const ofModel =
  (
    deps: ModelDeps,
    other: OtherModel,
    { pay, tries, patientUntil = Infinity }: Buying
  ): RowAnswerer =>
  async (exchange) => {
    const { model, ask } = askedModel(deps, other)
    const [record] = await deps.store.records.byIds([exchange.id])
    if (record === undefined || record.request === '') return { deferred: 'record-gone', usd: 0 }
    if (dialectOfRecord(record) !== CHAT) return { deferred: 'unsupported-field', usd: 0 }
    const given = await buyAnswer({ pay, ask, sleep: deps.sleep, tries }, record, model)
    if (given === null) return { deferred: BUDGET_SPENT, usd: 0 }
    const { answer, usd } = given
    if (answer === 'refused' && deps.now() < patientUntil)
      throw new AppError('upstream-unavailable', `${model.name} does not answer for the moment`)
    if (answer === 'refused' || answer === 'lost') return { deferred: 'engine-error', usd }
    if (answer === 'not-sent') return { deferred: 'unsupported-field', usd }
    return { ...readOther(record, other, answer), usd }
  }

/** Why a request was not asked for which `PROOF_USD` left nothing. */
export const BUDGET_SPENT = 'budget-spent'

export type Respondent = Pick<Route, 'lora' | 'model'>

export const respondentOf = (arm: Arm): Respondent => ({
  lora: loraOfArm(arm)!,
  ...(arm.model && { model: arm.model }),
})

/** @throws AppError `engine-unavailable` for a lora without an engine */
export const answererOf = (
  deps: ModelDeps & Pick<WorkerDeps, 'engine'>,
  { lora, model }: Respondent,
  answers: AnswerRules,
  buying: Buying
): RowAnswerer => {
  if (model !== undefined) return ofModel(deps, model, buying)
  if (deps.engine === null) throw new AppError('engine-unavailable', 'there is no engine to ask')
  return ofEngine(deps.engine, answers, lora)
}
