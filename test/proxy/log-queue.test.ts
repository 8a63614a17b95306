import { EventEmitter, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ExchangeRecord } from '../../src/core/record.ts'
import { createLogQueue, type LogEntry, type LogQueueOptions } from '../../src/proxy/log-queue.ts'
import { eventually } from './harness.ts'

const record = (id: string): ExchangeRecord => ({
  id,
  at: 0,
  tenant: 't',
  model: 'm',
  path: '/v1/chat/completions',
  streamed: false,
  status: 200,
  firstByteMs: 1,
  durationMs: 2,
  request: '{}',
  response: '{}',
  usage: null,
  route: null,
})

const entry = (id: string, bytes = 10): LogEntry => ({ bytes, build: () => record(id) })

const collect = (options: Partial<LogQueueOptions> = {}) => {
  const batches: string[][] = []
  const queue = createLogQueue({
    append: async (records) => void batches.push(records.map(({ id }) => id)),
    maxBytes: 1000,
    batchSize: 4,
    now: () => performance.now(),
    gatherMs: 1,
    retryMs: 1,
    ...options,
  })
  return { queue, batches }
}

const never = (): Promise<void> => new Promise(() => {})

describe('the log queue', () => {
  it('writes in order and in batches', async () => {
    const { queue, batches } = collect()
    for (let i = 0; i < 10; i++) queue.push(entry(`r${i}`))
    await queue.close(1000)
    expect(batches.map((batch) => batch.length)).toEqual([4, 4, 2])
    expect(batches.flat()).toEqual(Array.from({ length: 10 }, (_unused, i) => `r${i}`))
    expect(queue.stats()).toMatchObject({ written: 10, dropped: 0, queued: 0, queuedBytes: 0 })
  })

  it('goes on after a quiet time', async () => {
    const { queue, batches } = collect()
    queue.push(entry('a'))
    await eventually(() => batches.length === 1)
    await delay(20)
    queue.push(entry('b'))
    await eventually(() => batches.length === 2)
    expect(batches).toEqual([['a'], ['b']])
    await queue.close(1000)
  })

  it('drops and counts what does not fit while the store is stuck', async () => {
    const { queue } = collect({ append: never, maxBytes: 100 })
    for (let i = 0; i < 25; i++) queue.push(entry(`r${i}`))
    expect(queue.stats()).toMatchObject({ dropped: 15, queuedBytes: 100 })
    await delay(10)
    queue.push(entry('late'))
    expect(queue.stats()).toMatchObject({ dropped: 16, queuedBytes: 100 })
    await queue.close(10)
    expect(queue.stats()).toMatchObject({ dropped: 26, written: 0, queued: 0, queuedBytes: 0 })
  })

  it('has room again once the store keeps up', async () => {
    const gate = new EventEmitter()
    const opened = once(gate, 'open')
    const { queue } = collect({ append: async () => void (await opened), maxBytes: 20 })
    queue.push(entry('a'))
    queue.push(entry('b'))
    queue.push(entry('c'))
    gate.emit('open')
    await eventually(() => queue.stats().written === 2)
    queue.push(entry('d'))
    await queue.close(1000)
    expect(queue.stats()).toMatchObject({ written: 3, dropped: 1 })
  })

  it('tries again until the store takes the batch, and loses nothing', async () => {
    let failures = 3
    const written: string[] = []
    const { queue } = collect({
      append: async (records) => {
        if (failures-- > 0) throw new Error('disk full')
        written.push(...records.map(({ id }) => id))
      },
    })
    for (let i = 0; i < 6; i++) queue.push(entry(`r${i}`))
    await eventually(() => written.length === 6)
    expect(written).toEqual(['r0', 'r1', 'r2', 'r3', 'r4', 'r5'])
    expect(queue.stats()).toMatchObject({ storeFailures: 3, dropped: 0, written: 6 })
    await queue.close(1000)
  })

  it('gives up at the end when the store fails for good', async () => {
    const { queue } = collect({ append: () => Promise.reject(new Error('gone')) })
    queue.push(entry('a'))
    await queue.close(30)
    expect(queue.stats()).toMatchObject({ dropped: 1, written: 0, queued: 0 })
  })

  it('counts a record that cannot be built and writes the others', async () => {
    const { queue, batches } = collect()
    queue.push(entry('a'))
    queue.push({ bytes: 10, build: () => Promise.reject(new Error('broken')) })
    queue.push(entry('b'))
    await queue.close(1000)
    expect(batches).toEqual([['a', 'b']])
    expect(queue.stats()).toMatchObject({ unreadable: 1, written: 2, queuedBytes: 0 })
  })

  it('builds nothing while a request is pushing', () => {
    let built = 0
    const { queue } = collect()
    queue.push({ bytes: 1, build: () => record(`r${++built}`) })
    expect(built).toBe(0)
  })

  it('gives the event loop back between slow records', async () => {
    let turns = 0
    let counting = true
    const count = (): void => {
      turns++
      if (counting) setImmediate(count)
    }
    const { queue } = collect({ batchSize: 50, maxBytes: 10_000 })
    for (let i = 0; i < 10; i++) {
      queue.push({
        bytes: 1,
        build: () => {
          const until = performance.now() + 3
          while (performance.now() < until);
          return record(`r${i}`)
        },
      })
    }
    setImmediate(count)
    await queue.close(1000)
    counting = false
    expect(turns).toBeGreaterThanOrEqual(10)
  })

  it('takes nothing more once it is closing', async () => {
    const { queue, batches } = collect()
    queue.push(entry('a'))
    const closing = queue.close(1000)
    queue.push(entry('b'))
    await closing
    expect(batches).toEqual([['a']])
    expect(queue.stats().dropped).toBe(1)
  })
})
