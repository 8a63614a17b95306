/**
 * One arm on the held-out rows: the threshold that may be promised, and every figure beside it.
 * Knows nothing of other arms or of the decision that the figures lead to.
 */
import {
  cutsOf,
  lossOf,
  minimumRows,
  NO_COUNTS,
  pairedCounts,
  type Cut,
  type RankedRow,
  type SampleCounts,
} from './samples.ts'
import { byPreference, startLevel, testThresholds, type ThresholdTest } from './selective.ts'
import { failingSlices, sliceFigures, type SliceFigures } from './slices.ts'
import type { ArmName } from '../learn/schedule.ts'
import { confidenceOf, type AnswerLogprobs, type ConfidenceStatistic } from '../route/confidence.ts'
import { proportionLowerBound, tangoLowerBound } from './statistics.ts'
import { reasonOf, type Reason, type ReasonFigures } from '../reason.ts'

/** An arm's answer to a held-out row. */
export interface JudgedAnswer extends AnswerLogprobs {
  /** with the logged answer; false when the upstream's outcome was not text */
  agrees: boolean
  /** with the first fresh answer of the upstream; null where none was bought */
  agreesToday: boolean | null
  /** reason to send the request to the upstream at any confidence; null when it may be answered */
  deferred: string | null
}

/** What two fresh answers of the upstream to a held-out request say of it. */
export interface FreshAnswers {
  /** the second one agrees with the first */
  repeats: boolean
  /** the first and the second agree with the logged one */
  asLogged: readonly [first: boolean, second: boolean]
}

/** What all arms share of a held-out row. */
export interface SharedRow {
  /** null where none were bought */
  fresh: FreshAnswers | null
  /** of the request, milliseconds since the epoch */
  at: number
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
  /** one-sided upper bound of the loss at the same level: of what the promise is about */
  lossBound: number
  /** independent rows with the same information as the answered ones */
  effectiveRows: number
}

export interface ArmFigures {
  arm: ArmName
  /** of the traffic sample, like all figures but `samples.unseen` */
  rows: number
  /** rows that go to the upstream at any confidence, by reason */
  deferred: Record<string, number>
  /** share of agreement over the rows that are not deferred, as if all of them were answered */
  agreement: number
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
  /** the larger one of both samples */
  lossBound: number
  /** share of the answered traffic on which the upstream repeats its answer; null without fresh answers */
  upstreamAgreement: number | null
  samples: { traffic: SampleFigures; unseen: SampleFigures }
  /** all thresholds that were tested */
  tests: ThresholdTest[]
  /**
   * Other thresholds that further pairs may prove (`core/rollout/border.ts`): wider ones in their order, and narrower
   * ones that passed as well, the narrowest first
   */
  wider?: number[]
  narrower?: number[]
  /** why no threshold could be tested; null when at least one was */
  shortage: Reason | null
  /** at the threshold; if a slice fails at every threshold that passed, at the best of them */
  slices: SliceFigures[]
}

export interface FiguresOptions {
  margin: number
  /** this arm's part of alpha */
  armAlpha: number
  minCoverage: number
  /** see `createEffectiveRows` */
  burstMs: number
}

const mean = (values: number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length

export type JudgedRow = RankedRow & Pick<HeldOutRow, 'deferred' | 'slices'>

/**
 * With fresh answers the adapted answer and the second fresh one are compared with the first, else the adapted
 * one with the log. An answer without a finite confidence is deferred.
 */
export const judge = (row: HeldOutRow, statistic: ConfidenceStatistic): JudgedRow => {
  const confidence = confidenceOf(statistic, row)
  const { deferred, fresh, agrees, agreesToday } = row
  const isFresh = fresh !== null && agreesToday !== null
  return {
    confidence,
    agrees: isFresh ? agreesToday : agrees,
    upstreamAgrees: isFresh ? fresh.repeats : null,
    at: row.at,
    conversation: row.conversation,
    isTraffic: row.isTraffic,
    isUnseen: row.isUnseen,
    deferred: deferred ?? (Number.isFinite(confidence) ? null : 'no confidence'),
    slices: row.slices,
  }
}

const countReasons = (
  rows: JudgedRow[],
  codeOf: (row: JudgedRow) => string | null | undefined
): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const row of rows) {
    const code = codeOf(row)
    if (code != null) counts[code] = (counts[code] ?? 0) + 1
  }
  return counts
}

/** Lower bound on (adapted − upstream) agreement among the counted rows. */
const differenceBound = (counts: SampleCounts, alpha: number): number => {
  const { rows, effectiveRows, disagreements, fresh } = counts
  const worth = effectiveRows / rows
  return fresh === 0
    ? proportionLowerBound(worth * (rows - disagreements), effectiveRows, alpha) - 1
    : tangoLowerBound(pairedCounts(counts), alpha)
}

/** Why no threshold can be tested. */
const shortageOf = (
  rows: JudgedRow[],
  cuts: Cut[],
  { margin, minCoverage, armAlpha }: FiguresOptions,
  minAnswered: number
): Reason => {
  const traffic = rows.filter((row) => row.isTraffic)
  const widest = cuts.at(-1)
  const answerable = widest?.traffic.rows ?? 0
  if (traffic.length > 0 && answerable < minAnswered)
    return reasonOf('coverage-impossible', {
      answerable: answerable / traffic.length,
      minCoverage,
    })
  if (widest === undefined) return reasonOf('none-answerable', {})
  const needed = minimumRows(margin, startLevel(widest, armAlpha))
  const samples = (['traffic', 'unseen'] as const).flatMap(
    (sample): ReasonFigures['samples-too-small']['samples'] => {
      const { rows: answered, effectiveRows } = widest[sample]
      return effectiveRows >= needed ? [] : [{ sample, rows: answered, effectiveRows, needed }]
    }
  )
  return samples.length > 0
    ? reasonOf('samples-too-small', { samples, margin })
    : reasonOf('too-few-fresh-answers', { margin })
}

