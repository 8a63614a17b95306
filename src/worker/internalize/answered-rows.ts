/** The answers of an arm to held-out requests, requested and stored batch by batch. */
import type { EvaluationRow, Store } from '../../store/store.ts'
import { rowsOfArm } from '../answers/rows-of-arm.ts'
import {
  BATCH_ROWS,
  comparedToday,
  newRow,
  storeAnswered,
  type EvaluateDeps,
  type RowOwner,
} from './evaluate-row.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'

export interface Asked extends EvaluateDeps, RowOwner {
  store: Store
}

/**
 * @param stored rows that the store has already, of all arms
 * @returns the rows of the arm by record id: stored ones, and those to the given exchanges
 * @throws AppError of what answers; then the answers that came are stored
 */
export const answeredRows = async (
  asked: Asked,
  exchanges: readonly MatchedExchange[],
  stored: readonly EvaluationRow[]
): Promise<Map<string, EvaluationRow>> => {
  const { store, arm, plan } = asked
  const [known, firstRows] = [rowsOfArm(stored, arm), rowsOfArm(stored, 0)]
  const open = exchanges.filter(({ id }) => !known.has(id))
  for (let start = 0; start < open.length; start += BATCH_ROWS) {
    const rows = await storeAnswered(
      store,
      open.slice(start, start + BATCH_ROWS),
      async (exchange) =>
        comparedToday(plan, await newRow(asked, asked, exchange), firstRows.get(exchange.id))
    )
    for (const row of rows) known.set(row.recordId, row)
  }
  return known
}
