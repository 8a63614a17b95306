/** The tables whose rows are copied one by one: copied page by page, and compared. */
import { isDeepStrictEqual } from 'node:util'
import { getTableColumns, inArray, sql, type SQL } from 'drizzle-orm'
import { getTableConfig, type PgColumn } from 'drizzle-orm/pg-core'
import type { Connection, Database as Target } from '../postgres/base/database.ts'
import type { Database } from '../sqlite/base/database.ts'
import { BEFORE_ALL, pageEnd, type MoveSource } from './source.ts'
import { advance } from './target.ts'
import type { CopiedTable, Row } from './tables.ts'

/** What a comparison found, in rows. */
export interface Compared {
  /** of the source */
  compared: number
  /** of these, missing in the target or different there */
  different: number
  /** that the target alone has */
  added: number
}

/** A time may have fractions in SQLite, and a text U+0000; PostgreSQL's store writes neither. */
const fitted = (column: PgColumn, value: unknown): unknown => {
  const type = column.getSQLType()
  if (typeof value === 'number' && (type === 'bigint' || type === 'integer'))
    return Math.floor(value)
  if (typeof value === 'string' && type === 'text') return value.replaceAll('\0', '\uFFFD')
  // as it is read again: a field that is undefined is not there
  if (type === 'json' && value !== null) return JSON.parse(JSON.stringify(value))
  return value
}

const columnsOf = (table: CopiedTable): [string, PgColumn][] =>
  Object.entries(getTableColumns(table.to))

const readRows = async (
  db: Database,
  table: CopiedTable,
  after: number,
  until: number
): Promise<Row[]> => {
  const rows = await db
    .select()
    .from(table.from)
    .where(sql`rowid > ${after} and rowid <= ${until}`)
    .orderBy(sql`rowid`)
  const translated = await table.translate(rows, db)
  const columns = columnsOf(table)
  return translated.map((row) =>
    Object.fromEntries(columns.map(([name, column]) => [name, fitted(column, row[name])]))
  )
}

interface Page {
  rows: Row[]
  /** row id of the last one */
  end: number
}

/** @returns rows as the target has them; null behind the last one */
const readPage = (source: MoveSource, table: CopiedTable, after: number): Promise<Page | null> =>
  source.read(async (db) => {
    const columns = Object.values(getTableColumns(table.from)).map(({ name }) => name)
    const end = await pageEnd(db, { name: table.name, columns }, after)
    return end === null ? null : { rows: await readRows(db, table, after, end), end }
  })

/** @param after row id that is reached @param onRows is told how many rows were copied */
export const copyTable = async (
  source: MoveSource,
  { write }: Connection,
  table: CopiedTable,
  { after, onRows }: { after: number; onRows: (count: number) => void }
): Promise<void> => {
  for (let reached = after; ;) {
    const page = await readPage(source, table, reached)
    if (page === null) return
    const from = reached
    await write(async (tx) => {
      // identities are given, so that places stay what they are
      await tx.insert(table.to).overridingSystemValue().values(page.rows)
      await advance(tx, table.name, from, page.end)
    })
    reached = page.end
    onRows(page.rows.length)
  }
}

const keyOf = (table: CopiedTable): [string, PgColumn][] => {
  const { primaryKeys } = getTableConfig(table.to)
  const composite = new Set(primaryKeys.flatMap(({ columns }) => columns.map(({ name }) => name)))
  return columnsOf(table).filter(([, column]) => column.primary || composite.has(column.name))
}

const hasKeyOf = (key: [string, PgColumn][], rows: Row[]): SQL => {
  const [first, ...others] = key
  if (first !== undefined && others.length === 0) {
    const [name, column] = first
    const values = rows.map((row) => row[name])
    return inArray(column, values)
  }
  const columns = key.map(([, each]) => sql`${each}`)
  const values = rows.map(
    (row) =>
      sql`(${sql.join(
        key.map(([each]) => sql`${row[each]}`),
        sql`, `
      )})`
  )
  return sql`(${sql.join(columns, sql`, `)}) in (${sql.join(values, sql`, `)})`
}

/** @returns how many of the rows the target has as they are, and how many it has at all */
const matching = async (
  db: Target,
  table: CopiedTable,
  rows: Row[]
): Promise<{ equal: number; found: number }> => {
  const key = keyOf(table)
  const textOf = (row: Row): string => JSON.stringify(key.map(([name]) => row[name]))
  const found: Row[] = await db.select().from(table.to).where(hasKeyOf(key, rows))
  const byKey = new Map(found.map((row) => [textOf(row), row]))
  const equal = rows.filter((row) => isDeepStrictEqual(byKey.get(textOf(row)), row)).length
  return { equal, found: found.length }
}

/** Every row of the table, with all of its columns. @param onRows is told how many were compared */
export const compareTable = async (
  source: MoveSource,
  target: Connection,
  table: CopiedTable,
  onRows: (count: number) => void
): Promise<Compared> => {
  const sum = { equal: 0, found: 0 }
  for (let after = BEFORE_ALL; ;) {
    const page = await readPage(source, table, after)
    if (page === null) break
    const { equal, found } = await target.read((db) => matching(db, table, page.rows))
    sum.equal += equal
    sum.found += found
    after = page.end
    onRows(page.rows.length)
  }
  const compared = source.counts.get(table.name) ?? 0
  const all = await target.read((db) => db.$count(table.to))
  return { compared, different: compared - sum.equal, added: all - sum.found }
}
