/** This database for the functions that both share. */
import { commonTables, type CommonConnection } from '../../common/connection.ts'
import { raiseRevision } from './counters.ts'
import type { Connection } from './database.ts'
import * as schema from './schema.ts'

const tables = commonTables(schema)

export const commonOf = ({ read, write }: Connection): CommonConnection => ({
  read,
  write,
  tables,
  raiseRevision,
})
