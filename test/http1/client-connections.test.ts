/** Which connections the client opens, keeps and gives up, and when it stops to wait. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createHttp1Client,
  type Http1Client,
  type Http1ClientOptions,
} from '../../src/http1/client.ts'
import { CERTIFICATE } from '../fixtures/localhost-certificate.ts'
import { OK, startRawUpstream, type RawUpstream } from './raw-upstream.ts'
import { ask, dispatch, Recorder, settle, until } from './recorder.ts'

const ANSWERED = ['connect', 'headers', 'data', 'complete']

let upstream: RawUpstream
let clients: Http1Client[] = []
/** of the client's clock, milliseconds */
let time = 0

const open = (options: Partial<Http1ClientOptions> = {}, origin?: string): Http1Client => {
  const client = createHttp1Client(new URL(origin ?? `http://127.0.0.1:${upstream.port}`), {
    connectTimeoutMs: 2000,
    idleTimeoutMs: 2000,
    now: () => time,
    ...options,
  })
  clients.push(client)
  return client
}

beforeEach(async () => {
  time = 0
  upstream = await startRawUpstream()
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
  upstream.close()
})

const says = (text: string) => (socket: Socket) => void socket.write(text, 'latin1')

const answered = (...headers: string[]): string =>
  ['HTTP/1.1 200 OK', 'Content-Length: 0', ...headers, '', ''].join('\r\n')

/** Asks twice. @returns how many connections that took */
const connectionsOfTwo = async (client: Http1Client): Promise<number> => {
  await ask(client)
  await settle()
  expect((await ask(client)).calls.at(-1)).toBe('complete')
  return upstream.sockets.length
}

/** As long as the event loop does nothing else. */
const block = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end;);
}

/** @returns when it failed, milliseconds after it was asked */
const fails = async (client: Http1Client, code: string): Promise<number> => {
  const began = performance.now()
  const { error } = await ask(client)
  expect(error).toMatchObject({ code })
  return performance.now() - began
}

const closedPort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('a connection', () => {
  it('serves one request after another', async () => {
    const client = open()
    for (let i = 0; i < 20; i++) expect((await ask(client)).calls).toEqual(ANSWERED)
    // it rests for a turn of the event loop, in which a second one may be asked for
    expect(upstream.sockets.length).toBeLessThanOrEqual(2)
  })

  it('serves one request at a time', async () => {
    const waiting: Socket[] = []
    upstream.answer = (socket) => void waiting.push(socket)
    const client = open()
    const recorders = Array.from({ length: 10 }, () => dispatch(client))
    await until(() => waiting.length === 10)
    for (const socket of waiting) socket.write(OK)
    await Promise.all(recorders.map(({ over }) => over))
    expect(new Set(upstream.sockets).size).toBe(10)
  })

  it('is the one that was used last', async () => {
    const used: Socket[] = []
    upstream.answer = (socket) => {
      used.push(socket)
      socket.write(OK)
    }
    const client = open()
    await Promise.all([ask(client), ask(client), ask(client)])
    for (let i = 0; i < 5; i++) {
      await settle()
      await ask(client)
    }
    expect(upstream.sockets).toHaveLength(3)
    expect(new Set(used.slice(3))).toEqual(new Set(used.slice(2, 3)))
  })

  it.each([
    ['HTTP/1.1', answered(), 1],
    ['HTTP/1.1 that is closed', answered('Connection: close'), 2],
    ['HTTP/1.0', answered().replace('1.1', '1.0'), 2],
    ['HTTP/1.0 that is kept', answered('Connection: keep-alive').replace('1.1', '1.0'), 1],
    ['an answer with bytes behind it', `${answered()}x`, 2],
    ['an answer with another one behind it', answered() + answered(), 2],
    ['an answer with a time that is too short', answered('Keep-Alive: timeout=2'), 2],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', 1],
  ])('is used again or not: %s', async (_, text, connections) => {
    upstream.answer = says(text)
    expect(await connectionsOfTwo(open())).toBe(connections)
  })

  it.each([
    ['no hint', answered(), 4000],
    ['a hint', answered('Keep-Alive: timeout=10'), 8000],
    ['a hint of years', answered('Keep-Alive: timeout=99999999'), 600_000],
  ])('is kept for its time: %s', async (_, text, keptMs) => {
    upstream.answer = says(text)
    const client = open()
    await ask(client)
    await settle()
    time = keptMs - 1
    await ask(client)
    await settle()
    expect(upstream.sockets).toHaveLength(1)
    time += keptMs
    await ask(client)
    expect(upstream.sockets).toHaveLength(2)
  })

  it('is closed when its time is over, without a request', async () => {
    const client = open({ idleTimeoutMs: 80 })
    await ask(client)
    await delay(100)
    expect(upstream.sockets[0]!.destroyed).toBe(false)
    time = 4000
    await until(() => upstream.sockets[0]!.destroyed)
  })

  it.each([
    ['ends it', (socket: Socket) => void socket.end()],
    ['says something unasked', (socket: Socket) => void socket.write(OK)],
  ])('is given up when the upstream %s', async (_, act) => {
    const client = open()
    await ask(client)
    await settle()
    act(upstream.sockets[0]!)
    await settle()
    expect((await ask(client)).calls).toEqual(ANSWERED)
    expect(upstream.sockets).toHaveLength(2)
  })

  it.each([
    ['an end', (socket: Socket) => void socket.end()],
    [
      'an answer that nobody asked for',
      (socket: Socket) => void socket.write(answered('X-Stale: 1')),
    ],
  ])('is not used over %s that the event loop has not yet come to', async (_, act) => {
    const client = open()
    await ask(client)
    await settle()
    act(upstream.sockets[0]!)
    block(20)
    const { calls, headers } = await ask(client)
    expect(calls).toEqual(ANSWERED)
    expect(headers).not.toContain('X-Stale')
    expect(upstream.sockets).toHaveLength(2)
  })
})

