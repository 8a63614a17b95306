/**
 * Moves the data of a SQLite database to PostgreSQL, and compares both row by row. An interrupted move goes on
 * where it was, also after a crash.
 */
import type { Connection } from '../postgres/base/database.ts'
import { openPool } from '../postgres/base/database.ts'
import { migrate } from '../postgres/base/migrate.ts'
import { placeOf, type ServerOptions } from '../postgres/base/server-options.ts'
import { compareLog } from './compare-log.ts'
import { copyLog, LOG_PART } from './copy-log.ts'
import { compareTable, copyTable, type Compared } from './rows.ts'
import { BEFORE_ALL, openSource, rowCount, rowsUntil, type MoveSource } from './source.ts'
import { COPIED } from './tables.ts'
import { beginMove, endMove, setEnds, type Reached } from './target.ts'

export interface MoveOptions {
  /** data directory with the SQLite database */
  from: string
  server: ServerOptions
  /** true: nothing is copied */
  verifyOnly?: boolean
  now: () => number
  /** @param done of all rows of the step */
  onProgress?: (step: 'copying' | 'comparing', done: number, all: number) => void
}

export interface MoveReport {
  /** rows that this call copied; an earlier call may have copied the others */
  copied: number
  /** whether an earlier call had begun */
  resumed: boolean
  tables: Record<string, Compared>
  /** rows that are different, missing or added; 0 after a move that succeeded */
  differences: number
}

/** One statement at a time. */
const POOL_SIZE = 2

const counter = (
  step: 'copying' | 'comparing',
  { onProgress }: MoveOptions,
  all: number
): ((count: number) => void) => {
  let done = 0
  return (count) => {
    done += count
    onProgress?.(step, Math.min(done, all), all)
  }
}

/** @returns rows that earlier calls have copied */
const copiedBefore = async (source: MoveSource, reached: Reached): Promise<number> => {
  let sum = 0
  for (const [part, last] of reached)
    // the key of a piece is at most the sequence of its first record
    sum += await rowsUntil(source, part === LOG_PART ? 'records' : part, last)
  return sum
}

const copyAll = async (
  source: MoveSource,
  target: Connection,
  options: MoveOptions
): Promise<Pick<MoveReport, 'copied' | 'resumed'>> => {
  const reached = await beginMove(target, source, placeOf(options.server))
  let copied = 0
  const tell = counter('copying', options, rowCount(source))
  const onRows = (count: number): void => {
    copied += count
    tell(count)
  }
  tell(await copiedBefore(source, reached))
  const after = reached.get(LOG_PART) ?? 0
  await copyLog(source, target, { after, now: options.now, onRecords: onRows })
  for (const table of COPIED)
    await copyTable(source, target, table, { after: reached.get(table.name) ?? BEFORE_ALL, onRows })
  await setEnds(target, source)
  return { copied, resumed: reached.size > 0 }
}

const compareAll = async (
  source: MoveSource,
  target: Connection,
  options: MoveOptions
): Promise<Record<string, Compared>> => {
  const tell = counter('comparing', options, rowCount(source))
  tell(0)
  const tables: Record<string, Compared> = { records: await compareLog(source, target, tell) }
  for (const table of COPIED) tables[table.name] = await compareTable(source, target, table, tell)
  return tables
}

const moveBetween = async (
  source: MoveSource,
  target: Connection,
  options: MoveOptions
): Promise<MoveReport> => {
  const { verifyOnly = false } = options
  await migrate(target, placeOf(options.server), { moves: true, readOnly: verifyOnly })
  const done = verifyOnly ? { copied: 0, resumed: false } : await copyAll(source, target, options)
  const tables = await compareAll(source, target, options)
  const differences = Object.values(tables).reduce(
    (sum, { different, added }) => sum + different + added,
    0
  )
  if (differences === 0 && !verifyOnly) await endMove(target)
  return { ...done, tables, differences }
}

/**
 * The target opens for proxies only after a comparison without a difference.
 * @throws AppError `conflict` when the source is in use, or the target has other data; those of `openSource`
 * and `migrate`; `store-unavailable` when either fails meanwhile: then the same call goes on later
 */
export const moveStore = async (options: MoveOptions): Promise<MoveReport> => {
  const source = await openSource(options.from)
  try {
    const target = openPool(options.server, POOL_SIZE)
    try {
      return await moveBetween(source, target, options)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}
