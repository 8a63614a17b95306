/** The learning curve from stored answers: those of the verdict, and those of the smaller trainings. */
import { FAVOURED_SHARE } from '../../core/gate/gate.ts'
import { learningCurve, type LearningCurve } from '../../core/gate/learning-curve.ts'
import { agreementCut } from '../../core/answer/score.ts'
import { armOfFit } from '../../core/lifecycle/internalization.ts'
import type { Fit } from '../../lifecycle/learning-curve.ts'
import type { EvaluationRow } from '../../store/store.ts'
import { heldOutRows } from '../internalize/evaluate.ts'
import { heldOutOf, type CurveContext } from './fit.ts'

const ALPHA = 0.05

export const curveOf = async (context: CurveContext, fits: Fit[]): Promise<LearningCurve> => {
  const { deps, internalization, plan, verdict } = context
  const { alpha = ALPHA, minCoverage = deps.config.minCoverage, margin, arm } = verdict
  const heldOut = await heldOutOf(context)
  const stored = await deps.store.internalizations.evaluations(internalization.id)
  const rowsOf = (number: number): Map<string, EvaluationRow> =>
    new Map(stored.filter((row) => row.arm === number).map((row) => [row.recordId, row]))
  const bought = rowsOf(0)
  const fitted = fits.map(({ rows }, place) => ({
    rows,
    heldOut: heldOutRows(plan, rowsOf(armOfFit(plan, place)), new Map(), heldOut),
  }))
  const all = {
    rows: plan.trainRecordIds.length,
    heldOut: heldOutRows(plan, rowsOf(arm), bought, heldOut),
  }
  return learningCurve([...fitted, all], {
    statistic: verdict.arms[arm]!.confidence,
    cut: agreementCut(verdict.responseType),
    margin,
    minCoverage,
    alpha: plan.arms.length > 1 ? FAVOURED_SHARE * alpha : alpha,
    seed: plan.seed,
  })
}
