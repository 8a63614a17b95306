/**
 * Splits the exchanges of a template's population into training rows and two held-out samples: traffic as it
 * came, drawn over the last days, and questions that training never saw. Knows nothing of stages or engines.
 */
import { groupBy } from '../group-by.ts'
import { DAY_MS } from '../days.ts'
import { valueIn } from '../lists.ts'
import { deriveSeed, seededRandom } from '../../random.ts'
import { burstsOf, conversationsOf, drawSpread, inTime, randomPart } from './bursts.ts'
import {
  lastOfEach,
  newestOfEach,
  queryKey,
  questionKey,
  type SplittableExchange,
} from './dataset.ts'

export interface SplitSettings {
  trainRows: number
  holdoutRows: number
  /** length of a burst; 0: every conversation is a burst of its own */
  burstMinutes: number
  /** of all draws */
  seed: number
  /** milliseconds since the epoch; later exchanges come from a wrong clock and are not held out */
  now: number
  /** ids that judged earlier tries: drawn only where others are too few */
  judged?: ReadonlySet<string>
}

export interface Split<T> {
  /** one exchange for each question, oldest conversation first */
  train: T[]
  /** a random part of the window's exchanges as they came, repeats included, in time */
  traffic: T[]
  /** one exchange for each question, with no query of `train`; shares exchanges with `traffic` */
  unseen: T[]
}

/** Milliseconds of `burstMinutes`. */
export const BURST_UNIT_MS = 60_000
/** Sets the draws apart from others with the same seed. */
const SPLIT_STREAM = 37
const READ_STREAM = 38
const TRAIN_STREAM = 39

/** Chooses the exchanges of a large log that are read for a split. @param seed of the split */
export const randomOfReading = (seed: number): (() => number) =>
  seededRandom(deriveSeed(seed, READ_STREAM))

/**
 * A template with few requests has a longer window, until it has so many sample rows that judged no earlier try
 * for each one that is held out: about as much of the same time trains as judges.
 */
export const SAMPLES_PER_HELD_OUT = 2
/** The window of the held-out traffic has at least so much: each day of a week is in it. */
export const HELD_OUT_MS = 7 * DAY_MS
/** So far back at most, or a single record with a wrong time would stretch the window over decades. */
const MAX_WINDOW_DAYS = 365
/** Share of the questions that training keeps where many requests repeat and the sample of new questions is short. */
const KEPT_FOR_TRAINING = 2 / 3

const isSample = ({ isSample: given = true }: SplittableExchange): boolean => given

const lastOf = <T>(values: T[], count: number): T[] =>
  values.slice(Math.max(0, values.length - count))

/** The oldest exchange of each question with a query that is not trained. */
export const newTo = <T extends SplittableExchange>(
  train: readonly T[],
  exchanges: readonly T[]
): T[] => {
  const trained = new Set(train.map(queryKey))
  return lastOfEach(inTime(exchanges).toReversed()).filter(
    (exchange) => !trained.has(queryKey(exchange))
  )
}

/** Rows of each part. At most half of the exchanges are held out; all others train, up to what is configured. */
const sizes = (
  available: number,
  { trainRows, holdoutRows }: SplitSettings
): { trainRows: number; holdoutRows: number } => {
  const held = Math.min(holdoutRows, Math.floor(available / 2))
  return { trainRows: Math.min(trainRows, available - held), holdoutRows: held }
}

/** Times of the first and the last exchange that may be held out, milliseconds since the epoch. */
interface Window {
  from: number
  until: number
}

/**
 * The window ends at the newest exchange that is not later than the clock, and begins `HELD_OUT_MS` before, or
 * earlier where it would have too few rows.
 */
const windowOf = (
  exchanges: readonly SplittableExchange[],
  holdoutRows: number,
  { now, judged }: SplitSettings
): Window => {
  const known = inTime(exchanges.filter(({ at }) => at <= now))
  const until = known.at(-1)?.at ?? -Infinity
  const samples = known.filter((one) => isSample(one) && judged?.has(one.id) !== true)
  const enough = samples.at(-SAMPLES_PER_HELD_OUT * holdoutRows) ?? samples[0]
  const earliest = Math.max(enough?.at ?? until, until - MAX_WINDOW_DAYS * DAY_MS)
  return { from: Math.min(until - HELD_OUT_MS, earliest), until }
}

/** Holds whole bursts out, and draws rows of them. */
class HeldOut<T extends SplittableExchange> {
  private readonly held = new Set<T[]>()

  constructor(
    private readonly bursts: T[][],
    private readonly random: () => number
  ) {}

  /** Exchanges of the bursts that are not held out. */
  rest(): T[] {
    return this.bursts.filter((burst) => !this.held.has(burst)).flat()
  }

  /** Exchanges of the bursts that are held out. */
  exchanges(): T[] {
    return [...this.held].flat()
  }

