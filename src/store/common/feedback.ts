/** Feedback on records, as far as the records themselves are not read. */
import { and, asc, count, eq, gt, isNotNull } from 'drizzle-orm'
import {
  feedbackOrigin,
  type Feedback,
  type FeedbackCounts,
  type FeedbackSource,
  type Thumb,
} from '../../core/log/feedback.ts'
import type { RouteOutcome } from '../../core/log/record.ts'
import type { Redactor } from '../../core/log/redact.ts'
import { AppError } from '../../errors.ts'
import { feedbackRevision } from '../log/audits.ts'
import type { FeedbackStore } from '../store.ts'
import type { CommonConnection, Database, Tables } from './connection.ts'
import { readRevision } from './counters.ts'
import { withColumns } from './rows.ts'

export const noRecord = (id: string, tenant: string | null): AppError =>
  new AppError(
    'not-found',
    `the log has no record ${id}${tenant === null ? '' : ' of this key'}: a record is written a moment ` +
      'after its answer, and is deleted when it expires or is forgotten'
  )

/** Raises the revision where there is other feedback of the source already. @param given.rating null: none */
const noteChange = async (
  { raiseRevision, tables: { feedback } }: CommonConnection,
  tx: Database,
  { recordId, by, rating }: { recordId: string; by: FeedbackSource; rating: Thumb | null }
): Promise<void> => {
  const [known] = await tx
    .select({ lora: feedback.lora, rating: feedback.rating })
    .from(feedback)
    .where(and(eq(feedback.recordId, recordId), eq(feedback.by, by)))
  if (known?.lora && known.rating !== rating) await raiseRevision(tx, feedbackRevision(known.lora))
}

type Row = Omit<Tables['feedback']['$inferInsert'], 'place' | 'firstAt'>

/** @param route of its record @param redact replaces secrets in comments; null: nothing */
export const feedbackRow = (
  { comment, ...given }: Feedback,
  route: RouteOutcome | null,
  redact: Redactor | null
): Row => ({
  ...given,
  comment: comment === null || redact === null ? comment : redact()(comment),
  ...feedbackOrigin(given.recordId, route),
})

/** In a transaction that has made sure of the record. */
export const putFeedback = async (
  connection: CommonConnection,
  tx: Database,
  row: Row
): Promise<void> => {
  const { feedback } = connection.tables
  await noteChange(connection, tx, row)
  await tx
    .insert(feedback)
    .values({ ...row, firstAt: row.side === null ? null : row.at })
    .onConflictDoUpdate({ target: [feedback.recordId, feedback.by], set: row })
}

export const removeFeedback = (
  connection: CommonConnection,
  recordId: string,
  by: FeedbackSource
): Promise<void> =>
  connection.write(async (tx) => {
    const { feedback } = connection.tables
    await noteChange(connection, tx, { recordId, by, rating: null })
    await tx.delete(feedback).where(and(eq(feedback.recordId, recordId), eq(feedback.by, by)))
  })

const readCounts = async (
  db: Database,
  { feedback }: Tables,
  lora: string
): Promise<FeedbackCounts> => {
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

type Reading = 'ofRecord' | 'counts' | 'drawn' | 'revision'

export const feedbackReads = (connection: CommonConnection): Pick<FeedbackStore, Reading> => {
  const { read, tables } = connection
  const { feedback } = tables
  const { place, recordId, by, rating, comment, at, firstAt, side, conversation } = feedback
  return {
    ofRecord: (id) =>
      read((db) =>
        db
          .select({ recordId, by, rating, comment, at })
          .from(feedback)
          .where(eq(recordId, id))
          .orderBy(asc(by))
      ),
    counts: (lora) => read((db) => readCounts(db, tables, lora)),
    drawn: (lora, after, limit) =>
      read(async (db) => {
        const rows = await db
          .select({ place, firstAt, side, conversation, rating })
          .from(feedback)
          .where(
            and(eq(feedback.lora, lora), gt(place, after), eq(by, 'application'), isNotNull(side))
          )
          .orderBy(asc(place))
          .limit(limit)
        return rows.map((row) => withColumns(row, 'firstAt', 'side', 'conversation'))
      }),
    revision: (lora) => readRevision(connection, feedbackRevision(lora)),
  }
}
