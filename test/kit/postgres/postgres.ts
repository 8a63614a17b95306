/** Databases on the run's PostgreSQL: one of a test file, emptied between its tests. */
import { Client } from 'pg'
import { describe, inject } from 'vitest'
import type { DatabaseServer } from '../../../src/config/database-url.ts'
import {
  optionsOf,
  PASSWORD,
  serverIn,
  USER,
  WHY_NO_SERVER,
  type Server,
} from './postgres-process.ts'

/** Tests that need a server; without one they are skipped, and say why. */
export const describePostgres = (what: string, define: () => void): void => {
  const title = WHY_NO_SERVER === null ? what : `${what}: ${WHY_NO_SERVER}`
  describe.skipIf(WHY_NO_SERVER !== null)(title, define)
}

export const testServer = (): Promise<Server> => {
  const { folder, run } = inject('postgres')
  return serverIn(folder, run)
}

/** Over TCP, with a password. */
export const urlOf = ({ port }: Server, database: string): string =>
  `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/${database}`

export const connect = async (options: DatabaseServer): Promise<Client> => {
  const { host, port, database, user } = options
  const client = new Client({ host, port, database, user: user!, ssl: false })
  await client.connect()
  return client
}

/** @returns what the statement returned */
export const execute = async (
  options: DatabaseServer,
  statement: string
): Promise<Record<string, unknown>[]> => {
  const client = await connect(options)
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows
  } finally {
    await client.end()
  }
}

let created = 0

/** @param suffix of `create database` */
export const createDatabase = async (suffix = ''): Promise<DatabaseServer> => {
  const server = await testServer()
  const name = `test_${process.pid}_${++created}`
  await execute(optionsOf(server, 'postgres'), `create database ${name} ${suffix}`)
  return optionsOf(server, name)
}

/** As a new schema is; that takes a tenth of the time of a new database. */
const EMPTY = `do $$
  declare
    ours constant oid := to_regnamespace('promptintern');
    found record;
  begin
    for found in
      select oid::regclass as name from pg_class
      where relnamespace = ours and relkind = 'r' and relname <> 'migrations'
      -- others refer to the internalizations
      order by relname = 'internalizations'
    loop
      execute 'delete from ' || found.name;
    end loop;
    for found in select oid::regclass as name from pg_class where relnamespace = ours and relkind = 'S'
    loop execute 'alter sequence ' || found.name || ' restart'; end loop;
  end $$`

let ofFile: Promise<DatabaseServer> | null = null

/** The test file's database, empty. */
export const emptyDatabase = async (): Promise<DatabaseServer> => {
  const options = await (ofFile ??= createDatabase())
  await execute(options, EMPTY)
  return options
}
