import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { databasePath } from '../../src/store/sqlite/base/database.ts'
import { METHODS, type Area } from '../../src/store/sqlite/messages.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { exampleInternalization, exampleRecord, exampleRoute } from '../fixtures/examples.ts'

const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'store-'))

describe('store thread', () => {
  let dataDir: string

  beforeEach(() => {
    dataDir = temporaryFolder()
  })

  afterEach(() => rmSync(dataDir, { recursive: true }))

  it('passes every method, its answer and its error through', async () => {
    const store = await openSqliteStore({ dataDir })
    for (const area of Object.keys(METHODS) as Area[]) {
      expect(Object.keys(store[area])).toEqual(Object.keys(METHODS[area]))
    }
    const record = exampleRecord(1)
    await store.records.append(batchOf([record]))
    expect(await store.records.byIds([record.id])).toEqual([
      { ...record, sequence: expect.any(Number), templateVersion: null },
    ])
    await store.snapshots.put('sketch', Uint8Array.of(1, 2, 255))
    expect(await store.snapshots.get('sketch')).toEqual(Uint8Array.of(1, 2, 255))
    const unknown = store.internalizations.save(exampleInternalization(), 'admin', 1)
    await expect(unknown).rejects.toMatchObject({ code: 'not-found', status: 404 })
    await store.close()
  })

  it('peers 3.12: leaves the event loop free while it writes', async () => {
    const store = await openSqliteStore({ dataDir })
    const records = Array.from({ length: 600 }, (_, index) => exampleRecord(index))
    let ticks = 0
    const timer = setInterval(() => ticks++, 2)
    const started = performance.now()
    await store.records.append(batchOf(records))
    const elapsedMs = performance.now() - started
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(elapsedMs / 40)
    await store.close()
  })

  it('shares a file with another process and shows its changes', async () => {
    const [store, other] = [await openSqliteStore({ dataDir }), await openSqliteStore({ dataDir })]
    const before = await other.routes.revision()
    await store.routes.put(exampleRoute())
    expect(await other.routes.revision()).not.toBe(before)
    await Promise.all(
      [store, other].flatMap((target, side) =>
        Array.from({ length: 60 }, (_, index) =>
          target.records.append(batchOf([exampleRecord(side * 1000 + index)]))
        )
      )
    )
    expect(await other.records.list({ limit: 1000 })).toHaveLength(120)
    await store.close()
    await other.close()
  })

  it('finishes what waits and refuses what comes after closing', async () => {
    const store = await openSqliteStore({ dataDir })
    const waiting = store.records.append(batchOf([exampleRecord(1)]))
    const closing = store.close()
    await expect(store.records.list({ limit: 1 })).rejects.toMatchObject({
      code: 'store-unavailable',
    })
    await waiting
    await closing
    await store.close()
    const again = await openSqliteStore({ dataDir })
    expect(await again.records.list({ limit: 10 })).toHaveLength(1)
    await again.close()
  })

  it('is made once when several open it at the same moment', async () => {
    const stores = await Promise.all([1, 2, 3].map(() => openSqliteStore({ dataDir })))
    await stores[0]!.routes.put(exampleRoute())
    expect(await stores[2]!.routes.list()).toEqual([exampleRoute()])
    for (const store of stores) await store.close()
  })

  it('says why it cannot open', async () => {
    writeFileSync(databasePath(dataDir), 'this is a text file, not a database\n'.repeat(500))
    await expect(openSqliteStore({ dataDir })).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringContaining('no SQLite database'),
    })
  })

  it('refuses appends beyond what may wait', async () => {
    const store = await openSqliteStore({ dataDir, maxPendingBytes: 10_000 })
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, (_, index) => store.records.append(batchOf([exampleRecord(index)])))
    )
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
    ])
    expect(results[2]).toMatchObject({ reason: { code: 'overloaded' } })
    await store.records.append(batchOf([exampleRecord(9)]))
    await store.close()
  })
})

/** Appends one record after another and prints each id once it is durable. */
const APPENDER = `
import { openLocalStore } from './src/store/sqlite/local.ts'
import { batchOf } from './src/core/log/exchange-batch.ts'
import { exampleRecord } from './test/fixtures/examples.ts'
const [dataDir, from] = process.argv.slice(1)
const store = await openLocalStore({ dataDir }, Date.now)
for (let index = Number(from); ; index++) {
  const record = exampleRecord(index)
  store.records.append(batchOf([record])).then(() => process.stdout.write(record.id + '\\n'))
  if (index % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
}
`

/** @returns the ids acknowledged before the process was killed */
const appendUntilKilled = (dataDir: string, from: number, lifeMs: number): Promise<string[]> =>
  new Promise((done, fail) => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', APPENDER, dataDir, String(from)],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    )
    const acknowledged: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (acknowledged.length === 0) setTimeout(() => child.kill('SIGKILL'), lifeMs)
      acknowledged.push(line)
    })
    child.on('error', fail)
    child.on('close', (code) =>
      code === null ? done(acknowledged) : fail(new Error(`the appender ended with ${code}`))
    )
  })

describe('kill -9 at random moments', () => {
  it('peers 3.12: loses no acknowledged record in five rounds', async () => {
    const dataDir = temporaryFolder()
    const acknowledged: string[] = []
    for (let round = 0; round < 5; round++) {
      const ids = await appendUntilKilled(dataDir, round * 100_000, Math.random() * 150)
      // the last line may be cut
      acknowledged.push(...ids.filter((id) => /^record-\d+$/.test(id)).slice(0, -1))
    }
    const store = await openSqliteStore({ dataDir })
    const found = await store.records.byIds(acknowledged)
    expect(acknowledged.length).toBeGreaterThan(5)
    expect(found.map(({ id }) => id)).toEqual(acknowledged)
    for (const { id, request } of found) {
      expect(request).toBe(exampleRecord(Number(id.replace('record-', ''))).request)
    }
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
})