  /**
   * Rows of held-out bursts, of which so many are held out as it takes and at least one is not.
   * @param isRow what may be drawn @param mayHold asked before a burst is held out
   */
  draw(
    wanted: number,
    isRow: (exchange: T) => boolean,
    mayHold: (burst: T[]) => boolean = () => true
  ): T[] {
    const drawn = this.exchanges().filter(isRow)
    const units = this.bursts
      .filter((burst) => !this.held.has(burst))
      .map((burst) => ({ burst, rows: burst.filter(isRow) }))
      .filter(({ rows }) => rows.length > 0)
    const draws = drawSpread(units, {
      rowsOf: ({ rows }) => rows.length,
      left: () => wanted - drawn.length,
      random: this.random,
    })
    for (const { burst, rows } of draws) {
      if (this.held.size + 1 === this.bursts.length) break
      if (!mayHold(burst)) continue
      this.held.add(burst)
      drawn.push(...rows)
    }
    return randomPart(drawn, wanted, this.random)
  }
}

/** Draws rows that judged no earlier try, and others where these are too few. */
const drawUnjudged = <T extends SplittableExchange>(
  wanted: number,
  judged: ReadonlySet<string>,
  draw: (wanted: number, isAllowed: (exchange: T) => boolean) => T[]
): T[] => {
  const unjudged = draw(wanted, ({ id }) => !judged.has(id))
  if (judged.size === 0 || unjudged.length >= wanted) return unjudged
  return [...unjudged, ...draw(wanted - unjudged.length, ({ id }) => judged.has(id))]
}

/**
 * Whether a burst may leave training, which needs its rows.
 * @param pool that training is chosen from @param spare questions that training can do without
 */
const createSpareCheck = <T extends SplittableExchange>(
  pool: readonly T[],
  spare: number
): ((burst: readonly T[]) => boolean) => {
  const times = new Map([...groupBy(pool, questionKey)].map(([key, group]) => [key, group.length]))
  let left = spare
  return (burst) => {
    const asked = [...groupBy(burst, questionKey)].map(([key, group]) => ({
      key,
      others: valueIn(times, key) - group.length,
    }))
    const lost = asked.filter(({ others }) => others === 0).length
    if (lost > left) return false
    left -= lost
    for (const { key, others } of asked) times.set(key, others)
    return true
  }
}

/**
 * Each question once with its newest answer, drawn evenly over the window; where the window has too few, the
 * newest ones before it as well.
 */
const trainingPart = <T extends SplittableExchange>(
  exchanges: readonly T[],
  count: number,
  { from }: Window,
  seed: number
): T[] => {
  const questions = conversationsOf(newestOfEach(exchanges)).flat()
  const inWindow = questions.filter(({ at }) => at >= from)
  const older = lastOf(
    questions.filter(({ at }) => at < from),
    Math.max(0, count - inWindow.length)
  )
  const chosen = new Set(older)
  const random = seededRandom(deriveSeed(seed, TRAIN_STREAM))
  const left = (): number => count - chosen.size
  for (const exchange of drawSpread(inWindow, { rowsOf: () => 1, left, random }))
    chosen.add(exchange)
  return questions.filter((exchange) => chosen.has(exchange))
}

/**
 * Splits a population by time, burst and conversation. The sample of traffic is drawn over the window, in which
 * each exchange has the same chance; the rest of the window and what came before it trains, each question once
 * with its newest answer. The second sample has the questions of the traffic sample that training has not seen.
 * If they are fewer than the traffic sample, further bursts with questions that came once are held out to fill
 * it, as long as training keeps its rows, or two thirds of the questions. No burst, and so no conversation, is both
 * in training and in a sample.
 */
export const splitPopulation = <T extends SplittableExchange>(
  exchanges: readonly T[],
  settings: SplitSettings
): Split<T> => {
  const { burstMinutes, seed, judged = new Set<string>() } = settings
  const { trainRows, holdoutRows } = sizes(exchanges.length, settings)
  const window = windowOf(exchanges, holdoutRows, settings)
  const isInWindow = (one: T): boolean =>
    isSample(one) && one.at >= window.from && one.at <= window.until
  const random = seededRandom(deriveSeed(seed, SPLIT_STREAM))
  const heldOut = new HeldOut(burstsOf(exchanges, burstMinutes * BURST_UNIT_MS), random)
  const traffic = drawUnjudged<T>(holdoutRows, judged, (wanted, isAllowed) =>
    heldOut.draw(wanted, (one) => isInWindow(one) && isAllowed(one))
  )
  const pool = heldOut.rest()
  const missing = holdoutRows - newTo(trainingPart(pool, trainRows, window, seed), traffic).length
  const asked = new Set(heldOut.exchanges().map(queryKey))
  const times = groupBy(pool, queryKey)
  // questions that came once: without its frequent questions the traffic would not be the traffic to learn
  const isRare = (one: T): boolean =>
    isInWindow(one) && !asked.has(queryKey(one)) && times.get(queryKey(one))?.length === 1
  const questions = newestOfEach(pool).length
  const kept = Math.min(trainRows, Math.ceil(KEPT_FOR_TRAINING * questions))
  const maySpare = createSpareCheck(pool, questions - kept)
  const aside = drawUnjudged<T>(Math.max(0, missing), judged, (wanted, isAllowed) =>
    heldOut.draw(wanted, (one) => isRare(one) && isAllowed(one), maySpare)
  )
  const train = trainingPart(heldOut.rest(), trainRows, window, seed)
  const unseen = inTime([...aside, ...newTo(train, traffic)])
  return { train, traffic: inTime(traffic), unseen: randomPart(unseen, holdoutRows, random) }
}