describe('an exchange that is broken off', () => {
  const REASON = new Error('no longer wanted')

  it.each(['connect', 'headers', 'data'])(
    'hears of it at once and of nothing more: at %s',
    async (when) => {
      upstream.answer = says(OK)
      const client = open()
      const recorder = new Recorder()
      recorder.heard = (call) => {
        if (call === when) recorder.abort(REASON)
      }
      client.dispatch(client.headOf('/', []), Buffer.alloc(0), recorder)
      await settle()
      expect(recorder.calls).toEqual([...ANSWERED.slice(0, ANSWERED.indexOf(when) + 1), 'error'])
      expect(recorder.error).toBe(REASON)
      expect(upstream.requests).toHaveLength(when === 'connect' ? 0 : 1)
      await until(() => upstream.sockets[0]!.destroyed)
      expect((await ask(client)).calls).toEqual(ANSWERED)
    }
  )

  it('while its answer is waited for, or held up', async () => {
    const client = open()
    upstream.answer = () => {}
    const waiting = dispatch(client)
    await until(() => upstream.requests.length === 1)
    upstream.answer = says(OK)
    const held = dispatch(client)
    held.wantsMore = false
    await held.begun
    for (const { abort } of [waiting, held]) abort(REASON)
    expect([waiting.error, held.error]).toEqual([REASON, REASON])
    await until(() => upstream.sockets.every(({ destroyed }) => destroyed))
  })

  it('is nothing when it is over, even while its connection serves another', async () => {
    const client = open()
    const first = await ask(client)
    await settle()
    upstream.answer = () => {}
    const second = dispatch(client)
    await until(() => upstream.requests.length === 2)
    first.abort(REASON)
    first.resume()
    upstream.sockets[0]!.write(OK)
    await second.over
    expect(first.calls).toEqual(ANSWERED)
    expect(second.calls).toEqual(ANSWERED)
    expect(upstream.sockets).toHaveLength(1)
  })
})

