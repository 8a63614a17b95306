/** The questions of a template's exchanges, their repeats, and the rows that train. */
import type { TrainingRow } from '../../openai/fine-tuning.ts'
import { groupBy } from '../group-by.ts'
import { lastOf } from '../lists.ts'
import { inTime, type Placed } from './bursts.ts'
import { studentMessages, type StagePrompt } from '../template/prompt.ts'
import { keptSlots, type Match } from '../template/template.ts'

export interface SplittableExchange extends Placed {
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
export const queryKey = ({ query }: SplittableExchange): string => normalizeQuery(query) || query

/** Equal for exchanges that an adapted model gives the same answer: it reads nothing else. */
export const questionKey = (exchange: SplittableExchange): string => {
  const { match } = exchange
  const context = match && [keptSlots(match).map(({ value }) => value), match.turns]
  return JSON.stringify([queryKey(exchange), context])
}

/** The last exchange of each question. */
export const lastOfEach = <T extends SplittableExchange>(exchanges: readonly T[]): T[] => [
  ...new Map(exchanges.map((exchange) => [questionKey(exchange), exchange])).values(),
]

/** The newest exchange of each question, because the upstream's current answer is to be learned. */
export const newestOfEach = <T extends SplittableExchange>(exchanges: readonly T[]): T[] =>
  lastOfEach(inTime(exchanges))

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
    .filter(([first, ...others]) => others.some((other) => !isSame(first, other)))
    .toSorted((a, b) => b.length - a.length)
  const affected = changed.reduce((sum, group) => sum + group.length, 0)
  return {
    questions: repeated.length,
    changed: changed.length,
    changedShare: affected / Math.max(1, exchanges.length),
    examples: changed.slice(0, MAX_EXAMPLES).map((group) => lastOf(group).id),
  }
}

/** A row of one stage. The answer is the same in every stage, byte for byte. */
export const trainingRow = (match: Match, prompt: StagePrompt, answer: string): TrainingRow => ({
  messages: [...studentMessages(match, prompt), { role: 'assistant', content: answer }],
})
