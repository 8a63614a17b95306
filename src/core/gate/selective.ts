/**
 * Selective answering: the confidence from which on an adapted model may answer by itself. Learn
 * then Test (arXiv 2110.01052) over confidence ranks that are fixed before an agreement is read.
 * Handles one arm; arms, slices and verdicts are in `gate.ts`.
 *
 * Why ranks: given the confidence of row K+1, the rows above it are independent draws from
 * "confidence above that value", so the binomial tail on them is exact for that threshold.
 *
 * A threshold must hold for both samples. "One of them fails" is a union of two hypotheses. It is
 * rejected at level alpha where each of them is (Berger 1982, Technometrics 24:295), so the p-value
 * is the larger of the two and alpha is not divided.
 */
import { isNonEmpty, lastOf, type NonEmpty } from '../lists.ts'
import { leastPValue, lossOf, pValueOf, type Cut, type SampleCounts } from './samples.ts'

export interface ThresholdTest {
  /** traffic rows above the threshold */
  rows: number
  disagreements: number
  /** the same of the unseen questions */
  unseen: { rows: number; disagreements: number }
  /** observed loss of agreement against the upstream's own: the larger one of both samples */
  loss: number
  threshold: number
  /**
   * H0: in traffic or among unseen questions, agreement above the threshold is at most the
   * upstream's own minus the margin. Null where the procedure had no level left for a test.
   */
  pValue: number | null
  /** significance level that the procedure had left for this test */
  level: number
  passed: boolean
}

export interface SelectiveOptions {
  margin: number
  /** family-wise error over all thresholds of this arm */
  alpha: number
  /** fewest traffic rows that a route must answer */
  minAnswered: number
}

/** Thresholds that are tested. */
const STEPS = 33

/** Where the sequence of tests starts anew, as a share of its length, and its share of alpha. */
interface Start {
  place: number
  share: number
}

/** Few rows cannot pay for several starts: docs/experiments.md#gate-rules. */
const ONE_START_BELOW_ROWS = 250
const TWO_STARTS_BELOW_ROWS = 700
const ONE_START: Start[] = [{ place: 0, share: 1 }]
const TWO_STARTS: Start[] = [
  { place: 0, share: 0.5 },
  { place: 0.375, share: 0.5 },
]
/** The last start has the largest share: about half of the answers is where most tests pass. */
const THREE_STARTS: Start[] = [
  { place: 0, share: 0.25 },
  { place: 0.19, share: 0.25 },
  { place: 0.375, share: 0.5 },
]

/** @param widest cut that answers everything; the smaller sample decides */
const startsFor = ({ traffic, unseen }: Cut): Start[] => {
  const rows = Math.min(traffic.effectiveRows, unseen.effectiveRows)
  if (rows < ONE_START_BELOW_ROWS) return ONE_START
  return rows < TWO_STARTS_BELOW_ROWS ? TWO_STARTS : THREE_STARTS
}

/** Level of the smallest start. A sequence that starts at a test that cannot pass ends there. */
export const startLevel = (widest: Cut, alpha: number): number =>
  alpha * Math.min(...startsFor(widest).map(({ share }) => share))

/** The larger one of both samples. */
const worstOf = ({ traffic, unseen }: Cut, valueOf: (counts: SampleCounts) => number): number =>
  Math.max(valueOf(traffic), valueOf(unseen))

/**
 * Cuts to test, least coverage first: evenly spaced in answered traffic, from the first that
 * answers enough and can pass to the widest. They depend on confidences and conversations, not on
 * answers. A rank within rows of equal confidence is the rank of their last one. A cut at which no
 * test could pass would end the sequence without a disagreement, so it is left out.
 */
const testedCuts = (
  cuts: NonEmpty<Cut>,
  { margin, alpha, minAnswered }: SelectiveOptions
): Cut[] => {
  const level = startLevel(lastOf(cuts), alpha)
  const canPass = (cut: Cut): boolean =>
    worstOf(cut, (counts) => leastPValue(counts, margin)) <= level
  const wide = cuts.filter((cut) => cut.traffic.rows >= minAnswered)
  const first = wide.findIndex(canPass)
  const testable = first < 0 ? [] : wide.slice(first)
  if (!isNonEmpty(testable)) return []
  const [narrowest, widest] = [testable[0], lastOf(testable)]
  const [least, most] = [narrowest.traffic.rows, widest.traffic.rows]
  const wanted = Array.from({ length: STEPS }, (_, step) => {
    const rank = Math.round(least + ((most - least) * step) / (STEPS - 1))
    return testable.find(({ traffic }) => traffic.rows >= rank) ?? widest
  })
  return [...new Set(wanted)].filter(canPass)
}

/**
 * Tests of all fixed ranks, least coverage first. Every test that passed is guaranteed at once.
 *
 * Fallback procedure (Wiens 2003, Pharm. Stat. 2:211): hypotheses in a fixed order; each start
 * brings its share of alpha, and the level of a rejected hypothesis passes on to the next. It keeps
 * the family-wise error at alpha, and is never worse than Bonferroni over the starts.
 */
export const testThresholds = (
  cuts: readonly Cut[],
  options: SelectiveOptions
): ThresholdTest[] => {
  if (!isNonEmpty(cuts)) return []
  const { margin, alpha } = options
  const tested = testedCuts(cuts, options)
  let carried = 0
  return tested.map((cut, place) => {
    // in a short sequence two starts may fall on one place
    const starts = startsFor(lastOf(cuts)).filter(
      (start) => Math.floor(start.place * tested.length) === place
    )
    const level = carried + alpha * starts.reduce((sum, { share }) => sum + share, 0)
    const pValue = level > 0 ? worstOf(cut, (counts) => pValueOf(counts, margin)) : null
    const passed = pValue !== null && pValue <= level
    carried = passed ? level : 0
    return {
      rows: cut.traffic.rows,
      disagreements: cut.traffic.disagreements,
      unseen: { rows: cut.unseen.rows, disagreements: cut.unseen.disagreements },
      loss: worstOf(cut, lossOf),
      threshold: cut.threshold,
      pValue,
      level,
      passed,
    }
  })
}

/**
 * The tests that passed, best first: the widest that shows a loss of at most `tolerated`, then
 * those with the least loss. All of them are guaranteed at once, so the choice costs no alpha.
 */
export const byPreference = (tests: ThresholdTest[], tolerated: number): ThresholdTest[] => {
  const passed = tests.filter((test) => test.passed)
  const roomy = passed.filter(({ loss }) => loss <= tolerated)
  const tight = passed.filter(({ loss }) => loss > tolerated)
  return [
    ...roomy.toSorted((a, b) => b.rows - a.rows),
    ...tight.toSorted((a, b) => a.loss - b.loss || b.rows - a.rows),
  ]
}
