/** Chooses the logged requests that a move to another model sends, and says what they will cost. */
import { requestCost, type Price } from '../../core/cost/prices.ts'
import { groupBy } from '../../core/group-by.ts'
import { conversationsOf, drawSpread, randomPart } from '../../core/learn/bursts.ts'
import { HELD_OUT_MS, randomOfReading } from '../../core/learn/split.ts'
import type { ModelAnswer } from '../../core/move/move-report.ts'
import {
  boughtId,
  clientId,
  followedTemplate,
  sourcesOf,
  areSiblings,
} from '../../core/template/version.ts'
import type { Template } from '../../core/template/template.ts'
import { readByIds } from '../../lifecycle/logged-texts.ts'
import type { FoundRecords, Store } from '../../store/store.ts'
import { expectedCost, mostUsd } from '../answers/ask-model.ts'
import { loadExchanges, type MatchedExchange } from '../exchanges/exchanges.ts'
import { itemAt, valueIn } from '../../core/lists.ts'

/** Further exchanges that are read, because of a conversation one turn counts. */
const READ_AHEAD = 4
const PAGE_ROWS = 500

export interface MovePlanOptions {
  template: Template
  /** the new model, and its price */
  to: string
  price: Price
  /** of the present model; null: what its answers cost is not known */
  oldPrice: Price | null
  /** of the sample, at most */
  requests: number
  /** true: whole conversations, and first those whose answers are bought already */
  isFollowed: boolean
  /** see `isRandom` */
  kindShare: number
  seed: number
}

/** One logged request of the sample. */
export interface Sampled {
  exchange: MatchedExchange
  /** what the log has */
  old: ModelAnswer
  /** US dollars, as if the new model answered as long as the old one */
  expectedUsd: number
  /** US dollars that it can cost at most; Infinity: it has no bound */
  mostUsd: number
  /** one turn of each conversation, so that the compared ones are independent */
  isCompared: boolean
  /** the log has the new model's answer */
  isBought: boolean
}

/** The requests that a move sends, and what they will cost. */
export interface MovePlan {
  template: Template
  sample: readonly Sampled[]
  /** US dollars, of those that are not bought yet */
  expectedUsd: number
}

/** An exchange of the sample, before its record is read. */
type Drawn = Pick<Sampled, 'exchange' | 'isCompared' | 'isBought'>

/** Random turns of different conversations. */
const drawTurns = (
  exchanges: readonly MatchedExchange[],
  count: number,
  random: () => number
): Drawn[] => {
  const conversations = [...groupBy(exchanges, ({ conversation }) => conversation).values()]
  const turns = conversations.map((own) => itemAt(own, Math.floor(random() * own.length)))
  return randomPart(turns, count, random).map((exchange) => ({
    exchange,
    isCompared: true,
    isBought: false,
  }))
}

/**
 * Whole conversations, spread over the time, so that they can be split as any traffic. Those with a bought answer come
 * first: a second run buys what the first one has not, and no other sample.
 */
const drawConversations = (
  exchanges: readonly MatchedExchange[],
  count: number,
  bought: ReadonlySet<string>,
  random: () => number
): Drawn[] => {
  const isBought = ({ id }: MatchedExchange): boolean => bought.has(id)
  const conversations = conversationsOf(exchanges)
  const drawn = conversations.filter((own) => own.some(isBought))
  const others = conversations.filter((own) => !own.some(isBought))
  let rows = drawn.flat().length
  const left = (): number => count - rows
  for (const own of drawSpread(others, { rowsOf: ({ length }) => length, left, random })) {
    drawn.push(own)
    rows += own.length
  }
  return drawn.flatMap((own) => {
    const known = own.filter(isBought)
    const turns = known.length > 0 ? known : own
    const compared = itemAt(turns, Math.floor(random() * turns.length))
    // the compared turn is sent first, so that a short budget leaves something to compare
    return [compared, ...own.filter((each) => each !== compared)].map((exchange) => ({
      exchange,
      isCompared: exchange === compared,
      isBought: isBought(exchange),
    }))
  })
}

/** Ids of the exchanges whose answer by the new model is in the log. */
const boughtAlready = async (
  { records }: Store,
  exchanges: readonly MatchedExchange[],
  to: string
): Promise<Set<string>> => {
  const idOf = (exchange: MatchedExchange): string => boughtId(clientId(exchange), to)
  const known = new Set(await records.knownIds(exchanges.map(idOf)))
  return new Set(exchanges.flatMap((one) => (known.has(idOf(one)) ? one.id : [])))
}

/** Records of the newest answers that earlier runs have bought. The draw is another one when the log has grown. */
const sentBefore = async (
  { records, templates }: Store,
  template: Template,
  { to, requests }: Pick<MovePlanOptions, 'to' | 'requests'>
): Promise<string[]> => {
  const { version: own } = followedTemplate(template, to)
  const followers = (await templates.list()).filter(
    (each) =>
      (each.model === to && sourcesOf(each).includes(template.version)) ||
      areSiblings(each.version, own)
  )
  const ids = new Set<string>()
  for (const { version: templateVersion } of followers) {
    const query = { templateVersion, outcome: 'bought', order: 'desc', bodies: false } as const
    let next: number | null = Number.MAX_SAFE_INTEGER
    while (next !== null && ids.size < READ_AHEAD * requests) {
      const page: FoundRecords = await records.search({ ...query, limit: PAGE_ROWS, after: next })
      for (const { bought } of page.data) if (bought !== undefined) ids.add(bought.of)
      next = page.next
    }
  }
  return [...ids]
}

/** A random part of the requests of the last days. */
const drawSample = async (
  { store, now }: PlanDeps,
  { template, to, requests, isFollowed, kindShare, seed }: MovePlanOptions
): Promise<Drawn[]> => {
  const random = randomOfReading(seed)
  const ids = isFollowed ? await sentBefore(store, template, { to, requests }) : []
  const found = await loadExchanges(store, template, {
    limit: READ_AHEAD * requests,
    samples: READ_AHEAD * requests,
    since: 0,
    now: now(),
    windowMs: HELD_OUT_MS,
    kindShare,
    random,
    ids,
  })
  const usable = found.filter(({ isSample, outcome }) => isSample && outcome.kind !== 'unreadable')
  if (!isFollowed) return drawTurns(usable, requests, random)
  return drawConversations(usable, requests, await boughtAlready(store, usable, to), random)
}

interface PlanDeps {
  store: Store
  now: () => number
}

/** The sample is empty where the log has no request of the template with its answer. */
export const planMove = async (deps: PlanDeps, options: MovePlanOptions): Promise<MovePlan> => {
  const { template, price, oldPrice } = options
  const drawn = new Map((await drawSample(deps, options)).map((one) => [one.exchange.id, one]))
  const sample: Sampled[] = []
  for await (const record of readByIds(deps.store.records, [...drawn.keys()])) {
    const { usage, durationMs } = record
    const one = valueIn(drawn, record.id)
    sample.push({
      ...one,
      old: {
        outcome: one.exchange.outcome,
        ms: durationMs,
        usd: (oldPrice && usage && requestCost(oldPrice, usage)) ?? null,
      },
      expectedUsd: expectedCost(record, price),
      mostUsd: mostUsd(record, { name: options.to, price }),
    })
  }
  const unbought = sample.filter(({ isBought }) => !isBought)
  return { template, sample, expectedUsd: unbought.reduce((sum, one) => sum + one.expectedUsd, 0) }
}
