/**
 * Selective answering: from which confidence on may an adapted model answer by itself? Learn then
 * Test (arXiv 2110.01052) over confidence ranks that are fixed before any agreement is looked at.
 * Knows one ranking at a time; arms, statistics and verdicts are `gate.ts`.
 *
 * Why ranks: given the confidence of row K+1, the rows above it are independent draws from
 * "confidence above that value", so the binomial tail on them is exact for that threshold.
 */
import { binomialLowerTail, proportionLowerBound, tangoNonInferiority } from './statistics.ts'
import { effectiveRows } from './statistics-bootstrap.ts'

/** Held-out rows of one arm, most confident first. */
export interface RankedRows {
  confidence: Float64Array
  /** 1 where the adapted answer agrees with the logged one */
  agrees: Uint8Array
  /** 1 or 0 where a fresh upstream answer does or does not agree with the logged one, −1 unasked */
  upstreamAgrees: Int8Array
  /** null when every row has a session of its own */
  sessions: string[] | null
}

export interface ThresholdTest {
  /** rows above the threshold */
  rows: number
  disagreements: number
  /** observed loss of agreement against the upstream's own, a share of the rows */
  loss: number
  threshold: number
  /**
   * H0: agreement above the threshold is at most the upstream's own minus the margin. Null where
   * the procedure had no level left, so that nothing was tested.
   */
  pValue: number | null
  /** significance level that the procedure had left for this test */
  level: number
  passed: boolean
}

/**
 * A threshold under every log-probability that an answer can have: answer everything. Finite,
 * because JSON has no infinity.
 */
export const ANSWER_EVERYTHING = -1e9

/** Level at which the upstream's own agreement is bounded before it is used (Berger, Boos 1994). */
const UPSTREAM_BOUND_LEVEL = 0.001

/** Fewest rows that can pass at all: (1 − margin)^rows ≤ level. */
export const minimumRows = (margin: number, level: number): number =>
  Math.ceil(Math.log(level) / Math.log1p(-margin))

/**
 * Ranks to test, ascending, at evenly spaced coverages from `minCoverage` (but no fewer rows than
 * can pass) to everything. They depend on nothing but the number of rows.
 */
export const testedRanks = (
  rows: number,
  { minCoverage, minRows, steps }: { minCoverage: number; minRows: number; steps: number }
): number[] => {
  const first = Math.max(1, Math.ceil(minCoverage * rows), minRows)
  if (first > rows) return []
  const ranks = Array.from({ length: steps }, (_, i) =>
    Math.round(first + ((rows - first) * i) / Math.max(1, steps - 1))
  )
  return [...new Set([...ranks, rows])].sort((a, b) => a - b)
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
  pValueOf: (place: number) => number,
  { starts, alpha }: { starts: Start[]; alpha: number }
): { pValue: number | null; level: number; passed: boolean }[] => {
  let carried = 0
  return Array.from({ length: hypotheses }, (_, place) => {
    // with few thresholds two may begin at the same one
    const here = starts.filter((start) => start.place === place)
    const level = carried + alpha * here.reduce((sum, { share }) => sum + share, 0)
    const pValue = level > 0 ? pValueOf(place) : null
    const passed = pValue !== null && pValue <= level
    carried = passed ? level : 0
    return { pValue, level, passed }
  })
}

/** Rows strictly above the confidence of the first row that is left out. */
const rowsAbove = (confidence: Float64Array, rank: number): number => {
  if (rank >= confidence.length) return confidence.length
  let rows = rank
  while (rows > 0 && confidence[rows - 1]! <= confidence[rank]!) rows--
  return rows
}

/** Half way into the gap, so that last-digit noise of an engine moves no row across. */
const thresholdAt = (confidence: Float64Array, rows: number): number => {
  if (rows >= confidence.length) return ANSWER_EVERYTHING
  const [last, next] = [confidence[rows - 1]!, confidence[rows]!]
  return Number.isFinite(next) ? (last + next) / 2 : last
}

const countWhere = (values: ArrayLike<number>, rows: number, wanted: number): number => {
  let count = 0
  for (let i = 0; i < rows; i++) if (values[i] === wanted) count++
  return count
}

/** p-value when every row has a fresh upstream answer: paired, Tango's score. */
const pairedPValue = (ranked: RankedRows, rows: number, worth: number, margin: number): number => {
  let onlyNew = 0
  let onlyReference = 0
  for (let i = 0; i < rows; i++) {
    const [adapted, upstream] = [ranked.agrees[i]!, ranked.upstreamAgrees[i]!]
    if (adapted > upstream) onlyNew++
    if (adapted < upstream) onlyReference++
  }
  const counts = {
    pairs: worth * rows,
    onlyNew: worth * onlyNew,
    onlyReference: worth * onlyReference,
  }
  return tangoNonInferiority(counts, margin)
}

