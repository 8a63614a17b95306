import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { inspect } from 'node:util'
import { createClient } from '@libsql/client/sqlite3'
import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { KeptResponse } from '../../src/core/log/kept-response.ts'
import { knownMigrations, openDatabase } from '../../src/store/sqlite/base/database.ts'
import { databasePath } from '../../src/store/sqlite/base/database-path.ts'
import { createKeptResponseStore } from '../../src/store/common/kept-responses.ts'
import { commonOf } from '../../src/store/sqlite/base/common.ts'
import { DAY_MS } from '../../src/core/days.ts'
import { exampleRecord, exampleTemplate } from '../kit/records/examples.ts'
import { it, openStore } from '../kit/store/local-store.ts'

/** A record with a request that does not compress, each of another day. */
const noise = (index: number) =>
  exampleRecord(index, { at: index * DAY_MS, request: randomBytes(20_000).toString('base64') })

const examples = (count: number, make = exampleRecord) =>
  Array.from({ length: count }, (_, index) => make(index))

const execute = async (dataDir: string, statement: string) => {
  const client = createClient({ url: `file:${databasePath(dataDir)}` })
  const { rows } = await client.execute(statement)
  client.close()
  return rows
}

const sizeOf = (dataDir: string): number => statSync(databasePath(dataDir)).size

describe('SQLite file', () => {
  it('loses nothing in a power cut: WAL, full synchronization', async ({ store, dataDir }) => {
    await store.records.append(batchOf(examples(1)))
    expect(await execute(dataDir, 'PRAGMA journal_mode')).toMatchObject([{ journal_mode: 'wal' }])
    // the pragma applies to a connection, so another one cannot read it
    const source = readFileSync(resolve('src/store/sqlite/base/database.ts'), 'utf8')
    expect(source).toContain('PRAGMA synchronous = FULL')
  })

  it('is a third of the size of recurring prompts', async ({ store, dataDir }) => {
    const records = examples(1000)
    await store.records.append(batchOf(records))
    await store.close()
    const raw = records.reduce((sum, { request, response }) => sum + (request + response).length, 0)
    expect(sizeOf(dataDir)).toBeLessThan(raw / 3)
  })

  it('shrinks after pruning', async ({ store, dataDir }) => {
    await store.records.append(batchOf(examples(100, noise)))
    await store.close()
    const full = sizeOf(dataDir)
    const again = await openStore({ dataDir })
    await again.records.prune({ bodies: 100 * DAY_MS, records: 100 * DAY_MS })
    await again.close()
    expect(sizeOf(dataDir)).toBeLessThan(full / 4)
  })

  it('is migrated with its data, and then refuses the program of before', async ({ dataDir }) => {
    const store = await openStore({ dataDir })
    await store.records.append(batchOf(examples(1)))
    await store.close()
    const next = { ...knownMigrations()[0], sql: ['alter table records add column added text'] }
    const known = [...knownMigrations(), { ...next, folderMillis: next.folderMillis + 1 }] as const
    await (await openDatabase({ dataDir }, known)).close()
    await (await openDatabase({ dataDir }, known)).close()
    expect(await execute(dataDir, 'select id, added from records')).toMatchObject([
      { id: 'record-0', added: null },
    ])
    await expect(openStore({ dataDir })).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('newer version') as string,
    })
  })
})

const exampleKept = (id: string, changes: Partial<KeptResponse> = {}): KeptResponse => ({
  id,
  tenant: 'tenant-a',
  at: 1_000,
  request: '{"input":"hi"}',
  response: '{"object":"response"}',
  ...changes,
})

it('a failure says no word of what was to be written', async ({ store, dataDir }) => {
  await execute(dataDir, 'drop table templates')
  const error: unknown = await store.templates
    .upsert([exampleTemplate()])
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'store-unavailable' })
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('assistant of a bank')
})

