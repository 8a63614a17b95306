/**
 * The stages of a rollout: how much of the traffic a live route answers, how much is audited, and what the
 * evidence of its pairs decides. Knows nothing of stores, engines or answers.
 */
import {
  evidenceBelow,
  evidenceOfRise,
  lossInterval,
  pairsSince,
  beforeRise,
  type LeastLoss,
  type LossCounts,
} from './evidence.ts'
import type { Streams } from './pair-reader.ts'
import { shortPercent } from '../figure-text.ts'
import { itemAt } from '../lists.ts'

/** Where a live route stands. */
export interface RolloutStage {
  /** of the matching traffic that the lora may answer: 0 in the shadow stage, 1 at the end */
  share: number
  /**
   * the pairs before the stage, as they counted when it began; those since then decide on the next one
   */
  before: LossCounts
  /** when it began, milliseconds since the epoch; a pause does not change it */
  began: number
  /** a person has paused it: nothing but a person, or a rollback by evidence, ends that */
  isPaused?: true
  /** that the pause took away; absent without one */
  shareBefore?: number
}

/** `shadow`, `canary 5 %`, `full`, `paused`. */
export const stageName = ({
  share,
  isPaused,
}: Pick<RolloutStage, 'share' | 'isPaused'>): string => {
  if (isPaused) return 'paused'
  if (share === 0) return 'shadow'
  return share === 1 ? 'full' : `canary ${shortPercent(share)}`
}

/** The operator's settings for rollouts. */
export interface RolloutSettings {
  /** shares of the stages, rising; the last one is 1 */
  stages: readonly number[]
  /** of the traffic of a route in its last stage that is audited */
  auditShare: number
  /** capital at which a route is rolled back, and drift is reported */
  rollbackCapital: number
  /** capital at which the next stage begins */
  stepCapital: number
  /** least time of a stage, hours; 0: none, and the parts of the day are not asked for either */
  minHours: number
  /** the worker enters the next stage itself; else a person does */
  steps: boolean
  /** of audits, for all routes together; null: no limit */
  auditUsdPerDay: number | null
}

/**
 * @param share not necessarily of the settings @param counts all pairs so far
 * @param began milliseconds since the epoch
 */
export const stageOf = (
  share: number,
  { pairs, losses, credits }: LossCounts,
  began: number
): RolloutStage => ({ share, before: { pairs, losses, credits }, began })

export const firstShare = ({ stages }: Pick<RolloutSettings, 'stages'>): number => itemAt(stages, 0)

/**
 * The same stage, in which the lora answers nothing and all is audited. Its pairs go on being counted, so
 * that a pause neither loses evidence nor starts it anew.
 */
export const pausedStage = (stage: RolloutStage): RolloutStage =>
  stage.isPaused ? stage : { ...stage, share: 0, isPaused: true, shareBefore: stage.share }

/** The stage that was paused; one that is not paused stays as it is. */
export const resumedStage = ({
  share,
  before,
  began,
  shareBefore = share,
}: RolloutStage): RolloutStage => ({ share: shareBefore, before, began })

/** @returns null in the last stage; of a paused one, the share that was paused */
export const nextShare = (
  stage: RolloutStage,
  { stages }: Pick<RolloutSettings, 'stages'>
): number | null =>
  stage.isPaused
    ? resumedStage(stage).share
    : (stages.find((candidate) => candidate > stage.share) ?? null)

/** Whether the lora may answer more of the traffic than before, and than before a pause. */
export const isMore = (share: number, stage: RolloutStage): boolean =>
  share > resumedStage(stage).share

export interface TrafficShares {
  /** of the matching traffic that the lora may answer */
  trafficShare: number
  /** of the matching traffic that is audited; together at most 1 */
  auditShare: number
  /** that share as a part of the one without limits of money and time, in [0, 1] (`audit-part.ts`) */
  auditPart: number
}

