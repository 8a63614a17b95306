/**
 * The two rules by which TRACER chooses the score from which on it answers. Neither corrects for the number of
 * thresholds that it looks at. Pure.
 */
import { proportionLowerBound } from '../../../src/core/gate/statistics.ts'
import { seededRandom, shuffle } from '../../../src/random.ts'

export interface ScoredRow {
  score: number
  agrees: boolean
}

interface Counts {
  answered: number
  agreeing: number
}

const countsFrom = (rows: readonly ScoredRow[], threshold: number): Counts => {
  const answered = rows.filter(({ score }) => score >= threshold)
  return { answered: answered.length, agreeing: answered.filter(({ agrees }) => agrees).length }
}

/** The lowest score, and with it the most answers, that a test passes; null when it passes none. */
const widest = (
  rows: readonly ScoredRow[],
  isEnough: (counts: Counts, threshold: number) => boolean
): number | null => {
  const scores = [...new Set(rows.map(({ score }) => score))].toSorted((a, b) => a - b)
  return scores.find((score) => isEnough(countsFrom(rows, score), score)) ?? null
}

const reaches = ({ answered, agreeing }: Counts, target: number): boolean =>
  agreeing >= target * answered

/**
 * The rule of the paper and of versions 0.1: the most answers whose observed agreement is at least the target.
 * @param rows the calibration rows
 * @param target agreement, 0 to 1
 */
export const uncorrectedThreshold = (rows: readonly ScoredRow[], target: number): number | null =>
  widest(rows, (counts) => reaches(counts, target))

const ALPHA = 0.1
const LEAST_ANSWERED = 10
/** Of the calibration rows, to choose on; the others verify. */
const CHOOSING_SHARE = 0.7

/**
 * The rule of versions 0.2 and later: the most answers of seven tenths of the calibration rows whose exact 90 %
 * lower bound is at least the target, and whose observed agreement among the other rows is so too.
 */
export const boundedThreshold = (
  rows: readonly ScoredRow[],
  target: number,
  seed: number
): number | null => {
  const shuffled = shuffle([...rows], seededRandom(seed))
  const cut = Math.round(CHOOSING_SHARE * rows.length)
  const [choosing, verifying] = [shuffled.slice(0, cut), shuffled.slice(cut)]
  return widest(choosing, (chosen, threshold) => {
    const verified = countsFrom(verifying, threshold)
    return (
      Math.min(chosen.answered, verified.answered) >= LEAST_ANSWERED &&
      proportionLowerBound(chosen.agreeing, chosen.answered, ALPHA) >= target &&
      reaches(verified, target)
    )
  })
}
