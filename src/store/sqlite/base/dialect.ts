/** Statements that are written for both databases, as SQLite reads them. */
import type { InValue, Transaction } from '@libsql/client/sqlite3'
import type { Sql, SqlValue } from '../../common/connection.ts'

/** Runs a statement: a transaction, or the connection outside of one. */
export type SqlRunner = Pick<Transaction, 'execute'>

const known = new Map<string, string>()
/** Longer ones are of many rows, and each number of rows has its own. */
const MAX_KNOWN_CHARS = 4_096

/** Values that stand in their order need no numbers, which take SQLite ten times as long to read. */
const numbered = (text: string): string => {
  let last = 0
  const inOrder = text.replaceAll(/\$(\d+)/g, (_value, number: string) => {
    last = Number(number) === last + 1 ? last + 1 : NaN
    return '?'
  })
  return Number.isNaN(last) ? text.replaceAll(/\$(\d+)/g, '?$1') : inOrder
}

/** Lists of the same length as the columns of a table. */
const unnested = (_text: string, lists: string, name: string, columns: string): string => {
  const values = columns.split(', ').map((column, at) => `list${at}.value as ${column}`)
  const tables = [...lists.matchAll(/\$\d+/g)].map(
    ([list], at) => `json_each(${list}) as list${at}${at > 0 ? ' using (key)' : ''}`
  )
  return `(select ${values.join(', ')} from ${tables.join(' join ')}) as ${name}`
}

const translated = (text: string): string =>
  numbered(
    text
      .replaceAll('promptintern.', '')
      .replaceAll(/unnest\(([^)]+)\)\s+as (\w+)\(([^)]+)\)/g, unnested)
      .replace(/= any\(\$(\d+)::\w+\[\]\)/g, 'in (select value from json_each($$$1))')
      .replace(/\s+for (?:update|share|key share)(?: skip locked)?\b/, '')
      .replaceAll(/::\w+/g, '')
  )

const textOf = (text: string): string => {
  const found = known.get(text)
  if (found !== undefined) return found
  const made = translated(text)
  if (text.length <= MAX_KNOWN_CHARS) known.set(text, made)
  return made
}

const argumentOf = (value: SqlValue): InValue =>
  Array.isArray(value) ? JSON.stringify(value) : (value as InValue)

/** Each row has its columns by name, and bytes as buffers. */
export const sqlOn = (runner: SqlRunner): Sql => {
  const run = async <Row>(text: string, values: readonly SqlValue[] = []) => {
    const sql = textOf(text)
    const { columns, rows, rowsAffected } = await runner.execute({
      sql,
      args: values.map(argumentOf),
    })
    const named = rows.map((row) =>
      Object.fromEntries(
        columns.map((column, at) => {
          const value = row[at]
          return [column, value instanceof ArrayBuffer ? Buffer.from(value) : value]
        })
      )
    )
    return { rows: named as Row[], changed: rowsAffected }
  }
  return Object.assign(run, { rowsOfInsert: 50 })
}
