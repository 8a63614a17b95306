/** Feedback on records. `log/forget.ts` and `log/prune.ts` delete it with its record. */
import { and, asc, count, eq, gt, isNotNull } from 'drizzle-orm'
import {
  feedbackOrigin,
  type FeedbackCounts,
  type FeedbackSource,
  type Thumb,
} from '../../core/log/feedback.ts'
import type { RecordHead } from '../../core/log/record.ts'
import type { Redactor } from '../../core/log/redact.ts'
import { AppError } from '../../errors.ts'
import { feedbackRevision } from '../log/audits.ts'
import type { FeedbackStore } from '../store.ts'
import { raiseRevision, readRevision } from './base/counters.ts'
import type { Connection, Database, Transaction } from './base/database.ts'
import { feedback, records } from './base/schema.ts'
import { readHead } from './log/records.ts'

const noRecord = (id: string, tenant: string | null): AppError =>
  new AppError(
    'not-found',
    `the log has no record ${id}${tenant === null ? '' : ' of this key'}: a record is written a moment ` +
      'after its answer, and is deleted when it expires or is forgotten'
  )

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

const readCounts = async (db: Database, lora: string): Promise<FeedbackCounts> => {
  const { answeredBy, rating, by } = feedback
  const rows = await db
    .select({ answeredBy, rating, number: count() })
    .from(feedback)
    .where(and(eq(feedback.lora, lora), eq(by, 'application')))
    .groupBy(answeredBy, rating)
  const counts: FeedbackCounts = { lora: { good: 0, bad: 0 }, upstream: { good: 0, bad: 0 } }
  for (const row of rows) counts[row.answeredBy][row.rating] = row.number
  return counts
}

/** Raises the revision where there is other feedback of the source already. @param given.rating null: none */
const noteChange = async (
  tx: Transaction,
  { recordId, by, rating }: { recordId: string; by: FeedbackSource; rating: Thumb | null }
): Promise<void> => {
  const [known] = await tx
    .select({ lora: feedback.lora, rating: feedback.rating })
    .from(feedback)
    .where(and(eq(feedback.recordId, recordId), eq(feedback.by, by)))
  if (known?.lora && known.rating !== rating) await raiseRevision(tx, feedbackRevision(known.lora))
}

const drawnReaders = ({ read }: Connection): Pick<FeedbackStore, 'drawn' | 'revision'> => ({
  drawn: (lora, after, limit) =>
    read(async (db) => {
      const { place, firstAt, side, conversation, rating, by } = feedback
      const rows = await db
        .select({ place, firstAt, side, conversation, rating })
        .from(feedback)
        .where(
          and(eq(feedback.lora, lora), gt(place, after), eq(by, 'application'), isNotNull(side))
        )
        .orderBy(asc(place))
        .limit(limit)
      return rows.map((row) => ({
        ...row,
        firstAt: row.firstAt!,
        side: row.side!,
        conversation: row.conversation!,
      }))
    }),
  revision: (lora) => read((db) => readRevision(db, feedbackRevision(lora))),
})

/** @param redact replaces secrets in comments; null: nothing */
export const createFeedbackStore = (
  connection: Connection,
  redact: Redactor | null
): FeedbackStore => ({
  // reads first: an id that is made up must not cost a write
  put: async ({ recordId, comment, ...given }, tenant) => {
    const { route } = await requireHead(connection, recordId, tenant)
    const row = {
      ...given,
      recordId,
      comment: comment === null || redact === null ? comment : redact([comment])[0]!,
      ...feedbackOrigin(recordId, route),
    }
    await connection.write(async (tx) => {
      // the record may have been forgotten since it was read
      const [known] = await tx.select().from(records).where(eq(records.id, recordId))
      if (known === undefined) throw noRecord(recordId, tenant)
      await noteChange(tx, row)
      await tx
        .insert(feedback)
        .values({ ...row, firstAt: row.side === null ? null : row.at })
        .onConflictDoUpdate({ target: [feedback.recordId, feedback.by], set: row })
    })
  },
  remove: async (recordId, by, tenant) => {
    await requireHead(connection, recordId, tenant)
    await connection.write(async (tx) => {
      await noteChange(tx, { recordId, by, rating: null })
      await tx.delete(feedback).where(and(eq(feedback.recordId, recordId), eq(feedback.by, by)))
    })
  },
  list: (place, limit) =>
    connection.read(async (db) => {
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
  ofRecord: (recordId) =>
    connection.read((db) => {
      const { by, rating, comment, at } = feedback
      return db
        .select({ recordId: feedback.recordId, by, rating, comment, at })
        .from(feedback)
        .where(eq(feedback.recordId, recordId))
        .orderBy(asc(by))
    }),
  counts: (lora) => connection.read((db) => readCounts(db, lora)),
  ...drawnReaders(connection),
})
