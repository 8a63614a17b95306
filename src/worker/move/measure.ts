/**
 * Sends logged requests of a template to another model, within a budget, and compares its answers with the logged
 * ones. Stores the answers where the template is followed, and nothing else.
 */
import { refusalText } from '../../core/reasons/verdict-sayings.ts'
import { detectResponseType, knownLabels, listedIn } from '../../core/answer/response-type.ts'
import { outcomeOf, textOf } from '../../core/answer/outcome.ts'
import { requestCost, type Price } from '../../core/cost/prices.ts'
import { completionOf } from '../../core/log/record-bodies.ts'
import { createBudget } from '../../core/move/budget.ts'
import { moveReport, type MovedRequest, type MoveReport } from '../../core/move/move-report.ts'
import { boughtId, clientId } from '../../core/template/version.ts'
import { anchorText } from '../../core/template/template.ts'
import { readByIds } from '../../lifecycle/logged-texts.ts'
import type { Usage } from '../../openai/chat.ts'
import { answerUsage } from '../../openai/usage/usage.ts'
import type { Store } from '../../store/store.ts'
import type { Follow } from './follow.ts'
import type { MovePlan, Sampled } from './plan.ts'
import {
  LANES,
  type NoAnswer,
  askModel,
  isRefusal,
  refusalOf,
  type AskDeps,
  type AskedModel,
} from '../answers/ask-model.ts'
import { comparisonOf } from '../exchanges/comparison.ts'
import type { StoredRecord } from '../../core/log/record.ts'
import { AppError } from '../../errors.ts'
import type { UpstreamAnswer } from '../deps.ts'

/** Requests without an answer, one after the other, that end it. */
const MAX_FAILURES = 10

export interface MoveDeps extends SendDeps {
  store: Store
}

export interface MoveOptions {
  /** the new model, and its price */
  to: string
  price: Price
  budgetUsd: number
  /** null: nothing is stored */
  follow: Follow | null
  onProgress: (done: number, of: number) => void
}

export interface Moved extends MoveReport {
  /** requests without an answer; they do not count, but those that were lost on their way count as paid */
  failed: number
  /** of the sample, those that the budget did not reach, or that were not tried after many failures */
  unsent: number
  /** paid, US dollars; estimated where an answer has no usage */
  usd: number
  /** answers of the new model that are in the log now; null where it is not followed */
  bought: number | null
}

/** The new model's answer to a request of the sample. @param response a body of the dialect of the path */
const movedBy = (
  { old }: Sampled,
  { path, response, ms }: { path: string; response: string | null; ms: number },
  price: Price
): { row: MovedRequest; usage: Usage | null; isReadable: boolean } => {
  const completion = completionOf({ path, response })
  const usage = answerUsage(completion)
  const usd = usage && requestCost(price, usage)
  const isReadable = completion !== null
  return { row: { old, new: { outcome: outcomeOf(completion), ms, usd } }, usage, isReadable }
}

/** Of a request that was sent. */
interface Sent {
  row: MovedRequest | null
  usd: number
  why: NoAnswer | null
  isBought: boolean
}

/** All requests of one template. */
class Measurement {
  private readonly sender: Sender
  readonly rows: MovedRequest[] = []
  failed = 0
  /** of the failed ones */
  kept = 0
  bought = 0

  constructor(
    private readonly deps: MoveDeps,
    private readonly options: MoveOptions
  ) {
    this.sender = new Sender(
      deps,
      { name: options.to, price: options.price },
      () => this.bought > 0
    )
  }

  /** Compares the answers that an earlier run has bought. */
  async addBought(sample: readonly Sampled[]): Promise<void> {
    const { to, price, follow } = this.options
    const known = new Map(
      sample
        .filter(({ isBought }) => isBought)
        .map((one): [string, Sampled] => [boughtId(clientId(one.exchange), to), one])
    )
    if (known.size === 0) return
    await follow?.begin()
    for await (const record of readByIds(this.deps.store.records, [...known.keys()])) {
      const one = known.get(record.id)
      if (one === undefined) continue
      this.bought++
      if (one.isCompared)
        this.rows.push(movedBy(one, { ...record, ms: record.durationMs }, price).row)
    }
  }

  /** @throws AppError `upstream-unavailable` where the model is not there */
  async send(one: Sampled): Promise<Sent> {
    const { price, follow } = this.options
    const { expectedUsd, isCompared, exchange, old } = one
    const nothing = { row: null, usd: 0, isBought: false }
    const [record] = await this.deps.store.records.byIds([exchange.id])
    // forgotten meanwhile
    if (record === undefined) return { ...nothing, why: 'not-sent' }
    const answer = await this.sender.send(record)
    if (typeof answer === 'string')
      return { ...nothing, usd: answer === 'lost' ? expectedUsd : 0, why: answer }
    if ('refused' in answer)
      return { ...nothing, row: isCompared ? { old, new: answer } : null, why: null }
    const { body, ms } = answer
    const { conversation } = exchange
    const { path } = record
    const { row, usage, isReadable } = movedBy(one, { path, response: body, ms }, price)
    const answered = { record, conversation, body, ms, usage }
    const isKept = follow !== null && isReadable && (await follow.keep(answered))
    const usd = (usage && requestCost(price, usage)) ?? expectedUsd
    return { row: isCompared ? row : null, usd, why: null, isBought: isKept }
  }

