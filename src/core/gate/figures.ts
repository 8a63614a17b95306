/**
 * One arm on the held-out rows: the threshold that may be promised, and every figure beside it.
 * Knows nothing of other arms or of the decision that the figures lead to.
 */
import { seededRandom } from '../../random.ts'
import { cutsOf, minimumRows, type Cut, type RankedRow, type SampleCounts } from './samples.ts'
import { byPreference, startLevel, testThresholds, type ThresholdTest } from './selective.ts'
import { failingSlices, sliceFigures, type SliceFigures } from './slices.ts'
import type { ArmName } from '../learn/schedule.ts'
import { confidenceOf, type ConfidenceStatistic } from '../route/route.ts'
import { proportionLowerBound, tangoLowerBound } from './statistics.ts'
import { bootstrapLowerBound } from './statistics-clusters.ts'

/** An arm's answer to a held-out row. */
export interface JudgedAnswer {
  /** 0 to 1, adapted answer against the logged one; 0 when the upstream's outcome was not text */
  similarity: number
  /** natural-log probabilities of the answer's tokens */
  logprobSum: number
  logprobMin: number
  /** reason to send the request to the upstream at any confidence; null when it may be answered */
  deferred: string | null
}

/** What all arms share of a held-out row. */
export interface SharedRow {
  /** a fresh upstream answer against the logged one; null when none was bought */
  upstreamSimilarity: number | null
  /** one key for all turns of one conversation */
  conversation: string
  /** in the sample of traffic as it comes, repeats included */
  isTraffic: boolean
  /** in the sample of questions that training never saw; a row is in one sample or both */
  isUnseen: boolean
  /** 'turn 1', 'length ≤ 100', 'plan=pro' */
  slices: string[]
}

export type HeldOutRow = JudgedAnswer & SharedRow

export interface ArmRows {
  arm: ArmName
  /** chosen on rows that are not held out */
  statistic: ConfidenceStatistic
  rows: HeldOutRow[]
}

/** One sample behind the threshold. */
export interface SampleFigures {
  /** deferred ones included */
  rows: number
  answered: number
  /** share of the answered rows that agree; its one-sided lower bound at the threshold's level */
  agreement: number
  bound: number
}

/** Optional figures are missing in older verdicts. */
export interface ArmFigures {
  arm: ArmName
  /** of the traffic sample, like all figures but `samples.unseen` */
  rows: number
  /** rows that go to the upstream at any confidence, by reason */
  deferred?: Record<string, number>
  /**
   * Share of agreement over the rows that are not deferred, as if all of them were answered. In
   * verdicts without `meanSimilarity` it is the mean similarity.
   */
  agreement: number
  /** of the same rows */
  meanSimilarity?: number
  /** one-sided 95 % lower bound on (adapted − upstream) agreement over the same rows */
  differenceBound: number
  /** the same bound on the difference of mean similarities, for graded answers */
  similarityDifferenceBound?: number
  confidence: ConfidenceStatistic
  /** null when no threshold passes */
  threshold: number | null
  /** answered rows over all rows */
  coverage: number
  /**
   * Agreement among the answered rows, and its one-sided lower bound. The bound is taken at the
   * level of the threshold's test, so it holds at 95 % although arm and threshold were chosen.
   */
  agreementAnswered: number
  agreementAnsweredBound: number
  samples?: { traffic: SampleFigures; unseen: SampleFigures }
  /** all thresholds that were tested */
  tests?: ThresholdTest[]
  /** reason why no threshold could be tested; null when at least one was */
  shortage?: string | null
  /** at the threshold; if a slice fails at every threshold that passed, at the best of them */
  slices?: SliceFigures[]
}

export interface FiguresOptions {
  /** similarity from which on two answers agree; below 1 for graded similarities */
  cut: number
  margin: number
  /** of the verdict */
  alpha: number
  /** this arm's part of alpha */
  armAlpha: number
  minCoverage: number
  /** share of the margin, 0 to 1: up to this loss the widest threshold is taken */
  usedMargin: number
  seed: number
}

