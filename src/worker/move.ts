/**
 * Sends logged requests of a template to another model, within a budget, and compares its answers with the logged
 * ones. Nothing of it is stored.
 */
import { detectResponseType, knownLabels, listedIn } from '../core/answer/response-type.ts'
import { foldsOf, type Comparison } from '../core/answer/agreement.ts'
import { outcomeOf, textOf } from '../core/answer/outcome.ts'
import { boundTokens, boundUsd } from '../core/cost/cost-bound.ts'
import { requestCost, tokensCost, type Price } from '../core/cost/prices.ts'
import { groupBy } from '../core/group-by.ts'
import { isSuccess } from '../core/http-status.ts'
import { randomPart } from '../core/learn/bursts.ts'
import { HELD_OUT_MS, randomOfReading } from '../core/learn/split.ts'
import { completionOf } from '../core/log/record-bodies.ts'
import type { StoredRecord } from '../core/log/record.ts'
import { createBudget } from '../core/move/budget.ts'
import {
  moveReport,
  type ModelAnswer,
  type MovedRequest,
  type MoveReport,
} from '../core/move/move-report.ts'
import { anchorText, type Template } from '../core/template/template.ts'
import { readChatRequest } from '../core/request/chat-reading.ts'
import { AppError, toAppError } from '../errors.ts'
import { dialectOfRecord } from '../openai/dialect.ts'
import { readByIds } from '../lifecycle/logged-texts.ts'
import type { Store } from '../store/store.ts'
import { loadExchanges, type MatchedExchange } from './exchanges/exchanges.ts'
import type { AskUpstream, UpstreamAnswer } from './replay.ts'

/** Requests at the same time. */
const LANES = 4
/** Further exchanges that are read, because of a conversation one turn counts. */
const READ_AHEAD = 4
/** Of a request that nothing answers, or that comes too soon. */
const [TRIES, WAIT_MS, MAX_WAIT_MS] = [4, 1_000, 30_000]
/** Refused requests before the first answer, after which the model is taken to be not there. */
const MAX_FIRST_REFUSALS = 5

export interface MoveDeps {
  store: Store
  ask: AskUpstream
  now: () => number
  sleep: (ms: number) => Promise<void>
}

export interface MoveOptions {
  template: Template
  /** the new model, and its price */
  to: string
  price: Price
  /** of the present model; null: what its answers cost is not known */
  oldPrice: Price | null
  /** of the sample, at most */
  requests: number
  budgetUsd: number
  /** see `isRandom` */
  kindShare: number
  seed: number
  onProgress: (done: number, of: number) => void
}

const withModel = (body: string, model: string): string =>
  JSON.stringify({ ...(JSON.parse(body) as Record<string, unknown>), model })

/** One logged request of the sample. */
interface Sampled {
  exchange: MatchedExchange
  record: StoredRecord
}

/** US dollars that a request can cost at most; Infinity: it has no bound. */
const mostUsd = ({ record }: Sampled, { to, price }: Pick<MoveOptions, 'to' | 'price'>): number => {
  const dialect = dialectOfRecord(record)
  const { outcome } = readChatRequest(Buffer.from(withModel(record.request, to)), dialect)
  if (typeof outcome === 'string') return Infinity
  try {
    return boundUsd(price, boundTokens(outcome, price))
  } catch (error) {
    if (toAppError(error).code === 'invalid-request') return Infinity
    throw error
  }
}

/** The requests that a move sends, and what they will cost. */
export interface MovePlan {
  sample: readonly Sampled[]
  /** US dollars, as if the new model answered as long as the old one */
  expectedUsd: number
}

/** Of most texts and tokenizers fewer than a token has. */
const CHARS_OF_TOKEN = 3
/** Of an answer that the log does not have. */
const ANSWER_CHARS = 3_000

const expectedCost = ({ record: { usage, request, response } }: Sampled, price: Price): number =>
  (usage && requestCost(price, usage)) ??
  tokensCost(price, {
    input: request.length / CHARS_OF_TOKEN,
    cachedInput: 0,
    cacheWrite: 0,
    output: (response?.length ?? ANSWER_CHARS) / CHARS_OF_TOKEN,
  })

type SampleOptions = Pick<MoveOptions, 'template' | 'requests' | 'kindShare' | 'seed'>

/** Random requests of the last days, one turn of a conversation, so that they are independent. */
const drawSample = async (
  { store, now }: Pick<MoveDeps, 'store' | 'now'>,
  { template, requests, kindShare, seed }: SampleOptions
): Promise<MatchedExchange[]> => {
  const random = randomOfReading(seed)
  const found = await loadExchanges(store, template, {
    limit: READ_AHEAD * requests,
    samples: READ_AHEAD * requests,
    since: 0,
    now: now(),
    windowMs: HELD_OUT_MS,
    kindShare,
    random,
  })
  const usable = found.filter(({ isSample, outcome }) => isSample && outcome.kind !== 'unreadable')
  const turns = [...groupBy(usable, ({ conversation }) => conversation).values()].map(
    (own) => own[Math.floor(random() * own.length)]!
  )
  return randomPart(turns, requests, random)
}

/** @throws AppError `invalid-state` where the log has no request of the template with its answer */
export const planMove = async (
  deps: Pick<MoveDeps, 'store' | 'now'>,
  options: SampleOptions & Pick<MoveOptions, 'price'>
): Promise<MovePlan> => {
  const exchanges = new Map((await drawSample(deps, options)).map((one) => [one.id, one]))
  const sample: Sampled[] = []
  for await (const record of readByIds(deps.store.records, [...exchanges.keys()]))
    sample.push({ record, exchange: exchanges.get(record.id)! })
  if (sample.length === 0)
    throw new AppError('invalid-state', 'the log has no request of the template with its answer')
  const expectedUsd = sample.reduce((sum, one) => sum + expectedCost(one, options.price), 0)
  return { sample, expectedUsd }
}

