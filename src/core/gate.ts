/**
 * The promotion decision and every figure it was made from. Among the answers of the adapted model
 * above a confidence threshold, agreement with the log is at least the upstream's own agreement
 * minus the margin, at confidence 1 − alpha: over all arms, statistics and thresholds together.
 * Knows nothing of engines, prices or how answers were compared (`score.ts`).
 */
import {
  chooseThreshold,
  testThresholds,
  type RankedRows,
  type ThresholdTest,
} from './gate-selective.ts'
import { failingSlices, sliceFigures, type SliceFigures } from './gate-slices.ts'
import type { ArmName } from './internalization.ts'
import { confidenceOf, type ConfidenceStatistic } from './route.ts'
import { proportionLowerBound, tangoLowerBound } from './statistics.ts'
import { seededRandom } from '../random.ts'
import { bootstrapLowerBound, effectiveRows } from './statistics-bootstrap.ts'

export type ResponseType = 'json' | 'label' | 'code' | 'short-text' | 'free-text'

/** One statistic of one arm: all thresholds tested, and of those that passed the one chosen. */
export interface CandidateFigures {
  confidence: ConfidenceStatistic
  passed: ThresholdTest | null
  tests: ThresholdTest[]
}

export interface ArmFigures {
  arm: ArmName
  rows: number
  /** mean similarity over all held-out rows, as if everything were answered */
  agreement: number
  /** one-sided 95 % lower bound on (adapted − upstream) agreement over all rows */
  differenceBound: number
  confidence: ConfidenceStatistic
  /** null when no threshold passes */
  threshold: number | null
  /** share of held-out rows above the threshold */
  coverage: number
  /**
   * Agreement among those, and its one-sided lower bound. The bound is taken at the level that the
   * threshold was tested at, so it holds at 95 % although arm, statistic and threshold were chosen.
   */
  agreementAnswered: number
  agreementAnsweredBound: number
  /** absent in an arm without rows */
  candidates?: CandidateFigures[]
  slices?: SliceFigures[]
}

export interface Verdict {
  verdict: 'promote' | 'reject'
  reason: string
  responseType: ResponseType
  margin: number
  /** index of the winning arm in the plan */
  arm: number
  /** upstream's agreement with itself; 1 when no fresh answers were bought */
  upstreamAgreement: number
  arms: ArmFigures[]
  alpha?: number
  minCoverage?: number
  /** similarity from which on two answers count as the same */
  agreementCut?: number
}

export interface HeldOutRow {
  /** 0 to 1, adapted answer against the logged one; 0 when a hard gate failed */
  similarity: number
  /** natural-log probabilities of the answer's tokens */
  logprobSum: number
  logprobMin: number
  /** a fresh upstream answer against the logged one; null when none was bought */
  upstreamSimilarity: number | null
  session: string
  slice?: string
}

export interface GateInput {
  /** in the plan's order */
  arms: { arm: ArmName; rows: HeldOutRow[] }[]
  /**
   * The arm that data other than these rows speaks for. It is tested at most of alpha, and the
   * others share the rest; null gives all the same.
   */
  favouredArm?: number | null
  responseType: ResponseType
  /** agreement that may be lost, 0 to 1 */
  margin: number
  alpha?: number
  /** a route that answers less than this is not worth having */
  minCoverage?: number
  /** of the margin, 0 to 1: the loss that a threshold may show and still be taken for its width */
  usedMargin?: number
  seed: number
}

/**
 * Similarity from which on two answers agree. The promise counts answers, so graded similarities
 * are cut: a mean of 0.95 could hide one answer in twenty that is wrong altogether. 0.8 of chrF
 * lets a word or two differ in a sentence; JSON, labels and code must be equal.
 */
const AGREEMENT_CUT: Record<ResponseType, number> = {
  json: 1,
  label: 1,
  code: 1,
  'short-text': 0.8,
  'free-text': 0.8,
}

const isGraded = (type: ResponseType): boolean => type === 'short-text' || type === 'free-text'

