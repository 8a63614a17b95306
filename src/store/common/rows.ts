/** Many rows of one insert, and what the rows of a statement have by its text, and not by the driver's types. */
import { inChunks } from '../log/chunks.ts'
import type { Sql, SqlValue } from './connection.ts'

/** Longer texts would take megabytes for all numbers of rows. */
const MAX_KNOWN_ROWS = 64
const known = new Map<string, string>()

/** @returns `($1, $2), ($3, $4)` */
const groups = (rows: number, columns: number): string => {
  const key = `${rows} ${columns}`
  const found = known.get(key)
  if (found !== undefined) return found
  const text = Array.from({ length: rows }, (_row, row) => {
    const places = Array.from({ length: columns }, (_column, at) => `$${row * columns + at + 1}`)
    return `(${places.join(',')})`
  }).join(',')
  if (rows <= MAX_KNOWN_ROWS) known.set(key, text)
  return text
}

/** @param into `insert into … (…)`, with as many columns as each row has values @returns how many were inserted */
export const insertRows = async (
  sql: Sql,
  into: string,
  rows: SqlValue[][],
  onConflict = ''
): Promise<number> => {
  let inserted = 0
  for (const chunk of inChunks(rows, sql.rowsOfInsert)) {
    const text = `${into} values ${groups(chunk.length, chunk[0]!.length)} ${onConflict}`
    inserted += (await sql(text, chunk.flat())).changed
  }
  return inserted
}

/**
 * The first row of a statement that always gives one, such as an aggregate or an insert that returns.
 * @throws RangeError where it gave none: a defect of the statement
 */
export const oneRow = <Row>([row]: readonly Row[]): Row => {
  if (row === undefined) throw new RangeError('the statement gave no row')
  return row
}

type With<Row, Column extends keyof Row> = Row & { [Name in Column]: NonNullable<Row[Name]> }

const hasColumns = <Row, Column extends keyof Row>(
  row: Row,
  columns: readonly Column[]
): row is With<Row, Column> => columns.every((column) => row[column] !== null)

/**
 * The row of a statement that leaves out rows in which these columns are null.
 * @throws RangeError where one is: a defect of the statement
 */
export const withColumns = <Row, Column extends keyof Row>(
  row: Row,
  ...columns: Column[]
): With<Row, Column> => {
  if (!hasColumns(row, columns)) throw new RangeError(`the row lacks ${columns.join(' or ')}`)
  return row
}
