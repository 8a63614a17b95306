/** A full disk: requests are served; test/proxy/log-queue.test.ts has what becomes of their records. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { chatBody, eventually, send, startUpstream } from '../kit/proxy/harness.ts'
import { startServerProcess } from '../kit/process/server-process.ts'

describe('a full disk', () => {
  it('stops no request of the real server with its real store', async () => {
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
