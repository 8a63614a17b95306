/**
 * Which exchanges of a template's population train, and which are held out to judge by: the newest
 * traffic as it came, and questions that training never saw. Knows nothing of stages or engines.
 */
import type { TrainingRow } from '../../openai/fine-tuning.ts'
import { groupBy } from '../group-by.ts'
import { studentMessages, type StagePrompt } from '../template/prompt.ts'
import type { Match } from '../template/template.ts'

export interface SplittableExchange {
  id: string
  /** milliseconds since the epoch */
  at: number
  /** one key for all turns of one conversation */
  conversation: string
  query: string
  /** when given, the same query with other slots or turns is another question */
  match?: Match
}

/** Lower case, compatibility forms folded, every run of other than letters and digits one blank. */
export const normalizeQuery = (query: string): string =>
  query
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()

/** What the model reads beside the query and what may change its answer. */
const contextOf = (match: Match | undefined): string => {
  if (match === undefined) return ''
  const kept = match.template.messages
    .flatMap((message) => message.segments)
    .flatMap((segment) =>
      segment.kind === 'slot' && segment.kept ? (match.slots[segment.name] ?? '') : []
    )
  return JSON.stringify([kept, match.turns])
}

/** A query without letters or digits ("?") is told apart by itself. */
const queryKey = ({ query }: SplittableExchange): string => normalizeQuery(query) || query

/** Exchanges with one key are the same question: an adapted model gives them one answer. */
const questionKey = (exchange: SplittableExchange): string =>
  `${queryKey(exchange)}\n${contextOf(exchange.match)}`

const compare = (a: string, b: string): number => {
  if (a === b) return 0
  return a < b ? -1 : 1
}

const inTime = <T extends SplittableExchange>(exchanges: readonly T[]): T[] =>
  exchanges.toSorted((a, b) => a.at - b.at || compare(a.id, b.id))

/** By the time at which the conversation began, so that none is cut in two. */
const byConversation = <T extends SplittableExchange>(exchanges: readonly T[]): T[] => {
  const start = new Map<string, number>()
  for (const { conversation, at } of exchanges)
    start.set(conversation, Math.min(at, start.get(conversation) ?? Infinity))
  return exchanges.toSorted(
    (a, b) =>
      start.get(a.conversation)! - start.get(b.conversation)! ||
      compare(a.conversation, b.conversation) ||
      a.at - b.at ||
      compare(a.id, b.id)
  )
}

/** Last place at or before `place` where a conversation begins. */
const conversationStart = (exchanges: SplittableExchange[], place: number): number => {
  let at = Math.max(0, Math.min(place, exchanges.length))
  while (at > 0 && exchanges[at]?.conversation === exchanges[at - 1]!.conversation) at--
  return at
}

const lastOf = <T>(values: T[], count: number): T[] =>
  values.slice(Math.max(0, values.length - count))

/** One exchange a question, the newest: what the upstream says today is what is learned. */
const newestOfEach = <T extends SplittableExchange>(exchanges: T[]): T[] => [
  ...new Map(
    inTime(exchanges).map((exchange) => [questionKey(exchange), exchange] as const)
  ).values(),
]

const firstOfEach = <T extends SplittableExchange>(exchanges: T[]): T[] => {
  const seen = new Set<string>()
  return inTime(exchanges).filter((exchange) => {
    const key = questionKey(exchange)
    return !seen.has(key) && seen.add(key)
  })
}

/** One exchange of each question whose query training does not have. */
const newTo = <T extends SplittableExchange>(train: T[], exchanges: T[]): T[] => {
  const trained = new Set(train.map(queryKey))
  return firstOfEach(exchanges).filter((exchange) => !trained.has(queryKey(exchange)))
}

export interface Split<T> {
  /** one exchange a question, oldest conversation first */
  train: T[]
  /** the newest exchanges as they came, repeats included */
  traffic: T[]
  /** one exchange a question; no question of `train`. Shares exchanges with `traffic` */
  unseen: T[]
}

/**
 * Questions kept from training, beside those of the traffic sample that are new anyway. Only such
 * that came once: without a frequent one the lora would be trained for other traffic than there is.
 * @returns conversations to leave out, newest first, with at most `count` questions
 */
const setAside = <T extends SplittableExchange>(pool: T[], count: number): T[] => {
  const times = groupBy(pool, queryKey)
  const conversations = [...groupBy(byConversation(pool), ({ conversation }) => conversation)]
  const chosen: T[] = []
  for (const [, exchanges] of conversations.toReversed()) {
    if (chosen.length + exchanges.length > count) continue
    if (exchanges.every((exchange) => times.get(queryKey(exchange))!.length === 1))
      chosen.push(...exchanges)
  }
  return chosen
}

/** How many exchanges each part gets; where there are too few for all, the parts shrink alike. */
const sizes = (
  available: number,
  { trainRows, holdoutRows }: { trainRows: number; holdoutRows: number }
): { trainRows: number; holdoutRows: number } => {
  const share = Math.min(1, available / Math.max(1, trainRows + holdoutRows))
  return {
    trainRows: Math.floor(trainRows * share),
    holdoutRows: Math.floor(holdoutRows * share),
  }
}

/**
 * Splits a population by time and conversation. The newest conversations are the sample of traffic;
 * the ones before them train, each question once with its newest answer. Questions of the traffic
 * sample that training has not seen are the second sample; where they are fewer than the traffic
 * sample, questions that came once are kept from training to fill it up, as far as training still
 * gets its rows. No conversation is in training and in a sample.
 */
export const splitPopulation = <T extends SplittableExchange>(
  exchanges: readonly T[],
  wanted: { trainRows: number; holdoutRows: number }
): Split<T> => {
  const ordered = byConversation(exchanges)
  const { trainRows, holdoutRows } = sizes(ordered.length, wanted)
  const cut = conversationStart(ordered, ordered.length - holdoutRows)
  const traffic = lastOf(ordered.slice(cut), holdoutRows)
  const pool = ordered.slice(0, cut)
  const asked = new Set(ordered.slice(cut).map(queryKey))
  const distinct = newestOfEach(pool)
  // each exchange set aside is one that does not train
  const missing = holdoutRows - newTo(lastOf(distinct, trainRows), traffic).length
  const aside = setAside(
    pool.filter((exchange) => !asked.has(queryKey(exchange))),
    Math.max(0, Math.min(missing, distinct.length - trainRows))
  )
  const left = new Set(aside.map(({ conversation }) => conversation))
  const kept = newestOfEach(pool.filter(({ conversation }) => !left.has(conversation)))
  const train = lastOf(byConversation(kept), trainRows)
  const unseen = byConversation([...aside, ...newTo(train, traffic)])
  return { train, traffic, unseen: lastOf(unseen, holdoutRows) }
}

export interface Repeats {
  /** questions that were asked more than once */
  questions: number
  /** of those, the ones that were not answered alike every time */
  changed: number
  /** share of all exchanges whose question is one of the changed ones, 0 to 1 */
  changedShare: number
  /** ids of the newest exchange of changed questions, the most frequent first, at most ten */
  examples: string[]
}

const MAX_EXAMPLES = 10

/**
 * Questions that came back, and whether their answers did.
 * @param isSame whether two exchanges of one question were answered alike
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

/** A row of one stage. The answer is the same, byte for byte, in every stage. */
export const trainingRow = (match: Match, prompt: StagePrompt, answer: string): TrainingRow => ({
  messages: [...studentMessages(match, prompt), { role: 'assistant', content: answer }],
})
