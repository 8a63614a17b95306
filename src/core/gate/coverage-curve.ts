/**
 * Coverage against agreement over all thresholds, for a person who looks. The band holds at each point by
 * itself and not at all of them together, so it promises nothing: thresholds are proven by `selective.ts`.
 */
import { judge, type HeldOutRow } from './figures.ts'
import { cutsOf, type SampleCounts } from './samples.ts'
import { proportionLowerBound } from './statistics.ts'
import type { ConfidenceStatistic } from '../route/confidence.ts'
import { thinned } from '../lists.ts'

export interface CurvePoint {
  /** answered rows over all rows of the traffic sample */
  coverage: number
  /** share of the answered rows that agree with the logged answer */
  agreement: number
  /** pointwise 95 % band of the agreement */
  lower: number
  upper: number
  /** the threshold: a natural logarithm */
  confidence: number
}

const MAX_POINTS = 50
/** On each side of the band. */
const TAIL = 0.025

/** Clopper and Pearson's interval, with turns of a conversation counted as the gate counts them. */
const bandOf = ({ rows, effectiveRows, disagreements }: SampleCounts) => {
  const worth = effectiveRows / rows
  const disagreeing = worth * disagreements
  return {
    lower: proportionLowerBound(effectiveRows - disagreeing, effectiveRows, TAIL),
    upper: 1 - proportionLowerBound(disagreeing, effectiveRows, TAIL),
  }
}

/**
 * @param rows of one arm; those that are not in the sample of traffic are left out
 * @returns at most 50 points with rising coverage; the last one answers every row that may be answered
 */
export const coverageCurve = (
  rows: readonly HeldOutRow[],
  statistic: ConfidenceStatistic,
  burstMs: number
): CurvePoint[] => {
  const traffic = rows.filter(({ isTraffic }) => isTraffic).map((row) => judge(row, statistic))
  const cuts = cutsOf(
    traffic.filter(({ deferred }) => deferred === null),
    burstMs
  )
  return thinned(cuts, MAX_POINTS).map(({ threshold, traffic: counts }) => ({
    coverage: counts.rows / traffic.length,
    agreement: 1 - counts.disagreements / counts.rows,
    ...bandOf(counts),
    confidence: threshold,
  }))
}
