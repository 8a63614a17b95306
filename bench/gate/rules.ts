/**
 * Ways to let the product's gate choose an arm and a threshold, judged by what they let through.
 * `first try` is what the worker does, at the level of a first try; `favoured by loss` is the same at the
 * whole alpha, so that its errors are the largest; `picked by loss` leaves the other arm no chance;
 * `alpha shared` is the answer to an engine without losses, and `by held-out rows` breaks
 * alpha on purpose, to show what choosing there would cost. The others use more or less of the margin.
 */
import { decide, levelOfTry, type GateInput, type Verdict } from '../../src/core/gate/gate.ts'
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
    /** a slice is answered that truly loses more than ten points */
    weakSlice?: boolean
  } | null
}

interface DecideOptions {
  /** leaves the other arm out */
  alone?: boolean
  /** the product's own unless given */
  usedMargin?: number
  /** all of it unless given */
  alpha?: number
}

/** A draw decided with one arm favoured, or null for none. */
type DecideWith = (arm: number | null, options?: DecideOptions) => Verdict

export type Rule = (decideWith: DecideWith, losses: [number, number]) => Verdict

const favouredWith =
  (options: DecideOptions): Rule =>
  (decideWith, losses) =>
    decideWith(armByValidationLoss(losses), options)

export const favouredByLoss = favouredWith({})

export const firstTry = favouredWith({ alpha: levelOfTry(0) })

const alphaShared: Rule = (decideWith) => decideWith(null)

const byHeldOutRows: Rule = (decideWith) => {
  const [first, second] = [decideWith(0, { alone: true }), decideWith(1, { alone: true })]
  return coverageOf(second) > coverageOf(first) ? second : first
}

const coverageOf = ({ arm, arms }: Verdict): number => arms[arm]!.coverage

export const rules: Record<string, Rule> = {
  'favoured by loss': favouredByLoss,
  'first try': firstTry,
  'picked by loss': favouredWith({ alone: true }),
  'alpha shared': alphaShared,
  'by held-out rows': byHeldOutRows,
  'widest that passes': favouredWith({ usedMargin: 1 }),
  'eight tenths of the margin': favouredWith({ usedMargin: 0.8 }),
  'half of the margin': favouredWith({ usedMargin: 0.5 }),
  'four tenths of the margin': favouredWith({ usedMargin: 0.4 }),
}

const outcomeOf = ({ verdict, arm, arms }: Verdict, { world, margin }: Setting): Outcome => {
  const { threshold, confidence } = arms[arm]!
  if (verdict === 'reject' || threshold === null) return { arm, promoted: null }
  const truth = truthAt(world.arms[arm]!, confidence, threshold)
  const broken = truth.agreement < requiredAgreement(world, margin)
  return { arm, promoted: { ...truth, broken } }
}

const decideAlone = (input: GateInput, arm: number): Verdict => {
  const verdict = decide({ ...input, arms: [input.arms[arm]!] })
  return { ...verdict, arm, arms: input.arms.map(() => verdict.arms[0]!) }
}

/** One draw of a setting, judged by every rule. */
export const drawOutcomes = (setting: Setting, judges: Rule[], random: () => number): Outcome[] => {
  const { world, margin, size, replays = 0, responseType = 'label' } = setting
  const losses = drawValidationLosses(world, size, random)
  const [queryOnly, schedule] = drawHeldOut(world, { size, replays }, random)
  const validation =
    responseType === 'label'
      ? [[], []]
      : drawHeldOut(world, { size: validationRows(size), replays: 0 }, random)
  const input: GateInput = {
    arms: [
      { arm: 'query-only', statistic: chooseStatistic(validation[0]!), rows: queryOnly },
      { arm: 'schedule', statistic: chooseStatistic(validation[1]!), rows: schedule },
    ],
    responseType,
    margin,
    minCoverage: MIN_COVERAGE,
    burstMs: 0,
  }
  const decided = new Map<string, Verdict>()
  const decideWith: DecideWith = (arm, { alone = false, ...changed } = {}) => {
    const key = `${arm}/${alone}/${changed.usedMargin}/${changed.alpha}`
    const known = decided.get(key)
    if (known !== undefined) return known
    const own = { ...input, ...changed }
    const verdict =
      alone && arm !== null ? decideAlone(own, arm) : decide({ ...own, favouredArm: arm })
    decided.set(key, verdict)
    return verdict
  }
  return judges.map((rule) => outcomeOf(rule(decideWith, losses), setting))
}
