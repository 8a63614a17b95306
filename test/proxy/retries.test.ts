import { createServer } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../kit/process/free-port.ts'
import { createRetries } from '../../src/proxy/upstream/retries.ts'
import { chatBody, eventually, startHarness, type Harness } from '../kit/proxy/harness.ts'

const options = { maxAttempts: 3, baseMs: 100, requestsPerRetry: 10, burst: 2, random: () => 0.5 }

describe('retries', () => {
  it('wait longer each time and end', () => {
    const retries = createRetries({ ...options, burst: 10 })
    expect([1, 2, 3].map((attempts) => retries.next(attempts))).toEqual([75, 150, null])
  })

  it.each([0, 1000])('are paid for by requests, up to the burst (after %i)', (before) => {
    const retries = createRetries(options)
    for (let i = 0; i < before; i++) retries.request()
    expect([1, 1, 1].map((attempts) => retries.next(attempts) !== null)).toEqual([
      true,
      true,
      false,
    ])
    for (let i = 0; i < 10; i++) retries.request()
    expect(retries.next(1)).not.toBeNull()
    expect(retries.next(1)).toBeNull()
  })
})

let harness: Harness | null = null
afterEach(() => harness?.close())

describe('an upstream that is away for a moment', () => {
  it('gets a request as soon as it is back', async () => {
    const port = await freePort()
    harness = await startHarness({ upstreamBaseUrl: `http://127.0.0.1:${port}` })
    const upstream = createServer((_incoming, outgoing) => outgoing.end('{"back":true}'))
    const answer = harness.send(chatBody('hi'))
    setTimeout(() => upstream.listen(port, '127.0.0.1'), 30)
    expect((await answer).body.toString()).toBe('{"back":true}')
    expect(await harness.records()).toHaveLength(1)
    upstream.closeAllConnections()
    upstream.close()
  })

  it('is not asked again once it may have read something', async () => {
    let connections = 0
    const upstream = createTcpServer((socket) => {
      connections++
      socket.on('error', () => {})
      socket.once('data', () => socket.destroy())
    })
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
    const { port } = upstream.address() as AddressInfo
    harness = await startHarness({ upstreamBaseUrl: `http://127.0.0.1:${port}` })
    expect((await harness.send(chatBody('hi'))).status).toBe(502)
    expect(connections).toBe(1)
    upstream.close()
  })

  it('is not asked again for a client that has left', async () => {
    const started = await startHarness({ upstreamBaseUrl: `http://127.0.0.1:${await freePort()}` })
    harness = started
    await started.leave(() => started.deps.load.inFlight === 1)
    await eventually(async () => (await started.records()).length > 0)
    expect((await started.records()).map(({ status }) => status)).toEqual([499])
  })
})
