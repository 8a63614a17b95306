/**
 * Simulated held-out exchanges with known truth: how confident the adapted model is and how often
 * it is right at that confidence, for two arms that share most of their mistakes and two
 * statistics that rank nearly alike.
 */
import type { ConfidenceStatistic } from '../../src/core/route.ts'

/** Pieces of the confidence scale, most confident first: share of requests, chance to agree. */
export type Shape = readonly (readonly [share: number, agreement: number])[]

/** Named shapes; `margin` places the ones that sit exactly on the border. */
export const shapes = (margin: number): Record<string, Shape> => ({
  // coverage 70 / 60 / 53 / 38 % at 95 / 97 / 98 / 99 %, 82 % over all: docs/experiments.md
  'banking77 as measured': [
    [0.38, 0.99],
    [0.15, 0.955],
    [0.07, 0.894],
    [0.1, 0.83],
    [0.3, 0.517],
  ],
  'label noise at the top': [
    [0.08, 0.955],
    [0.5, 0.985],
    [0.12, 0.88],
    [0.3, 0.55],
  ],
  'good enough to answer all': [
    [0.7, 0.995],
    [0.3, 0.97],
  ],
  'weak model, small safe part': [
    [0.3, 0.995],
    [0.2, 0.85],
    [0.5, 0.3],
  ],
  'confidence says nothing, 82 %': [[1, 0.82]],
  'border everywhere': [[1, 1 - margin - 1e-6]],
  'border after a safe start': [
    [0.25, 1 - margin / 2],
    [0.15, 1 - 2 * margin],
    [0.6, 1 - 1.2 * margin],
  ],
  'overconfident top': [
    [0.25, 1 - 2 * margin],
    [0.35, 1 - 0.6 * margin],
    [0.4, 0.7],
  ],
})

export interface SimulatedRow {
  agrees: 0 | 1
  /** true chance that it agrees */
  chance: number
  confidence: Record<ConfidenceStatistic, number>
}

const chanceAt = (shape: Shape, place: number): number => {
  let passed = 0
  for (const [share, agreement] of shape) {
    passed += share
    if (place < passed) return agreement
  }
  return shape.at(-1)![1]
}

/** Share of exchanges on which the second arm answers exactly as the first. */
const SHARED = 0.7
/** Spread of the second statistic around the first, in places of the confidence scale. */
const STATISTIC_NOISE = 0.03
/** The second arm is a little less sure of itself. */
const SECOND_ARM_LOSS = 0.01

const answer = (shape: Shape, loss: number, random: () => number): SimulatedRow => {
  const place = random()
  const chance = chanceAt(shape, place) - loss
  return {
    agrees: random() < chance ? 1 : 0,
    chance,
    confidence: { sum: -place, min: -(place + STATISTIC_NOISE * (random() + random() - 1)) },
  }
}

/** One exchange: the answers of both arms. */
export const drawExchange = (shape: Shape, random: () => number): SimulatedRow[] => {
  const first = answer(shape, 0, random)
  return [first, random() < SHARED ? first : answer(shape, SECOND_ARM_LOSS, random)]
}

const MAX_ROWS = 2 ** 17
const RESOLUTION = 2 ** 32

/**
 * Places of the values, highest first. Value and place share one number, because typed arrays sort
 * ten times faster without a comparator; values lie within ±2 and closer than 2e-10 are equal.
 */
export const highestFirst = (values: Float64Array): Uint32Array => {
  if (values.length > MAX_ROWS) throw new RangeError(`more than ${MAX_ROWS} rows`)
  const keys = values.map((value, place) => Math.round((2 - value) * RESOLUTION) * MAX_ROWS + place)
  return Uint32Array.from(keys.sort(), (value) => value % MAX_ROWS)
}

/** True coverage and agreement above any threshold. */
export interface Truth {
  at(threshold: number): { coverage: number; agreement: number }
}

const POPULATION = 40_000

const truthFrom = (rows: SimulatedRow[], statistic: ConfidenceStatistic): Truth => {
  const values = Float64Array.from(rows, (row) => row.confidence[statistic])
  const order = highestFirst(values)
  const confidence = Float64Array.from(order, (place) => values[place]!)
  const chance = new Float64Array(rows.length + 1)
  order.forEach((place, i) => (chance[i + 1] = chance[i]! + rows[place]!.chance))
  return {
    at: (threshold) => {
      let [low, high] = [0, rows.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if (confidence[middle]! >= threshold) low = middle + 1
        else high = middle
      }
      return { coverage: low / rows.length, agreement: low === 0 ? 1 : chance[low]! / low }
    },
  }
}

/** By arm: the mean of the true chances over a large draw, so that only confidences are sampled. */
export const truthsOf = (
  shape: Shape,
  random: () => number
): Record<ConfidenceStatistic, Truth>[] => {
  const exchanges = Array.from({ length: POPULATION }, () => drawExchange(shape, random))
  return [0, 1].map((arm) => {
    const rows = exchanges.map((arms) => arms[arm]!)
    return { sum: truthFrom(rows, 'sum'), min: truthFrom(rows, 'min') }
  })
}
