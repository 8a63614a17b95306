/** Feedback on records. `log/forget.ts` and `log/prune.ts` delete it with its record. */
import { asc, gt } from 'drizzle-orm'
import type { StoredFeedback } from '../../core/log/feedback.ts'
import type { RecordHead } from '../../core/log/record.ts'
import type { Redactor } from '../../core/log/redact.ts'
import {
  feedbackReads,
  feedbackRow,
  noRecord,
  putFeedback,
  removeFeedback,
} from '../common/feedback.ts'
import type { FeedbackStore } from '../store.ts'
import { commonOf } from './base/common.ts'
import type { Connection, Database } from './base/database.ts'
import { takeLock } from './base/locks.ts'
import { feedback } from './base/schema.ts'
import { findRow, versionsOf } from './log/look-up.ts'
import { readHead } from './log/records.ts'

/** The head of a record of the tenant, and its day. @throws AppError `not-found` */
const requireHead = async (
  { readTogether }: Connection,
  id: string,
  tenant: string | null
): Promise<{ head: RecordHead; day: number }> => {
  const found = await readTogether((db) => readHead(db, id))
  if (found === null || (tenant !== null && found.head.tenant !== tenant))
    throw noRecord(id, tenant)
  return found
}

const readList = async (db: Database, place: number, limit: number): Promise<StoredFeedback[]> => {
  const rows = await db
    .select()
    .from(feedback)
    .where(gt(feedback.place, place))
    .orderBy(asc(feedback.place))
    .limit(limit)
  const versions = await versionsOf(
    db,
    rows.map(({ recordId, day }) => ({ id: recordId, day }))
  )
  return rows.map(({ day: _day, firstAt: _firstAt, ...row }) => ({
    ...row,
    templateVersion: versions.get(row.recordId) ?? null,
  }))
}

/** @param redact replaces secrets in comments; null: nothing */
export const createFeedbackStore = (
  connection: Connection,
  redact: Redactor | null
): FeedbackStore => {
  const common = commonOf(connection)
  return {
    // reads first: an id that is made up must not cost a write
    put: async (given, tenant) => {
      const { recordId } = given
      const { head, day } = await requireHead(connection, recordId, tenant)
      const row = { ...feedbackRow(given, head.route, redact), day }
      await connection.write(async (tx) => {
        // places are given in the order of the commits, so that a reader passes none by
        await takeLock(tx, 'feedback')
        // the record may have been forgotten since it was read
        if ((await findRow(tx, recordId, 'for key share')) === null)
          throw noRecord(recordId, tenant)
        await putFeedback(common, tx, row)
      })
    },
    remove: async (recordId, by, tenant) => {
      await requireHead(connection, recordId, tenant)
      await removeFeedback(common, recordId, by)
    },
    list: (place, limit) => connection.readTogether((db) => readList(db, place, limit)),
    ...feedbackReads(common),
  }
}
