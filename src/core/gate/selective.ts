/**
 * Selective answering: from which confidence on may an adapted model answer by itself? Learn then
 * Test (arXiv 2110.01052) over confidence ranks that are fixed before any agreement is looked at.
 * Knows one arm at a time; arms, slices and verdicts are `gate.ts`.
 *
 * Why ranks: given the confidence of row K+1, the rows above it are independent draws from
 * "confidence above that value", so the binomial tail on them is exact for that threshold.
 *
 * A threshold must hold for both samples. "One of them fails" is a union of two hypotheses, and it
 * is rejected at level alpha where each is (Berger 1982, Technometrics 24:295): the p-value is the
 * larger of the two, and alpha is not shared.
 */
import { leastPValue, lossOf, pValueOf, type Cut, type SampleCounts } from './samples.ts'

export interface ThresholdTest {
  /** traffic rows above the threshold */
  rows: number
  disagreements: number
  /** the same of the unseen questions; absent in verdicts from before there were two samples */
  unseen?: { rows: number; disagreements: number }
  /** observed loss of agreement against the upstream's own, the larger one of both samples */
  loss: number
  threshold: number
  /**
   * H0: in traffic or among unseen questions agreement above the threshold is at most the
   * upstream's own minus the margin. Null where the procedure had no level left, so that nothing
   * was tested.
   */
  pValue: number | null
  /** significance level that the procedure had left for this test */
  level: number
  passed: boolean
}

/** Where a sequence of tests may begin anew, and its share of alpha. */
export interface Start {
  place: number
  share: number
}

/**
 * Fallback procedure (Wiens 2003, Pharm. Stat. 2:211): hypotheses in a fixed order, each with a
 * share of alpha; the level at which one was rejected passes on to the next. Keeps the family-wise
 * error at alpha, and is never worse than Bonferroni over the starts.
 * @param starts places in the order that get a share of alpha of their own; shares sum to 1
 * @returns one entry a hypothesis; `pValue` is null where no level was left to test at
 */
export const fallbackProcedure = (
  hypotheses: number,
  pValueAt: (place: number) => number,
  { starts, alpha }: { starts: Start[]; alpha: number }
): { pValue: number | null; level: number; passed: boolean }[] => {
  let carried = 0
  return Array.from({ length: hypotheses }, (_, place) => {
    // with few thresholds two may begin at the same one
    const here = starts.filter((start) => start.place === place)
    const level = carried + alpha * here.reduce((sum, { share }) => sum + share, 0)
    const pValue = level > 0 ? pValueAt(place) : null
    const passed = pValue !== null && pValue <= level
    carried = passed ? level : 0
    return { pValue, level, passed }
  })
}

export interface SelectiveOptions {
  margin: number
  /** family-wise error over all thresholds of this arm */
  alpha: number
  /** fewest traffic rows that a route must answer */
  minAnswered: number
  /** thresholds that are tested */
  steps?: number
  /** where the sequence may start anew, as shares of its length */
  starts?: Start[]
}

/** Few rows cannot pay for several starts: docs/experiments.md, "Starts with two samples". */
const ONE_START_BELOW_ROWS = 250
const TWO_STARTS_BELOW_ROWS = 700
const ONE_START: Start[] = [{ place: 0, share: 1 }]
const TWO_STARTS: Start[] = [
  { place: 0, share: 0.5 },
  { place: 0.375, share: 0.5 },
]
/** Most for the last one, at half of the answers: there the most tests pass that pass anywhere. */
const THREE_STARTS: Start[] = [
  { place: 0, share: 0.25 },
  { place: 0.19, share: 0.25 },
  { place: 0.375, share: 0.5 },
]

/** By the smaller one of both samples, as if all of it were answered. */
const startsFor = ({ traffic, unseen }: Cut): Start[] => {
  const rows = Math.min(traffic.effectiveRows, unseen.effectiveRows)
  if (rows < ONE_START_BELOW_ROWS) return ONE_START
  return rows < TWO_STARTS_BELOW_ROWS ? TWO_STARTS : THREE_STARTS
}

const samplesOf = ({ traffic, unseen }: Cut): SampleCounts[] => [traffic, unseen]

/** Level of the test at which a sequence may start: a test that cannot pass there ends it. */
export const startLevel = (
  cuts: Cut[],
  { alpha, starts }: Pick<SelectiveOptions, 'alpha' | 'starts'>
): number => {
  const widest = cuts.at(-1)
  if (widest === undefined) return alpha
  return alpha * Math.min(...(starts ?? startsFor(widest)).map(({ share }) => share))
}

/**
 * Cuts to test, least coverage first: evenly spaced in answered traffic, from the first that
 * answers enough and can pass to everything. They depend on confidences and conversations, on no
 * answer. A rank within rows of equal confidence is the rank of their last one. A cut at which no
 * test could pass would end the sequence without a disagreement, so it is left out.
 */
export const testedCuts = (cuts: Cut[], options: SelectiveOptions): Cut[] => {
  const { margin, minAnswered, steps = 33 } = options
  const level = startLevel(cuts, options)
  const canPass = (cut: Cut): boolean =>
    samplesOf(cut).every((sample) => leastPValue(sample, margin) <= level)
  const first = cuts.findIndex((cut) => cut.traffic.rows >= minAnswered && canPass(cut))
  if (first < 0) return []
  const [least, most] = [cuts[first]!.traffic.rows, cuts.at(-1)!.traffic.rows]
  const ranks = Array.from({ length: steps }, (_, i) =>
    Math.round(least + ((most - least) * i) / Math.max(1, steps - 1))
  )
  let place = first
  const wanted = ranks.map((rank) => {
    while (cuts[place]!.traffic.rows < rank) place++
    return cuts[place]!
  })
  return [...new Set(wanted)].filter(canPass)
}

/** Tests of all fixed ranks, least coverage first. Every passed one is guaranteed at once. */
export const testThresholds = (cuts: Cut[], options: SelectiveOptions): ThresholdTest[] => {
  const { margin, alpha } = options
  const tested = testedCuts(cuts, options)
  if (tested.length === 0) return []
  const starts = options.starts ?? startsFor(cuts.at(-1)!)
  const outcomes = fallbackProcedure(
    tested.length,
    (place) => Math.max(...samplesOf(tested[place]!).map((sample) => pValueOf(sample, margin))),
    {
      starts: starts.map(({ place, share }) => ({
        place: Math.floor(place * tested.length),
        share,
      })),
      alpha,
    }
  )
  return tested.map((cut, place) => ({
    rows: cut.traffic.rows,
    disagreements: cut.traffic.disagreements,
    unseen: { rows: cut.unseen.rows, disagreements: cut.unseen.disagreements },
    loss: Math.max(...samplesOf(cut).map(lossOf)),
    threshold: cut.threshold,
    ...outcomes[place]!,
  }))
}

/**
 * The tests that passed, best first: the widest that shows a loss of at most `tolerated`, and after
 * those the ones with the least loss. All of them are guaranteed at once, so any choice is free.
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
