/** This database for the functions that both share. */
import { commonTables, type CommonConnection, type Sql } from '../../common/connection.ts'
import type { Connection, Database } from './database.ts'
import { orConflict } from './errors.ts'
import * as schema from './schema.ts'

const tables = commonTables(schema)

/** PostgreSQL's text has no U+0000: it becomes U+FFFD. */
const sqlOn =
  ({ $client }: Pick<Database, '$client'>): Sql =>
  async <Row>(text: string, values: readonly unknown[] = []) => {
    const { rows, rowCount } = await $client.query(
      text,
      values.map((value) => (typeof value === 'string' ? value.replaceAll('\0', '\uFFFD') : value))
    )
    return { rows: rows as Row[], changed: rowCount ?? 0 }
  }

export const commonOf = ({ read, readTogether, write }: Connection): CommonConnection => ({
  read,
  write,
  readSql: (work) => readTogether((db) => work(sqlOn(db))),
  writeSql: (work) => write((tx) => work(sqlOn(tx))),
  tables,
  orConflict,
})
