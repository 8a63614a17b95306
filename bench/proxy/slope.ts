/** A straight line through measurements, and whether it rises. */

export interface Line {
  slope: number
  standardError: number
}

interface Point {
  x: number
  y: number
}

/**
 * Means of neighbours. Memory goes up and down with the garbage collector, so that one sample says
 * little that the one before has not said, and a standard error over samples would be too small.
 * @param count how many at most; each is of as many points, but for the last
 */
export const blockMeans = (points: readonly Point[], count: number): Point[] => {
  const size = Math.ceil(points.length / count)
  return Array.from({ length: Math.ceil(points.length / size) }, (_, block) => {
    const part = points.slice(block * size, (block + 1) * size)
    const mean = (read: (point: Point) => number): number =>
      part.reduce((sum, point) => sum + read(point), 0) / part.length
    return { x: mean(({ x }) => x), y: mean(({ y }) => y) }
  })
}

/**
 * Ordinary least squares of y on x; the standard error takes residuals as independent.
 * @param points at least three, not all at one x
 */
export const fitLine = (points: readonly Point[]): Line => {
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

/** MiB a minute. A smaller slope has no effect within a day between restarts. */
const NEGLIGIBLE = 0.5

/** @param line in MiB a minute */
export const isFlat = ({ slope, standardError }: Line): boolean =>
  Math.abs(slope) <= 2 * standardError || Math.abs(slope) < NEGLIGIBLE
