/** A straight line through measurements, and whether it rises. */

export interface Line {
  slope: number
  standardError: number
}

/**
 * Ordinary least squares of y on x. The standard error takes residuals as independent; where they
 * are not, it is too small, and a line is called flat too seldom rather than too often.
 * @param points at least three, not all at one x
 */
export const fitLine = (points: readonly { x: number; y: number }[]): Line => {
  const count = points.length
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / count
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / count
  let [xx, xy] = [0, 0]
  for (const { x, y } of points) {
    xx += (x - meanX) ** 2
    xy += (x - meanX) * (y - meanY)
  }
  const slope = xy / xx
  const residuals = points.reduce(
    (sum, { x, y }) => sum + (y - meanY - slope * (x - meanX)) ** 2,
    0
  )
  return { slope, standardError: Math.sqrt(residuals / (count - 2) / xx) }
}

/** Below this nobody would notice within a day's restart: MiB a minute. */
const NEGLIGIBLE = 0.5

/** @param line in MiB a minute */
export const isFlat = ({ slope, standardError }: Line): boolean =>
  Math.abs(slope) <= 2 * standardError || Math.abs(slope) < NEGLIGIBLE
