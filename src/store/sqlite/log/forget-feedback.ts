/** Deletes feedback with its records, and tells those who have counted it. */
import { feedbackRevision } from '../../log/audits.ts'
import { addToRevision } from '../base/counters.ts'
import { executeIn, type SqlTransaction } from '../base/statements.ts'

const raiseRevisions = async (tx: SqlTransaction, loras: unknown[]): Promise<void> => {
  for (const lora of new Set(loras))
    if (typeof lora === 'string') await addToRevision(tx, feedbackRevision(lora), 1)
}

/** The feedback of forgotten records. */
export const forgetFeedback = async (tx: SqlTransaction, ids: string[]): Promise<void> => {
  const rows = await executeIn(tx, 'select distinct lora from feedback where record_id in', ids)
  await executeIn(tx, 'delete from feedback where record_id in', ids)
  await raiseRevisions(
    tx,
    rows.map(({ lora }) => lora)
  )
}

/**
 * The feedback of deleted records, and the comments on records that have lost their bodies.
 * @param before time of the oldest record that still has bodies
 */
export const pruneFeedback = async (tx: SqlTransaction, before: number): Promise<void> => {
  const recordOf = 'select 1 from records where records.id = feedback.record_id'
  const isLost = `not exists (${recordOf})`
  const { rows } = await tx.execute(`select distinct lora from feedback where ${isLost}`)
  await tx.execute(`delete from feedback where ${isLost}`)
  await raiseRevisions(
    tx,
    rows.map(({ lora }) => lora)
  )
  await tx.execute({
    sql: `update feedback set comment = null
      where comment is not null and not exists (${recordOf} and records.at >= ?)`,
    args: [before],
  })
}
