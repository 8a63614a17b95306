/**
 * Lets the product's gate judge drawn held-out exchanges: `firstTry` is what the worker does, at the
 * level of a first try; `favouredByLoss` is the same at the whole alpha, so that its errors are the
 * largest.
 */
import { decide, levelOfTry, type Verdict } from '../../src/core/gate/gate.ts'
import { armByValidationLoss, chooseStatistic } from '../../src/core/gate/arm.ts'
import {
  drawHeldOut,
  drawValidationLosses,
  requiredAgreement,
  truthAt,
  validationRows,
  type World,
} from './worlds.ts'

export const ALPHA = 0.05
export const MIN_COVERAGE = 0.2

export interface Setting {
  world: World
  margin: number
  /** held-out rows */
  size: number
  /** of them with a fresh upstream answer */
  replays?: number
  /** a label's statistic is the sum, that of JSON is chosen by validation rows */
  responseType?: 'label' | 'json'
}

/** Result of one draw: the true figures of the promoted arm. */
export interface Outcome {
  arm: number
  promoted: {
    coverage: number
    agreement: number
    broken: boolean
  } | null
}

/** Alpha that the gate may spend; all of it unless given. */
export type Rule = { alpha?: number }

export const favouredByLoss: Rule = {}

export const firstTry: Rule = { alpha: levelOfTry(0) }

const outcomeOf = ({ verdict, arm, arms }: Verdict, { world, margin }: Setting): Outcome => {
  const { threshold, confidence } = arms[arm]!
  if (verdict === 'reject' || threshold === null) return { arm, promoted: null }
  const truth = truthAt(world.arms[arm]!, confidence, threshold)
  const broken = truth.agreement < requiredAgreement(world, margin)
  return { arm, promoted: { ...truth, broken } }
}

/** One draw of a setting, judged with the arm of the lower validation loss favoured. */
export const drawOutcome = (setting: Setting, rule: Rule, random: () => number): Outcome => {
  const { world, margin, size, replays = 0, responseType = 'label' } = setting
  const losses = drawValidationLosses(world, size, random)
  const [queryOnly, schedule] = drawHeldOut(world, { size, replays }, random)
  const validation =
    responseType === 'label'
      ? [[], []]
      : drawHeldOut(world, { size: validationRows(size), replays: 0 }, random)
  const verdict = decide({
    arms: [
      { arm: 'query-only', statistic: chooseStatistic(validation[0]!), rows: queryOnly },
      { arm: 'schedule', statistic: chooseStatistic(validation[1]!), rows: schedule },
    ],
    responseType,
    margin,
    minCoverage: MIN_COVERAGE,
    burstMs: 0,
    favouredArm: armByValidationLoss(losses),
    ...rule,
  })
  return outcomeOf(verdict, setting)
}
