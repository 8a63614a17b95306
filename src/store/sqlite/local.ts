/** The store on the calling thread: `thread.ts` runs it for the product, tests open it directly. */
import { sql } from 'drizzle-orm'
import { AppError } from '../../errors.ts'
import { oneRow } from '../common/rows.ts'
import { openStoreOn } from '../common/store.ts'
import type { CaptureOptions } from '../log/appender.ts'
import type { OpenStore } from '../store.ts'
import { commonOf } from './base/common.ts'
import { openDatabase, type Connection, type DatabaseOptions } from './base/database.ts'

export interface LocalOptions extends DatabaseOptions, CaptureOptions {}

/** pages of one vacuum call */
const VACUUMED_PAGES = 1000

const giveBackPages = async ({ read }: Connection): Promise<void> => {
  for (;;) {
    const left = await read(async (db) => {
      // as a script: the driver runs a single statement only to its first row, which is one page
      await db.$client.executeMultiple(`PRAGMA incremental_vacuum(${VACUUMED_PAGES})`)
      const rows = await db.all<{ freelist_count: number }>(sql`PRAGMA freelist_count`)
      return oneRow(rows).freelist_count
    })
    if (left < VACUUMED_PAGES) return
  }
}

/**
 * Rewrites the file and empties the write-ahead log. Deleted cells are overwritten (`database.ts`),
 * but SQLite leaves copies of cells that it moved between pages, and only a new file has none.
 */
const rewrite = ({ read }: Connection): Promise<void> =>
  read(async (db) => {
    await db.$client.executeMultiple('VACUUM')
    const rows = await db.all<{ busy: number }>(sql`PRAGMA wal_checkpoint(TRUNCATE)`)
    if (oneRow(rows).busy !== 0)
      throw new AppError('conflict', 'another process is reading the database: try again')
  })

/**
 * Two stores on one file that write at the same time need a thread each: SQLite blocks the thread
 * that waits for the lock, and the other store could never release it.
 * @throws AppError like `openDatabase`
 */
export const openLocalStore = async (options: LocalOptions): Promise<OpenStore> => {
  const opened = await openDatabase(options)
  return openStoreOn(
    {
      connection: commonOf(opened),
      giveBack: () => giveBackPages(opened),
      scrub: () => rewrite(opened),
      close: opened.close,
    },
    options
  )
}
