/** How many more exchanges it takes until the gate passes. */
import type { LearningCurve } from '../gate/learning-curve.ts'
import type { CoverageFigures } from './coverage.ts'

/** More exchanges that a coverage needs. */
export interface MoreExchanges {
  /** share of the traffic that is answered */
  coverage: number
  exchanges: number
}

/** Training rows that the last head had. */
const trainedOf = ({ points }: LearningCurve): number => points.at(-1)?.rows ?? 0

/**
 * Exchanges with new questions until the gate passes at its least coverage.
 * @returns 0 where it passes; null where more exchanges alone would not do, as far as can be told
 */
export const missingForRoute = ({ refusal, curve }: CoverageFigures): number | null => {
  if (refusal === null) return 0
  const [target] = curve.targets
  const trained = trainedOf(curve)
  // where half of the gates would pass already, this one had bad luck: then as many as make it likely
  const rows = [target?.rows ?? null, target?.likelyRows ?? null].find(
    (wanted) => wanted !== null && wanted > trained
  )
  return rows == null ? null : rows - trained
}

/** The next coverage above the expected one that more exchanges would bring, by the learning curve. */
export const missingForMore = ({
  expectedCoverage,
  curve,
}: CoverageFigures): MoreExchanges | null => {
  const trained = trainedOf(curve)
  const target = curve.targets.find(
    ({ coverage, rows }) => coverage > expectedCoverage && rows !== null && rows > trained
  )
  return target === undefined
    ? null
    : { coverage: target.coverage, exchanges: target.rows! - trained }
}
