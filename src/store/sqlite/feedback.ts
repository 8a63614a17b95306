/** Feedback on records. `log/forget.ts` and `log/prune.ts` delete it with its record. */
import { asc, eq, gt } from 'drizzle-orm'
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
import type { Connection } from './base/database.ts'
import { readHead } from './log/records.ts'

/** The head of a record of the tenant. @throws AppError `not-found` */
const requireHead = async (
  { read }: Connection,
  id: string,
  tenant: string | null
): Promise<RecordHead> => {
  const head = await read((db) => readHead(db, id))
  if (head === null || (tenant !== null && head.tenant !== tenant)) throw noRecord(id, tenant)
  return head
}

/** @param redact replaces secrets in comments; null: nothing */
export const createFeedbackStore = (
  connection: Connection,
  redact: Redactor | null
): FeedbackStore => {
  const common = commonOf(connection)
  const { feedback, records } = common.tables
  return {
    // reads first: an id that is made up must not cost a write
    put: async (given, tenant) => {
      const { recordId } = given
      const { route } = await requireHead(connection, recordId, tenant)
      const row = feedbackRow(given, route, redact)
      await common.write(async (tx) => {
        // the record may have been forgotten since it was read
        const [known] = await tx.select().from(records).where(eq(records.id, recordId))
        if (known === undefined) throw noRecord(recordId, tenant)
        await putFeedback(common, tx, row)
      })
    },
    remove: async (recordId, by, tenant) => {
      await requireHead(connection, recordId, tenant)
      await removeFeedback(common, recordId, by)
    },
    list: (place, limit) =>
      common.read(async (db) => {
        const rows = await db
          .select({ row: feedback, templateVersion: records.templateVersion })
          .from(feedback)
          .leftJoin(records, eq(records.id, feedback.recordId))
          .where(gt(feedback.place, place))
          .orderBy(asc(feedback.place))
          .limit(limit)
        return rows.map(({ row: { firstAt: _firstAt, ...row }, templateVersion }) => ({
          ...row,
          templateVersion,
        }))
      }),
    ...feedbackReads(common),
  }
}
