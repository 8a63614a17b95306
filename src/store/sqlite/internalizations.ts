/** Internalizations with their history and evaluations. A stale revision cannot be saved. */
import { isDeepStrictEqual } from 'node:util'
import { asc, eq, getTableColumns, sql } from 'drizzle-orm'
import type { HistoryEntry, Internalization } from '../../core/internalization/internalization.ts'
import { AppError } from '../../errors.ts'
import { internalizationReads, REVISION } from '../common/internalizations.ts'
import type { InternalizationStore } from '../store.ts'
import { commonOf } from './base/common.ts'
import { addToRevision, raiseRevision } from './base/counters.ts'
import { orConflict, type Connection, type Database, type Transaction } from './base/database.ts'
import { evaluations, history, internalizations } from './base/schema.ts'
import { bulkInsert } from './base/statements.ts'
import { removeRouteOf } from './routes.ts'

const putEvaluations = bulkInsert(evaluations, '', 'insert or replace')

const toDomain = ({
  stateName: _stateName,
  ...row
}: typeof internalizations.$inferSelect): Internalization => row

/** Their plans are smaller by the lists of records. */
const WITHOUT_RECORD_IDS = {
  ...getTableColumns(internalizations),
  plan: sql`json_set(${internalizations.plan}, '$.trainRecordIds', json('[]'),
    '$.holdoutRecordIds', json('[]'), '$.unseenRecordIds', json('[]'))`.mapWith(
    internalizations.plan
  ),
}

const read = async (db: Database | Transaction, id: string): Promise<Internalization | null> => {
  const [row] = await db.select().from(internalizations).where(eq(internalizations.id, id))
  return row === undefined ? null : toDomain(row)
}

const create = async (
  tx: Transaction,
  internalization: Internalization,
  by: string,
  note: string | null
): Promise<void> => {
  const { id, state, createdAt, templateVersion } = internalization
  await orConflict(
    tx.insert(internalizations).values({ ...internalization, stateName: state.name }),
    (cause) =>
      new AppError(
        'conflict',
        `internalization ${id} exists, or template ${templateVersion} has one in work already`,
        { cause }
      )
  )
  await tx
    .insert(history)
    .values({ internalizationId: id, at: createdAt, from: null, to: state, by, note })
  await raiseRevision(tx, REVISION)
}

const update = async (
  tx: Transaction,
  internalization: Internalization,
  { by, at, note }: Pick<HistoryEntry, 'by' | 'at' | 'note'>
): Promise<Internalization> => {
  const { id, state, plan, verdict, revision } = internalization
  const stored = await read(tx, id)
  if (stored === null) throw new AppError('not-found', `internalization ${id} does not exist`)
  if (stored.revision !== revision)
    throw new AppError('conflict', `another process changed internalization ${id}: read it again`)
  const changes = { state, plan, verdict, updatedAt: at, revision: revision + 1 }
  await orConflict(
    tx
      .update(internalizations)
      .set({ ...changes, stateName: state.name })
      .where(eq(internalizations.id, id)),
    (cause) =>
      new AppError(
        'conflict',
        `template ${stored.templateVersion} has another internalization in work`,
        { cause }
      )
  )
  // in this transaction: a crash must not leave a route that answers after its rollback
  if (state.name !== 'live') await removeRouteOf(tx, id)
  if (!isDeepStrictEqual(stored.state, state)) {
    await tx
      .insert(history)
      .values({ internalizationId: id, at, from: stored.state, to: state, by, note })
  }
  await raiseRevision(tx, REVISION)
  return { ...stored, ...changes }
}

export const createInternalizationStore = (connection: Connection): InternalizationStore => ({
  create: (internalization, by = 'worker', note) =>
    connection.write((tx) => create(tx, internalization, by, note ?? null)),
  get: (id) => connection.read((db) => read(db, id)),
  list: ({ recordIds = true } = {}) =>
    connection.read(async (db) => {
      const { createdAt, id } = internalizations
      const columns = recordIds ? getTableColumns(internalizations) : WITHOUT_RECORD_IDS
      const rows = await db.select(columns).from(internalizations).orderBy(asc(createdAt), asc(id))
      return rows.map(toDomain)
    }),
  save: (internalization, by, at, note) =>
    connection.write((tx) => update(tx, internalization, { by, at, note: note ?? null })),
  addEvaluations: (rows) =>
    connection.writeSql(async (tx) => {
      await putEvaluations(tx, rows)
      await addToRevision(tx, REVISION, 1)
    }),
  ...internalizationReads(commonOf(connection)),
})
