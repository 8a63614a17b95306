/** Peers that open requests and do not send their bodies. */
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Load } from '../../src/proxy/client/load.ts'
import { chatBody, eventually, startHarness, type Harness } from '../kit/proxy/harness.ts'

const PLACES = 32

let harness: Harness
const sockets: Socket[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await harness.close()
})

const HEAD =
  'POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n'

interface Opened {
  socket: Socket
  answer: () => string
}

/** Opens a connection from an address, and sends the beginning of a request. */
const open = (bytes: string, localAddress = '127.0.0.1'): Promise<Opened> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port: harness.port, host: '127.0.0.1', localAddress })
    let answer = ''
    sockets.push(socket)
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    socket.on('error', reject)
    socket.on('connect', () => {
      socket.write(bytes)
      resolve({ socket, answer: () => answer })
    })
  })

const openMany = (count: number, bytes = `${HEAD}{`, from?: string): Promise<Opened[]> =>
  Promise.all(Array.from({ length: count }, () => open(bytes, from)))

const answered = (opened: Opened[]): number =>
  opened.filter(({ answer }) => answer().startsWith('HTTP/1.1 408')).length

describe('a proxy that is full of requests whose bodies do not arrive', () => {
  it('serves others, and ends the oldest of them', async () => {
    const load = new Load({ maxInFlight: PLACES, maxDelayMs: 0 })
    harness = await startHarness({ load })
    const stalled = await openMany(PLACES)
    await eventually(() => load.inFlight === PLACES)
    for (let i = 0; i < 10; i++) expect((await harness.send(chatBody('hi'))).status).toBe(200)
    await eventually(() => answered(stalled) > 0)
    expect(stalled[0]!.answer()).toContain('"code":"request_timeout"')
    expect(stalled.at(-1)!.answer()).toBe('')
    expect(harness.upstream.requests).toHaveLength(10)
    expect(await harness.metrics()).toContain('promptintern_requests_total{route="shed"} ')
  })

  it('ends those that pass unread, too', async () => {
    const load = new Load({ maxInFlight: PLACES, maxDelayMs: 0 })
    harness = await startHarness({ load })
    const stalled = await openMany(PLACES, `${HEAD.replace('chat/completions', 'files')}{`)
    await eventually(() => load.inFlight === PLACES)
    expect((await harness.send(chatBody('hi'))).status).toBe(200)
    await eventually(() => answered(stalled) > 0)
    expect(load.inFlight).toBeLessThan(PLACES)
  })

  it('stays so however many of them come', async () => {
    const load = new Load({ maxInFlight: PLACES, maxDelayMs: 0 })
    harness = await startHarness({ load })
    for (let round = 0; round < 5; round++) {
      await openMany(2 * PLACES)
      expect((await harness.send(chatBody('hi'))).status).toBe(200)
      expect(load.inFlight).toBeLessThanOrEqual(PLACES)
    }
  })

  it('ends those of the address that has most', async () => {
    const load = new Load({ maxInFlight: PLACES, maxDelayMs: 0 })
    harness = await startHarness({ load })
    const few = await openMany(4, `${HEAD}{`, '127.0.0.3')
    await eventually(() => load.inFlight === 4)
    const many = await openMany(4 * PLACES, `${HEAD}{`, '127.0.0.2')
    await eventually(() => answered(many) > 2 * PLACES)
    expect(answered(few)).toBe(0)
  })

  it('ends those that send slowly before those that send', async () => {
    const load = new Load({ maxInFlight: PLACES, maxDelayMs: 0 })
    harness = await startHarness({ load })
    const long = 200_000
    const head = HEAD.replace('4000', String(long))
    const fast = await open(`${head}${'x'.repeat(long - 1)}`)
    await eventually(() => load.inFlight === 1)
    await openMany(8 * PLACES)
    expect(fast.answer()).toBe('')
  })

  it('answers 503 where all are in work', async () => {
    const load = new Load({ maxInFlight: 2, maxDelayMs: 0 })
    harness = await startHarness({ load })
    harness.upstream.respond = () => {}
    const waiting = [harness.send(chatBody('a')), harness.send(chatBody('b'))]
    await eventually(() => harness.upstream.requests.length === 2)
    expect((await harness.send(chatBody('hi'))).status).toBe(503)
    harness.upstream.close()
    await Promise.allSettled(waiting)
  })
})

describe('a server that has as many connections as it may', () => {
  it('closes the oldest without a request, and serves a new one', async () => {
    harness = await startHarness({}, { maxConnections: PLACES })
    const idle = await openMany(PLACES, 'POST /v1')
    await eventually(async () => (await harness.send(chatBody('hi'))).status === 200)
    await eventually(() => idle[0]!.socket.destroyed || idle[0]!.socket.readableEnded)
    expect(idle.at(-1)!.socket.destroyed).toBe(false)
  })
})
