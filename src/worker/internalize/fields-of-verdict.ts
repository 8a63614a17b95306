/** In which fields the winning arm's answers to the held-out requests disagree, where answers are JSON. */
import { isComparedByField } from '../../core/answer/agreement.ts'
import {
  fieldFigures,
  type ComparedRow,
  type FieldFigures,
} from '../../core/answer/field-figures.ts'
import { textOf } from '../../core/answer/outcome.ts'
import type { Verdict } from '../../core/gate/gate.ts'
import type { InternalizationPlan } from '../../core/internalization/internalization.ts'
import { confidenceOf } from '../../core/route/confidence.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { rowsOfArm } from '../answers/rows-of-arm.ts'
import { winningFigures } from '../../core/internalization/internalization.ts'

/**
 * Of both samples. Answers that no route would give are not compared.
 * @param rows as the judge sees them, where one compares
 * @returns null where answers are not compared by field
 */
export const fieldsOfVerdict = (
  { answers }: Pick<InternalizationPlan, 'answers'>,
  verdict: Verdict,
  rows: readonly EvaluationRow[],
  heldOut: readonly MatchedExchange[]
): FieldFigures | null => {
  if (!isComparedByField(answers)) return null
  const { threshold, confidence: statistic } = winningFigures(verdict)
  const [byId, first] = [rowsOfArm(rows, verdict.arm), rowsOfArm(rows, 0)]
  const compared = heldOut.flatMap(({ id, outcome }): ComparedRow[] => {
    const [row, bought] = [byId.get(id), first.get(id)]
    if (row === undefined || row.deferred !== null) return []
    // an answer of today that is no text is stored as ''
    const upstream = bought?.fresh ? bought.upstreamAnswer || null : textOf(outcome)
    const isAnswered = threshold !== null && confidenceOf(statistic, row) >= threshold
    const agrees = row.agreesToday ?? row.agrees
    return [{ adapted: row.answer, upstream, agrees, isAnswered }]
  })
  return fieldFigures(answers, compared)
}
