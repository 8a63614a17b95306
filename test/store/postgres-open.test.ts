/** Databases and servers that cannot be used: what the operator is told, and that it holds no secret. */
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { parseDatabaseUrl } from '../../src/config/database-url.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { openPool } from '../../src/store/postgres/base/database.ts'
import { migrate } from '../../src/store/postgres/base/migrate.ts'
import { knownMigrations } from '../../src/store/postgres/base/migrations.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { OpenStore } from '../../src/store/store.ts'
import { exampleKey, exampleTemplate } from '../kit/records/examples.ts'
import { nextMigration, upgrade } from '../kit/store/newer-migration.ts'
import {
  createDatabase,
  describePostgres,
  execute,
  testServer,
  urlOf,
} from '../kit/postgres/postgres.ts'
import { PASSWORD } from '../kit/postgres/postgres-process.ts'

const open = (server: DatabaseServer): Promise<OpenStore> => openLocalStore({ server, poolSize: 2 })

const openUrl = (url: string): Promise<OpenStore> => {
  const parsed = parseDatabaseUrl(url)
  return 'server' in parsed ? open(parsed.server) : Promise.reject(new Error(parsed.mistake))
}

/** With a failure, the error; it never has the password. */
const refusal = async (
  opening: Promise<OpenStore | void>
): Promise<{ code: string; message: string }> => {
  const error: unknown = await opening.then(
    (store) => store?.close(),
    (refused: unknown) => refused
  )
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(PASSWORD)
  return error as { code: string; message: string }
}

const closedPort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

describePostgres('a server that cannot be used', () => {
  it('takes a password over TCP', async () => {
    const { database } = await createDatabase()
    const store = await openUrl(urlOf(await testServer(), database))
    expect(await store.routes.revision()).toBe(0)
    await store.close()
  })

  it.each([
    ['another password', (url: string) => url.replace(PASSWORD, `${PASSWORD}x`), /password/],
    ['no password', (url: string) => url.replace(`:${PASSWORD}`, ''), /wants a password/],
    ['another database', (url: string) => `${url}x`, /there is no such database/],
  ])('refuses %s, and the configuration is wrong', async (_what, change, says) => {
    const { database } = await createDatabase()
    const server = await testServer()
    const { code, message } = await refusal(openUrl(change(urlOf(server, database))))
    expect(message).toMatch(says)
    expect(message).toMatch(/^database 127\.0\.0\.1:\d+\/test_/)
    expect(code).toBe('invalid-config')
  })

  it('that does not listen, or is not known, says so', async () => {
    const port = await closedPort()
    const nobody = await refusal(openUrl(`postgres://me:${PASSWORD}@127.0.0.1:${port}/log`))
    expect(nobody).toMatchObject({
      code: 'store-unavailable',
      message: `database 127.0.0.1:${port}/log: no server listens there: check host and port, and start the server`,
    })
    const unknown = await refusal(openUrl(`postgres://me:${PASSWORD}@db.invalid/log`))
    expect(unknown.code).toBe('store-unavailable')
    expect(unknown.message).toMatch(/^database db\.invalid:5432\/log: the (host|server) /)
  })

  it('is not trusted with a certificate of another host or authority', async () => {
    const { database } = await createDatabase()
    const server = await testServer()
    const certificate = join(server.folder, 'server.crt')
    const url = urlOf(server, database)
    const full = `${url}?sslmode=verify-full`
    expect((await refusal(openUrl(full))).message).toContain('sslrootcert')
    expect((await refusal(openUrl(`${full}&sslrootcert=${certificate}`))).message).toContain(
      'is for another host'
    )
    const store = await openUrl(`${url}?sslmode=verify-ca&sslrootcert=${certificate}`)
    expect(await store.keys.list()).toEqual([])
    await store.close()
    expect(await refusal(openUrl(`${full}&sslrootcert=/nowhere.pem`))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('/nowhere.pem cannot be read') as string,
    })
  })

  it('without TLS is not spoken to', async () => {
    // answers the question for TLS with no
    const server = createServer((socket) => socket.on('data', () => socket.write('N')))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const url = `postgres://me:${PASSWORD}@127.0.0.1:${port}/log?sslmode=require`
    expect((await refusal(openUrl(url))).message).toContain('does not speak TLS')
    server.close()
  })
})

const refused = (code: string, text: string) => ({
  code,
  message: expect.stringContaining(text) as string,
})

