/** The stored rows of one arm of an evaluation. */
import type { EvaluationRow } from '../../store/store.ts'

/** By record id. */
export const rowsOfArm = (
  rows: readonly EvaluationRow[],
  arm: number
): Map<string, EvaluationRow> =>
  new Map(rows.filter((row) => row.arm === arm).map((row) => [row.recordId, row]))
