/**
 * What deleting leaves behind: free pages, stale cells in used ones, the write-ahead log. Deleted
 * cells are overwritten (`database.ts`), but SQLite leaves copies of cells that it moved between
 * pages, so only writing the file anew is proof.
 */
import { sql } from 'drizzle-orm'
import { AppError } from '../../../errors.ts'
import type { RecordStore } from '../../store.ts'
import type { Connection } from '../base/database.ts'
import type { SqlTransaction } from '../base/statements.ts'

/** Answers belong to the bodies of their record: they go with them, the figures stay. */
export const blankAnswers = async (tx: SqlTransaction, before: number): Promise<void> => {
  await tx.execute({
    sql: `update evaluations
      set answer = '', upstream_answer = iif(upstream_answer is null, null, '')
      where (answer <> '' or upstream_answer <> '') and not exists
        (select 1 from records where records.id = evaluations.record_id and records.at >= ?)`,
    args: [before],
  })
}

export const scrub = async ({ read, writeSql }: Connection): ReturnType<RecordStore['scrub']> => {
  // an evaluation that ran while its record was forgotten
  await writeSql((tx) => blankAnswers(tx, 0))
  await read(async (db) => {
    await db.$client.executeMultiple('VACUUM')
    const [row] = await db.all<{ busy: number }>(sql`PRAGMA wal_checkpoint(TRUNCATE)`)
    if (row!.busy !== 0) {
      throw new AppError('conflict', 'another process keeps reading the database: try again')
    }
  })
}