const messageOf = ({ status, body }: UpstreamAnswer): string => {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown } }
    if (typeof error?.message === 'string') return `${status}: ${error.message}`
  } catch {
    // no JSON
  }
  return String(status)
}

/** Of the request and not of the moment: with the new model it is not possible. */
const isRefusal = (status: number): boolean =>
  status >= 400 && status < 500 && status !== 408 && status !== 429

class Sender {
  private readonly deps: MoveDeps
  private readonly options: MoveOptions
  private refusals = 0
  private answers = 0

  constructor(deps: MoveDeps, options: MoveOptions) {
    this.deps = deps
    this.options = options
  }

  /** @returns null where nothing answers @throws AppError `upstream-unavailable` where the model is not there */
  async send({ record, exchange }: Sampled): Promise<MovedRequest | null> {
    const { now } = this.deps
    const { oldPrice } = this.options
    const old: ModelAnswer = {
      outcome: exchange.outcome,
      ms: record.durationMs,
      usd: (oldPrice && record.usage && requestCost(oldPrice, record.usage)) ?? null,
    }
    const begun = now()
    const answer = await this.ask(record)
    if (answer === null) return null
    const ms = now() - begun
    if (isRefusal(answer.status)) return { old, new: { refused: this.refused(answer), ms } }
    this.answers++
    return { old, new: this.read(record, answer, ms) }
  }

  private refused(answer: UpstreamAnswer): string {
    const message = messageOf(answer)
    const isGone = [401, 403, 404].includes(answer.status)
    this.refusals++
    if (this.answers === 0 && (isGone || this.refusals >= MAX_FIRST_REFUSALS))
      throw new AppError(
        'upstream-unavailable',
        `the upstream does not answer with ${this.options.to}: ${message}`
      )
    return message
  }

  private read({ path }: StoredRecord, { body }: UpstreamAnswer, ms: number): ModelAnswer {
    const completion = completionOf({ path, response: body })
    const usage = completion?.usage ?? null
    return {
      outcome: outcomeOf(completion),
      ms,
      usd: usage && requestCost(this.options.price, usage),
    }
  }

  private async ask(record: StoredRecord): Promise<UpstreamAnswer | null> {
    const { ask, sleep } = this.deps
    const asked = { ...record, request: withModel(record.request, this.options.to) }
    for (let attempt = 1; ; attempt++) {
      const answer = await ask(asked).catch(() => null)
      if (answer !== null && (isSuccess(answer.status) || isRefusal(answer.status))) return answer
      if (attempt === TRIES) return null
      await sleep(Math.min(MAX_WAIT_MS, answer?.retryAfterMs ?? WAIT_MS * 2 ** attempt))
    }
  }
}

export interface Moved extends MoveReport {
  /** requests that nothing answered, although they were repeated; they do not count */
  failed: number
  /** of the sample, those that the budget did not reach */
  unsent: number
}

const comparisonOf = async (
  { store }: Pick<MoveDeps, 'store'>,
  template: Template,
  answers: readonly string[]
): Promise<{ comparison: Comparison; labels: string[] | null }> => {
  const isListed = listedIn(anchorText(template))
  const responseType = detectResponseType([...answers], isListed)
  const fields = await store.templates.fields(template.version)
  return {
    comparison: {
      responseType,
      folds: foldsOf(responseType, answers),
      ...(fields.length > 0 && { fields }),
    },
    labels: responseType === 'label' ? knownLabels([...answers], isListed) : null,
  }
}

/**
 * At most one request goes beyond the budget: one that has no bound goes alone.
 * @throws AppError `upstream-unavailable` where the model is not there, or nothing answers
 */
export const measureMove = async (
  deps: MoveDeps,
  { sample }: MovePlan,
  options: MoveOptions
): Promise<Moved> => {
  const budget = createBudget(options.budgetUsd)
  const bounds = new Map(sample.map((one) => [one, mostUsd(one, options)]))
  const sender = new Sender(deps, options)
  const rows: MovedRequest[] = []
  const open = [...sample]
  let [failed, done] = [0, 0]
  const lane = async (): Promise<void> => {
    for (let next = open[0]; next !== undefined; next = open[0]) {
      const bound = bounds.get(next)!
      if (!budget.mayStart(bound)) return
      open.shift()
      budget.start(bound)
      const row = await sender.send(next).catch((error: unknown) => {
        open.length = 0
        throw error
      })
      const cost = row === null || 'refused' in row.new ? 0 : row.new.usd
      budget.end(bound, cost ?? expectedCost(next, options.price))
      if (row === null) failed++
      else rows.push(row)
      options.onProgress(++done, sample.length)
    }
  }
  // the first one alone: it says whether the model is there, and what an answer costs
  const first = open.splice(1)
  await lane()
  open.push(...first)
  await Promise.all(Array.from({ length: LANES }, lane))
  // a lane may have ended while others still had room
  await lane()
  if (rows.length === 0)
    throw new AppError('upstream-unavailable', `nothing answers requests for ${options.to}`)
  const answers = sample.flatMap(({ exchange }) => textOf(exchange.outcome) ?? [])
  const { comparison, labels } = await comparisonOf(deps, options.template, answers)
  return { ...moveReport(rows, comparison, labels), failed, unsent: open.length }
}