describe('a time-out', () => {
  const TIMEOUT_MS = 120

  it.each([
    ['for an answer', ''],
    ['behind an interim one', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
    ['inside of a head', 'HTTP/1.1 200 OK\r\n'],
    ['for a body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['inside of a body', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel'],
    ['for a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ])('comes in time and never early: %s', async (_, text) => {
    upstream.answer = (socket) => {
      if (text !== '') socket.write(text)
    }
    const waitedMs = await fails(open({ idleTimeoutMs: TIMEOUT_MS }), 'answer-timeout')
    expect(waitedMs).toBeGreaterThanOrEqual(TIMEOUT_MS)
    expect(waitedMs).toBeLessThan(TIMEOUT_MS * 4)
    await until(() => upstream.sockets[0]!.destroyed)
  })

  it('does not come while something does', async () => {
    upstream.answer = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n')
      let left = 8
      const timer = setInterval(() => {
        socket.write('x')
        if (--left === 0) clearInterval(timer)
      }, TIMEOUT_MS / 3)
    }
    expect((await ask(open({ idleTimeoutMs: TIMEOUT_MS }))).body).toBe('xxxxxxxx')
  })

  it('comes when a head comes byte by byte without end', async () => {
    upstream.answer = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nX-A: ')
      const timer = setInterval(() => socket.write('x'), 10)
      socket.on('close', () => clearInterval(timer))
    }
    await fails(open({ idleTimeoutMs: TIMEOUT_MS }), 'answer-timeout')
  })

  it('does not come while nothing more is wanted', async () => {
    const recorder = dispatch(open({ idleTimeoutMs: TIMEOUT_MS }))
    recorder.wantsMore = false
    await recorder.begun
    await delay(TIMEOUT_MS * 4)
    expect(recorder.error).toBeNull()
    recorder.wantsMore = true
    recorder.resume()
    await recorder.over
    expect(recorder.calls).toEqual(ANSWERED)
  })

  it('is one for TCP and TLS together, and nothing was sent', async () => {
    const origin = `https://127.0.0.1:${upstream.port}`
    const client = open({ connectTimeoutMs: TIMEOUT_MS }, origin)
    const { calls, error } = await ask(client)
    expect(calls).toEqual(['error'])
    expect(error).toMatchObject({ code: 'connect-timeout' })
  })
})

describe('an upstream that cannot be connected to', () => {
  it.each(['127.0.0.1', 'localhost'])('is an error with Node`s code: %s', async (host) => {
    const { calls, error } = await ask(open({}, `http://${host}:${await closedPort()}`))
    expect(calls).toEqual(['error'])
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('is an error when its name is unknown', async () => {
    const { calls, error } = await ask(open({}, 'http://nowhere.invalid'))
    expect(calls).toEqual(['error'])
    expect(error?.code).toMatch(/^(?:ENOTFOUND|EAI_AGAIN)$/)
  })
})

describe('TLS', () => {
  let secure: RawUpstream
  beforeEach(async () => {
    secure = await startRawUpstream({ tls: true })
  })
  afterEach(() => secure.close())

  it('is spoken, with sessions taken up again, to whoever proves to be the origin', async () => {
    const client = open({ tls: { ca: CERTIFICATE } }, `https://localhost:${secure.port}`)
    const reused: boolean[] = []
    secure.answer = (socket) => {
      reused.push((socket as Socket & { isSessionReused(): boolean }).isSessionReused())
      socket.write(answered('Connection: close'))
    }
    for (let i = 0; i < 2; i++) {
      expect((await ask(client, Buffer.alloc(100_000))).status).toBe(200)
      await settle()
    }
    expect(reused).toEqual([false, true])
    expect(secure.requests.map(({ body }) => body.length)).toEqual([100_000, 100_000])
  })

  it('keeps connections', async () => {
    const client = open({ tls: { ca: CERTIFICATE } }, `https://localhost:${secure.port}`)
    for (let i = 0; i < 5; i++) {
      expect(await ask(client)).toMatchObject({ calls: ANSWERED, body: 'ok' })
      await settle()
    }
    expect(secure.sockets).toHaveLength(1)
  })

  it('is an error with Node`s code when the upstream hangs up inside of it', async () => {
    upstream.opened = (socket) => socket.once('data', () => socket.end())
    const { calls, error } = await ask(open({}, `https://127.0.0.1:${upstream.port}`))
    expect(calls).toEqual(['error'])
    expect(error).toMatchObject({ code: 'ECONNRESET' })
  })

  it.each([
    ['an unknown signer', 'localhost', {}, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['another name', '127.0.0.1', { ca: CERTIFICATE }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])('is refused with %s, and nothing is sent', async (_, host, tls, code) => {
    const { calls, error } = await ask(open({ tls }, `https://${host}:${secure.port}`))
    expect(calls).toEqual(['error'])
    expect(error).toMatchObject({ code })
    expect(secure.requests).toEqual([])
  })
})

describe('the end', () => {
  it('breaks off what is under way, and closes what is kept', async () => {
    const client = open()
    await ask(client)
    await settle()
    upstream.answer = () => {}
    const asked = dispatch(client)
    await until(() => upstream.requests.length === 2)
    const waiting = dispatch(client)
    await client.close()
    for (const { error } of [asked, waiting]) expect(error).toMatchObject({ code: 'client-closed' })
    await until(() => upstream.sockets.every(({ destroyed }) => destroyed))
    const late = dispatch(client)
    expect(late.calls).toEqual(['error'])
    expect(late.error).toMatchObject({ code: 'client-closed' })
  })
})
