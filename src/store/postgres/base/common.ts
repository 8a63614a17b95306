/** This database for the functions that both share. */
import { setTimeout as delay } from 'node:timers/promises'
import type { CommonConnection, Sql } from '../../common/connection.ts'
import { oneRow } from '../../common/rows.ts'
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

const STATUS = 'select pg_xact_status($1::xid8) as status'
const STATUS_ATTEMPTS = 10
const STATUS_PAUSE_MS = 200

const isCommitted = async ({ read }: Connection, transactionId: string): Promise<boolean> => {
  for (let attempt = 1; attempt <= STATUS_ATTEMPTS; attempt++) {
    const { rows } = await read((db) =>
      sqlOn(db)<{ status: string | null }>(STATUS, [transactionId])
    )
    // the server may not know yet that the connection is lost
    const { status } = oneRow(rows)
    if (status !== 'in progress') return status === 'committed'
    await delay(STATUS_PAUSE_MS)
  }
  return false
}

export const commonOf = (connection: Connection): CommonConnection => {
  const { read, readTogether, write } = connection
  return {
    read,
    write: (work) => write((tx) => work(tx, sqlOn(tx))),
    readSql: (work) => readTogether((db) => work(sqlOn(db))),
    writeSql: (work) => write((tx) => work(sqlOn(tx))),
    now: '(extract(epoch from clock_timestamp()) * 1000)::bigint',
    transactionId: 'pg_current_xact_id()::text',
    isCommitted: (id) => isCommitted(connection, id),
    tables,
    orConflict,
  }
}
