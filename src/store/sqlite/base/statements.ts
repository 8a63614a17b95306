/**
 * Plain SQL statements for many rows. The append path uses them because the query builder takes
 * several times as long to build a statement as SQLite takes to run it. Knows no table.
 */
import type { InValue, Row, Transaction } from '@libsql/client/sqlite3'
import { getTableColumns, getTableName, type InferSelectModel } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { inChunks } from '../../log/chunks.ts'

export type SqlTransaction = Transaction

/** Runs a statement: a transaction, or the connection outside of one. */
export type SqlRunner = Pick<Transaction, 'execute'>

const placeholders = (count: number): string => `(${Array(count).fill('?').join(',')})`

/**
 * @param onConflict SQL that follows the rows
 * @param verb `insert` or `insert or replace`
 * @returns a function that inserts whole rows, many with one statement
 */
export const bulkInsert = <T extends SQLiteTable>(
  table: T,
  onConflict = '',
  verb = 'insert'
): ((tx: SqlTransaction, rows: InferSelectModel<T>[]) => Promise<void>) => {
  const columns = Object.entries(getTableColumns(table))
  const list = columns.map(([, column]) => `"${column.name}"`).join(',')
  const head = `${verb} into "${getTableName(table)}" (${list}) values `
  const group = placeholders(columns.length)
  return async (tx, rows) => {
    for (const chunk of inChunks(rows)) {
      const args = chunk.flatMap((row) =>
        columns.map(([name, column]) => {
          const value: unknown = row[name as keyof typeof row]
          return value === null ? null : (column.mapToDriverValue(value) as InValue)
        })
      )
      const groups = Array(chunk.length).fill(group).join(',')
      await tx.execute({ sql: `${head}${groups} ${onConflict}`, args })
    }
  }
}

/**
 * @param statement ends with `in`; the list of values is appended
 * @param first values of the placeholders before the list
 * @returns the rows of all chunks
 */
export const executeIn = async (
  runner: SqlRunner,
  statement: string,
  values: InValue[],
  first: InValue[] = []
): Promise<Row[]> => {
  const rows: Row[] = []
  for (const chunk of inChunks(values)) {
    const sql = `${statement} ${placeholders(chunk.length)}`
    const result = await runner.execute({ sql, args: [...first, ...chunk] })
    rows.push(...result.rows)
  }
  return rows
}
