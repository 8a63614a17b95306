/**
 * The databases that two statements are run on: a file of the operator, opened read-only, or tables that a request or
 * the file describes, filled with rows of the request and with drawn ones. Drawn values are few and have those that the statements compare,
 * so that joins and conditions meet rows on both of their sides.
 */
import Database from 'libsql'
import { seededRandom } from '../../random.ts'
import type { Literal } from './statement.ts'
import { itemAt } from '../../core/lists.ts'

/** Of SQLite; the process has a limit beside it. */
const HEAP_BYTES = 128 * 2 ** 20
/** A drawn database: rows of each table, and the share of values that the statements compare. */
interface Drawn {
  rows: number
  share: number
}

const DRAWN: readonly Drawn[] = [1, 3, 4, 5, 6, 7, 8, 8, 10, 12, 16, 24, 32].flatMap((rows) => [
  { rows, share: 0.7 },
  { rows, share: 0.95 },
])

interface Column {
  name: string
  type: string
  notnull: number
  pk: number
}

/** For all databases of this process. */
export const limitHeap = (): void => {
  const database = new Database(':memory:')
  database.exec(`PRAGMA hard_heap_limit = ${HEAP_BYTES}`)
  database.close()
}

/** A statement that writes fails from here on. */
const protect = (database: Database.Database): Database.Database => {
  database.exec('PRAGMA query_only = 1')
  return database.defaultSafeIntegers(true)
}

/** @throws an error of SQLite where there is no such file */
export const openFile = (path: string): Database.Database => {
  const database = new Database(
    `file:${encodeURI(path).replace(/[?#]/g, encodeURIComponent)}?mode=ro`
  )
  // the file is read here first
  database.prepare('SELECT count(*) FROM sqlite_master').all()
  return protect(database)
}

const attempt = (database: Database.Database, statement: string): void => {
  try {
    database.exec(statement)
  } catch {
    // of another dialect: statements that need it fail later
  }
}

const BASE_WORDS: readonly Literal[] = ['a', 'b', 'c', 'A']
const BASE_NUMBERS: readonly Literal[] = [0, 1, 2, 3]
const BASE_DAYS: readonly Literal[] = [
  '2023-12-31',
  '2024-01-01',
  '2024-01-02',
  '2024-02-01 12:00:00',
]

const isNumber = (type: string): boolean => /int|real|floa|doub|num|dec|bool|money/i.test(type)

const baseOf = ({ name, type }: Column): readonly Literal[] => {
  if (/date|time/i.test(`${name} ${type}`) && !isNumber(type)) return BASE_DAYS
  return isNumber(type) ? BASE_NUMBERS : [...BASE_WORDS, ...BASE_NUMBERS]
}

/** Near a compared value: what it lets through only where its operator is another one. */
const near = (value: Literal, random: () => number): Literal => {
  if (typeof value === 'number') return value + (random() < 0.5 ? 1 : -1)
  const word = value.replace(/[%_]/g, '')
  return random() < 0.5 ? `${word}x` : random() < 0.5 ? `x${word}` : word.toLowerCase()
}

interface Draw extends Pick<Drawn, 'share'> {
  random: () => number
}

const drawValue = (
  column: Column,
  literals: ReadonlyMap<string, readonly Literal[]>,
  { random, share }: Draw
): Literal | null => {
  const pick = <T extends {}>(values: readonly T[]): T =>
    itemAt(values, Math.floor(random() * values.length))
  if (random() < 0.08 && column.notnull === 0 && column.pk === 0) return null
  // one name may be of a text here and of a key there
  const fits = (value: Literal): boolean => !isNumber(column.type) || typeof value === 'number'
  const own = (literals.get(column.name.toLowerCase()) ?? []).filter(fits)
  const known = own.length > 0 ? own : (literals.get('') ?? []).filter(fits)
  const isCompared = random() < (own.length > 0 ? share : 0.1)
  if (known.length === 0 || !isCompared) return pick(baseOf(column))
  const value = pick(known)
  if (random() < 0.25) return near(value, random)
  return typeof value === 'string' ? value.replace(/%/g, '').replace(/_/g, 'z') : value
}

/** A number is stored as a real, `12.0` in a column of texts, unless it is a bigint. */
const stored = (value: Literal | null): Literal | bigint | null =>
  typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const tableNames = (database: Database.Database): string[] =>
  database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all()
    .map((row) => String((row as { name: unknown }).name))

/** `CREATE TABLE` statements of a database. */
export const tablesIn = (database: Database.Database): string[] =>
  database
    .prepare("SELECT sql FROM sqlite_master WHERE type IN ('table', 'view') AND sql IS NOT NULL")
    .all()
    .map((row) => String((row as { sql: unknown }).sql))

const fill = (
  database: Database.Database,
  rows: number,
  literals: ReadonlyMap<string, readonly Literal[]>,
  draw: Draw
): void => {
  for (const table of tableNames(database)) {
    const columns = database.prepare(`PRAGMA table_info(${quoted(table)})`).all() as Column[]
    const places = columns.map(() => '?').join()
    const insert = database.prepare(`INSERT OR IGNORE INTO ${quoted(table)} VALUES (${places})`)
    for (let row = 0; row < rows; row++) {
      const values = columns.map((column) => stored(drawValue(column, literals, draw)))
      try {
        insert.run(...values)
      } catch {
        // a check of the table refuses the row
      }
    }
  }
}

const openEmpty = (tables: readonly string[]): Database.Database => {
  const database = new Database(':memory:')
  for (const table of tables) attempt(database, table)
  return database
}

export interface Described {
  tables: readonly string[]
  inserts: readonly string[]
  /** see `literalsOf` */
  literals: ReadonlyMap<string, readonly Literal[]>
}

/** The databases that a request describes: one of its own rows, where it has any, and drawn ones. */
export const openDescribed = ({ tables, inserts, literals }: Described): Database.Database[] => {
  const own = inserts.length === 0 ? [] : [openEmpty(tables)]
  for (const database of own) for (const insert of inserts) attempt(database, insert)
  const drawn = DRAWN.map(({ rows, share }, seed) => {
    const database = openEmpty(tables)
    fill(database, rows, literals, { share, random: seededRandom(seed + 1) })
    return database
  })
  return [...own, ...drawn].map(protect)
}