const mean = (values: number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

export type JudgedRow = RankedRow & Pick<HeldOutRow, 'deferred' | 'similarity' | 'slices'>

/** An answer without a finite confidence is deferred. */
export const judge = (row: HeldOutRow, statistic: ConfidenceStatistic, cut: number): JudgedRow => {
  const confidence = confidenceOf(statistic, row)
  const { deferred, similarity, upstreamSimilarity } = row
  return {
    confidence,
    agrees: similarity >= cut,
    upstreamAgrees: upstreamSimilarity === null ? null : upstreamSimilarity >= cut,
    conversation: row.conversation,
    isTraffic: row.isTraffic,
    isUnseen: row.isUnseen,
    deferred: deferred ?? (Number.isFinite(confidence) ? null : 'no confidence'),
    similarity,
    slices: row.slices,
  }
}

const countReasons = (rows: JudgedRow[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const { deferred } of rows)
    if (deferred !== null) counts[deferred] = (counts[deferred] ?? 0) + 1
  return counts
}

/** Lower bound on (adapted − upstream) agreement, as if all of `counts` were answered. */
const differenceBound = (counts: SampleCounts | undefined, alpha: number): number => {
  if (counts === undefined) return -1
  const { rows, effectiveRows, disagreements, fresh } = counts
  const worth = effectiveRows / rows
  if (fresh === 0)
    return proportionLowerBound(worth * (rows - disagreements), effectiveRows, alpha) - 1
  const pairs = {
    pairs: worth * fresh,
    onlyNew: worth * counts.onlyAdapted,
    onlyReference: worth * counts.onlyUpstream,
  }
  return tangoLowerBound(pairs, alpha)
}

/** The same for mean similarities, by the bootstrap. */
const similarityDifferenceBound = (rows: HeldOutRow[], { alpha, seed }: FiguresOptions): number => {
  const possible = rows.filter((row) => row.isTraffic && row.deferred === null)
  const fresh = possible.filter((row) => row.upstreamSimilarity !== null)
  const used = fresh.length > 0 ? fresh : possible
  return bootstrapLowerBound(
    used.map((row) => row.similarity - (row.upstreamSimilarity ?? 1)),
    used.map((row) => row.conversation),
    { alpha, random: seededRandom(seed) }
  )
}

const shortageOfSample = (
  name: string,
  { rows, effectiveRows }: SampleCounts,
  { margin, level }: { margin: number; level: number }
): string | null => {
  const needed = minimumRows(margin, level)
  if (effectiveRows >= needed) return null
  const worth =
    effectiveRows < rows ? ` (conversations, equal to ${effectiveRows.toFixed(1)} rows)` : ''
  return `the sample of ${name} has ${rows} answerable rows${worth} and needs ${needed}`
}

/** Reason why no threshold can be tested. */
const shortageOf = (
  rows: JudgedRow[],
  cuts: Cut[],
  { margin, minCoverage, armAlpha }: FiguresOptions,
  minAnswered: number
): string => {
  const traffic = rows.filter((row) => row.isTraffic)
  const widest = cuts.at(-1)
  const answerable = widest?.traffic.rows ?? 0
  if (traffic.length > 0 && answerable < minAnswered)
    return (
      `a lora may answer ${percent(answerable / traffic.length)} of the held-out traffic, less ` +
      `than the minimum coverage of ${percent(minCoverage)}`
    )
  if (widest === undefined) return 'the sample of traffic has no answerable rows'
  const level = startLevel(widest, armAlpha)
  const short = [
    shortageOfSample('traffic', widest.traffic, { margin, level }),
    shortageOfSample('unseen questions', widest.unseen, { margin, level }),
  ].filter((text) => text !== null)
  const text = short.length > 0 ? short.join('; ') : 'too few fresh upstream answers were bought'
  return `${text} to show a loss under ${percent(margin)}`
}

const sampleFigures = (
  rows: number,
  counts: SampleCounts | undefined,
  level: number
): SampleFigures => {
  if (counts === undefined) return { rows, answered: 0, agreement: 0, bound: 0 }
  const agreement = 1 - counts.disagreements / counts.rows
  const bound = proportionLowerBound(agreement * counts.effectiveRows, counts.effectiveRows, level)
  return { rows, answered: counts.rows, agreement, bound }
}

/** The best threshold at which no slice fails; without one, the slices at the best threshold. */
const chooseThreshold = (
  tests: ThresholdTest[],
  answerable: JudgedRow[],
  { usedMargin, margin }: FiguresOptions
): { chosen: ThresholdTest | null; slices: SliceFigures[] } => {
  let failed: SliceFigures[] | null = null
  for (const test of byPreference(tests, usedMargin * margin)) {
    const answered = answerable.filter((row) => row.isTraffic && row.confidence >= test.threshold)
    const slices = sliceFigures(answered)
    if (failingSlices(slices).length === 0) return { chosen: test, slices }
    failed ??= slices
  }
  return { chosen: null, slices: failed ?? [] }
}

/** Tests one arm at its share of alpha, and takes the best threshold that may be promised. */
export const armFigures = (
  { arm, statistic, rows }: ArmRows,
  options: FiguresOptions
): ArmFigures => {
  const judged = rows.map((row) => judge(row, statistic, options.cut))
  const answerable = judged.filter((row) => row.deferred === null)
  const traffic = judged.filter((row) => row.isTraffic)
  const possible = answerable.filter((row) => row.isTraffic)
  const cuts = cutsOf(answerable)
  const minAnswered = Math.ceil(options.minCoverage * traffic.length)
  const { margin, armAlpha } = options
  const tests = testThresholds(cuts, { margin, alpha: armAlpha, minAnswered })
  const { chosen, slices } = chooseThreshold(tests, answerable, options)
  const cut = cuts.find(({ threshold }) => threshold === chosen?.threshold)
  const level = chosen?.level ?? armAlpha
  const unseenRows = judged.filter((row) => row.isUnseen).length
  const samples = {
    traffic: sampleFigures(traffic.length, cut?.traffic, level),
    unseen: sampleFigures(unseenRows, cut?.unseen, level),
  }
  return {
    arm,
    rows: traffic.length,
    deferred: countReasons(traffic),
    agreement: mean(possible.map((row) => Number(row.agrees))),
    meanSimilarity: mean(possible.map((row) => row.similarity)),
    differenceBound: differenceBound(cuts.at(-1)?.traffic, options.alpha),
    ...(options.cut < 1 && possible.length > 0
      ? { similarityDifferenceBound: similarityDifferenceBound(rows, options) }
      : {}),
    confidence: statistic,
    threshold: chosen?.threshold ?? null,
    coverage: traffic.length === 0 ? 0 : samples.traffic.answered / traffic.length,
    agreementAnswered: samples.traffic.agreement,
    agreementAnsweredBound: samples.traffic.bound,
    samples,
    tests,
    shortage: tests.length > 0 ? null : shortageOf(judged, cuts, options, minAnswered),
    slices,
  }
}
