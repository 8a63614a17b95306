/**
 * Splits the exchanges of a template's population into training rows and two held-out samples: the
 * newest traffic as it came, and questions that training never saw. Knows nothing of stages or
 * engines.
 */
import type { TrainingRow } from '../../openai/fine-tuning.ts'
import { groupBy } from '../group-by.ts'
import { studentMessages, type StagePrompt } from '../template/prompt.ts'
import { keptSlots, type Match } from '../template/template.ts'

export interface SplittableExchange {
  id: string
  /** milliseconds since the epoch */
  at: number
  /** one key for all turns of one conversation */
  conversation: string
  query: string
  /**
   * False for one that is in the log because a lora would not answer it: it may train, but a sample of
   * traffic has none of them. By default true.
   */
  isSample?: boolean
  /** if given, the same query with other kept slots or turns is another question */
  match?: Match
}

/** Lower case, compatibility forms folded; each run of other characters than letters and digits is one blank. */
export const normalizeQuery = (query: string): string =>
  query
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()

/** A query without letters or digits ("?") is its own key. */
const queryKey = ({ query }: SplittableExchange): string => normalizeQuery(query) || query

/** Equal for exchanges that an adapted model gives the same answer: it reads nothing else. */
const questionKey = (exchange: SplittableExchange): string => {
  const { match } = exchange
  const context = match && [keptSlots(match).map(({ value }) => value), match.turns]
  return JSON.stringify([queryKey(exchange), context])
}

const isSample = ({ isSample: given = true }: SplittableExchange): boolean => given

const inTime = <T extends SplittableExchange>(exchanges: readonly T[]): T[] =>
  exchanges.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))

/** Conversations by the time of their first exchange, each in time. */
const conversationsOf = <T extends SplittableExchange>(exchanges: readonly T[]): T[][] => [
  ...groupBy(inTime(exchanges), ({ conversation }) => conversation).values(),
]

/** Last place at or before `place` where a conversation begins. */
const conversationStart = (exchanges: SplittableExchange[], place: number): number => {
  let at = place
  while (exchanges[at] && exchanges[at]!.conversation === exchanges[at - 1]?.conversation) at--
  return at
}

const lastOf = <T>(values: T[], count: number): T[] =>
  values.slice(Math.max(0, values.length - count))

/** The last exchange of each question. */
const lastOfEach = <T extends SplittableExchange>(exchanges: T[]): T[] => [
  ...new Map(exchanges.map((exchange) => [questionKey(exchange), exchange])).values(),
]

/** The newest exchange of each question, because the upstream's current answer is to be learned. */
const newestOfEach = <T extends SplittableExchange>(exchanges: T[]): T[] =>
  lastOfEach(inTime(exchanges))

/** The oldest exchange of each question with a query that is not trained. */
const newTo = <T extends SplittableExchange>(train: T[], exchanges: T[]): T[] => {
  const trained = new Set(train.map(queryKey))
  return lastOfEach(inTime(exchanges).toReversed()).filter(
    (exchange) => !trained.has(queryKey(exchange))
  )
}

export interface Split<T> {
  /** one exchange for each question, oldest conversation first */
  train: T[]
  /** the newest exchanges as they came, repeats included */
  traffic: T[]
  /** one exchange for each question, with no query of `train`; shares exchanges with `traffic` */
  unseen: T[]
}

/**
 * Questions to keep from training, besides the new ones in the traffic sample. They are questions
 * that came once: without its frequent questions the traffic would not be the traffic to learn.
 * @returns exchanges of whole conversations, newest first, at most `count`
 */
const setAside = <T extends SplittableExchange>(pool: T[], count: number): T[] => {
  const times = groupBy(pool, queryKey)
  const chosen: T[] = []
  for (const exchanges of conversationsOf(pool).toReversed()) {
    if (chosen.length + exchanges.length > count) continue
    if (exchanges.every((exchange) => times.get(queryKey(exchange))!.length === 1))
      chosen.push(...exchanges)
  }
  return chosen
}

