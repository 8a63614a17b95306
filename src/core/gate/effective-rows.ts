/**
 * How many independent rows some rows are worth. Turns of one conversation repeat each other, and so may requests
 * of one burst: a mailing, a nightly job. The number depends on conversations and times alone and never on an
 * answer, so a test on it keeps its level. Knows nothing of confidence or agreement.
 */
import { placeIn } from '../bisect.ts'
import { valueIn } from '../lists.ts'

export interface ClusteredRow {
  /** one key for all turns of one conversation */
  conversation: string
  /** milliseconds since the epoch */
  at: number
}

/** The traffic around a burst, on each side, in lengths of a burst. */
const BACKGROUND = 4

/** Sums over places 0 to n − 1 that are raised one by one (Fenwick 1994, Softw. Pract. Exp. 24:327). */
const createSums = (places: number) => {
  const tree = new Float64Array(places + 1)
  const before = (place: number): number => {
    let sum = 0
    for (let at = place; at > 0; at -= at & -at) sum += tree[at]!
    return sum
  }
  return {
    raise(place: number, value: number): void {
      for (let at = place + 1; at <= places; at += at & -at) tree[at]! += value
    },
    /** of the places from `from` on and before `until` */
    between: (from: number, until: number): number => before(until) - before(from),
  }
}

/** First request of each conversation. */
const arrivalsOf = (rows: readonly ClusteredRow[]): Map<string, number> => {
  const arrivals = new Map<string, number>()
  for (const { conversation, at } of rows)
    arrivals.set(conversation, Math.min(at, arrivals.get(conversation) ?? Infinity))
  return arrivals
}

/**
 * Counts how many conversations come within the length of a burst of each other, beyond those that the traffic
 * around them would bring there by chance (an estimate of Ripley's K at one distance; Ripley 1977, J. R. Stat.
 * Soc. B 39:172). If conversations come in groups of size m, whose times are independent, the mean excess
 * beside a conversation is E[m²]/E[m] − 1, which is Kish's design effect less 1. In steady traffic of any
 * density it is 0. The end of the sample is joined to its beginning: else every density would vary at both.
 */
const createExcess = (rows: readonly ClusteredRow[], burstMs: number) => {
  const arrivals = [...arrivalsOf(rows)].toSorted((a, b) => a[1] - b[1])
  const times = Float64Array.from(arrivals, ([, at]) => at)
  const places = new Map(arrivals.map(([conversation, at], place) => [conversation, { place, at }]))
  const [first = 0, last = 0] = [times[0], times.at(-1)]
  const circleMs = last - first + (last - first) / Math.max(1, times.length - 1)
  const near = Math.min(burstMs, circleMs / 2)
  const wide = Math.min(BACKGROUND * burstMs, circleMs / 2)
  const backgroundMs = wide - near
  /** conversations that are expected near one for each in its background */
  const expected = backgroundMs > 0 ? near / backgroundMs : 0
  const sums = createSums(times.length)
  const inside = (from: number, until: number): number =>
    from >= until ? 0 : sums.between(placeIn(times, from), placeIn(times, until))
  const within = (at: number, reach: number): number => {
    if (reach >= circleMs / 2) return inside(first, last + 1)
    const [from, until] = [at - reach, at + reach]
    return (
      inside(Math.max(first, from), until) +
      inside(from + circleMs, last + 1) +
      inside(first, until - circleMs)
    )
  }
  let excess = 0
  return {
    add(conversation: string): void {
      const { place, at } = valueIn(places, conversation)
      const isNear = within(at, near)
      const isAround = within(at, wide) - isNear
      // each of two is beside the other
      excess += 2 * (isNear - expected * isAround)
      sums.raise(place, 1)
    },
    read: (): number => excess,
  }
}

/**
 * Effective sample size, updated row by row. Of conversations it is (Σn)² / Σn² over their numbers of rows n:
 * Kish's design effect with an intra-class correlation of 1, used with exact binomial tails like Korn and
 * Graubard 1998, Survey Methodology 24:193. It is divided by the design effect of bursts, whose rows count as
 * if they all agreed or disagreed together. Correlations are not estimated: where a batch is wrong as a whole
 * the few batches of a sample hide it (docs/decisions.md#bursts-by-time-alone).
 * @param rows all that may be added
 * @param burstMs conversations that begin within it may be one burst; 0: none are
 */
export const createEffectiveRows = (rows: readonly ClusteredRow[], burstMs: number) => {
  const sizes = new Map<string, number>()
  const excess = burstMs > 0 ? createExcess(rows, burstMs) : null
  let [count, squares] = [0, 0]
  return {
    add({ conversation }: ClusteredRow): void {
      const size = sizes.get(conversation) ?? 0
      if (size === 0) excess?.add(conversation)
      sizes.set(conversation, size + 1)
      count++
      squares += 2 * size + 1
    },
    /** 0 without rows */
    read: (): number => {
      if (count === 0) return 0
      const ofBursts = Math.max(1, 1 + (excess?.read() ?? 0) / sizes.size)
      return (count * count) / squares / ofBursts
    },
  }
}

/** Effective sample size of all rows at once. */
export const effectiveRows = (rows: readonly ClusteredRow[], burstMs: number): number => {
  const counter = createEffectiveRows(rows, burstMs)
  for (const row of rows) counter.add(row)
  return counter.read()
}
