/** This database for the functions that both share. */
import type { CommonConnection, Sql } from '../../common/connection.ts'
import type { Connection, Database } from './database.ts'
import { orConflict } from './errors.ts'
import { tables } from './schema.ts'

/** PostgreSQL's text has no U+0000: it becomes U+FFFD. */
const sqlOn = ({ $client }: Pick<Database, '$client'>): Sql => {
  const run = async <Row>(text: string, values: readonly unknown[] = []) => {
    const { rows, rowCount } = await $client.query(
      text,
      values.map((value) => (typeof value === 'string' ? value.replaceAll('\0', '\uFFFD') : value))
    )
    return { rows: rows as Row[], changed: rowCount ?? 0 }
  }
  return Object.assign(run, { rowsOfInsert: 500 })
}

export const commonOf = ({ read, readTogether, write }: Connection): CommonConnection => ({
  read,
  write: (work) => write((tx) => work(tx, sqlOn(tx))),
  readSql: (work) => readTogether((db) => work(sqlOn(db))),
  writeSql: (work) => write((tx) => work(sqlOn(tx))),
  now: '(extract(epoch from clock_timestamp()) * 1000)::bigint',
  tables,
  orConflict,
})
