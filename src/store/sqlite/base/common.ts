/** This database for the functions that both share. */
import { commonTables, type CommonConnection } from '../../common/connection.ts'
import { orConflict, type Connection } from './database.ts'
import { sqlOn } from './dialect.ts'
import * as schema from './schema.ts'

const tables = commonTables(schema)

export const commonOf = ({ read, write, writeSql }: Connection): CommonConnection => ({
  // the calls of its query builder, with other types
  ...({ read, write } as unknown as Pick<CommonConnection, 'read' | 'write'>),
  readSql: (work) => read(({ $client }) => work(sqlOn($client))),
  writeSql: (work) => writeSql((tx) => work(sqlOn(tx))),
  tables,
  orConflict,
})