const mean = (values: number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length

const STATISTICS: ConfidenceStatistic[] = ['sum', 'min']

const rankingOf = (row: HeldOutRow, statistic: ConfidenceStatistic): number => {
  const value = confidenceOf(statistic, row)
  return Number.isNaN(value) ? -Infinity : value
}

const sessionsOf = (rows: HeldOutRow[]): string[] | null => {
  const sessions = rows.map((row) => row.session)
  return new Set(sessions).size === rows.length ? null : sessions
}

const byConfidence = (rows: HeldOutRow[], statistic: ConfidenceStatistic): HeldOutRow[] =>
  rows.toSorted((a, b) => {
    const [first, second] = [rankingOf(a, statistic), rankingOf(b, statistic)]
    return first === second ? 0 : second - first
  })

const upstreamAgrees = (row: HeldOutRow, cut: number): -1 | 0 | 1 => {
  if (row.upstreamSimilarity === null) return -1
  return row.upstreamSimilarity >= cut ? 1 : 0
}

const rank = (rows: HeldOutRow[], statistic: ConfidenceStatistic, cut: number): RankedRows => {
  const sorted = byConfidence(rows, statistic)
  return {
    confidence: Float64Array.from(sorted, (row) => rankingOf(row, statistic)),
    agrees: Uint8Array.from(sorted, (row) => (row.similarity >= cut ? 1 : 0)),
    upstreamAgrees: Int8Array.from(sorted, (row) => upstreamAgrees(row, cut)),
    sessions: sessionsOf(sorted),
  }
}

/** Lower bound on (adapted − upstream) agreement over all rows, as if everything were answered. */
const differenceBound = (rows: HeldOutRow[], input: Required<GateInput>): number => {
  const fresh = rows.filter((row) => row.upstreamSimilarity !== null)
  const used = fresh.length > 0 ? fresh : rows
  if (used.length === 0) return -1
  const sessions = used.map((row) => row.session)
  const { alpha, responseType, seed } = input
  if (isGraded(responseType)) {
    const differences = used.map((row) => row.similarity - (row.upstreamSimilarity ?? 1))
    return bootstrapLowerBound(differences, sessions, { alpha, random: seededRandom(seed) })
  }
  const cut = AGREEMENT_CUT[responseType]
  const adapted = used.map((row) => (row.similarity >= cut ? 1 : 0))
  const worth = effectiveRows(adapted, sessions) / used.length
  const right = worth * adapted.reduce<number>((sum, value) => sum + value, 0)
  const pairs = worth * used.length
  if (fresh.length === 0) return proportionLowerBound(right, pairs, alpha) - 1
  const upstream = used.map((row) => upstreamAgrees(row, cut))
  const count = (better: number[], worse: number[]): number =>
    worth * better.filter((value, i) => value > worse[i]!).length
  const counts = {
    pairs,
    onlyNew: count(adapted, upstream),
    onlyReference: count(upstream, adapted),
  }
  return tangoLowerBound(counts, alpha)
}

const sameOrder = (rows: HeldOutRow[]): boolean => {
  const [bySum, byMin] = STATISTICS.map((statistic) => byConfidence(rows, statistic))
  return bySum!.every((row, i) => row === byMin![i])
}

/**
 * Statistics worth a share of alpha. A label's sum is its log-probability among all labels, so its
 * minimum has nothing to add (equal within two points where it was measured); in longer answers
 * either may separate better, unless both rank the rows alike.
 */
const statisticsOf = (rows: HeldOutRow[], type: ResponseType): ConfidenceStatistic[] => {
  if (rows.length === 0) return []
  return type === 'label' || sameOrder(rows) ? ['sum'] : STATISTICS
}

const better = (a: CandidateFigures, b: CandidateFigures): CandidateFigures => {
  const [first, second] = [a.passed, b.passed]
  if (second === null) return a
  if (first === null || second.rows > first.rows) return b
  return second.rows === first.rows && second.disagreements < first.disagreements ? b : a
}

const armFigures = (
  { arm, rows }: GateInput['arms'][number],
  input: Required<GateInput>,
  alpha: number
): ArmFigures => {
  const cut = AGREEMENT_CUT[input.responseType]
  const figures = {
    arm,
    rows: rows.length,
    agreement: mean(rows.map((row) => row.similarity)),
    differenceBound: differenceBound(rows, input),
  }
  const nothing = { threshold: null, coverage: 0, agreementAnswered: 0, agreementAnsweredBound: 0 }
  const candidates = statisticsOf(rows, input.responseType).map((confidence): CandidateFigures => {
    const tests = testThresholds(rank(rows, confidence, cut), { ...input, alpha })
    return { confidence, passed: chooseThreshold(tests, input.usedMargin * input.margin), tests }
  })
  if (candidates.length === 0) return { ...figures, confidence: 'sum', ...nothing }
  const best = candidates.reduce(better)
  if (best.passed === null)
    return { ...figures, confidence: best.confidence, ...nothing, candidates }
  const { rows: answered, disagreements, threshold, level } = best.passed
  const kept = byConfidence(rows, best.confidence).slice(0, answered)
  const worth = effectiveRows(
    kept.map((row) => (row.similarity >= cut ? 1 : 0)),
    kept.map((row) => row.session)
  )
  const agreementAnswered = 1 - disagreements / answered
  return {
    ...figures,
    confidence: best.confidence,
    threshold,
    coverage: answered / rows.length,
    agreementAnswered,
    agreementAnsweredBound: proportionLowerBound(agreementAnswered * worth, worth, level),
    candidates,
    slices: sliceFigures(kept, { cut, alpha: input.alpha }),
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** The arm that answers most; among arms that answer nothing the one that agrees most. */
const winnerOf = (arms: ArmFigures[]): number => {
  const order = (a: ArmFigures, b: ArmFigures): number =>
    b.coverage - a.coverage ||
    b.agreementAnswered - a.agreementAnswered ||
    b.agreement - a.agreement
  return Math.max(0, arms.indexOf(arms.toSorted(order)[0]!))
}

const rejection = (winner: ArmFigures | undefined, input: Required<GateInput>): string | null => {
  if (winner === undefined || winner.rows === 0) return 'no held-out row was answered'
  if (input.responseType === 'free-text')
    return 'free text needs a judge to compare answers, and there is none'
  if (winner.candidates?.every((candidate) => candidate.tests.length === 0))
    return `${winner.rows} held-out rows are too few to show a loss under ${percent(input.margin)}`
  if (winner.threshold === null)
    return (
      `no threshold with a coverage of at least ${percent(input.minCoverage)} keeps the loss under ` +
      `${percent(input.margin)}; answering everything, arm ${winner.arm} agrees on ` +
      percent(winner.agreement)
    )
  const failing = failingSlices(winner.slices ?? [])
  return failing.length === 0
    ? null
    : `worse than the upstream by more than 10 points on ${failing.map(({ slice }) => slice).join(', ')}`
}

/** Of alpha, for the favoured arm: docs/decisions/2026-11-25-arm-favoured-by-validation.md */
export const FAVOURED_SHARE = 0.8

/**
 * The widest threshold that passes lies where chance favoured it, and its last answers are the worst
 * of all. A little narrower costs a point of coverage and leaves room under the margin:
 * docs/decisions/2026-11-25-selective-gate-test.md.
 */
const USED_MARGIN = 0.6

/** Shares of alpha by arm; they sum to 1, and are fixed before a held-out row is looked at. */
const alphaShares = (arms: number, favoured: number | null): number[] =>
  Array.from({ length: arms }, (_, arm) => {
    if (favoured === null || arms === 1) return 1 / arms
    return arm === favoured ? FAVOURED_SHARE : (1 - FAVOURED_SHARE) / (arms - 1)
  })

/**
 * Chooses arm, statistic and threshold, and whether to promote. Every candidate (an arm with a
 * statistic) is tested on all held-out rows at its share of alpha; method and power:
 * docs/decisions/2026-11-25-selective-gate-test.md.
 */
export const decide = (given: GateInput): Verdict => {
  const input = {
    alpha: 0.05,
    minCoverage: 0.2,
    favouredArm: null,
    usedMargin: USED_MARGIN,
    ...given,
  }
  const { responseType, margin, alpha, minCoverage } = input
  const shares = alphaShares(input.arms.length, input.favouredArm)
  const arms = input.arms.map((arm, index) => {
    const statistics = statisticsOf(arm.rows, responseType).length
    return armFigures(arm, input, (alpha * shares[index]!) / Math.max(1, statistics))
  })
  const arm = winnerOf(arms)
  const winner = arms[arm]
  const fresh = (input.arms[arm]?.rows ?? []).flatMap((row) => row.upstreamSimilarity ?? [])
  const reason = rejection(winner, input)
  return {
    verdict: reason === null ? 'promote' : 'reject',
    reason:
      reason ??
      `arm ${winner!.arm} answers ${percent(winner!.coverage)} at ${percent(winner!.agreementAnswered)} agreement`,
    responseType,
    margin,
    arm,
    upstreamAgreement: fresh.length === 0 ? 1 : mean(fresh),
    arms,
    alpha,
    minCoverage,
    agreementCut: AGREEMENT_CUT[responseType],
  }
}
