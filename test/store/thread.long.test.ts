import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { openLocalStore as openPostgres } from '../../src/store/postgres/local.ts'
import { openLocalStore as openSqlite } from '../../src/store/sqlite/local.ts'
import type { LocalStore } from '../../src/store/thread/messages.ts'
import {
  openPostgresStore,
  openSqliteStore,
  startThread,
  type ThreadOptions,
} from '../../src/store/thread/open.ts'
import type { OpenStore, Store } from '../../src/store/store.ts'
import { exampleInternalization, exampleRecord } from '../kit/records/examples.ts'
import { createDatabase, describePostgres } from '../kit/postgres/postgres.ts'

const examples = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => exampleRecord(from + index))

/** Appends the records in a call each, at once. */
const appendEach = (store: OpenStore, from: number, count: number) =>
  Promise.all(examples(from, count).map((record) => store.records.append(batchOf([record]))))

/** The records as the store has them. */
const stored = (store: OpenStore, records: { id: string }[]) =>
  store.records.byIds(records.map(({ id }) => id))

/** Appends one record after another and prints each id when it is durable. */
const APPENDER = `
import { batchOf } from './src/core/log/exchange-batch.ts'
import { exampleRecord } from './test/kit/records/examples.ts'
for (let index = Number(process.argv[1]); ; index++) {
  const record = exampleRecord(index)
  store.records.append(batchOf([record])).then(() => process.stdout.write(record.id + '\\n'))
  if (index % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
}
`

/** @param count acknowledged when the process is killed @returns the ids acknowledged until its end */
const appendUntilKilled = (opening: string, from: number, count: number): Promise<string[]> =>
  new Promise((done, fail) => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', opening + APPENDER, String(from)],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    )
    const acknowledged: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => {
      acknowledged.push(line)
      if (acknowledged.length === count) child.kill('SIGKILL')
    })
    child.on('error', fail)
    child.on('close', (code) =>
      code === null ? done(acknowledged) : fail(new Error(`the appender ended with ${code}`))
    )
  })

interface Threads {
  /** on the same data, which is new */
  open: (options?: ThreadOptions) => Promise<OpenStore>
  openLocal: () => Promise<OpenStore>
  /** fails, with the place in its message */
  openNowhere: () => Promise<OpenStore>
  nowhere: string
  /** script that opens a store on the same data */
  opening: string
  remove: () => void
}

const sqliteThreads = (): Promise<Threads> => {
  const folder = mkdtempSync(join(tmpdir(), 'store-'))
  const dataDir = join(folder, 'data')
  const file = join(folder, 'file')
  writeFileSync(file, '')
  return Promise.resolve({
    open: (options) => openSqliteStore({ dataDir }, options),
    openLocal: () => openSqlite({ dataDir }),
    openNowhere: () => openSqliteStore({ dataDir: file }),
    nowhere: file,
    opening: openingScript('sqlite', { dataDir }),
    remove: () => rmSync(folder, { recursive: true }),
  })
}

const postgresThreads = async (): Promise<Threads> => {
  const options = { server: await createDatabase(), poolSize: 4 }
  const elsewhere = { ...options, server: { ...options.server, database: 'nowhere' } }
  return {
    open: (more) => openPostgresStore(options, more),
    openLocal: () => openPostgres(options),
    openNowhere: () => openPostgresStore(elsewhere),
    nowhere: 'nowhere',
    opening: openingScript('postgres', options),
    remove: () => {},
  }
}

const openingScript = (kind: LocalStore['kind'], options: object): string =>
  `import { openLocalStore } from './src/store/${kind}/local.ts'
   const store = await openLocalStore(${JSON.stringify(options)})`

