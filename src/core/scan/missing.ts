/** How many more exchanges a coverage needs, by the learning curve of the heads. */
import type { LearningCurve } from '../gate/learning-curve.ts'
import type { CoverageFigures } from './coverage.ts'

export interface MoreExchanges {
  /** share of the traffic that is answered */
  coverage: number
  /** to learn from */
  trainRows: number
  /** with new questions, that the log lacks; 0: it has them all */
  exchanges: number
}

/** Training rows that the last head had. */
const trainedOf = ({ points }: LearningCurve): number => points.at(-1)?.rows ?? 0

/** @param rows that a coverage needs to learn from */
const beyond = (
  { coverage, rows }: { coverage: number; rows: number },
  trained: number,
  spare: number
): MoreExchanges => ({
  coverage,
  trainRows: rows,
  exchanges: Math.max(0, rows - trained - spare),
})

/**
 * What the gate's least coverage needs, where it refuses.
 * @param spare exchanges of the log that the head did not learn from
 * @returns null where more exchanges alone would not do, as far as can be told
 */
export const neededForRoute = (
  { refusal, curve }: CoverageFigures,
  spare: number
): MoreExchanges | null => {
  const [target] = curve.targets
  if (refusal === null || target === undefined) return null
  const trained = trainedOf(curve)
  // where half of the gates would pass already, this one had bad luck: then as many as make it likely
  const rows = [target.rows, target.likelyRows].find(
    (wanted) => wanted !== null && wanted > trained
  )
  return rows == null ? null : beyond({ ...target, rows }, trained, spare)
}

/** The next coverage above the expected one that more exchanges would bring, by the learning curve. */
export const neededForMore = (
  { expectedCoverage, refusal, curve }: CoverageFigures,
  spare: number
): MoreExchanges | null => {
  const trained = trainedOf(curve)
  const [target] = curve.targets.flatMap(({ coverage, rows }) =>
    coverage > expectedCoverage && rows !== null && rows > trained ? [{ coverage, rows }] : []
  )
  return refusal !== null || target === undefined ? null : beyond(target, trained, spare)
}
