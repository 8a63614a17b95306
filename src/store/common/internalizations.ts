/** Internalizations with their history and evaluations. A stale revision cannot be saved. */
import { isDeepStrictEqual } from 'node:util'
import { and, asc, count, eq, getTableColumns, gt, max, sql } from 'drizzle-orm'
import type { HistoryEntry, Internalization } from '../../core/internalization/internalization.ts'
import { AppError } from '../../errors.ts'
import { inChunks } from '../log/chunks.ts'
import type { EvaluationRow, InternalizationStore } from '../store.ts'
import type { CommonConnection, Database } from './connection.ts'
import { RECORD_LISTS, type RecordLists, type Tables } from './tables.ts'
import { raiseRevision, readRevision } from './counters.ts'
import { removeRouteOf } from './routes.ts'

const REVISION = 'internalizations'

type HistoryReads = 'history' | 'historySince' | 'historyEnd'

/**
 * Rows are never deleted, and places are those of the commits' order: every write raises the revision first.
 */
const historyReads = ({
  read,
  tables: { history },
}: CommonConnection): Pick<InternalizationStore, HistoryReads> => {
  const { id: place, internalizationId, at, from, to, by, note } = history
  const entry = { at, from, to, by, note }
  return {
    history: (id) =>
      read((db) =>
        db.select(entry).from(history).where(eq(internalizationId, id)).orderBy(asc(place))
      ),
    historySince: (after, limit) =>
      read((db) =>
        db
          .select({ place, internalizationId, ...entry })
          .from(history)
          .where(gt(place, after))
          .orderBy(asc(place))
          .limit(limit)
      ),
    historyEnd: () =>
      read(async (db) => {
        const [row] = await db.select({ place: max(place) }).from(history)
        return row?.place ?? 0
      }),
  }
}

type EvaluationReads = 'evaluations' | 'evaluationCounts'

const evaluationReads = ({
  read,
  tables: { evaluations },
}: CommonConnection): Pick<InternalizationStore, EvaluationReads> => ({
  evaluations: (id, arm) =>
    read((db) => {
      const { internalizationId, arm: armOf, recordId } = evaluations
      return db
        .select()
        .from(evaluations)
        .where(and(eq(internalizationId, id), arm === undefined ? undefined : eq(armOf, arm)))
        .orderBy(asc(armOf), asc(recordId))
    }),
  evaluationCounts: (id) =>
    read(async (db) => {
      const rows = await db
        .select({ arm: evaluations.arm, rows: count() })
        .from(evaluations)
        .where(eq(evaluations.internalizationId, id))
        .groupBy(evaluations.arm)
      return new Map(rows.map(({ arm, rows: number }) => [arm, number]))
    }),
})

type Plan = Internalization['plan']
type Row = Tables['internalizations']['$inferSelect']

/** The plan as the row has it: its lists of records apart. */
const columnsOf = (plan: Plan): Pick<Row, 'plan' | 'recordLists'> => {
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

const read = async (
  db: Database,
  { internalizations }: Tables,
  id: string
): Promise<Internalization | null> => {
  const [row] = await db.select().from(internalizations).where(eq(internalizations.id, id))
  return row === undefined ? null : toDomain(row)
}

/**
 * Every write here raises the revision first: another process that writes waits until the transaction ends, so places
 * in the history are those of the commits' order.
 */
const create = async (
  { tables, orConflict }: CommonConnection,
  tx: Database,
  internalization: Internalization,
  by: string,
  note: string | null
): Promise<void> => {
  const { id, state, plan, createdAt, templateVersion } = internalization
  const { internalizations, history } = tables
  await raiseRevision(tx, tables, REVISION)
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
  { tables, orConflict }: CommonConnection,
  tx: Database,
  internalization: Internalization,
  { by, at, note }: Pick<HistoryEntry, 'by' | 'at' | 'note'>
): Promise<Internalization> => {
  const { id, state, plan, verdict, revision } = internalization
  const { internalizations, history } = tables
  await raiseRevision(tx, tables, REVISION)
  const stored = await read(tx, tables, id)
  if (stored === null) throw new AppError('not-found', `internalization ${id} does not exist`)
  if (stored.revision !== revision)
    throw new AppError('conflict', `another process changed internalization ${id}: read it again`)
  const changes = { state, plan, verdict, updatedAt: at, revision: revision + 1 }
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
  if (state.name !== 'live') await removeRouteOf(tx, tables, id)
  if (!isDeepStrictEqual(stored.state, state)) {
    await tx
      .insert(history)
      .values({ internalizationId: id, at, from: stored.state, to: state, by, note })
  }
  return { ...stored, ...changes }
}

/** One statement cannot write a row twice: of two the later one counts. */
const newestOf = (rows: EvaluationRow[]): EvaluationRow[] => [
  ...new Map(
    rows.map((row) => [JSON.stringify([row.internalizationId, row.arm, row.recordId]), row])
  ).values(),
]

type Writes = Pick<InternalizationStore, 'create' | 'save' | 'addEvaluations'>

const writes = (connection: CommonConnection): Writes => {
  const { write, tables } = connection
  const { evaluations } = tables
  const { internalizationId, arm, recordId, ...values } = getTableColumns(evaluations)
  const set = Object.fromEntries(
    Object.entries(values).map(([name, column]) => [name, sql.raw(`excluded.${column.name}`)])
  )
  return {
    create: (internalization, by = 'worker', note) =>
      write((tx) => create(connection, tx, internalization, by, note ?? null)),
    save: (internalization, by, at, note) =>
      write((tx) => update(connection, tx, internalization, { by, at, note: note ?? null })),
    addEvaluations: (rows) =>
      write(async (tx) => {
        await raiseRevision(tx, tables, REVISION)
        for (const chunk of inChunks(newestOf(rows)))
          await tx
            .insert(evaluations)
            .values(chunk)
            .onConflictDoUpdate({ target: [internalizationId, arm, recordId], set })
      }),
  }
}

export const createInternalizationStore = (connection: CommonConnection): InternalizationStore => {
  const { tables } = connection
  const { internalizations } = tables
  const { recordLists: _recordLists, ...withoutLists } = getTableColumns(internalizations)
  return {
    get: (id) => connection.read((db) => read(db, tables, id)),
    list: ({ recordIds = true } = {}) =>
      connection.read(async (db) => {
        const inOrder = [asc(internalizations.createdAt), asc(internalizations.id)]
        const rows = recordIds
          ? await db
              .select()
              .from(internalizations)
              .orderBy(...inOrder)
          : await db
              .select(withoutLists)
              .from(internalizations)
              .orderBy(...inOrder)
        return rows.map(toDomain)
      }),
    ...writes(connection),
    ...historyReads(connection),
    ...evaluationReads(connection),
    revision: () => readRevision(connection, REVISION),
  }
}
