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
  NO_PAIRS,
  type LossCounts,
} from './evidence.ts'
import type { PairSums } from './pair.ts'

/** Where a live route stands. */
export interface RolloutStage {
  /** of the matching traffic that the lora may answer: 0 in the shadow stage, 1 at the end */
  share: number
  /**
   * the pairs before the stage, as they counted when it began; those since then decide on the next one
   */
  before: LossCounts
  /** a person has paused it: nothing but a person, or a rollback by evidence, ends that */
  isPaused?: true
  /** that the pause took away; absent without one */
  shareBefore?: number
}

/** A live internalization of an earlier version had all of the traffic. */
export const FULL_STAGE: RolloutStage = { share: 1, before: NO_PAIRS }

/** `shadow`, `canary 5 %`, `full`, `paused`. */
export const stageName = ({
  share,
  isPaused,
}: Pick<RolloutStage, 'share' | 'isPaused'>): string => {
  if (isPaused) return 'paused'
  if (share === 0) return 'shadow'
  return share === 1 ? 'full' : `canary ${Number((100 * share).toPrecision(3))} %`
}

/** The operator's settings for rollouts. */
export interface RolloutSettings {
  /** shares of the stages, rising; the last one is 1 */
  stages: readonly number[]
  /** of the matching traffic that a route in its last stage may answer */
  trafficShare: number
  /** of the traffic of a route in its last stage that is audited */
  auditShare: number
  /** capital at which a route is rolled back, and drift is reported */
  rollbackCapital: number
  /** capital at which the next stage begins */
  stepCapital: number
  /** the worker enters the next stage itself; else a person does */
  steps: boolean
  /** of audits, for all routes together; null: no limit */
  auditUsdPerDay: number | null
}

/** @param share not necessarily of the settings @param counts all pairs so far */
export const stageOf = (share: number, { pairs, losses }: LossCounts): RolloutStage => ({
  share,
  before: { pairs, losses },
})

export const firstStage = ({ stages }: RolloutSettings): RolloutStage =>
  stageOf(stages[0]!, NO_PAIRS)

/**
 * The same stage, in which the lora answers nothing and all is audited. Its pairs go on being counted, so
 * that a pause neither loses evidence nor starts it anew.
 */
export const pausedStage = (stage: RolloutStage): RolloutStage =>
  stage.isPaused
    ? stage
    : { share: 0, before: stage.before, isPaused: true, shareBefore: stage.share }

/** The stage that was paused; one that is not paused stays as it is. */
export const resumedStage = ({
  share,
  before,
  shareBefore = share,
}: RolloutStage): RolloutStage => ({
  share: shareBefore,
  before,
})

/**
 * @param counts all pairs so far
 * @returns null in the last stage; of a paused one, the stage that was paused
 */
export const nextStage = (
  stage: RolloutStage,
  { stages }: Pick<RolloutSettings, 'stages'>,
  counts: LossCounts
): RolloutStage | null => {
  if (stage.isPaused) return resumedStage(stage)
  const next = stages.find((candidate) => candidate > stage.share)
  return next === undefined ? null : stageOf(next, counts)
}

/** Whether the lora may answer more of the traffic than before, and than before a pause. */
export const isMore = (share: number, stage: RolloutStage): boolean =>
  share > resumedStage(stage).share

export interface TrafficShares {
  /** of the matching traffic that the lora may answer */
  trafficShare: number
  /** of the matching traffic that is audited; together at most 1 */
  auditShare: number
}

/**
 * Before the last stage, every request that the lora may not answer is audited: the upstream answers it
 * anyway, so this costs nothing there. In the last stage an audit takes a request from the lora where all
 * of the traffic is the lora's.
 * @param audits `few`: no more than in the last stage, because a person is waited for, or the worker
 */
export const trafficShares = (
  { share }: RolloutStage,
  { trafficShare, auditShare }: Pick<RolloutSettings, 'trafficShare' | 'auditShare'>,
  audits: 'all' | 'few' = 'all'
): TrafficShares => {
  if (share === 1) return { trafficShare: Math.min(trafficShare, 1 - auditShare), auditShare }
  const served = share * trafficShare
  const rest = 1 - served
  return { trafficShare: served, auditShare: audits === 'few' ? Math.min(auditShare, rest) : rest }
}

/** Bounds of a route's loss: both are shares of its answers. */
export interface LossBounds {
  /** that the operator allows; beyond it the promise is broken */
  margin: number
  /** that the proof showed, at most the margin; beyond it the traffic has changed */
  proven: number
}

/** What the pairs say, in natural logarithms of the capital. */
export interface EvidenceFigures {
  /** conversations */
  pairs: number
  losses: number
  /** 95 % confidence sequence of the loss */
  interval: [lower: number, upper: number]
  margin: number
  proven: number
  /** against "the loss is within the margin" */
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

export const evidenceFigures = (
  { stream, inStage, startTimes }: Pick<PairSums, 'stream' | 'inStage' | 'startTimes'>,
  { margin, proven }: LossBounds
): EvidenceFigures => {
  const before = beforeRise(stream, proven)
  return {
    pairs: stream.pairs,
    losses: stream.losses,
    interval: lossInterval(stream, INTERVAL_ALPHA),
    margin,
    proven,
    rollback: evidenceOfRise(stream, margin),
    drift: evidenceOfRise(stream, proven),
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

export const decideRollout = (
  { rollback, drift, step }: EvidenceFigures,
  stage: RolloutStage,
  { rollbackCapital, stepCapital }: Pick<RolloutSettings, 'rollbackCapital' | 'stepCapital'>
): RolloutDecision => ({
  rollsBack: rollback >= Math.log(rollbackCapital),
  hasDrifted: drift >= Math.log(rollbackCapital),
  mayStep: stage.share < 1 && !stage.isPaused && step >= Math.log(stepCapital),
})
