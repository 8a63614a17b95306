import { EventEmitter, once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  readBatch,
  roomOf,
  type CapturedExchange,
  type ExchangeBatch,
} from '../../src/core/log/exchange-batch.ts'
import { LogQueue, type LogQueueOptions } from '../../src/proxy/log-queue.ts'
import { systemTimer } from '../../src/timers.ts'
import { eventually } from '../kit/proxy/harness.ts'

const exchange = (id: string, request = '{}'): CapturedExchange => ({
  head: {
    id,
    at: 0,
    tenant: 't',
    model: 'm',
    path: '/v1/chat/completions',
    streamed: false,
    status: 200,
    firstByteMs: 1,
    durationMs: 2,
    route: null,
  },
  form: { kind: 'read', usage: null },
  request: Buffer.from(request),
  answer: [Buffer.from('{"a'), Buffer.from('":1}')],
})

/** of an exchange whose id has two characters */
const ROOM = roomOf(exchange('r0'))

const idsOf = (batch: ExchangeBatch): string[] => readBatch(batch).map(({ head }) => head.id)

const collect = (options: Partial<LogQueueOptions> = {}) => {
  const batches: string[][] = []
  const queue = new LogQueue({
    append: async (batch) => void batches.push(idsOf(batch)),
    fault: () => {},
    setTimer: systemTimer,
    maxBytes: 100 * ROOM,
    batchBytes: 4 * ROOM,
    gatherMs: 1,
    retryMs: 1,
    ...options,
  })
  return { queue, batches }
}

const never = (): Promise<void> => new Promise(() => {})

/** The bytes that a batch needs are estimated from above, so it may hold more than it says. */
const pushUntilFull = (queue: ReturnType<typeof collect>['queue'], count: number): number => {
  for (let i = 0; i < count; i++) queue.push(exchange(`r${i % 10}`))
  return queue.stats().queued
}