describePostgres('a database that cannot be used', () => {
  it('of a newer version says so', async () => {
    const database = await createDatabase()
    await (await open(database)).close()
    await upgrade(database, nextMigration({ isBreaking: true }))
    expect(await refusal(open(database))).toMatchObject(refused('invalid-config', 'newer version'))
  })

  it('of an unknown form is left as it is, and says what to do', async () => {
    const database = await createDatabase()
    await (await open(database)).close()
    await execute(
      database,
      `update promptintern.migrations set created_at = 1, works_from = 1;
        drop table promptintern.snapshots`
    )
    expect(await refusal(open(database))).toMatchObject(
      refused('invalid-config', 'use another database, or drop the schema and start again')
    )
    const applied = 'select created_at::int as at from promptintern.migrations'
    expect(await execute(database, applied)).toEqual([{ at: 1 }])
  })

  it('of another program is left as it is', async () => {
    const database = await createDatabase()
    await execute(database, 'create schema promptintern; create table promptintern.orders ()')
    expect(await refusal(open(database))).toMatchObject(
      refused('invalid-config', 'another program')
    )
    const tables = `select count(*)::int as number from pg_class
      where relnamespace = 'promptintern'::regnamespace`
    expect(await execute(database, tables)).toEqual([{ number: 1 }])
  })

  it('of another encoding says so', async () => {
    const ascii = `encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0`
    expect(await refusal(open(await createDatabase(ascii)))).toMatchObject(
      refused('invalid-config', `its encoding is SQL_ASCII`)
    )
  })

  it('that is read-only says so', async () => {
    const database = await createDatabase()
    await execute(
      database,
      `alter database ${database.database} set default_transaction_read_only = on`
    )
    expect(await refusal(open(database))).toMatchObject(refused('store-unavailable', 'read-only'))
  })

  it('without rights says which, and is used with a schema that the user owns', async () => {
    const database = await createDatabase()
    const user = `user_of_${database.database}`
    const asUser = { ...database, user }
    await execute(database, `create role ${user} login`)
    expect(await refusal(open(asUser))).toMatchObject(refused('invalid-config', 'grant create'))
    await execute(database, `create schema promptintern authorization ${user}`)
    const store = await open(asUser)
    await store.keys.create(exampleKey('a'))
    await store.close()
    const other = `other_of_${database.database}`
    await execute(database, `create role ${other} login`)
    expect(await refusal(open({ ...database, user: other }))).toMatchObject(
      refused('store-unavailable', 'make the user the owner')
    )
  })

  it('is read by a role that only reads, and is neither made nor migrated for it', async () => {
    const database = await createDatabase()
    const role = `reader_of_${database.database}`
    await execute(database, `create role ${role} login`)
    const reader = { ...database, user: role }
    const read = (): Promise<OpenStore> =>
      openLocalStore({ server: reader, poolSize: 2, readOnly: true })
    expect(await refusal(read())).toMatchObject(refused('not-found', 'no data of promptintern'))
    const writer = await open(database)
    await writer.keys.create(exampleKey('a'))
    await writer.close()
    await execute(
      database,
      `grant usage on schema promptintern to ${role};
        grant select on all tables in schema promptintern to ${role}`
    )
    const store = await read()
    expect(await store.keys.list()).toEqual([exampleKey('a')])
    await expect(store.keys.create(exampleKey('b'))).rejects.toMatchObject({
      code: 'store-unavailable',
    })
    await store.close()
    const known = [...knownMigrations(), nextMigration()] as const
    const connection = openPool(reader, 1)
    expect(await refusal(migrate(connection, 'read', { known, readOnly: true }))).toMatchObject(
      refused('invalid-state', 'an older version')
    )
    await connection.close()
  })

  it('is migrated once by stores that open at the same moment', async () => {
    const database = await createDatabase()
    const stores = await Promise.all([1, 2, 3].map(() => open(database)))
    const applied = 'select count(*)::int as number from promptintern.migrations'
    expect(await execute(database, applied)).toEqual([{ number: knownMigrations().length }])
    for (const store of stores) await store.close()
  })

  it('goes on after an interrupted migration as if it had not begun', async () => {
    const database = await createDatabase()
    // the last table of the migration is there, so it fails at its end
    await execute(
      database,
      'create schema promptintern; create view promptintern.traffic_hours as select 1 as hour'
    )
    expect(await refusal(open(database))).toMatchObject({ code: 'store-unavailable' })
    await execute(database, 'drop view promptintern.traffic_hours')
    const store = await open(database)
    expect(await store.records.list({ limit: 1 })).toEqual([])
    await store.close()
  })

  it('fails without a word of what was to be written', async () => {
    const database = await createDatabase()
    const store = await open(database)
    await execute(database, 'drop table promptintern.templates')
    const error: unknown = await store.templates
      .upsert([exampleTemplate()])
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'store-unavailable' })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('assistant of a bank')
    await store.close()
  })
})
