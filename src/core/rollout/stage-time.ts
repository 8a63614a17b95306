/**
 * How long a stage of a rollout lasts at least: a day, with pairs of each part of the day in which the proof had
 * traffic. Evidence of one busy hour says nothing of the hours that the next stage will have.
 */
import { reasonOf, type Reason } from '../reason.ts'
import { HOUR_MS } from '../log/traffic-hours.ts'
import type { Baseline } from './indicators.ts'
import type { RolloutSettings, RolloutStage } from './stages.ts'
import { itemAt } from '../lists.ts'

/** Share of the held-out traffic from which on a part of the day is asked for, and the pairs that it needs. */
const LEAST_SHARE = 0.05
const LEAST_PAIRS = 3
/** Then a part without pairs has no traffic any more, or the times of an imported log were not true. */
const LONGEST_WAIT_HOURS = 7 * 24

const missingParts = (
  stageParts: readonly number[],
  { parts }: Pick<Baseline, 'parts'>
): Reason[] =>
  stageParts.flatMap((pairs, part) => {
    const isMissing = itemAt(parts, part) >= LEAST_SHARE && pairs < LEAST_PAIRS
    return isMissing ? reasonOf('part-of-day-missing', { part, pairs, needed: LEAST_PAIRS }) : []
  })

export interface StageTime {
  stage: RolloutStage
  /** pairs since the stage began, by part of the day */
  stageParts: readonly number[]
  /** null without held-out traffic to compare with */
  baseline: Baseline | null
  /** milliseconds since the epoch; before the stage began where the clock was set back */
  now: number
}

/** What the next stage waits for beside evidence, nothing in the last stage. */
export const stageWaits = (
  { stage, stageParts, baseline, now }: StageTime,
  { minHours }: Pick<RolloutSettings, 'minHours'>
): Reason[] => {
  if (minHours === 0 || stage.share === 1 || stage.isPaused) return []
  const ends = stage.began + minHours * HOUR_MS
  const asksForParts = baseline !== null && now - stage.began < LONGEST_WAIT_HOURS * HOUR_MS
  return [
    ...(now < ends ? [reasonOf('stage-too-young', { until: ends })] : []),
    ...(asksForParts ? missingParts(stageParts, baseline) : []),
  ]
}
