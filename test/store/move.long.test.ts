/** A move from SQLite to PostgreSQL: what arrives, what is refused, and what an interruption leaves. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@libsql/client/sqlite3'
import { expect, it as base } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { moveStore, type MoveReport } from '../../src/store/move/move.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import { databasePath } from '../../src/store/sqlite/base/database-path.ts'
import type { OpenStore } from '../../src/store/store.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { openStore } from '../kit/store/local-store.ts'
import { closeFiles, fillToMove, readEverything } from '../kit/store/moved.ts'
import { createDatabase, describePostgres, execute } from '../kit/postgres/postgres.ts'

interface Fixtures {
  folder: string
  /** with a filled database that nothing has open */
  from: string
  /** an empty database */
  server: DatabaseServer
}

const filled = async (dataDir: string): Promise<void> => {
  const store = await openStore({ dataDir })
  await fillToMove(store)
  await store.close()
  await closeFiles()
}

const it = base.extend<Fixtures>({
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the names of the parameters
  folder: async ({}, use) => {
    const folder = mkdtempSync(join(tmpdir(), 'move-'))
    await use(folder)
    rmSync(folder, { recursive: true })
  },
  from: async ({ folder }, use) => {
    const dataDir = join(folder, 'data')
    await filled(dataDir)
    await use(dataDir)
  },
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the names of the parameters
  server: async ({}, use) => use(await createDatabase()),
})

const open = (server: DatabaseServer): Promise<OpenStore> => openLocalStore({ server, poolSize: 2 })

const move = async (
  from: string,
  server: DatabaseServer,
  options: { verifyOnly?: boolean; onProgress?: () => void } = {}
): Promise<MoveReport> => {
  try {
    return await moveStore({ from, server, ...options })
  } finally {
    await closeFiles()
  }
}

/** Text columns have no U+0000 in PostgreSQL; bodies, kept responses and JSON have it. */
const withoutNul = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll('\\u0000', '\\ufffd'))

const everythingIn = async (store: OpenStore): Promise<Record<string, unknown>> => {
  const { feedback, pairs, internalizations, traffic, ...rest } = await readEverything(store)
  await store.close()
  await closeFiles()
  return { ...rest, ...(withoutNul({ feedback, pairs, internalizations, traffic }) as object) }
}

/** Ends a move when it has told of its progress so often. */
const endingAfter = (count: number) => {
  let told = 0
  return () => {
    if (++told > count) throw new Error('killed')
  }
}

const onDatabase = async (from: string, sql: string) => {
  const client = createClient({ url: `file:${databasePath(from)}` })
  const result = await client.execute(sql)
  client.close()
  await closeFiles()
  return result
}

/** Numbers of a new record and a new feedback. */
const newest = async (store: OpenStore) => {
  const at = Date.now()
  await store.records.append(batchOf([exampleRecord(7000, { at })]))
  await store.feedback.put(
    { recordId: 'record-7000', by: 'admin', rating: 'good', comment: null, at },
    null
  )
  const [record] = await store.records.list({ order: 'desc', limit: 1 })
  const places = (await store.feedback.list(0, 100)).map(({ place }) => place)
  await store.close()
  return { sequence: record!.sequence, place: places.at(-1) }
}

