/** The tests of every store run over each of them, on the test's own thread. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client/sqlite3'
import { describe, it as base, type TestAPI } from 'vitest'
import type { RedactOptions } from '../../../src/core/log/redact.ts'
import type { DatabaseServer } from '../../../src/config/database-url.ts'
import { openLocalStore as openPostgres } from '../../../src/store/postgres/local.ts'
import { databasePath } from '../../../src/store/sqlite/base/database-path.ts'
import { openLocalStore as openSqlite } from '../../../src/store/sqlite/local.ts'
import type { OpenStore } from '../../../src/store/store.ts'
import { filesWith } from './files-with.ts'
import { upgrade } from './newer-migration.ts'
import { connect, describePostgres, emptyDatabase, execute } from '../postgres/postgres.ts'

export interface StoreOptions {
  maxBodyBytes?: number
  redact?: RedactOptions | null
}

export interface StoreFixtures {
  store: OpenStore
  /** another store on the same data, as another process has it */
  open: (options?: StoreOptions) => Promise<OpenStore>
  /** whether a text can be found in what is stored; short texts are not compressed */
  isStored: (text: string) => Promise<boolean>
  /** makes the slices of issued keys so much older, milliseconds */
  ageSlices: (ms: number) => Promise<void>
}

export type StoreTests = TestAPI<StoreFixtures>

interface Place {
  open: (options?: StoreOptions) => Promise<OpenStore>
  isStored: (text: string) => Promise<boolean>
  ageSlices: (ms: number) => Promise<void>
}

/** Closes what a test has left open. */
const withPlace = async ({ open, ...place }: Place, use: (place: Place) => Promise<void>) => {
  const opened: OpenStore[] = []
  const openAnother = async (options?: StoreOptions): Promise<OpenStore> => {
    const store = await open(options)
    opened.push(store)
    return store
  }
  await use({ ...place, open: openAnother })
  for (const store of opened) await store.close()
}

const testsOf = (inPlace: (use: (place: Place) => Promise<void>) => Promise<void>): StoreTests =>
  base.extend<StoreFixtures & { place: Place }>({
    // oxlint-disable-next-line no-empty-pattern -- vitest reads the names of the parameters
    place: async ({}, use) => inPlace((place) => withPlace(place, use)),
    store: async ({ place }, use) => use(await place.open()),
    open: async ({ place }, use) => use(place.open),
    isStored: async ({ place }, use) => use(place.isStored),
    ageSlices: async ({ place }, use) => use(place.ageSlices),
  })

const sqliteTests = testsOf(async (use) => {
  const folder = mkdtempSync(join(tmpdir(), 'store-'))
  const dataDir = join(folder, 'data')
  await use({
    open: (options) => openSqlite({ dataDir, ...options }),
    isStored: async (text) => filesWith(dataDir, text).length > 0,
    ageSlices: async (ms) => {
      const client = createClient({ url: pathToFileURL(databasePath(dataDir)).href })
      await client.execute(`update key_slices set renewed_at = renewed_at - ${ms}`)
      client.close()
    },
  })
  rmSync(folder, { recursive: true })
})

/** Of a column of any type; bytes are written as hexadecimal digits. */
const holds = async (server: DatabaseServer, text: string): Promise<boolean> => {
  const client = await connect(server)
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `select oid::regclass::text as name from pg_class
        where relnamespace = 'promptintern'::regnamespace and relkind = 'r'`
    )
    const hex = Buffer.from(text).toString('hex')
    for (const { name } of tables) {
      const found = await client.query(
        `select 1 from ${name} as row where strpos(row::text, $1) > 0 or strpos(row::text, $2) > 0`,
        [text, hex]
      )
      if (found.rows.length > 0) return true
    }
    return false
  } finally {
    await client.end()
  }
}

/** @param prepare what happened to the database before this program opens it */
const postgresTests = (prepare: (server: DatabaseServer) => Promise<void>): StoreTests =>
  testsOf(async (use) => {
    const server = await emptyDatabase()
    await prepare(server)
    await use({
      open: (options) => openPostgres({ server, poolSize: 4, ...options }),
      isStored: (text) => holds(server, text),
      ageSlices: async (ms) => {
        const sql = `update promptintern.key_slices set renewed_at = renewed_at - ${ms}`
        await execute(server, sql)
      },
    })
  })

/** @param define the tests, which know nothing of the store that they run over */
export const onEachStore = (define: (it: StoreTests) => void): void => {
  describe('SQLite', () => define(sqliteTests))
  describePostgres('PostgreSQL', () => define(postgresTests(async () => {})))
}

/**
 * The same, over a database that is one additive migration ahead of this program.
 * @public loaded by test/store/postgres-ahead.long.test.ts in place of `onEachStore`
 */
export const onNewerPostgres = (define: (it: StoreTests) => void): void =>
  describePostgres('PostgreSQL of a next version', () => define(postgresTests(upgrade)))
