/** The learning curve from stored answers: those of the verdict, and those of the smaller trainings. */
import { heldOutRows, type HeldOutRecord } from '../../core/proof/decision-facts.ts'
import { FAVOURED_SHARE, type HeldOutRow } from '../../core/gate/gate.ts'
import { learningCurve, type LearningCurve } from '../../core/gate/learning-curve.ts'
import { armOfFit, burstMsOf, winningFigures } from '../../core/internalization/internalization.ts'
import type { Fit } from '../../lifecycle/learning-curve.ts'
import { answersOf, heldOutRecords } from '../internalize/collect-facts.ts'
import { heldOutOf, type CurveContext } from './fit.ts'

export const curveOf = async (context: CurveContext, fits: Fit[]): Promise<LearningCurve> => {
  const { deps, internalization, plan, verdict } = context
  const { alpha, minCoverage, margin, arm } = verdict
  const heldOut = await heldOutOf(context)
  const stored = await deps.store.internalizations.evaluations(internalization.id)
  const { streamsEarly, confidence: statistic } = winningFigures(verdict)
  const rowsOf = (number: number, records: HeldOutRecord[]): HeldOutRow[] =>
    heldOutRows(records, { streamsEarly, answers: answersOf(records, stored, number) })
  const records = heldOutRecords(plan, heldOut, [])
  const fitted = fits.map(({ rows }, place) => ({
    rows,
    heldOut: rowsOf(armOfFit(plan, place), records),
  }))
  const all = {
    rows: plan.trainRecordIds.length,
    heldOut: rowsOf(arm, heldOutRecords(plan, heldOut, stored)),
  }
  return learningCurve([...fitted, all], {
    statistic,
    burstMs: burstMsOf(plan),
    margin,
    minCoverage,
    alpha: plan.arms.length > 1 ? FAVOURED_SHARE * alpha : alpha,
    seed: plan.seed,
  })
}
