/**
 * Ways to let the product's gate choose among arms, judged by what they let through. Only `by
 * validation loss` is what the worker does; `alpha shared` is its answer to an engine without
 * losses, and `by held-out rows` breaks alpha on purpose, to show what choosing there would cost.
 */
import { decide, type GateInput, type Verdict } from '../../src/core/gate.ts'
import { armByValidationLoss } from '../../src/core/gate-arm.ts'
import {
  drawHeldOut,
  drawValidationLosses,
  requiredAgreement,
  truthAt,
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
  /** labels are judged by one statistic, JSON by two */
  responseType?: 'label' | 'json'
}

/** What one draw came to: the truth of what was promoted. */
export interface Outcome {
  arm: number
  promoted: { coverage: number; agreement: number; broken: boolean } | null
}

/** A draw decided with one arm chosen, or null for none, at a level. */
type DecideWith = (chosenArm: number | null, alpha?: number) => Verdict

export type Rule = (decideWith: DecideWith, losses: [number, number]) => Verdict

export const byValidationLoss: Rule = (decideWith, losses) =>
  decideWith(armByValidationLoss(losses))

const alphaShared: Rule = (decideWith) => decideWith(null)

const widest = (a: Verdict, b: Verdict): Verdict =>
  b.arms[b.arm]!.coverage > a.arms[a.arm]!.coverage ? b : a

/** The arm with the lower loss gets the larger part of alpha, the other one the rest. */
const favoured =
  (share: number): Rule =>
  (decideWith, losses) => {
    const arm = armByValidationLoss(losses)!
    return widest(decideWith(arm, share * ALPHA), decideWith(1 - arm, (1 - share) * ALPHA))
  }

const byHeldOutRows: Rule = (decideWith) => widest(decideWith(0), decideWith(1))

export const rules: Record<string, Rule> = {
  'by validation loss': byValidationLoss,
  'alpha shared': alphaShared,
  'four fifths of alpha by loss': favoured(0.8),
  'by held-out rows': byHeldOutRows,
}

const outcomeOf = ({ verdict, arm, arms }: Verdict, { world, margin }: Setting): Outcome => {
  const { threshold, confidence } = arms[arm]!
  if (verdict === 'reject' || threshold === null) return { arm, promoted: null }
  const truth = truthAt(world.arms[arm]!, confidence, threshold)
  const broken = truth.agreement < requiredAgreement(world, margin)
  return { arm, promoted: { ...truth, broken } }
}

/** One draw of a setting, judged by every rule. */
export const drawOutcomes = (setting: Setting, judges: Rule[], random: () => number): Outcome[] => {
  const { world, margin, size, replays = 0, responseType = 'label' } = setting
  const losses = drawValidationLosses(world, size, random)
  const [queryOnly, schedule] = drawHeldOut(world, { size, replays }, random)
  const input: GateInput = {
    arms: [
      { arm: 'query-only', rows: queryOnly },
      { arm: 'schedule', rows: schedule },
    ],
    responseType,
    margin,
    minCoverage: MIN_COVERAGE,
    seed: 1,
  }
  const decided = new Map<string, Verdict>()
  const decideWith: DecideWith = (chosenArm, alpha = ALPHA) => {
    const key = `${chosenArm}/${alpha}`
    const verdict = decided.get(key) ?? decide({ ...input, chosenArm, alpha })
    decided.set(key, verdict)
    return verdict
  }
  return judges.map((rule) => outcomeOf(rule(decideWith, losses), setting))
}
