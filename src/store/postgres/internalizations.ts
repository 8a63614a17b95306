/** Internalizations with their history and evaluations. A stale revision cannot be saved. */
import { isDeepStrictEqual } from 'node:util'
import { asc, eq, getTableColumns, sql } from 'drizzle-orm'
import type { HistoryEntry, Internalization } from '../../core/internalization/internalization.ts'
import { AppError } from '../../errors.ts'
import { internalizationReads, REVISION } from '../common/internalizations.ts'
import type { EvaluationRow, InternalizationStore } from '../store.ts'
import { commonOf } from './base/common.ts'
import { raiseRevision } from './base/counters.ts'
import type { Connection, Database, Transaction } from './base/database.ts'
import { orConflict } from './base/errors.ts'
import {
  evaluations,
  history,
  internalizations,
  RECORD_LISTS,
  type RecordLists,
} from './base/schema.ts'
import { inChunks } from '../log/chunks.ts'
import { removeRouteOf } from './routes.ts'

type Plan = Internalization['plan']
type Row = typeof internalizations.$inferSelect

/** The plan as the row has it: its lists of records apart. */
export const columnsOf = (plan: Plan): Pick<Row, 'plan' | 'recordLists'> => {
  if (plan === null) return { plan: null, recordLists: null }
  const rest: Partial<NonNullable<Plan>> = { ...plan }
  const recordLists: RecordLists = {}
  for (const name of RECORD_LISTS) {
    recordLists[name] = plan[name]
    delete rest[name]
  }
  return { plan: rest as Row['plan'], recordLists }
}

const EMPTY_LISTS = { trainRecordIds: [], holdoutRecordIds: [], unseenRecordIds: [] }

const toDomain = ({
  stateName: _stateName,
  recordLists,
  ...row
}: Omit<Row, 'recordLists'> & { recordLists?: RecordLists | null }): Internalization => ({
  ...row,
  plan: row.plan === null ? null : { ...row.plan, ...EMPTY_LISTS, ...recordLists },
})

const { recordLists: _recordLists, ...WITHOUT_RECORD_LISTS } = getTableColumns(internalizations)

const read = async (db: Database, id: string): Promise<Internalization | null> => {
  const [row] = await db.select().from(internalizations).where(eq(internalizations.id, id))
  return row === undefined ? null : toDomain(row)
}

/** Another process that saves it waits until the transaction ends. */
const readToSave = async (tx: Transaction, id: string): Promise<Internalization | null> => {
  const byId = eq(internalizations.id, id)
  const [row] = await tx.select().from(internalizations).where(byId).for('update')
  return row === undefined ? null : toDomain(row)
}

/** Every write here raises the revision first, so that places in the history are those of the commits' order. */
const create = async (
  tx: Transaction,
  internalization: Internalization,
  by: string,
  note: string | null
): Promise<void> => {
  const { id, state, plan, createdAt, templateVersion } = internalization
  await raiseRevision(tx, REVISION)
  await orConflict(
    tx
      .insert(internalizations)
      .values({ ...internalization, ...columnsOf(plan), stateName: state.name }),
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
}

const update = async (
  tx: Transaction,
  internalization: Internalization,
  { by, at, note }: Pick<HistoryEntry, 'by' | 'at' | 'note'>
): Promise<Internalization> => {
  const { id, state, plan, verdict, revision } = internalization
  const stored = await readToSave(tx, id)
  if (stored === null) throw new AppError('not-found', `internalization ${id} does not exist`)
  if (stored.revision !== revision)
    throw new AppError('conflict', `another process changed internalization ${id}: read it again`)
  const changes = { state, plan, verdict, updatedAt: at, revision: revision + 1 }
  await raiseRevision(tx, REVISION)
  await orConflict(
    tx
      .update(internalizations)
      .set({ ...changes, ...columnsOf(plan), stateName: state.name })
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
  return { ...stored, ...changes }
}

const EVALUATION_KEY = [evaluations.internalizationId, evaluations.arm, evaluations.recordId]

/** Those of the new row. */
const EVALUATION_VALUES = Object.fromEntries(
  Object.entries(getTableColumns(evaluations))
    .filter(([, column]) => !EVALUATION_KEY.includes(column as never))
    .map(([name, column]) => [name, sql.raw(`excluded.${column.name}`)])
)

/** One statement cannot write a row twice: of two the later one counts. */
const newestOf = (rows: EvaluationRow[]): EvaluationRow[] => [
  ...new Map(
    rows.map((row) => [JSON.stringify([row.internalizationId, row.arm, row.recordId]), row])
  ).values(),
]

export const createInternalizationStore = (connection: Connection): InternalizationStore => ({
  create: (internalization, by = 'worker', note) =>
    connection.write((tx) => create(tx, internalization, by, note ?? null)),
  get: (id) => connection.read((db) => read(db, id)),
  list: ({ recordIds = true } = {}) =>
    connection.read(async (db) => {
      const { createdAt, id } = internalizations
      const inOrder = [asc(createdAt), asc(id)]
      const rows = recordIds
        ? await db
            .select()
            .from(internalizations)
            .orderBy(...inOrder)
        : await db
            .select(WITHOUT_RECORD_LISTS)
            .from(internalizations)
            .orderBy(...inOrder)
      return rows.map(toDomain)
    }),
  save: (internalization, by, at, note) =>
    connection.write((tx) => update(tx, internalization, { by, at, note: note ?? null })),
  addEvaluations: (rows) =>
    connection.write(async (tx) => {
      await raiseRevision(tx, REVISION)
      for (const chunk of inChunks(newestOf(rows)))
        await tx
          .insert(evaluations)
          .values(chunk)
          .onConflictDoUpdate({ target: EVALUATION_KEY, set: EVALUATION_VALUES })
    }),
  ...internalizationReads(commonOf(connection)),
})
