/** This database for the functions that both share. */
import type { CommonConnection, Database as CommonDatabase } from '../../common/connection.ts'
import { orConflict, type Connection } from './database.ts'
import { sqlOn } from './dialect.ts'
import { tables } from './schema.ts'

/** Its query builder has the same calls, with other types. */
const asCommon = (db: unknown): CommonDatabase => db as CommonDatabase

export const commonOf = ({ read, write }: Connection): CommonConnection => ({
  read: (work) => read((db) => work(asCommon(db))),
  write: (work) => write((tx) => work(asCommon(tx), sqlOn(tx.$client))),
  readSql: (work) => read(({ $client }) => work(sqlOn($client))),
  writeSql: (work) => write(({ $client }) => work(sqlOn($client))),
  // all that write on the file share a machine
  now: `cast(unixepoch('subsec') * 1000 as integer)`,
  transactionId: `''`,
  // a commit that fails is rolled back
  isCommitted: () => Promise.resolve(false),
  tables,
  orConflict,
})
