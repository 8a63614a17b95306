/**
 * Programs and databases that are a version apart: which go together, that a migration lets others append,
 * and that one that was killed leaves nothing. The kinds of the files are checked without a server.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { kindOf, knownMigrations } from '../../src/store/postgres/base/migrations.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { OpenStore, Store } from '../../src/store/store.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { nextMigration, upgrade } from '../kit/store/newer-migration.ts'
import { connect, createDatabase, describePostgres, execute } from '../kit/postgres/postgres.ts'

const FOLDER = fileURLToPath(new URL('../../migrations/postgres', import.meta.url))
const SLOW = fileURLToPath(new URL('../kit/store/slow-migration-process.ts', import.meta.url))

const open = (server: DatabaseServer): Promise<OpenStore> => openLocalStore({ server, poolSize: 2 })

const append = (store: Store, ...numbers: number[]): Promise<void> =>
  store.records.append(batchOf(numbers.map((number) => exampleRecord(number))))

const numberOf = async (store: Store): Promise<number> =>
  (await store.records.list({ limit: 100_000 })).length

const eventually = async (holds: () => Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** What an older program would notice. A column that is not null needs a default. */
const NOT_ADDITIVE =
  /\b(?:drop|rename|truncate|set not null|set data type|create unique index|delete from)\b|\btype\b.*\busing\b|add column(?!.*\bdefault\b).*\bnot null\b/i

describe('the files of migrations', () => {
  const files = readdirSync(FOLDER).filter(
    (name) => name.endsWith('.sql') && !name.startsWith('0000')
  )

  it.each([
    ['-- additive\nalter table a', 'additive'],
    ['-- breaking: a column goes\nalter table a', 'breaking'],
    ['-- some words on additive columns\nalter table a', null],
    ['alter table a -- additive', null],
  ])('say what they are in their first line: %j', (text, kind) => {
    expect(kindOf(text)).toBe(kind)
  })

  it('are in the order of their times', () => {
    const times = knownMigrations().map(({ at }) => at)
    expect(times).toEqual(times.toSorted((one, other) => one - other))
    expect(new Set(times).size).toBe(times.length)
    expect(knownMigrations()[0].isBreaking).toBe(true)
  })

  // none yet is fine
  it('all say it, and what is additive changes nothing that is there', () => {
    for (const file of files) {
      const text = readFileSync(join(FOLDER, file), 'utf8')
      expect([file, kindOf(text)]).not.toContain(null)
      if (kindOf(text) === 'additive') expect([file, NOT_ADDITIVE.exec(text)]).toEqual([file, null])
    }
  })

  it.each([
    'ALTER TABLE "a" DROP COLUMN "b"',
    'ALTER TABLE "a" ADD COLUMN "b" text NOT NULL',
    'CREATE UNIQUE INDEX "b" ON "a" ("c")',
    'ALTER TABLE "a" ALTER COLUMN "b" SET NOT NULL',
  ])('are known to change what is there: %s', (statement) => {
    expect(statement).toMatch(NOT_ADDITIVE)
  })
})

describePostgres('a database of another version', () => {
  it('works with this program after an additive migration, which is not undone', async () => {
    const database = await createDatabase()
    const before = await open(database)
    await append(before, 1)
    await upgrade(database)
    await append(before, 2)
    const store = await open(database)
    await append(store, 3)
    expect([await numberOf(before), await numberOf(store)]).toEqual([3, 3])
    await Promise.all([before.close(), store.close()])
    const [applied] = await execute(
      database,
      'select count(*)::int as number, max(works_from) < max(created_at) as works from promptintern.migrations'
    )
    expect(applied).toEqual({ number: knownMigrations().length + 1, works: true })
  })

  it('refuses this program after a breaking one, also behind a further additive one', async () => {
    const database = await createDatabase()
    await (await open(database)).close()
    const breaking = nextMigration({ isBreaking: true })
    await upgrade(database, breaking)
    await upgrade(database, { ...nextMigration({ statements: [] }), at: breaking.at + 1 })
    await expect(open(database)).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('upgrade, or use another database') as string,
    })
  })
})

describePostgres('a migration', () => {
  it('fails no append of an older program that is appending', async () => {
    const database = await createDatabase()
    const older = await open(database)
    const done = new AbortController()
    let appended = 0
    const appending = (async () => {
      while (!done.signal.aborted || appended < 20) await append(older, ++appended)
    })()
    await eventually(async () => appended > 5)
    await upgrade(database)
    done.abort()
    await appending
    expect(await numberOf(older)).toBe(appended)
    await older.close()
  })

  it('lets appends pass while it waits for a reader of the log', async () => {
    const database = await createDatabase()
    const older = await open(database)
    await append(older, 1)
    const reader = await connect(database)
    await reader.query('begin; select count(*) from promptintern.records')
    let isUpgraded = false
    const upgrading = upgrade(database).then(() => (isUpgraded = true))
    await eventually(async () => {
      const waiting = `select 1 from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()`
      return (await execute(database, waiting)).length > 0
    })
    // it would wait for the reader, behind the migration
    await append(older, 2)
    expect(isUpgraded).toBe(false)
    await reader.query('commit')
    await upgrading
    await reader.end()
    expect(await numberOf(older)).toBe(2)
    await older.close()
  })

  it('that is killed is undone within seconds, and done by the next program', async () => {
    const database = await createDatabase()
    const older = await open(database)
    await append(older, 1)
    const child = spawn(process.execPath, ['--import', 'tsx', SLOW, JSON.stringify(database)], {
      stdio: 'inherit',
    })
    const sleeping = async (): Promise<boolean> => {
      const running = `select 1 from pg_stat_activity
        where query like 'select pg_sleep%' and datname = current_database()`
      return (await execute(database, running)).length > 0
    }
    await eventually(sleeping)
    child.kill('SIGKILL')
    await eventually(async () => !(await sleeping()))
    await append(older, 2)
    const added = `select to_regclass('promptintern.added') is null as missing`
    expect(await execute(database, added)).toEqual([{ missing: true }])
    await upgrade(database)
    expect(await execute(database, added)).toEqual([{ missing: false }])
    expect(await numberOf(older)).toBe(2)
    await older.close()
  })
})