/** Exchanges of each part. If there are too few, both parts shrink by the same factor. */
const sizes = (
  { available, samples }: { available: number; samples: number },
  { trainRows, holdoutRows }: { trainRows: number; holdoutRows: number }
): { trainRows: number; holdoutRows: number } => {
  const share = Math.min(1, available / Math.max(1, trainRows + holdoutRows))
  return {
    trainRows: Math.floor(trainRows * share),
    holdoutRows: Math.min(samples, Math.floor(holdoutRows * share)),
  }
}

/** Place from which on there are `count` exchanges of the sample. */
const placeOfLast = (exchanges: SplittableExchange[], count: number): number => {
  let [place, left] = [exchanges.length, count]
  while (left > 0 && place > 0) if (isSample(exchanges[--place]!)) left--
  return place
}

/**
 * Splits a population by time and conversation. The newest conversations are the sample of traffic;
 * the earlier ones train, each question once with its newest answer. The second sample has the
 * questions of the traffic sample that training has not seen. If they are fewer than the traffic
 * sample, questions that came once are kept from training to fill it, as long as training gets its
 * rows. No conversation is both in training and in a sample.
 */
export const splitPopulation = <T extends SplittableExchange>(
  exchanges: readonly T[],
  wanted: { trainRows: number; holdoutRows: number }
): Split<T> => {
  const ordered = conversationsOf(exchanges).flat()
  const available = { available: ordered.length, samples: ordered.filter(isSample).length }
  const { trainRows, holdoutRows } = sizes(available, wanted)
  const cut = conversationStart(ordered, placeOfLast(ordered, holdoutRows))
  const traffic = lastOf(ordered.slice(cut).filter(isSample), holdoutRows)
  const pool = ordered.slice(0, cut)
  const asked = new Set(ordered.slice(cut).map(queryKey))
  const distinct = newestOfEach(pool)
  // an exchange that is set aside does not train
  const missing = holdoutRows - newTo(lastOf(distinct, trainRows), traffic).length
  const aside = setAside(
    pool.filter((exchange) => isSample(exchange) && !asked.has(queryKey(exchange))),
    Math.max(0, Math.min(missing, distinct.length - trainRows))
  )
  const left = new Set(aside.map(({ conversation }) => conversation))
  const kept = newestOfEach(pool.filter(({ conversation }) => !left.has(conversation)))
  const train = lastOf(conversationsOf(kept).flat(), trainRows)
  const unseen = conversationsOf([...aside, ...newTo(train, traffic)]).flat()
  return { train, traffic, unseen: lastOf(unseen, holdoutRows) }
}

export interface Repeats {
  /** questions that were asked more than once */
  questions: number
  /** repeated questions with different answers */
  changed: number
  /** share of all exchanges that ask a changed question, 0 to 1 */
  changedShare: number
  /** ids of the newest exchange of each changed question, the most frequent first, at most ten */
  examples: string[]
}

const MAX_EXAMPLES = 10

/**
 * Questions that were asked more than once, and whether their answers changed.
 * @param isSame whether two exchanges of one question have the same answer
 */
export const repeatsOf = <T extends SplittableExchange>(
  exchanges: readonly T[],
  isSame: (a: T, b: T) => boolean
): Repeats => {
  const repeated = [...groupBy(inTime(exchanges), questionKey).values()].filter(
    (group) => group.length > 1
  )
  const changed = repeated
    .filter(([first, ...others]) => others.some((other) => !isSame(first!, other)))
    .toSorted((a, b) => b.length - a.length)
  const affected = changed.reduce((sum, group) => sum + group.length, 0)
  return {
    questions: repeated.length,
    changed: changed.length,
    changedShare: affected / Math.max(1, exchanges.length),
    examples: changed.slice(0, MAX_EXAMPLES).map((group) => group.at(-1)!.id),
  }
}

/** A row of one stage. The answer is the same in every stage, byte for byte. */
export const trainingRow = (match: Match, prompt: StagePrompt, answer: string): TrainingRow => ({
  messages: [...studentMessages(match, prompt), { role: 'assistant', content: answer }],
})
