/**
 * Bursts, the units of a split, and how units are drawn that are spread evenly over time. Knows nothing of
 * training.
 */
import { groupBy } from '../group-by.ts'
import { drawOfEach, shuffle } from '../../random.ts'

export interface Placed {
  id: string
  /** milliseconds since the epoch */
  at: number
  /** one key for all turns of one conversation */
  conversation: string
}

/** By time; exchanges of one time by id. */
export const inTime = <T extends Pick<Placed, 'id' | 'at'>>(exchanges: readonly T[]): T[] =>
  exchanges.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))

/** Conversations by the time of their first exchange, each in time. */
export const conversationsOf = <T extends Placed>(exchanges: readonly T[]): [T, ...T[]][] => [
  ...groupBy(inTime(exchanges), ({ conversation }) => conversation).values(),
]

/**
 * The conversations that begin in the same slot of time are one burst: a job that sends a hundred similar
 * requests in a minute would otherwise train on some of them and be judged by the others.
 * @param burstMs length of a slot, milliseconds; 0: every conversation is a burst of its own
 * @returns bursts in time, each conversation by conversation
 */
export const burstsOf = <T extends Placed>(exchanges: readonly T[], burstMs: number): T[][] => {
  const conversations = conversationsOf(exchanges)
  if (burstMs === 0) return conversations
  const slots = groupBy(conversations, ([first]) => Math.floor(first.at / burstMs))
  return [...slots.values()].map((burst) => burst.flat())
}

/**
 * Draws units until their rows are enough: stratified systematic sampling (Cochran 1977, Sampling Techniques,
 * 3rd ed., ch. 8.3). A round draws one random unit of each group of neighbours and takes them in random order,
 * so that a round that ends early leaves out no stretch of time. Units have very different numbers of rows, so
 * further rounds draw from the rest until no rows are missing.
 * @param units in time @param rowsOf rows that a unit would give, at least one
 * @param left rows that are missing, asked before each unit
 */
export function* drawSpread<Unit>(
  units: readonly Unit[],
  {
    rowsOf,
    left,
    random,
  }: { rowsOf: (unit: Unit) => number; left: () => number; random: () => number }
): Generator<Unit> {
  let rest = [...units]
  while (rest.length > 0 && left() > 0) {
    const rows = rest.reduce((sum, unit) => sum + rowsOf(unit), 0)
    const size = Math.min(rest.length, Math.max(1, Math.ceil(rows / left())))
    const places = new Set(drawOfEach(rest.length, size, random))
    const drawn = rest.filter((_, place) => places.has(place))
    for (const unit of shuffle(drawn, random)) {
      if (left() <= 0) return
      yield unit
    }
    rest = rest.filter((_, place) => !places.has(place))
  }
}

/** A random part of the items, each with the same chance, in their order. */
export const randomPart = <Item>(
  items: readonly Item[],
  count: number,
  random: () => number
): Item[] => {
  if (items.length <= count) return [...items]
  const drawn = shuffle([...items.entries()], random).slice(0, Math.max(0, count))
  return drawn.toSorted(([a], [b]) => a - b).map(([, item]) => item)
}
