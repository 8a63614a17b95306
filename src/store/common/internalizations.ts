/** What is read of internalizations in both databases: their history and their evaluations. */
import { and, asc, count, eq, gt, max } from 'drizzle-orm'
import type { InternalizationStore } from '../store.ts'
import type { CommonConnection } from './connection.ts'
import { readRevision } from './counters.ts'

export const REVISION = 'internalizations'

type HistoryReads = 'history' | 'historySince' | 'historyEnd'

/**
 * Rows are never deleted, and places are those of the commits' order: in SQLite one transaction writes at a time,
 * in PostgreSQL the revision is raised before a row is written.
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

export const internalizationReads = (
  connection: CommonConnection
): Pick<InternalizationStore, HistoryReads | EvaluationReads | 'revision'> => ({
  ...historyReads(connection),
  ...evaluationReads(connection),
  revision: () => readRevision(connection, REVISION),
})
