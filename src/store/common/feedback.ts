/** Feedback on records. `log/forget.ts` and `log/prune.ts` delete it with its record. */
import { and, asc, count, eq, gt, isNotNull } from 'drizzle-orm'
import { dayOf } from '../../core/days.ts'
import {
  feedbackOrigin,
  type FeedbackCounts,
  type FeedbackSource,
  type Thumb,
} from '../../core/log/feedback.ts'
import type { Redactor } from '../../core/log/redact.ts'
import { AppError } from '../../errors.ts'
import { feedbackRevision } from '../log/audits.ts'
import type { Headed } from '../log/read-page.ts'
import type { FeedbackStore } from '../store.ts'
import type { CommonConnection, Database } from './connection.ts'
import type { Tables } from './tables.ts'
import { FEEDBACK_LOCK, raiseRevision, readRevision } from './counters.ts'
import { readHead } from './log/records.ts'
import { withColumns } from './rows.ts'

const noRecord = (id: string, tenant: string | null): AppError =>
  new AppError(
    'not-found',
    `the log has no record ${id}${tenant === null ? '' : ' of this key'}: a record is written a moment ` +
      'after its answer, and is deleted when it expires or is forgotten'
  )

/** Raises the revision where there is other feedback of the source already. @param given.rating null: none */
const noteChange = async (
  tables: Tables,
  tx: Database,
  { recordId, by, rating }: { recordId: string; by: FeedbackSource; rating: Thumb | null }
): Promise<void> => {
  const { feedback } = tables
  const [known] = await tx
    .select({ lora: feedback.lora, rating: feedback.rating })
    .from(feedback)
    .where(and(eq(feedback.recordId, recordId), eq(feedback.by, by)))
  if (known?.lora && known.rating !== rating)
    await raiseRevision(tx, tables, feedbackRevision(known.lora))
}

/** The head of a record of the tenant. @throws AppError `not-found` */
const requireHead = async (
  { readSql }: CommonConnection,
  id: string,
  tenant: string | null
): Promise<Headed> => {
  const head = await readSql((sql) => readHead(sql, id))
  if (head === null || (tenant !== null && head.tenant !== tenant)) throw noRecord(id, tenant)
  return head
}

type Writing = 'put' | 'remove'

/** They read first: an id that is made up must not cost a write. */
const feedbackWrites = (
  connection: CommonConnection,
  redact: Redactor | null
): Pick<FeedbackStore, Writing> => {
  const { write, tables } = connection
  const { feedback, records } = tables
  return {
    put: async ({ comment, ...given }, tenant) => {
      const { recordId } = given
      const { route, at } = await requireHead(connection, recordId, tenant)
      const row = {
        ...given,
        day: dayOf(at),
        comment: comment === null || redact === null ? comment : redact()(comment),
        ...feedbackOrigin(recordId, route),
      }
      await write(async (tx) => {
        // places are given in the order of the commits, so that a reader passes none by
        await raiseRevision(tx, tables, FEEDBACK_LOCK, 0)
        // the record may have been forgotten since it was read
        if ((await tx.$count(records, eq(records.id, recordId))) === 0)
          throw noRecord(recordId, tenant)
        await noteChange(tables, tx, row)
        await tx
          .insert(feedback)
          .values({ ...row, firstAt: row.side === null ? null : row.at })
          .onConflictDoUpdate({ target: [feedback.recordId, feedback.by], set: row })
      })
    },
    remove: async (recordId, by, tenant) => {
      await requireHead(connection, recordId, tenant)
      await write(async (tx) => {
        await noteChange(tables, tx, { recordId, by, rating: null })
        await tx.delete(feedback).where(and(eq(feedback.recordId, recordId), eq(feedback.by, by)))
      })
    },
  }
}

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

type Reading = Exclude<keyof FeedbackStore, Writing>

const feedbackReads = (connection: CommonConnection): Pick<FeedbackStore, Reading> => {
  const { read, tables } = connection
  const { feedback, records } = tables
  const { place, recordId, by, rating, comment, at, firstAt, side, conversation } = feedback
  return {
    list: (after, limit) =>
      read(async (db) => {
        const rows = await db
          .select({ row: feedback, templateVersion: records.templateVersion })
          .from(feedback)
          .leftJoin(records, eq(records.id, recordId))
          .where(gt(place, after))
          .orderBy(asc(place))
          .limit(limit)
        return rows.map(({ row: { firstAt: _firstAt, day: _day, ...row }, templateVersion }) => ({
          ...row,
          templateVersion,
        }))
      }),
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

/** @param redact replaces secrets in comments; null: nothing */
export const createFeedbackStore = (
  connection: CommonConnection,
  redact: Redactor | null
): FeedbackStore => ({
  ...feedbackWrites(connection, redact),
  ...feedbackReads(connection),
})
