/** A lora's answers to held-out requests, requested and stored batch by batch. */
import type { InternalizationPlan } from '../../core/lifecycle/internalization.ts'
import type { EvaluationRow, Store } from '../../store/store.ts'
import { rowsOfArm } from './decision-facts.ts'
import {
  BATCH_ROWS,
  comparedToday,
  evaluateRow,
  NOT_ASKED_TODAY,
  type EvaluateDeps,
} from './evaluate-row.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'

export interface Asked extends EvaluateDeps {
  store: Store
  /** whose rows these are */
  internalizationId: string
  /** their arm in the store */
  arm: number
  /** how the lora's answers are requested and checked */
  plan: InternalizationPlan
  lora: string
}

/**
 * @param stored rows that the store has already, of all arms
 * @returns the rows of the arm by record id: stored ones, and those to the given exchanges
 * @throws AppError of the engine
 */
export const answeredRows = async (
  { store, internalizationId, arm, plan, lora, ...deps }: Asked,
  exchanges: readonly MatchedExchange[],
  stored: readonly EvaluationRow[]
): Promise<Map<string, EvaluationRow>> => {
  const [known, firstRows] = [rowsOfArm(stored, arm), rowsOfArm(stored, 0)]
  const open = exchanges.filter(({ id }) => !known.has(id))
  for (let start = 0; start < open.length; start += BATCH_ROWS) {
    const rows = await Promise.all(
      open.slice(start, start + BATCH_ROWS).map(async (exchange): Promise<EvaluationRow> => {
        const row = {
          internalizationId,
          arm,
          recordId: exchange.id,
          ...(await evaluateRow(deps, plan, lora, exchange)),
          ...NOT_ASKED_TODAY,
        }
        return comparedToday(plan, row, firstRows.get(exchange.id))
      })
    )
    await store.internalizations.addEvaluations(rows)
    for (const row of rows) known.set(row.recordId, row)
  }
  return known
}
