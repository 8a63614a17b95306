import { stat } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listen } from '../../src/server/http-server.ts'
import {
  CHAT_PATH,
  chatBody,
  eventually,
  onDemand,
  openSocket,
  startHarness,
  type Harness,
  type Responder,
} from '../kit/proxy/harness.ts'

const LONG_MS = 30_000

let harness: Harness

beforeEach(async () => {
  harness = await startHarness()
})
afterEach(() => harness.close())

/** Streams that go on until they are told to end. */
const stream = () => {
  const ends: (() => void)[] = []
  const respond: Responder = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    ends.push(() => response.end('data: [DONE]\n\n'))
  }
  return { respond, end: () => ends.shift()?.(), isOpen: () => ends.length > 0 }
}

/** A connection whose first request was answered and that waits for a next one. */
const keptConnection = async (): Promise<ReturnType<typeof openSocket>> => {
  const opened = harness.open('GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await eventually(() => opened.text.includes('from the upstream'))
  return opened
}

/** Soon: connections that the system had opened before are still taken. */
const refusesConnections = (): Promise<void> =>
  eventually(
    () =>
      new Promise((resolve) => {
        const { socket } = harness.open()
        socket.once('error', () => resolve(true))
        socket.once('connect', () => {
          socket.destroy()
          resolve(false)
        })
      })
  )

const newConnection = async () => harness.open()

describe('a server that drains', () => {
  it('takes no new connection, and lets a stream come to its end', async () => {
    const { respond, end, isOpen } = stream()
    harness.upstream.respond = respond
    const streaming = harness.send(chatBody('hi', { stream: true }))
    await eventually(isOpen)
    let isDrained = false
    const drained = harness.drain(LONG_MS).then(() => (isDrained = true))
    await refusesConnections()
    expect(isDrained).toBe(false)
    end()
    const answer = await streaming
    expect(answer.text).toBe('data: 1\n\ndata: [DONE]\n\n')
    expect(answer.complete).toBe(true)
    await drained
  })

  it('closes a kept connection behind its stream, although the head promised more', async () => {
    const { respond, end, isOpen } = stream()
    harness.upstream.respond = respond
    const agent = new Agent({ keepAlive: true })
    const closed = new Promise<void>((resolve) => {
      httpRequest({ agent, host: '127.0.0.1', port: harness.port, method: 'POST', path: CHAT_PATH })
        .on('socket', (socket) => socket.on('close', () => resolve()))
        .on('response', (response) => response.resume())
        .end(chatBody('hi', { stream: true }))
    })
    await eventually(isOpen)
    const drained = harness.drain(LONG_MS)
    end()
    await Promise.all([closed, drained])
    agent.destroy()
  })

  it('says `connection: close` in answers that had not begun', async () => {
    const { respond, answer } = onDemand({ late: true })
    harness.upstream.respond = respond
    const waiting = harness.send(chatBody('hi'), { headers: { connection: 'keep-alive' } })
    await eventually(() => harness.upstream.requests.length === 1)
    const drained = harness.drain(LONG_MS)
    answer()
    const { status, headers, body } = await waiting
    expect([status, headers.connection, body.toString()]).toEqual([200, 'close', '{"late":true}'])
    await drained
  })

  it('answers a request that comes behind a stream, and closes then', async () => {
    const { respond, end, isOpen } = stream()
    harness.upstream.respond = respond
    const post = `POST ${CHAT_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}`
    const client = harness.open(post)
    await eventually(() => isOpen() && client.text.includes('data: 1'))
    const second = onDemand({ second: true })
    harness.upstream.respond = second.respond
    client.socket.write(post)
    await new Promise((resolve) => setTimeout(resolve, 50))
    const drained = harness.drain(LONG_MS)
    end()
    await eventually(() => second.waiting() === 1)
    second.answer()
    await drained
    await eventually(() => client.socket.closed)
    expect(client.text).toMatch(
      /\[DONE\][^]*HTTP\/1.1 200 OK\r\n[^]*connection: close[^]*"second":true/i
    )
  })

  it('closes idle connections at once and those that never asked after a moment', async () => {
    const { socket } = await keptConnection()
    const { socket: silent } = harness.open()
    await new Promise((resolve) => silent.once('connect', resolve))
    const drained = harness.drain(LONG_MS)
    await eventually(() => socket.closed)
    await drained
    await eventually(() => silent.closed)
  })

  it.each([
    ['before the loop turns to connections', (begin: () => void) => setTimeout(begin)],
    ['after it has', (begin: () => void) => stat('.', begin)],
  ])('answers requests on connections that it had not accepted, begun %s', async (_when, at) => {
    // the loop is that of this process: the system opens them, and the server has no turn to accept any
    const clients: ReturnType<typeof openSocket>[] = []
    const get = 'GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n'
    await new Promise<void>((resolve) => {
      at(() => {
        for (let count = 0; count < 40; count++) clients.push(harness.open(get))
        void harness.drain(LONG_MS).then(resolve)
      })
    })
    await eventually(() => clients.every(({ socket }) => socket.closed))
    expect(clients.filter(({ text }) => !text.includes('from the upstream'))).toHaveLength(0)
  })

  const body = chatBody('x'.repeat(300_000))
  const uploadTo = (path: string, sent: number): string =>
    `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, sent)}`

  it.each([
    ['body of a chat completion', newConnection, uploadTo(CHAT_PATH, 200_000)],
    ['body of what passes unread', newConnection, uploadTo('/v1/files', 200_000)],
    ['head, on a new connection', newConnection, uploadTo(CHAT_PATH, 0).slice(0, 45)],
    ['head, on a kept connection', keptConnection, uploadTo(CHAT_PATH, 0).slice(0, 45)],
  ])(
    'receives and answers a request with half of its %s, and closes then',
    async (_, open, sent) => {
      const client = await open()
      harness.upstream.requests.length = 0
      client.text = ''
      client.socket.write(sent)
      // an answer on another connection: by then the half has arrived
      await harness.send(null, { method: 'GET', path: '/v1/models' })
      const drained = harness.drain(LONG_MS)
      // longer than a connection without a request may stay
      await new Promise((resolve) => setTimeout(resolve, 1200))
      const path = sent.includes('/v1/files') ? '/v1/files' : CHAT_PATH
      client.socket.write(uploadTo(path, body.length).slice(sent.length))
      await drained
      await eventually(() => client.socket.closed)
      expect(client.text).toMatch(
        /^HTTP\/1.1 200 OK\r\n[^]*connection: close[^]*from the upstream/i
      )
      const [, request] = harness.upstream.requests
      expect(request?.body.toString() === body).toBe(true)
    }
  )

  it('cuts what is not over in time, so that it cannot look whole', async () => {
    const { respond, isOpen } = stream()
    harness.upstream.respond = respond
    const streaming = harness.send(chatBody('hi', { stream: true }))
    await eventually(isOpen)
    await harness.drain(50)
    expect((await streaming).complete).toBe(false)
  })

  it('does not cut an answer that is ended but not yet read', async () => {
    const whole = Buffer.alloc(32 * 2 ** 20, 'x')
    const { port, drain } = await listen(
      new Hono<{ Bindings: HttpBindings }>().get('*', ({ env }) => {
        env.outgoing.end(whole)
        return RESPONSE_ALREADY_SENT
      }),
      { port: 0, host: '127.0.0.1' },
      { fault: harness.deps.fault }
    )
    const client = openSocket(port, 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await new Promise((resolve) => client.socket.once('data', resolve))
    client.socket.pause()
    const drained = drain(LONG_MS)
    client.socket.resume()
    await drained
    await eventually(() => client.socket.closed)
    expect(client.text.length).toBeGreaterThan(whole.length)
  })
})

describe('a server that drains behind a load balancer', () => {
  const IDLE_MS = 400
  const get = 'GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n'

  beforeEach(async () => {
    await harness.close()
    harness = await startHarness({}, { drainIdleMs: IDLE_MS })
  })

  it('answers a request on a connection that was idle, and says that it closes', async () => {
    const client = await keptConnection()
    const drained = harness.drain(LONG_MS)
    await refusesConnections()
    client.text = ''
    client.socket.write(get)
    await drained
    await eventually(() => client.socket.closed)
    expect(client.text).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*connection: close[^]*from the upstream/i)
  })

  it('answers a request behind a stream whose head had promised to keep the connection', async () => {
    const usual = harness.upstream.respond
    const { respond, end, isOpen } = stream()
    harness.upstream.respond = respond
    const client = harness.open(
      `POST ${CHAT_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}`
    )
    await eventually(() => isOpen() && client.text.includes('data: 1'))
    const drained = harness.drain(LONG_MS)
    end()
    await eventually(() => client.text.includes('[DONE]'))
    harness.upstream.respond = usual
    client.socket.write(get)
    await drained
    await eventually(() => client.socket.closed)
    expect(client.text).toMatch(/\[DONE\][^]*HTTP\/1.1 200 OK\r\n[^]*connection: close/i)
  })

  it('closes idle connections in the end, and at once where the client does', async () => {
    const { socket } = await keptConnection()
    const leaving = await keptConnection()
    const drained = harness.drain(LONG_MS)
    leaving.socket.end()
    await eventually(() => leaving.socket.closed)
    expect(socket.closed).toBe(false)
    await drained
    await eventually(() => socket.closed)
  })
})