/**
 * Before the last stage, every request that the lora may not answer is audited: the upstream answers it
 * anyway, so this costs nothing there. In the last stage an audit takes a request from the lora where all
 * of the traffic is the lora's.
 * @param audits `few`: no more than in the last stage, because a person is waited for
 */
export const trafficShares = (
  { share }: Pick<RolloutStage, 'share'>,
  { auditShare }: Pick<RolloutSettings, 'auditShare'>,
  { audits = 'all', auditPart = 1 }: { audits?: 'all' | 'few'; auditPart?: number } = {}
): TrafficShares => {
  if (share === 1) {
    const audited = auditPart * auditShare
    return { trafficShare: 1 - audited, auditShare: audited, auditPart }
  }
  const rest = 1 - share
  const audited = auditPart * (audits === 'few' ? Math.min(auditShare, rest) : rest)
  return { trafficShare: share, auditShare: audited, auditPart }
}

/** Bounds of a route's loss: both are shares of its answers. */
export interface LossBounds {
  /** that the operator allows; beyond it the promise is broken */
  margin: number
  /** that the proof showed, at most the margin; beyond it the traffic has changed */
  proven: number
  /** the least loss that a pair can have */
  least: LeastLoss
}

/** What the pairs say, in natural logarithms of the capital. */
export interface EvidenceFigures extends LossCounts, LossBounds {
  /** 95 % confidence sequence of the loss */
  interval: [lower: number, upper: number]
  /** against "the loss is within the margin", from its share of the capital */
  rollback: number
  /** against "the loss is at most what was proven" */
  drift: number
  /** of the pairs since the stage began, against "the loss exceeds the margin" */
  step: number
  /** since the stage began */
  stagePairs: number
  /** when the loss rose above what was proven, if it did; null: it was above it from the beginning */
  roseAt: number | null
  /** the pairs since then */
  sinceRise: LossCounts
}

const INTERVAL_ALPHA = 0.05

/**
 * Of the capital of 1, for the two tests of harm: of pairs, and of feedback (`core/outcomes`). A route is rolled
 * back when one of them has the deciding capital, so both together do it by chance as seldom as one would with
 * all of it. Pairs come for every audited conversation and find a loss first, so they have most.
 */
export const [SHARE_OF_PAIRS, SHARE_OF_FEEDBACK] = [0.9, 0.1]

export const evidenceFigures = (
  { stream, inStage, startTimes }: Streams,
  { margin, proven, least }: LossBounds
): EvidenceFigures => {
  const before = beforeRise(stream, proven, least)
  return {
    pairs: stream.pairs,
    losses: stream.losses,
    credits: stream.credits,
    interval: lossInterval(stream, INTERVAL_ALPHA, least),
    margin,
    proven,
    least,
    rollback: Math.log(SHARE_OF_PAIRS) + evidenceOfRise(stream, margin, least),
    drift: evidenceOfRise(stream, proven, least),
    step: evidenceBelow(inStage, margin),
    stagePairs: inStage.pairs,
    roseAt: startTimes.get(before.pairs) ?? null,
    sinceRise: pairsSince(stream, before),
  }
}

export interface RolloutDecision {
  /** the promise is broken */
  rollsBack: boolean
  /** the loss is more than was proven */
  hasDrifted: boolean
  /** the next stage may begin; false in the last one, and in a pause */
  mayStep: boolean
}

/** @param waitsFor what the stage waits for beside evidence (`stage-time.ts`) */
export const decideRollout = (
  { rollback, drift, step }: EvidenceFigures,
  { stage, waitsFor }: { stage: RolloutStage; waitsFor: readonly unknown[] },
  { rollbackCapital, stepCapital }: Pick<RolloutSettings, 'rollbackCapital' | 'stepCapital'>
): RolloutDecision => ({
  rollsBack: rollback >= Math.log(rollbackCapital),
  hasDrifted: drift >= Math.log(rollbackCapital),
  mayStep:
    stage.share < 1 && !stage.isPaused && step >= Math.log(stepCapital) && waitsFor.length === 0,
})
