/**
 * Which logged exchanges train and which are held out, and what a training row looks like. Knows
 * nothing of stages or engines.
 */
import type { TrainingRow } from '../openai/fine-tuning.ts'
import { studentMessages, type StagePrompt } from './prompt.ts'
import type { Match } from './template.ts'

export interface SplittableExchange {
  id: string
  /** milliseconds since the epoch */
  at: number
  session: string
  query: string
  /** when given, the same query with other slots or turns is another exchange */
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
const queryKey = (query: string): string => normalizeQuery(query) || query

const firstOfEach = <T extends SplittableExchange>(exchanges: T[]): T[] => {
  const seen = new Set<string>()
  return exchanges.filter(({ query, match }) => {
    const key = `${queryKey(query)}\n${contextOf(match)}`
    return !seen.has(key) && seen.add(key)
  })
}

const compare = (a: string, b: string): number => {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** By the time at which the session began, so that a session is never cut in two. */
const bySession = <T extends SplittableExchange>(exchanges: T[]): T[] => {
  const start = new Map<string, number>()
  for (const { session, at } of exchanges)
    start.set(session, Math.min(at, start.get(session) ?? Infinity))
  return exchanges.toSorted(
    (a, b) =>
      start.get(a.session)! - start.get(b.session)! ||
      compare(a.session, b.session) ||
      a.at - b.at ||
      compare(a.id, b.id)
  )
}

/** Last place at or before `place` where a session begins. */
const sessionStart = (exchanges: SplittableExchange[], place: number): number => {
  let at = Math.max(0, Math.min(place, exchanges.length))
  while (at > 0 && exchanges[at]?.session === exchanges[at - 1]!.session) at--
  return at
}

const lastOf = <T>(values: T[], count: number): T[] =>
  values.slice(Math.max(0, values.length - count))

interface Split<T> {
  train: T[]
  holdout: T[]
}

const splitAt = <T extends SplittableExchange>(
  exchanges: T[],
  place: number,
  rows: { train: number; holdout: number }
): Split<T> => {
  const cut = sessionStart(exchanges, place)
  const train = lastOf(exchanges.slice(0, cut), rows.train)
  const trained = new Set(train.map(({ query }) => queryKey(query)))
  const unseen = exchanges.slice(cut).filter(({ query }) => !trained.has(queryKey(query)))
  return { train, holdout: lastOf(unseen, rows.holdout) }
}

/**
 * Splits by time and session: the newest exchanges are held out, the ones before them train. An
 * exchange counts once, at its first time; no query and no session is in both parts, which costs
 * held-out rows where a query came back with other slots. When there are fewer exchanges than asked
 * for, both parts shrink alike. Both come back oldest session first.
 */
export const splitExchanges = <T extends SplittableExchange>(
  exchanges: readonly T[],
  { trainRows, holdoutRows }: { trainRows: number; holdoutRows: number }
): Split<T> => {
  const inTime = exchanges.toSorted((a, b) => a.at - b.at || compare(a.id, b.id))
  const distinct = bySession(firstOfEach(inTime))
  const share = Math.min(1, distinct.length / Math.max(1, trainRows + holdoutRows))
  const rows = { train: Math.floor(trainRows * share), holdout: Math.floor(holdoutRows * share) }
  let place = distinct.length - rows.holdout
  let split = splitAt(distinct, place, rows)
  // held-out rows that had to go are made up for by older ones, while enough are left to train on
  while (split.holdout.length < rows.holdout) {
    place -= rows.holdout - split.holdout.length
    if (sessionStart(distinct, place) < rows.train) break
    split = splitAt(distinct, place, rows)
  }
  return split
}

/** A row of one stage. The answer is the logged one, byte for byte, in every stage. */
export const trainingRow = (match: Match, prompt: StagePrompt, answer: string): TrainingRow => ({
  messages: [...studentMessages(match, prompt), { role: 'assistant', content: answer }],
})
