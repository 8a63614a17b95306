/** Deletes feedback with its records, and tells those who have counted it. */
import { feedbackRevision } from '../../log/audits.ts'
import { raiseRevision } from '../base/counters.ts'
import type { Transaction } from '../base/database.ts'

/** @param rows of the deleted feedback */
const raiseRevisions = async (tx: Transaction, rows: { lora: string | null }[]): Promise<void> => {
  // in one order, so that two transactions do not wait for each other
  for (const lora of [...new Set(rows.map((row) => row.lora))].toSorted())
    if (lora !== null) await raiseRevision(tx, feedbackRevision(lora))
}

/** The feedback of forgotten records. */
export const forgetFeedback = async (tx: Transaction, ids: string[]): Promise<void> => {
  const { rows } = await tx.$client.query<{ lora: string | null }>(
    'delete from promptintern.feedback where record_id = any($1::text[]) returning lora',
    [ids]
  )
  await raiseRevisions(tx, rows)
}

/** The feedback of deleted records, and the comments on records that have lost their bodies. */
export const pruneFeedback = async (
  tx: Transaction,
  kept: { records: number; bodies: number }
): Promise<void> => {
  const { rows } = await tx.$client.query<{ lora: string | null }>(
    'delete from promptintern.feedback where day < $1 returning lora',
    [kept.records]
  )
  await raiseRevisions(tx, rows)
  await tx.$client.query(
    'update promptintern.feedback set comment = null where day < $1 and comment is not null',
    [kept.bodies]
  )
}
