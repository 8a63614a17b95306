/**
 * Ways to choose arm, statistic and threshold on held-out rows. All but `uncorrected` and `looked
 * at the answers` mean to keep the chance of a threshold that breaks the promise below alpha.
 */
import {
  testThresholds,
  widestPassed,
  type RankedRows,
  type ThresholdTest,
} from '../../src/core/gate-selective.ts'
import type { ConfidenceStatistic } from '../../src/core/route.ts'
import { highestFirst, type SimulatedRow } from './worlds.ts'

export interface Candidate {
  arm: number
  statistic: ConfidenceStatistic
}

export interface Choice extends Candidate {
  threshold: number
}

export interface StrategyOptions {
  margin: number
  alpha: number
  minCoverage: number
}

/** Rows of every candidate, ranked once a draw, over all exchanges or a part of them. */
export interface Sample {
  size: number
  ranked(candidate: Candidate): RankedRows
  part(from: number, to: number): Sample
}

export type Strategy = (sample: Sample, options: StrategyOptions) => Choice | null

const CANDIDATES: Candidate[] = [0, 1].flatMap((arm) =>
  (['sum', 'min'] as const).map((statistic) => ({ arm, statistic }))
)

const rank = (exchanges: SimulatedRow[][], { arm, statistic }: Candidate): RankedRows => {
  const confidence = Float64Array.from(exchanges, (arms) => arms[arm]!.confidence[statistic])
  const order = highestFirst(confidence)
  return {
    confidence: Float64Array.from(order, (place) => confidence[place]!),
    agrees: Uint8Array.from(order, (place) => exchanges[place]![arm]!.agrees),
    upstreamAgrees: new Int8Array(order.length).fill(-1),
    sessions: null,
  }
}

export const sampleOf = (exchanges: SimulatedRow[][]): Sample => {
  const cache = new Map<string, RankedRows>()
  return {
    size: exchanges.length,
    ranked: (candidate) => {
      const key = `${candidate.arm}/${candidate.statistic}`
      const rows = cache.get(key) ?? rank(exchanges, candidate)
      cache.set(key, rows)
      return rows
    },
    part: (from, to) => sampleOf(exchanges.slice(from, to)),
  }
}

interface Found {
  candidate: Candidate
  test: ThresholdTest
}

const widest = (found: Found[]): Choice | null => {
  const [best] = found.toSorted((a, b) => b.test.rows - a.test.rows)
  return best === undefined ? null : { ...best.candidate, threshold: best.test.threshold }
}

/** Absent starts are the product's own rule. */
interface Tuning {
  starts?: number
  steps?: number
}

/** Every candidate is tested on all rows, each at its share of alpha. */
const onAllRows =
  (tuning: Tuning, { corrected = true, candidates = CANDIDATES } = {}): Strategy =>
  (sample, options) => {
    const alpha = corrected ? options.alpha / candidates.length : options.alpha
    return widest(
      candidates.flatMap((candidate) => {
        const tests = testThresholds(sample.ranked(candidate), { ...options, alpha, ...tuning })
        const test = widestPassed(tests)
        return test === null ? [] : { candidate, test }
      })
    )
  }

/** The widest rank whose plain share of agreement keeps the margin. */
const widestByShare = (ranked: RankedRows, { margin, minCoverage }: StrategyOptions) => {
  const size = ranked.confidence.length
  let [wrong, best] = [0, 0]
  for (let rows = 1; rows <= size; rows++) {
    wrong += 1 - ranked.agrees[rows - 1]!
    if (rows >= minCoverage * size && wrong <= margin * rows) best = rows
  }
  return { rows: best, threshold: best === 0 ? Infinity : ranked.confidence[best - 1]! }
}

const bestByShare = (sample: Sample, options: StrategyOptions) =>
  CANDIDATES.map((candidate) => ({
    candidate,
    ...widestByShare(sample.ranked(candidate), options),
  })).reduce((best, next) => (next.rows > best.rows ? next : best))

/** Candidate from the first part, thresholds from a sequence on the rest at full alpha. */
const candidateFromPart =
  (share: number, tuning: Tuning): Strategy =>
  (sample, options) => {
    const cut = Math.round(sample.size * share)
    const { candidate } = bestByShare(sample.part(0, cut), options)
    const ranked = sample.part(cut, sample.size).ranked(candidate)
    const test = widestPassed(testThresholds(ranked, { ...options, ...tuning }))
    return test === null ? null : { ...candidate, threshold: test.threshold }
  }

/** Candidate and threshold from one half, aimed at half the margin; one test on the other half. */
const thresholdFromHalf: Strategy = (sample, options) => {
  const half = sample.size >> 1
  const best = bestByShare(sample.part(0, half), { ...options, margin: options.margin / 2 })
  if (best.rows === 0) return null
  const ranked = sample.part(half, sample.size).ranked(best.candidate)
  const above = ranked.confidence.findLastIndex((value) => value >= best.threshold) + 1
  const answered: RankedRows = {
    confidence: ranked.confidence.slice(0, above),
    agrees: ranked.agrees.slice(0, above),
    upstreamAgrees: ranked.upstreamAgrees.slice(0, above),
    sessions: null,
  }
  const [test] = testThresholds(answered, { ...options, minCoverage: 1, steps: 1, starts: 1 })
  return test?.passed === true ? { ...best.candidate, threshold: best.threshold } : null
}

const lookedAtTheAnswers: Strategy = (sample, options) => {
  const { candidate, rows, threshold } = bestByShare(sample, options)
  return rows === 0 ? null : { ...candidate, threshold }
}

/** What `decide` does without fresh upstream answers: both statistics of both arms. */
export const chosenStrategy: Strategy = onAllRows({})

/** What it does for labels: a label's confidence is its log-probability, the sum. */
export const labelStrategy: Strategy = onAllRows(
  {},
  { candidates: CANDIDATES.filter(({ statistic }) => statistic === 'sum') }
)

export const strategies: Record<string, Strategy> = {
  'as decided': chosenStrategy,
  'as decided for labels': labelStrategy,
  '1 start': onAllRows({ starts: 1 }),
  '2 starts': onAllRows({ starts: 2 }),
  '4 starts': onAllRows({ starts: 4 }),
  '4 starts, 17 steps': onAllRows({ starts: 4, steps: 17 }),
  '4 starts, 65 steps': onAllRows({ starts: 4, steps: 65 }),
  '8 starts': onAllRows({ starts: 8 }),
  'arm and statistic from 20 %': candidateFromPart(0.2, {}),
  'arm and statistic from 40 %': candidateFromPart(0.4, {}),
  'threshold from half': thresholdFromHalf,
  uncorrected: onAllRows({}, { corrected: false }),
  'looked at the answers': lookedAtTheAnswers,
}