describePostgres('a move', () => {
  it('brings everything that the store returns', async ({ from, server }) => {
    const report = await move(from, server)
    expect(report.differences).toBe(0)
    for (const { source } of Object.values(report.tables)) expect(source).toBeGreaterThan(0)
    const { rows } = await onDatabase(from, `select name from sqlite_schema where type = 'table'`)
    const notCopied = rows
      .map(({ name }) => String(name))
      .filter((name) => !(name in report.tables))
    expect(notCopied.toSorted()).toEqual(['leases', 'migrations', 'sqlite_sequence'])
    expect(report.tables['records']).toEqual({ source: 113, target: 113, same: true })
    const before = await everythingIn(await openStore({ dataDir: from }))
    expect(await everythingIn(await open(server))).toEqual(before)
  })

  it('continues all numbers behind those of the source', async ({ from, server }) => {
    await move(from, server)
    const inTarget = await newest(await open(server))
    expect(inTarget).toEqual(await newest(await openStore({ dataDir: from })))
    // of the last one that was ever given: one with a larger place was taken back
    expect(inTarget.place).toBe(4)
  })

  it('goes on after every interruption, and copies no row twice', async ({ from, server }) => {
    let copied = 0
    for (let step = 1; ; step += 3) {
      const report = await move(from, server, { onProgress: endingAfter(step) }).catch(
        (error: Error) => error.message
      )
      if (typeof report !== 'string') {
        expect(report).toMatchObject({ copied: 0, differences: 0 })
        break
      }
      expect(report).toBe('killed')
      copied += step
      await expect(open(server)).rejects.toMatchObject({
        code: 'invalid-state',
        message: expect.stringContaining('a move from SQLite is unfinished') as string,
      })
    }
    expect(copied).toBeGreaterThan(20)
    await (await open(server)).close()
  })

  it('refuses a target that has data, also that of a move that is done', async ({
    from,
    server,
  }) => {
    await move(from, server)
    await expect(move(from, server)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(
        /already has data \(in dictionaries, records, bodies, log_end, template_totals/
      ) as string,
    })
    expect((await move(from, server, { verifyOnly: true })).differences).toBe(0)
  })

  it('refuses to go on with a source that has changed', async ({ from, server }) => {
    await expect(move(from, server, { onProgress: endingAfter(3) })).rejects.toThrow('killed')
    const store = await openStore({ dataDir: from })
    await store.records.append(batchOf([exampleRecord(5000)]))
    await store.close()
    await closeFiles()
    await expect(move(from, server)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('the source has changed since') as string,
    })
  })

  it('tells of every table with a row that is different, missing or added', async ({
    from,
    server,
  }) => {
    await move(from, server)
    await execute(
      server,
      `update promptintern.records set template_version = 'x' where id = 'record-9'`
    )
    await execute(server, `delete from promptintern.records where id = 'record-10'`)
    await execute(server, `delete from promptintern.feedback where given_by = 'admin'`)
    await execute(server, `update promptintern.keys set name = 'other' where id = 'key-1'`)
    await execute(server, `insert into promptintern.snapshots values ('new', '')`)
    await execute(server, `update promptintern.bodies set request = '\\x00' where sequence = 1`)
    const { tables, differences } = await move(from, server, { verifyOnly: true })
    expect(differences).toBe(5)
    expect(tables).toMatchObject({
      records: { source: 113, target: 112, same: false },
      bodies: { same: false },
      feedback: { source: 2, target: 1, same: false },
      keys: { source: 2, target: 2, same: false },
      snapshots: { source: 2, target: 3, same: false },
      pairs: { same: true },
    })
  })

  it('refuses a source that another process has open', async ({ from, server }) => {
    const store = await openStore({ dataDir: from })
    await expect(move(from, server)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('another process has it open') as string,
    })
    await store.close()
  })

  it('refuses a source of an unknown form', async ({ from, server }) => {
    await onDatabase(from, 'update migrations set created_at = 1')
    await expect(move(from, server)).rejects.toMatchObject({ code: 'invalid-config' })
  })

  it('ends at a damaged row, and keeps proxies off the target', async ({ from, server }) => {
    await onDatabase(from, `update templates set template = '{'`)
    await expect(move(from, server)).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('it has a damaged row') as string,
    })
    await expect(open(server)).rejects.toMatchObject({ code: 'invalid-state' })
  })

  it('ends at a file that is not a database', async ({ from, server }) => {
    writeFileSync(databasePath(from), 'not a database '.repeat(1000))
    await expect(move(from, server)).rejects.toMatchObject({
      message: expect.stringContaining('it is not a SQLite database') as string,
    })
  })
})
