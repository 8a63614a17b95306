/**
 * Statements of the append path, as plain SQL with one statement for many rows: to build them with
 * the query builder takes several times as long as to run them. Knows no table.
 */
import type { InValue, Row, Transaction } from '@libsql/client/sqlite3'
import { getTableColumns, getTableName, type InferInsertModel } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'
import { inChunks } from './chunks.ts'

export type SqlTransaction = Transaction

/** What runs a statement: a transaction, or the connection between two. */
export type SqlRunner = Pick<Transaction, 'execute'>

const placeholders = (count: number): string => `(${Array(count).fill('?').join(',')})`

/**
 * @param onConflict what stands behind the rows
 * @returns inserts rows that have a value or null for each of the columns
 */
export const bulkInsert = <T extends SQLiteTable, K extends keyof InferInsertModel<T> & string>(
  table: T,
  names: readonly K[],
  onConflict = ''
): ((tx: SqlTransaction, rows: Pick<InferInsertModel<T>, K>[]) => Promise<void>) => {
  const known = getTableColumns(table)
  const columns = names.map((name) => ({ name, column: known[name]! }))
  const list = columns.map(({ column }) => `"${column.name}"`).join(',')
  const head = `insert into "${getTableName(table)}" (${list}) values `
  const group = placeholders(columns.length)
  return async (tx, rows) => {
    for (const chunk of inChunks(rows)) {
      const args: InValue[] = []
      for (const row of chunk) {
        for (const { name, column } of columns) {
          const value: unknown = row[name]
          args.push(value === null ? null : (column.mapToDriverValue(value) as InValue))
        }
      }
      const groups = Array(chunk.length).fill(group).join(',')
      await tx.execute({ sql: `${head}${groups} ${onConflict}`, args })
    }
  }
}

/**
 * Runs a statement that ends with `in` for the values.
 * @param first values of the placeholders before it
 * @returns the rows it gives
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