/** Share of the first `rows` on which the upstream disagrees with itself, as far as it was asked. */
const upstreamNoise = ({ upstreamAgrees }: RankedRows, rows: number): number => {
  const asked = rows - countWhere(upstreamAgrees, rows, -1)
  return asked === 0 ? 0 : countWhere(upstreamAgrees, rows, 0) / asked
}

/**
 * p-value of "agreement among the first `rows` is at most the upstream's own minus the margin".
 * Without fresh upstream answers its own agreement is taken as 1 and the binomial tail is exact.
 * With some, it is bounded from above first (Berger and Boos 1994: add the level of that bound).
 */
const pValueAt = (ranked: RankedRows, rows: number, margin: number): number => {
  if (rows === 0) return 1
  const worth =
    ranked.sessions === null
      ? 1
      : effectiveRows(ranked.agrees.subarray(0, rows), ranked.sessions.slice(0, rows)) / rows
  const wrong = countWhere(ranked.agrees, rows, 0)
  const fresh = rows - countWhere(ranked.upstreamAgrees, rows, -1)
  if (fresh === rows) return pairedPValue(ranked, rows, worth, margin)
  const absolute = binomialLowerTail(worth * wrong, worth * rows, margin)
  if (fresh === 0) return absolute
  const failures = countWhere(ranked.upstreamAgrees, rows, 0)
  // the upstream disagrees with itself at least this often
  const noise = proportionLowerBound(worth * failures, worth * fresh, UPSTREAM_BOUND_LEVEL)
  const allowed = Math.min(1, margin + noise)
  return Math.min(1, binomialLowerTail(worth * wrong, worth * rows, allowed) + UPSTREAM_BOUND_LEVEL)
}

export interface SelectiveOptions {
  margin: number
  /** family-wise error over all thresholds of this ranking */
  alpha: number
  minCoverage: number
  /** thresholds that are tested */
  steps?: number
  /** where the sequence may start anew, as shares of its length */
  starts?: Start[]
}

/** Few rows cannot pay for more than one start: docs/experiments.md. */
const FEW_ROWS = 400
const ONE_START: Start[] = [{ place: 0, share: 1 }]
/** Most for the last one, at half of the answers: there the most tests pass that pass anywhere. */
const THREE_STARTS: Start[] = [
  { place: 0, share: 0.25 },
  { place: 0.19, share: 0.25 },
  { place: 0.375, share: 0.5 },
]

/** Tests of all fixed ranks, least coverage first. Every passed one is guaranteed at once. */
export const testThresholds = (ranked: RankedRows, options: SelectiveOptions): ThresholdTest[] => {
  const { confidence, agrees } = ranked
  const { margin, alpha, minCoverage, steps = 33 } = options
  const starts = options.starts ?? (confidence.length < FEW_ROWS ? ONE_START : THREE_STARTS)
  const ranks = testedRanks(confidence.length, {
    minCoverage,
    minRows: minimumRows(margin, alpha * starts[0]!.share),
    steps,
  })
  // tied confidences can leave no row above a rank, or the same rows above two
  const counts = [...new Set(ranks.map((rank) => rowsAbove(confidence, rank)))].filter(Boolean)
  const outcomes = fallbackProcedure(
    counts.length,
    (place) => pValueAt(ranked, counts[place]!, margin),
    {
      starts: starts.map(({ place, share }) => ({
        place: Math.floor(place * counts.length),
        share,
      })),
      alpha,
    }
  )
  return counts.map((rows, place) => {
    const disagreements = countWhere(agrees, rows, 0)
    return {
      rows,
      disagreements,
      loss: disagreements / rows - upstreamNoise(ranked, rows),
      threshold: thresholdAt(confidence, rows),
      ...outcomes[place]!,
    }
  })
}

/**
 * Of the tests that passed the widest that shows a loss of at most `tolerated`; where none does, the
 * one with the least loss. All of them are guaranteed at once, so any choice among them is free.
 */
export const chooseThreshold = (
  tests: ThresholdTest[],
  tolerated: number
): ThresholdTest | null => {
  const passed = tests.filter((test) => test.passed)
  const roomy = passed.filter(({ loss }) => loss <= tolerated)
  const [best] =
    roomy.length > 0
      ? roomy.toSorted((a, b) => b.rows - a.rows)
      : passed.toSorted((a, b) => a.loss - b.loss || b.rows - a.rows)
  return best ?? null
}
