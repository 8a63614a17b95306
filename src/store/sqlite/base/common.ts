/** This database for the functions that both share. */
import { commonTables, type CommonConnection } from '../../common/connection.ts'
import { raiseRevision } from './counters.ts'
import type { Connection } from './database.ts'
import * as schema from './schema.ts'

const tables = commonTables(schema)

/**
 * The cast says that the query builder of SQLite has the calls of PostgreSQL's, which drizzle's types do not. It is
 * proved by the tests of the store, which run over both databases; `commonTables` checks the columns.
 */
export const commonOf = ({ read, write }: Connection): CommonConnection =>
  ({ read, write, tables, raiseRevision }) as unknown as CommonConnection