describe('the log queue', () => {
  it('writes every field and byte in order, in batches', async () => {
    const written: ReturnType<typeof readBatch> = []
    let batches = 0
    const { queue } = collect({
      append: async (batch) => {
        batches++
        // copies: the memory is written anew
        for (const read of readBatch(batch))
          written.push({
            ...read,
            request: Buffer.from(read.request),
            answer: Buffer.from(read.answer!),
          })
      },
    })
    for (let i = 0; i < 40; i++) queue.push(exchange(`r${i}`, `{"ü":${i}}`))
    await queue.close(1000)
    expect(written.map(({ head }) => head.id)).toEqual(
      Array.from({ length: 40 }, (_unused, i) => `r${i}`)
    )
    const { answer: _answer, ...expected } = exchange('r7', '{"ü":7}')
    expect(written[7]).toMatchObject(expected)
    expect(written[7]!.answer!.toString()).toBe('{"a":1}')
    expect(batches).toBeGreaterThan(2)
    expect(queue.stats()).toMatchObject({ written: 40, dropped: 0, queued: 0, queuedBytes: 0 })
  })

  it('goes on after a quiet time, and takes nothing more once it is closing', async () => {
    const { queue, batches } = collect()
    queue.push(exchange('a'))
    await eventually(() => batches.length === 1)
    await delay(20)
    queue.push(exchange('b'))
    const closing = queue.close(1000)
    queue.push(exchange('c'))
    await closing
    expect(batches).toEqual([['a'], ['b']])
    expect(queue.stats().dropped).toBe(1)
  })

  it('keeps what was pushed, not what the memory of the request becomes', async () => {
    const { queue, batches } = collect()
    const reused = exchange('a')
    queue.push(reused)
    reused.request.fill(0)
    reused.head.id = 'b'
    await queue.close(1000)
    expect(batches).toEqual([['a']])
  })

  it('fills the memory of written batches anew, after several at once, too', async () => {
    const memory = new Set<SharedArrayBuffer>()
    let batches = 0
    const written: string[] = []
    const { queue } = collect({
      append: async (batch) => {
        batches++
        memory.add(batch.buffer)
        written.push(...idsOf(batch))
      },
    })
    const ids = Array.from({ length: 120 }, (_unused, i) => `r${i}`)
    for (let i = 0; i < ids.length; i += 24) {
      for (const id of ids.slice(i, i + 24)) queue.push(exchange(id))
      await eventually(() => queue.stats().queued === 0)
    }
    await queue.close(1000)
    expect(written).toEqual(ids)
    expect(batches).toBeGreaterThan(14)
    expect(memory.size).toBeLessThanOrEqual(6)
  })

  it('gives an exchange that is larger than a batch one of its own', async () => {
    const { queue, batches } = collect()
    queue.push(exchange('a'))
    queue.push(exchange('b', 'x'.repeat(10 * ROOM)))
    queue.push(exchange('c'))
    await queue.close(1000)
    expect(batches.flat()).toEqual(['a', 'b', 'c'])
    expect(queue.stats()).toMatchObject({ dropped: 0, queuedBytes: 0 })
  })

  it('drops and counts what does not fit while the store is stuck', async () => {
    const { queue } = collect({ append: never, maxBytes: 8 * ROOM })
    const taken = pushUntilFull(queue, 60)
    expect(taken).toBeGreaterThanOrEqual(8)
    expect(taken).toBeLessThan(60)
    expect(queue.stats()).toMatchObject({ dropped: 60 - taken, queuedBytes: 8 * ROOM })
    await delay(10)
    queue.push(exchange('late'))
    expect(queue.stats()).toMatchObject({ dropped: 61 - taken, queuedBytes: 8 * ROOM })
    await queue.close(10)
    expect(queue.stats()).toMatchObject({ dropped: 61, written: 0, queued: 0, queuedBytes: 0 })
  })

  it('has room again once the store keeps up', async () => {
    const gate = new EventEmitter()
    const opened = once(gate, 'open')
    const { queue } = collect({ append: async () => void (await opened), maxBytes: 4 * ROOM })
    const taken = pushUntilFull(queue, 20)
    gate.emit('open')
    await eventually(() => queue.stats().written === taken)
    queue.push(exchange('d'))
    await queue.close(1000)
    expect(queue.stats()).toMatchObject({ written: taken + 1, dropped: 20 - taken })
  })

  it('tries again until the store takes the batch, and loses nothing', async () => {
    let failures = 3
    const written: string[] = []
    const { queue } = collect({
      append: async (batch) => {
        if (failures-- > 0) throw new Error('disk full')
        written.push(...idsOf(batch))
      },
    })
    for (let i = 0; i < 6; i++) queue.push(exchange(`r${i}`))
    await eventually(() => written.length === 6)
    expect(written).toEqual(['r0', 'r1', 'r2', 'r3', 'r4', 'r5'])
    expect(queue.stats()).toMatchObject({ storeFailures: 3, dropped: 0, written: 6 })
    await queue.close(1000)
  })

  it('does not touch a batch that the store still reads', async () => {
    const seen: string[][] = []
    const { queue } = collect({
      append: async (batch) => {
        const before = idsOf(batch)
        await delay(5)
        expect(idsOf(batch)).toEqual(before)
        seen.push(before)
      },
    })
    for (let i = 0; i < 30; i++) {
      queue.push(exchange(`r${i}`))
      await delay(1)
    }
    await queue.close(1000)
    expect(seen.flat()).toEqual(Array.from({ length: 30 }, (_unused, i) => `r${i}`))
    expect(queue.stats()).toMatchObject({ storeFailures: 0, written: 30 })
  })

  it('lets the store have full batches together, 512 exchanges at most, in their order', async () => {
    const gate = new EventEmitter()
    const opened = once(gate, 'open')
    const given: string[][] = []
    const { queue } = collect({
      append: async (batch) => {
        given.push(idsOf(batch))
        await opened
      },
      maxBytes: 2_000 * ROOM,
      batchBytes: 40 * ROOM,
    })
    const ids = Array.from({ length: 1_000 }, (_unused, i) => `r${i}`)
    for (const id of ids) queue.push(exchange(id))
    await eventually(() => given.length > 1)
    await delay(10)
    const together = given.flat().length
    expect(together).toBeGreaterThan(256)
    expect(together).toBeLessThanOrEqual(512)
    gate.emit('open')
    await queue.close(1000)
    expect(given.flat()).toEqual(ids)
    expect(queue.stats()).toMatchObject({ written: 1_000, queued: 0, queuedBytes: 0 })
  })

  it('keeps what the store has taken of several batches when it is stopped', async () => {
    const taken: string[] = []
    const { queue } = collect({
      append: async (batch) => {
        if (taken.length > 0) return never()
        taken.push(...idsOf(batch))
      },
    })
    for (let i = 0; i < 12; i++) queue.push(exchange(`r${i}`))
    await eventually(() => queue.stats().written > 0)
    await queue.close(20)
    expect(queue.stats()).toMatchObject({
      written: taken.length,
      dropped: 12 - taken.length,
      queued: 0,
      queuedBytes: 0,
    })
  })

  it.each([
    ['fails for good', 1],
    ['has failed, while it waits to try again', 60_000],
  ])('gives up at its end when the store %s', async (_, retryMs) => {
    let attempts = 0
    const { queue } = collect({
      append: () => {
        attempts++
        return Promise.reject(new Error('gone'))
      },
      retryMs,
    })
    queue.push(exchange('a'))
    await eventually(() => queue.stats().storeFailures > 0)
    await queue.close(30)
    expect(queue.stats()).toMatchObject({ dropped: 1, written: 0, queued: 0 })
    if (retryMs > 1) expect(attempts).toBe(1)
  })
})
