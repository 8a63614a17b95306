/**
 * Sends logged requests of a template to another model, within a budget, and compares its answers with the logged
 * ones. Nothing of it is stored.
 */
import { detectResponseType, knownLabels, listedIn } from '../core/answer/response-type.ts'
import { foldsOf, type Comparison } from '../core/answer/agreement.ts'
import { outcomeOf, textOf } from '../core/answer/outcome.ts'
import { requestCost, type Price } from '../core/cost/prices.ts'
import { groupBy } from '../core/group-by.ts'
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
import { AppError } from '../errors.ts'
import { readByIds } from '../lifecycle/logged-texts.ts'
import type { Store } from '../store/store.ts'
import {
  askModel,
  expectedCost,
  isRefusal,
  LANES,
  mostUsd,
  refusalText,
  type AskDeps,
  type NoAnswer,
} from './answers/ask-model.ts'
import { loadExchanges, type MatchedExchange } from './exchanges/exchanges.ts'
import type { UpstreamAnswer } from './deps.ts'

/** Further exchanges that are read, because of a conversation one turn counts. */
const READ_AHEAD = 4
/** Requests without an answer, one after the other, that end it. */
const MAX_FAILURES = 10
/** Refused requests before the first answer, after which the model is taken to be not there. */
const MAX_FIRST_REFUSALS = 5

export interface MoveDeps extends AskDeps {
  store: Store
  now: () => number
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

/** One logged request of the sample. */
interface Sampled {
  exchange: MatchedExchange
  record: StoredRecord
}

/** The requests that a move sends, and what they will cost. */
export interface MovePlan {
  sample: readonly Sampled[]
  /** US dollars, as if the new model answered as long as the old one */
  expectedUsd: number
}

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
  const expectedUsd = sample.reduce((sum, one) => sum + expectedCost(one.record, options.price), 0)
  return { sample, expectedUsd }
}

class Sender {
  private readonly deps: MoveDeps
  private readonly options: MoveOptions
  private refusals = 0
  private answers = 0

  constructor(deps: MoveDeps, options: MoveOptions) {
    this.deps = deps
    this.options = options
  }

  /** @throws AppError `upstream-unavailable` where the model is not there */
  async send({ record, exchange }: Sampled): Promise<MovedRequest | NoAnswer> {
    const { now } = this.deps
    const { oldPrice, to: name, price } = this.options
    const old: ModelAnswer = {
      outcome: exchange.outcome,
      ms: record.durationMs,
      usd: (oldPrice && record.usage && requestCost(oldPrice, record.usage)) ?? null,
    }
    const begun = now()
    const answer = await askModel(this.deps, record, { name, price })
    if (typeof answer === 'string') return answer
    const ms = now() - begun
    if (isRefusal(answer.status)) return { old, new: { refused: this.refused(answer), ms } }
    this.answers++
    return { old, new: this.read(record, answer, ms) }
  }

  private refused(answer: UpstreamAnswer): string {
    const message = refusalText(answer)
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
}

export interface Moved extends MoveReport {
  /** requests without an answer; they do not count, but those that were lost on their way count as paid */
  failed: number
  /** of the sample, those that the budget did not reach, or that were not tried after many failures */
  unsent: number
  /** paid, US dollars; estimated where an answer has no usage */
  usd: number
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

/** US dollars. @param expected where the answer says nothing of it, or was lost */
const costOf = (row: MovedRequest | NoAnswer, expected: number): number => {
  if (row === 'not-sent' || row === 'refused') return 0
  if (row === 'lost') return expected
  return 'refused' in row.new ? 0 : (row.new.usd ?? expected)
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
  const bounds = new Map(
    sample.map((one) => [one, mostUsd(one.record, { name: options.to, price: options.price })])
  )
  const sender = new Sender(deps, options)
  const rows: MovedRequest[] = []
  const open = [...sample]
  let [failed, done, inARow, kept] = [0, 0, 0, 0]
  const lane = async (): Promise<void> => {
    for (let next = open[0]; next !== undefined && inARow < MAX_FAILURES; next = open[0]) {
      const bound = bounds.get(next)!
      if (!budget.mayStart(bound)) return
      open.shift()
      budget.start(bound)
      const row = await sender.send(next).catch((error: unknown) => {
        open.length = 0
        throw error
      })
      budget.end(bound, costOf(row, expectedCost(next.record, options.price)))
      if (typeof row === 'string') {
        failed++
        if (row === 'not-sent') kept++
        else inARow++
      } else {
        rows.push(row)
        inARow = 0
      }
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
    throw new AppError(
      'upstream-unavailable',
      kept === failed
        ? 'none of these requests may be sent with your key: they name another host or resource'
        : `nothing answers requests for ${options.to}`
    )
  const answers = sample.flatMap(({ exchange }) => textOf(exchange.outcome) ?? [])
  const { comparison, labels } = await comparisonOf(deps, options.template, answers)
  const report = moveReport(rows, comparison, labels)
  return { ...report, usd: budget.spentUsd, failed, unsent: open.length }
}