describe('limits in SQLite', () => {
  it('a kept response makes room for newer ones of its tenant, and for no other`s', async ({
    dataDir,
  }) => {
    const connection = await openDatabase({ dataDir })
    const bytes = Buffer.byteLength(exampleKept('x').request + exampleKept('x').response)
    const few = createKeptResponseStore(commonOf(connection), 2 * bytes)
    await few.put(exampleKept('of-b', { tenant: 'tenant-b', at: 1 }))
    for (const [place, id] of ['1', '2', '3'].entries())
      await few.put(exampleKept(id, { at: 10 + place }))
    const left = ['1', '2', '3'].map(async (id) => (await few.get(id, 'tenant-a')) !== null)
    expect(await Promise.all(left)).toEqual([false, true, true])
    expect(await few.get('of-b', 'tenant-b')).not.toBeNull()
    await connection.close()
  })
})

describe('SQLite file that cannot be used', () => {
  it.for([
    {
      what: 'of an unknown form',
      spoil: async (dataDir: string) => {
        await (await openStore({ dataDir })).close()
        await execute(dataDir, 'update migrations set created_at = 1')
      },
      error: {
        code: 'invalid-config',
        message: expect.stringContaining('set another DATA_DIR, or start with an empty') as string,
      },
    },
    {
      what: 'that is not a database',
      spoil: (dataDir: string) => {
        mkdirSync(dataDir)
        writeFileSync(databasePath(dataDir), 'this is a text file, not a database\n'.repeat(500))
      },
      error: { message: expect.stringContaining('not a SQLite database') as string },
    },
    {
      what: 'that is damaged',
      spoil: async (dataDir: string) => {
        const store = await openStore({ dataDir })
        await store.records.append(batchOf(examples(100)))
        await store.close()
        const bytes = readFileSync(databasePath(dataDir))
        writeFileSync(databasePath(dataDir), bytes.fill(0xff, 4096))
      },
      error: { message: expect.stringContaining('damaged') as string },
    },
    {
      what: 'in a place that is not a folder',
      spoil: (dataDir: string) => writeFileSync(dataDir, ''),
      error: {
        message: expect.stringMatching(/database .*data\/promptintern\.sqlite: /) as string,
      },
    },
  ])('$what says so', async ({ spoil, error }, { dataDir }) => {
    await spoil(dataDir)
    const opened = openStore({ dataDir }).then((store) =>
      store.records.list({ limit: 10 }).finally(() => store.close())
    )
    await expect(opened).rejects.toMatchObject({ code: 'store-unavailable', ...error })
  })
  it('in a read-only folder says so', async ({ dataDir }) => {
    await (await openStore({ dataDir })).close()
    chmodSync(databasePath(dataDir), 0o444)
    chmodSync(dataDir, 0o555)
    // root may write to a read-only folder
    const isRoot = process.geteuid!() === 0
    chmodSync(dirname(dataDir), 0o755)
    if (isRoot) process.seteuid!(65_534)
    try {
      for (const [folder, message] of [
        [dataDir, /read-only|cannot be opened/],
        [join(dataDir, 'new'), /permission denied/],
      ] as const)
        await expect(openStore({ dataDir: folder })).rejects.toMatchObject({
          code: 'store-unavailable',
          message: expect.stringMatching(message) as string,
        })
    } finally {
      if (isRoot) process.seteuid!(0)
      chmodSync(dataDir, 0o755)
    }
  })

  it('that is full refuses appends, and takes them again after pruning', async ({ dataDir }) => {
    const store = await openStore({ dataDir, maxBytes: 2 ** 20 })
    let appended = 0
    const fill = async (): Promise<void> => {
      for (;;) {
        await store.records.append(batchOf([noise(appended)]))
        appended++
      }
    }
    await expect(fill()).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('no disk space is left') as string,
    })
    expect(await store.records.list({ limit: 10_000 })).toHaveLength(appended)
    await store.records.prune({ bodies: (appended / 2) * DAY_MS, records: 0 })
    await store.records.append(batchOf([noise(appended)]))
    expect(await store.records.list({ limit: 10_000 })).toHaveLength(appended + 1)
    await store.close()
  })
})