/** Two stores with a thread each, opened at the same moment on new data. */
const testThreads = (prepare: () => Promise<Threads>): void => {
  let threads: Threads
  let store: OpenStore
  let limited: OpenStore

  beforeAll(async () => {
    threads = await prepare()
    const { open } = threads
    ;[store, limited] = (await Promise.all([open(), open({ maxPendingBytes: 10_000 })])) as [
      OpenStore,
      OpenStore,
    ]
  })

  afterAll(async () => {
    await store.close()
    await limited.close()
    threads.remove()
  })

  it('pass every method, its answer and its error through', async () => {
    const local = await threads.openLocal()
    for (const [area, methods] of Object.entries(local))
      expect(Object.keys(store[area as keyof Store])).toEqual(Object.keys(methods as object))
    await local.close()
    const record = exampleRecord(1)
    await store.records.append(batchOf([record]))
    expect(await stored(limited, [record])).toEqual([
      { ...record, sequence: expect.any(Number) as number, templateVersion: null },
    ])
    await store.snapshots.put('sketch', Uint8Array.of(1, 2, 255))
    expect(await store.snapshots.get('sketch')).toEqual(Uint8Array.of(1, 2, 255))
    const unknown = store.internalizations.save(exampleInternalization('unknown'), 'admin', 1)
    await expect(unknown).rejects.toMatchObject({ code: 'not-found', status: 404 })
  })

  it('leave the event loop free while they write', async () => {
    let ticks = 0
    const timer = setInterval(() => ticks++, 2)
    const started = performance.now()
    await store.records.append(batchOf(examples(1000, 600)))
    const elapsedMs = performance.now() - started
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(elapsedMs / 40)
  })

  it('answer other calls between the records that they append', async () => {
    const large = Array.from({ length: 20 }, (_, index) =>
      exampleRecord(9000 + index, {
        request: `{"x${index}":[${'{"a":"b"},'.repeat(100_000)}0]}`,
      })
    )
    const append = { isOver: false }
    const written = store.records.append(batchOf(large)).then(() => (append.isOver = true))
    // a write begins 20 ms after its first record
    await pause(100)
    let calls = 0
    for (; !append.isOver; calls++) await store.snapshots.get('sketch')
    await written
    expect(calls).toBeGreaterThan(large.length / 2)
  })

  it('refuse appends beyond the bytes that may wait', async () => {
    const appends = examples(2000, 5).map((record) => limited.records.append(batchOf([record])))
    const results = await Promise.allSettled(appends)
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
    ])
    expect(results[2]).toMatchObject({ reason: { code: 'overloaded' } })
    await limited.records.append(batchOf([exampleRecord(2009)]))
  })

  it('let one of two writers of a revision win', async () => {
    await store.internalizations.create(exampleInternalization())
    const read = (await store.internalizations.get('internalization-1'))!
    const results = await Promise.allSettled(
      [store, limited].map(({ internalizations }) =>
        internalizations.save({ ...read, state: { name: 'evaluating' } }, 'worker', 2_000)
      )
    )
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  it('append at once, and forget while the other one appends', async () => {
    const [mine, other] = [examples(3000, 60), examples(4000, 200)]
    await Promise.all([
      appendEach(store, 3000, 60),
      limited.records.append(batchOf(other.slice(0, 60))),
    ])
    const [, forgotten] = await Promise.all([
      appendEach(store, 4060, 140),
      limited.records.forget({ recordIds: ['record-3000', 'record-3001', 'record-3002'] }),
    ])
    expect(forgotten.records).toBe(3)
    const left = [...mine.slice(3), ...other]
    const seen = await stored(limited, [...mine, ...other])
    expect(seen).toMatchObject(left)
    await limited.records.scrub()
    expect(await stored(store, left)).toEqual(seen)
  })

  it('start again when a thread dies, and lose no acknowledged record', async () => {
    const workers: Worker[] = []
    const events: string[] = []
    const dying = await threads.open({
      spawn: (local) => {
        workers.push(startThread(local))
        return workers.at(-1)!
      },
      onDown: ({ code }) => events.push(code),
      onUp: () => events.push('up'),
    })
    await dying.records.append(batchOf([exampleRecord(6000)]))
    const appended = Promise.allSettled(
      examples(6001, 50).map((record) => dying.records.append(batchOf([record])))
    )
    await workers[0]!.terminate()
    const results = await appended
    await expect(dying.snapshots.all('')).rejects.toMatchObject({ code: 'store-unavailable' })
    await vi.waitFor(() => expect(events).toEqual(['store-unavailable', 'up']), 30_000)
    const acknowledged = examples(6001, 50).filter((_, at) => results[at]!.status === 'fulfilled')
    const durable = [exampleRecord(6000), ...acknowledged]
    expect(await stored(dying, durable)).toHaveLength(durable.length)
    // the rest is appended again, as the log queue does, and each is kept once
    await dying.records.append(batchOf(examples(6000, 51)))
    expect(await stored(dying, examples(6000, 51))).toHaveLength(51)
    await dying.close()
    expect(events).toEqual(['store-unavailable', 'up'])
  })

  it('report why they cannot open', async () => {
    await expect(threads.openNowhere()).rejects.toMatchObject({
      message: expect.stringContaining(threads.nowhere) as string,
    })
  })

  it('finish pending calls and refuse later ones after closing', async () => {
    const pending = limited.records.append(batchOf([exampleRecord(5000)]))
    const closing = limited.close()
    await expect(limited.records.list({ limit: 1 })).rejects.toMatchObject({
      code: 'store-unavailable',
    })
    await pending
    await closing
    await limited.close()
    expect(await stored(store, [exampleRecord(5000)])).toHaveLength(1)
  })

  it('lose no acknowledged record by kill -9, in two rounds', async () => {
    const acknowledged: string[] = []
    for (const [round, count] of [2, 40].entries()) {
      const ids = await appendUntilKilled(threads.opening, (round + 1) * 100_000, count)
      // the last line may be cut
      acknowledged.push(...ids.filter((id) => /^record-\d+$/.test(id)).slice(0, -1))
    }
    expect(acknowledged.length).toBeGreaterThan(5)
    const found = await store.records.byIds(acknowledged)
    expect(found.map(({ id, request }) => [id, request])).toEqual(
      acknowledged.map((id) => [id, exampleRecord(Number(id.replace('record-', ''))).request])
    )
  })
}

describe('store threads on one file of SQLite', () => testThreads(sqliteThreads))

describePostgres('store threads on one database of PostgreSQL', () => testThreads(postgresThreads))
