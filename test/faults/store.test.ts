/** A failing store or a full disk: requests are served, records wait, and dropped records are counted. */
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { readBatch } from '../../src/core/log/exchange-batch.ts'
import { LogQueue, type LogQueueOptions } from '../../src/proxy/log-queue.ts'
import { systemTimer } from '../../src/timers.ts'
import {
  chatBody,
  eventually,
  send,
  startHarness,
  startUpstream,
  type Harness,
} from '../kit/proxy/harness.ts'
import { startServerProcess } from '../kit/process/server-process.ts'

const noSpace = (): Error =>
  Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })

let harness: Harness
let faults: { kind: string; error: unknown }[]
afterEach(() => harness.close())

const startWith = async (append: LogQueueOptions['append'], maxBytes: number) => {
  faults = []
  const queue = new LogQueue({
    append,
    maxBytes,
    gatherMs: 1,
    retryMs: 1,
    fault: (kind, error) => faults.push({ kind, error }),
    setTimer: systemTimer,
  })
  harness = await startHarness({ log: (exchange) => queue.push(exchange) })
  return queue
}

const askTimes = async (count: number): Promise<number[]> => {
  const answers = Array.from({ length: count }, (_, i) => send(harness.port, chatBody(`${i}`)))
  return (await Promise.all(answers)).map(({ status }) => status)
}

const ok = (count: number): number[] => Array.from({ length: count }, () => 200)

describe('a store that refuses everything', () => {
  it('stops no request, and gets every record after it recovers', async () => {
    let isDown = true
    const written: string[] = []
    const queue = await startWith(async (batch) => {
      if (isDown) throw noSpace()
      for (const { request } of readBatch(batch)) written.push(Buffer.from(request).toString())
    }, 2 ** 24)
    expect(await askTimes(50)).toEqual(ok(50))
    await eventually(() => queue.stats().storeFailures > 2)
    expect(faults.length).toBeGreaterThan(2)
    for (const fault of faults) expect(fault).toEqual({ kind: 'log-store', error: noSpace() })
    expect(written).toEqual([])
    isDown = false
    await eventually(() => queue.stats().queued === 0)
    expect(new Set(written)).toEqual(
      new Set(Array.from({ length: 50 }, (_, i) => chatBody(`${i}`)))
    )
    expect(queue.stats()).toMatchObject({ written: 50, dropped: 0 })
  })

  it('loses records beyond the queue`s limit, which are counted, and no request', async () => {
    const maxBytes = 2 ** 16
    const queue = await startWith(() => Promise.reject(noSpace()), maxBytes)
    expect(await askTimes(300)).toEqual(ok(300))
    await eventually(() => queue.stats().queued + queue.stats().dropped === 300)
    expect(queue.stats().dropped).toBeGreaterThan(0)
    expect(faults.map(({ kind }) => kind)).toContain('log-dropped')
    expect(queue.stats().queuedBytes).toBeLessThanOrEqual(maxBytes)
    await queue.close(0)
    expect(queue.stats()).toMatchObject({ written: 0, dropped: 300 })
  })

  it('delays no request, also if it never answers', async () => {
    const queue = await startWith(() => new Promise(() => {}), 2 ** 16)
    expect(await askTimes(50)).toEqual(ok(50))
    await queue.close(10)
    expect(queue.stats()).toMatchObject({ written: 0, dropped: 50, queued: 0 })
  })
})

describe('a full disk', () => {
  it('stops no request of the real server with its real store', async () => {
    harness = await startHarness()
    const upstream = await startUpstream()
    // a limit of the file size stands for a full disk
    const server = await startServerProcess(
      { UPSTREAM_BASE_URL: upstream.url, LOG_LEVEL: 'error' },
      { maxFileBlocks: 4096 }
    )
    const failures = async (): Promise<number> => {
      const text = await server.metrics()
      return Number(/promptintern_log_store_failures_total (\d+)/.exec(text)?.[1])
    }
    const statuses: number[] = []
    await eventually(async () => {
      const body = chatBody(randomBytes(300_000).toString('base64'))
      statuses.push((await send(server.port, body)).status)
      return (await failures()) > 0
    })
    for (let i = 0; i < 10; i++) statuses.push((await send(server.port, chatBody('hi'))).status)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(server.child.exitCode).toBeNull()
    await eventually(() => server.faults().some(({ kind }) => kind === 'log-store'))
    const fault = server.faults().find(({ kind }) => kind === 'log-store')
    expect(fault?.causes[0]).toMatchObject({ code: 'store-unavailable' })
    // the stack shows the place in the store's thread
    expect(fault?.causes.flatMap(({ stack }) => stack).join()).toContain('sqlite')
    await server.remove()
    upstream.close()
  })
})