const sampleFigures = (
  rows: number,
  counts: SampleCounts | undefined,
  level: number
): SampleFigures => {
  if (counts === undefined)
    return { rows, answered: 0, agreement: 0, bound: 0, lossBound: 1, effectiveRows: 0 }
  const { effectiveRows } = counts
  const agreement = 1 - counts.disagreements / counts.rows
  const bound = proportionLowerBound(agreement * effectiveRows, effectiveRows, level)
  const lossBound = -differenceBound(counts, level)
  return { rows, answered: counts.rows, agreement, bound, lossBound, effectiveRows }
}

/**
 * Up to this share of the margin the widest threshold is taken: the widest one that passes is the one that chance
 * favoured most, and its last answers are the worst. A narrower one costs a point of coverage and leaves room under the
 * margin: docs/decisions.md#selective-gate-test.
 */
const USED_MARGIN = 0.6

/** An upstream that contradicts itself more often leaves no measure of what is right. */
export const LEAST_UPSTREAM_AGREEMENT = 0.8

const upstreamAgreementOf = ({ fresh, upstreamDisagreements }: SampleCounts): number | null =>
  fresh === 0 ? null : 1 - upstreamDisagreements / fresh

const isMeasurable = ({ traffic }: Cut): boolean =>
  (upstreamAgreementOf(traffic) ?? 1) >= LEAST_UPSTREAM_AGREEMENT

/**
 * The best threshold at which no slice fails and the upstream agrees with itself; without one, the slices at
 * the best threshold.
 */
const chooseThreshold = (
  tests: ThresholdTest[],
  answerable: JudgedRow[],
  cuts: Cut[],
  { margin, burstMs }: FiguresOptions
): { chosen: ThresholdTest | null; slices: SliceFigures[] } => {
  let failed: SliceFigures[] | null = null
  const measurable = new Set(cuts.filter(isMeasurable).map(({ threshold }) => threshold))
  const usable = tests.filter(({ threshold }) => measurable.has(threshold))
  for (const test of byPreference(usable, USED_MARGIN * margin)) {
    const answered = answerable.filter((row) => row.isTraffic && row.confidence >= test.threshold)
    const slices = sliceFigures(answered, burstMs)
    if (failingSlices(slices).length === 0) return { chosen: test, slices }
    failed ??= slices
  }
  return { chosen: null, slices: failed ?? [] }
}

/**
 * Thresholds that are wider than the chosen one, until one where a slice fails, the upstream differs too often, or
 * questions that are new to training lose more than the margin: pairs of the traffic say little of these.
 */
const widerThan = (
  chosen: ThresholdTest | null,
  tests: readonly ThresholdTest[],
  answerable: readonly JudgedRow[],
  { cuts, burstMs, margin }: { cuts: readonly Cut[]; burstMs: number; margin: number }
): number[] => {
  if (chosen === null) return []
  const allowed = new Set(
    cuts
      .filter((cut) => isMeasurable(cut) && lossOf(cut.unseen) <= margin)
      .map(({ threshold }) => threshold)
  )
  const wider = tests
    .map(({ threshold }) => threshold)
    .filter((threshold) => threshold < chosen.threshold)
  const end = wider.findIndex((threshold) => {
    const answered = answerable.filter((row) => row.isTraffic && row.confidence >= threshold)
    return !allowed.has(threshold) || failingSlices(sliceFigures(answered, burstMs)).length > 0
  })
  return end < 0 ? wider : wider.slice(0, end)
}

/** Thresholds that passed, and are narrower than the chosen one. */
const narrowerThan = (chosen: ThresholdTest | null, tests: readonly ThresholdTest[]): number[] =>
  tests.flatMap(({ threshold, passed }) =>
    chosen !== null && passed && threshold > chosen.threshold ? [threshold] : []
  )

/** Tests one arm at its share of alpha, and takes the best threshold that may be promised. */
export const armFigures = (
  { arm, statistic, rows }: ArmRows,
  options: FiguresOptions
): ArmFigures => {
  const judged = rows.map((row) => judge(row, statistic))
  const answerable = judged.filter((row) => row.deferred === null)
  const traffic = judged.filter((row) => row.isTraffic)
  const possible = answerable.filter((row) => row.isTraffic)
  const cuts = cutsOf(answerable, options.burstMs)
  const minAnswered = Math.ceil(options.minCoverage * traffic.length)
  const { margin, armAlpha } = options
  const tests = testThresholds(cuts, { margin, alpha: armAlpha, minAnswered })
  const { chosen, slices } = chooseThreshold(tests, answerable, cuts, options)
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
    deferred: countReasons(traffic, ({ deferred }) => deferred),
    agreement: mean(possible.map((row) => Number(row.agrees))),
    confidence: statistic,
    threshold: chosen?.threshold ?? null,
    coverage: traffic.length === 0 ? 0 : samples.traffic.answered / traffic.length,
    agreementAnswered: samples.traffic.agreement,
    agreementAnsweredBound: samples.traffic.bound,
    lossBound: Math.max(samples.traffic.lossBound, samples.unseen.lossBound),
    upstreamAgreement: upstreamAgreementOf((cut ?? cuts.at(-1))?.traffic ?? NO_COUNTS),
    samples,
    tests,
    wider: widerThan(chosen, tests, answerable, { cuts, ...options }),
    narrower: narrowerThan(chosen, tests),
    shortage: tests.length > 0 ? null : shortageOf(judged, cuts, options, minAnswered),
    slices,
  }
}
