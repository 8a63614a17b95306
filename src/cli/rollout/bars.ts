/** Pictures of one line in plain characters, for terminals. Pure. */

/**
 * Evidence on a log scale from 1 to the capital that decides; the `|` marks that capital. The bar is full
 * only when it is reached. @param logarithm natural, of the capital
 */
export const evidenceBar = (logarithm: number, decidingCapital: number, cells: number): string => {
  const share = logarithm / Math.log(decidingCapital)
  const filled = Math.floor(Math.min(1, Math.max(0, share)) * cells)
  return `▕${'█'.repeat(filled)}${'░'.repeat(cells - filled)}|`
}

export interface LossPicture {
  /** `....[==o==].....` : the confidence sequence in brackets, the mean as `o` */
  bar: string
  /** in the columns of the bar: `p` the bound that was proved, `m` the margin */
  marks: string
  /** right end of the bar, a share; the left end is 0, also for a loss below it */
  scale: number
}

export interface LossShares {
  interval: readonly [lower: number, upper: number]
  /** null without a pair */
  mean: number | null
  proven: number
  margin: number
}

const SCALES = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1]

/** @param cells width of the bar, at least 2 */
export const lossPicture = (
  { interval: [lower, upper], mean, proven, margin }: LossShares,
  cells: number
): LossPicture => {
  const scale = SCALES.find((candidate) => candidate >= Math.max(upper, margin, proven)) ?? 1
  const cellOf = (share: number): number =>
    Math.max(0, Math.min(cells - 1, Math.floor((share / scale) * cells)))
  const bar = Array.from({ length: cells }, () => '.')
  bar.fill('=', cellOf(lower), cellOf(upper) + 1)
  bar[cellOf(lower)] = '['
  bar[cellOf(upper)] = ']'
  if (mean !== null) bar[cellOf(mean)] = 'o'
  const marks = Array.from({ length: cells }, () => ' ')
  const [atProven, atMargin] = [cellOf(proven), cellOf(margin)]
  // side by side where both are in one cell
  const isOneCell = proven < margin && atProven === atMargin
  if (proven < margin) marks[isOneCell ? Math.max(0, atMargin - 1) : atProven] = 'p'
  marks[isOneCell ? Math.max(1, atMargin) : atMargin] = 'm'
  return { bar: bar.join(''), marks: marks.join('').trimEnd(), scale }
}
