import { randomBytes } from 'node:crypto'
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createClient } from '@libsql/client/sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { databasePath, type DatabaseOptions } from '../../src/store/sqlite/base/database.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import { describeStore } from '../conformance/store.ts'
import { exampleKey, exampleRecord, exampleTemplate } from '../fixtures/examples.ts'

const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'store-'))

const open = (options: DatabaseOptions): Promise<Store> => openLocalStore(options, Date.now)

/** a text that does not compress */
const noise = (): string => randomBytes(20_000).toString('base64')

const image = (data: string): string =>
  JSON.stringify({ image_url: { url: `data:image/png;base64,${data}` } })

describeStore('SQLite store', async () => {
  const dataDir = temporaryFolder()
  return {
    open: () => open({ dataDir }),
    openElsewhere: () => openSqliteStore({ dataDir }),
    destroy: async () => rmSync(dataDir, { recursive: true }),
  }
})

describe('SQLite file', () => {
  let dataDir: string

  beforeEach(() => {
    dataDir = temporaryFolder()
  })

  afterEach(() => rmSync(dataDir, { recursive: true }))

  it('is made in a folder that does not exist yet', async () => {
    const store = await open({ dataDir: join(dataDir, 'a', 'b') })
    await store.records.append(batchOf([exampleRecord(1)]))
    expect(await store.records.list({ limit: 10 })).toHaveLength(1)
    await store.close()
  })

  it('loses nothing at a power cut: WAL with full synchronization', async () => {
    const store = await open({ dataDir })
    const client = createClient({ url: `file:${databasePath(dataDir)}` })
    const { rows } = await client.execute('PRAGMA journal_mode')
    expect(rows[0]!['journal_mode']).toBe('wal')
    client.close()
    await store.close()
    const source = readFileSync(resolve('src/store/sqlite/base/database.ts'), 'utf8')
    expect(source).toContain('PRAGMA synchronous = FULL')
  })

  it('takes at most a third of the raw size for prompts that recur', async () => {
    const store = await open({ dataDir })
    const records = Array.from({ length: 1000 }, (_, index) => exampleRecord(index))
    await store.records.append(batchOf(records))
    await store.close()
    const raw = records.reduce((sum, { request, response }) => sum + (request + response).length, 0)
    expect(readFileSync(databasePath(dataDir)).length).toBeLessThan(raw / 3)
  })

  it('peers 3.11: keeps no text over the cap, and no base64 of an image', async () => {
    const store = await openLocalStore({ dataDir, maxTextBytes: 1000 }, Date.now)
    await store.records.append(
      batchOf([
        exampleRecord(1, { request: 'x'.repeat(1001) }),
        exampleRecord(2, { request: image('A'.repeat(5000)) }),
      ])
    )
    const [large, picture] = await store.records.list({ limit: 2 })
    expect(large).toMatchObject({ request: '', response: exampleRecord(1).response })
    expect(picture!.request).toBe(image('[5000 base64 characters]'))
    await store.close()
  })

  it('gives pruned room back to the disk', async () => {
    const store = await open({ dataDir })
    await store.records.append(
      batchOf(Array.from({ length: 100 }, (_, index) => exampleRecord(index, { request: noise() })))
    )
    await store.close()
    const full = readFileSync(databasePath(dataDir)).length
    const again = await open({ dataDir })
    await again.records.prune({ bodies: 9_999, records: 9_999 })
    await again.close()
    expect(readFileSync(databasePath(dataDir)).length).toBeLessThan(full / 4)
  })

  it('is brought up to date from the oldest schema with its data', async () => {
    cpSync(resolve('test/fixtures/store-oldest.db'), databasePath(dataDir))
    const store = await open({ dataDir })
    const records = await store.records.list({ limit: 10 })
    expect(records.map(({ request }) => request)).toEqual(
      [1, 2, 3].map((index) => exampleRecord(index).request)
    )
    expect(await store.templates.list()).toEqual([exampleTemplate()])
    await store.records.append(batchOf([exampleRecord(4)]))
    expect(await store.records.list({ limit: 10 })).toHaveLength(4)
    await store.keys.create(exampleKey('a'))
    expect(await store.keys.list()).toEqual([exampleKey('a')])
    await store.close()
  })
})

describe('SQLite file that cannot be used', () => {
  let dataDir: string

  beforeEach(() => {
    dataDir = temporaryFolder()
  })

  afterEach(() => rmSync(dataDir, { recursive: true }))

  it('from a newer version asks for an upgrade', async () => {
    await (await open({ dataDir })).close()
    const client = createClient({ url: `file:${databasePath(dataDir)}` })
    await client.execute(`insert into migrations values (9000000000000, 'future')`)
    client.close()
    await expect(open({ dataDir })).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('newer version'),
    })
  })

  it('that is no database says so', async () => {
    writeFileSync(databasePath(dataDir), 'this is a text file, not a database\n'.repeat(500))
    await expect(open({ dataDir })).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('no SQLite database'),
    })
  })

  it('that is damaged asks for a backup', async () => {
    const store = await open({ dataDir })
    await store.records.append(
      batchOf(Array.from({ length: 100 }, (_, index) => exampleRecord(index)))
    )
    await store.close()
    const bytes = readFileSync(databasePath(dataDir))
    bytes.fill(0xff, 4096)
    writeFileSync(databasePath(dataDir), bytes)
    const damaged = open({ dataDir }).then((opened) =>
      opened.records.list({ limit: 10 }).finally(() => opened.close())
    )
    await expect(damaged).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('damaged'),
    })
  })

  it('in a read-only folder says so', async () => {
    await (await open({ dataDir })).close()
    chmodSync(databasePath(dataDir), 0o444)
    chmodSync(dataDir, 0o555)
    // root may write anywhere
    const asRoot = process.geteuid!() === 0
    if (asRoot) process.seteuid!(65_534)
    try {
      await expect(open({ dataDir })).rejects.toMatchObject({
        code: 'store-unavailable',
        message: expect.stringMatching(/read-only|cannot be opened/),
      })
      await expect(open({ dataDir: join(dataDir, 'new') })).rejects.toMatchObject({
        code: 'store-unavailable',
        message: expect.stringContaining('permission denied'),
      })
    } finally {
      if (asRoot) process.seteuid!(0)
      chmodSync(dataDir, 0o755)
    }
  })

  it('in a place that is no folder says where', async () => {
    const file = join(dataDir, 'file')
    writeFileSync(file, '')
    await expect(open({ dataDir: file })).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining(file),
    })
  })

  it('that is full refuses appends and takes them again after pruning', async () => {
    const store = await open({ dataDir, maxBytes: 2 ** 20 })
    let appended = 0
    const fill = async (): Promise<void> => {
      for (;;) {
        await store.records.append(batchOf([exampleRecord(appended, { request: noise() })]))
        appended++
      }
    }
    await expect(fill()).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('no room left'),
    })
    expect(await store.records.list({ limit: 10_000 })).toHaveLength(appended)
    await store.records.prune({ bodies: 1_000 + appended / 2, records: 0 })
    await store.records.append(batchOf([exampleRecord(appended, { request: noise() })]))
    expect(await store.records.list({ limit: 10_000 })).toHaveLength(appended + 1)
    await store.close()
  })
})