  add({ row, why, isBought }: Sent): void {
    if (row !== null) this.rows.push(row)
    if (isBought) this.bought++
    if (why === null) return
    this.failed++
    if (why === 'not-sent') this.kept++
  }
}

/**
 * Sends the requests, some at the same time. At most one request goes beyond the budget: one that has no bound goes
 * alone. @returns what was paid, and how many were not sent
 */
const sendAll = async (
  measurement: Measurement,
  sample: readonly Sampled[],
  { budgetUsd, onProgress }: MoveOptions
): Promise<Pick<Moved, 'usd' | 'unsent'>> => {
  const budget = createBudget(budgetUsd)
  const open = sample.filter(({ isBought }) => !isBought)
  let [done, inARow] = [sample.length - open.length, 0]
  const lane = async (): Promise<void> => {
    for (let next = open[0]; next !== undefined && inARow < MAX_FAILURES; next = open[0]) {
      const { mostUsd } = next
      if (!budget.mayStart(mostUsd)) return
      open.shift()
      budget.start(mostUsd)
      const sent = await measurement.send(next).catch((error: unknown) => {
        open.length = 0
        throw error
      })
      budget.end(mostUsd, sent.usd)
      measurement.add(sent)
      if (sent.why === null) inARow = 0
      else if (sent.why !== 'not-sent') inARow++
      onProgress(++done, sample.length)
    }
  }
  // the first one alone: it says whether the model is there, and what an answer costs
  const others = open.splice(1)
  await lane()
  open.push(...others)
  await Promise.all(Array.from({ length: LANES }, lane))
  // a lane may have ended while others still had room
  await lane()
  return { usd: budget.spentUsd, unsent: open.length }
}

/**
 * @returns null where the budget reached none of the requests
 * @throws AppError `upstream-unavailable` where the model is not there, or nothing answers
 */
export const measureMove = async (
  deps: MoveDeps,
  { template, sample }: MovePlan,
  options: MoveOptions
): Promise<Moved | null> => {
  const measurement = new Measurement(deps, options)
  await measurement.addBought(sample)
  const { usd, unsent } = await sendAll(measurement, sample, options)
  const { rows, failed, kept, bought } = measurement
  if (rows.length === 0 && failed === 0) return null
  if (rows.length === 0)
    throw new AppError(
      'upstream-unavailable',
      kept === failed
        ? 'none of these requests may be sent with your key: they name another host or resource'
        : `nothing answers requests for ${options.to}`
    )
  const answers = sample.flatMap(({ old }) => textOf(old.outcome) ?? [])
  const isListed = listedIn(anchorText(template))
  const responseType = detectResponseType(answers, isListed)
  const comparison = await comparisonOf(deps.store, template, responseType, answers)
  const labels = responseType === 'label' ? knownLabels(answers, isListed) : null
  const report = moveReport(rows, comparison, labels)
  return { ...report, usd, failed, unsent, bought: options.follow === null ? null : bought }
}

/** Refused requests before the first answer, after which the model is taken to be not there. */
const MAX_FIRST_REFUSALS = 5

export interface SendDeps extends AskDeps {
  now: () => number
}

/** A body with the milliseconds to its end, or why the new model gives none to this request. */
export type SentAnswer = { body: string; ms: number } | { refused: string; ms: number }

export class Sender {
  private refusals = 0
  private answers = 0

  /** @param model the new one @param hasAnswered in an earlier run, whose refused requests are now the first ones */
  constructor(
    private readonly deps: SendDeps,
    private readonly model: AskedModel,
    private readonly hasAnswered: () => boolean
  ) {}

  /** @throws AppError `upstream-unavailable` where the model is not there */
  async send(record: StoredRecord): Promise<SentAnswer | NoAnswer> {
    const { now } = this.deps
    const begun = now()
    const answer = await askModel(this.deps, record, this.model)
    if (typeof answer === 'string') return answer
    const ms = now() - begun
    if (isRefusal(answer.status)) return { refused: this.refused(answer), ms }
    this.answers++
    return { body: answer.body, ms }
  }

  private refused(answer: UpstreamAnswer): string {
    const message = refusalText(refusalOf(answer))
    const isGone = [401, 403, 404].includes(answer.status)
    this.refusals++
    const isNeverThere = this.refusals >= MAX_FIRST_REFUSALS && !this.hasAnswered()
    if (this.answers === 0 && (isGone || isNeverThere))
      throw new AppError(
        'upstream-unavailable',
        `the upstream does not answer with ${this.model.name}: ${message}`
      )
    return message
  }
}
