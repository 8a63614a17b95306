/** WebSocket connections pass to the upstream and back, byte for byte. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket, type ClientOptions } from 'ws'
import { startNginx, WHY_NO_NGINX } from '../kit/process/nginx.ts'
import {
  echo,
  handshake,
  KEY,
  startByteUpstream,
  startWebSocketUpstream,
  switching,
  type Serve,
} from '../kit/upstream/websocket-upstream.ts'
import {
  AUTHORIZATION,
  errorOf,
  eventually,
  LIMITS,
  NO_FAILOVER,
  openSocket,
  respondJson,
  send,
  startHarness,
  type Harness,
} from '../kit/proxy/harness.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

type Overrides = Parameters<typeof startHarness>[0]

const startProxy = async (overrides: Overrides = {}): Promise<Harness> => {
  const harness = await startHarness(overrides)
  closers.push(() => harness.close())
  return harness
}

const startWithUpstream = async (serve: Serve = echo, overrides: Overrides = {}) => {
  const upstream = await startWebSocketUpstream(serve)
  closers.push(upstream.close)
  const harness = await startProxy({ upstreamBaseUrl: upstream.url, ...overrides })
  return { upstream, harness }
}

const client = (
  { port }: Pick<Harness, 'port'>,
  path = '/v1/realtime',
  protocols: string[] = [],
  options: ClientOptions = {}
): WebSocket => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, {
    headers: { authorization: AUTHORIZATION },
    maxPayload: 2 ** 30,
    ...options,
  })
  socket.on('error', () => {})
  closers.push(() => socket.terminate())
  return socket
}

const opened = (socket: WebSocket): Promise<WebSocket> =>
  new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })

const next = (socket: WebSocket): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    socket.once('message', (data: Buffer) => resolve(data))
    socket.once('close', () => reject(new Error('it closed')))
  })

const closed = (socket: WebSocket): Promise<number> =>
  new Promise((resolve) => socket.once('close', (code) => resolve(code)))

const refused = (
  socket: WebSocket
): Promise<{ status: number; headers: IncomingMessage['headers']; text: string }> =>
  new Promise((resolve, reject) => {
    socket.once('open', () => reject(new Error('it opened')))
    socket.once('unexpected-response', (_request, response: IncomingMessage) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
      )
    })
  })

describe('a WebSocket', () => {
  it.each([
    ['text', 'Grüezi – 你好', false],
    ['an empty message', '', false],
    ['binary', randomBytes(70_000), true],
    ['64 MiB', randomBytes(64 * 2 ** 20), true],
  ])('carries %s both ways', async (_, message, binary) => {
    const { harness } = await startWithUpstream()
    const socket = await opened(client(harness))
    const answer = next(socket)
    socket.send(message, { binary })
    expect((await answer).equals(Buffer.from(message as string))).toBe(true)
  })

  it('carries compressed and fragmented messages, and pings between the fragments', async () => {
    const { harness } = await startWithUpstream()
    const socket = await opened(client(harness, '/v1/realtime', [], { perMessageDeflate: true }))
    const answer = next(socket)
    const pong = new Promise((resolve) => socket.once('pong', (data) => resolve(String(data))))
    socket.send('a'.repeat(1000), { fin: false })
    socket.ping('there?')
    socket.send('b'.repeat(1000), { fin: true })
    expect(await pong).toBe('there?')
    expect(String(await answer)).toBe('a'.repeat(1000) + 'b'.repeat(1000))
  })

  it('reaches the upstream with the path, the key and the protocols of the client', async () => {
    const { harness, upstream } = await startWithUpstream()
    const offered = ['realtime', 'openai-insecure-api-key.sk-browser']
    const socket = await opened(client(harness, '/v1/realtime?model=gpt-realtime', offered))
    expect(socket.protocol).toBe('realtime')
    const [{ url, headers } = { url: '', headers: {} }] = upstream.handshakes
    expect(url).toBe('/v1/realtime?model=gpt-realtime')
    expect(headers).toMatchObject({
      authorization: AUTHORIZATION,
      'sec-websocket-protocol': offered.join(','),
      host: upstream.url.slice('http://'.length),
    })
  })

  it('keeps the code and the reason with which either side closes', async () => {
    const { harness, upstream } = await startWithUpstream((socket) =>
      socket.on('message', () => socket.close(4001, 'enough'))
    )
    const first = await opened(client(harness))
    first.send('x')
    expect(await closed(first)).toBe(4001)
    const second = await opened(client(harness))
    const ofUpstream = closed([...upstream.open()].at(-1)!)
    second.close(4002, 'done')
    expect(await ofUpstream).toBe(4002)
  })

  it('counts as a passed request, and as one in flight while it is open', async () => {
    const { harness } = await startWithUpstream()
    const socket = await opened(client(harness))
    expect(harness.deps.load.inFlight).toBe(1)
    expect(await harness.metrics()).toContain('promptintern_requests_total{route="passed"} 1')
    socket.close()
    await eventually(() => harness.deps.load.inFlight === 0)
    expect(await harness.records()).toEqual([])
    expect(harness.faults).toEqual([])
  })

  it('goes to the upstream of the model that its address names, with the key of that upstream', async () => {
    const named = await startWebSocketUpstream()
    closers.push(named.close)
    const upstreams = [
      { name: 'east', baseUrl: `${named.url}/openai/v1`, apiKey: 'sk-east', models: ['gpt-rt*'] },
    ].map((entry) => ({ ...entry, fallback: [] }))
    const { harness, upstream } = await startWithUpstream(echo, {
      failover: { ...NO_FAILOVER, upstreams },
    })
    const offered = ['realtime', 'openai-insecure-api-key.sk-mine', 'openai-project.p']
    const socket = await opened(client(harness, '/v1/realtime?model=gpt-rt-1', offered))
    expect(socket.protocol).toBe('realtime')
    expect(named.handshakes[0]!.url).toBe('/openai/v1/realtime?model=gpt-rt-1')
    expect(named.handshakes[0]!.headers).toMatchObject({
      authorization: 'Bearer sk-east',
      'sec-websocket-protocol': 'realtime',
    })
    expect(named.handshakes[0]!.rawHeaders.join()).not.toContain('sk-mine')
    await opened(client(harness, '/v1/realtime?model=other'))
    await opened(client(harness, '/v1/realtime?model=gpt-rt-1&model=other'))
    const headers = { authorization: AUTHORIZATION, 'x-promptintern-bypass': 'true' }
    await opened(client(harness, '/v1/realtime?model=gpt-rt-1', [], { headers }))
    expect(upstream.handshakes).toHaveLength(3)
    expect(named.handshakes).toHaveLength(1)
  })
})

describe('a handshake that the upstream refuses', () => {
  it.each([200, 401, 404, 426, 429, 500])('gets its %s, with headers and body', async (status) => {
    const harness = await startProxy()
    harness.upstream.respond = respondJson({ error: { code: 'x' } }, status, {
      'retry-after': '7',
      'x-upstream': 'its own',
    })
    const answer = await refused(client(harness))
    expect(answer.status).toBe(status)
    expect(answer.headers).toMatchObject({ 'retry-after': '7', 'x-upstream': 'its own' })
    expect(JSON.parse(answer.text)).toEqual({ error: { code: 'x' } })
    await eventually(() => harness.deps.load.inFlight === 0)
  })

  it('gets a long body whole', async () => {
    const harness = await startProxy()
    const long = 'x'.repeat(5 * 2 ** 20)
    harness.upstream.respond = respondJson(long, 403)
    expect((await refused(client(harness))).text).toBe(JSON.stringify(long))
  })

  it('gets 502 in OpenAI’s format where no upstream can be reached', async () => {
    const harness = await startProxy({ upstreamBaseUrl: 'http://127.0.0.1:1' })
    const answer = await refused(client(harness))
    expect([answer.status, errorOf(answer).code]).toEqual([502, 'upstream_unavailable'])
    expect(harness.faults.map(({ kind }) => kind)).toContain('upstream')
  })
})

describe('the end of one side', () => {
  it('of the client ends the upstream’s', async () => {
    const { harness, upstream } = await startWithUpstream()
    const socket = await opened(client(harness))
    await eventually(() => upstream.open().size === 1)
    socket.terminate()
    await eventually(() => upstream.open().size === 0 && harness.deps.load.inFlight === 0)
  })

  it('by a reset of the client ends the upstream’s', async () => {
    const { harness, upstream } = await startWithUpstream()
    const peer = openSocket(harness.port, handshake())
    await eventually(() => peer.text.includes('101 '))
    peer.socket.resetAndDestroy()
    await eventually(() => upstream.open().size === 0 && harness.deps.load.inFlight === 0)
  })

  it('of the upstream ends the client’s, without a close that it did not send', async () => {
    const { harness, upstream } = await startWithUpstream()
    const socket = await opened(client(harness))
    const code = closed(socket)
    for (const open of upstream.open()) open.terminate()
    expect(await code).toBe(1006)
    await eventually(() => harness.deps.load.inFlight === 0)
  })

  it('by a reset of the upstream ends the client’s, and the operator is told', async () => {
    const upstream = await startByteUpstream((socket, _head, key) => socket.write(switching(key)))
    closers.push(upstream.close)
    const harness = await startProxy({ upstreamBaseUrl: upstream.url })
    const peer = openSocket(harness.port, handshake())
    await eventually(() => peer.text.includes('101 '))
    upstream.sockets[0]!.resetAndDestroy()
    await eventually(() => peer.socket.closed && harness.deps.load.inFlight === 0)
    expect(harness.faults).toMatchObject([{ kind: 'upstream', error: { code: 'ECONNRESET' } }])
  })

  it('before the upstream has answered ends the request to it', async () => {
    const upstream = await startByteUpstream(() => {})
    closers.push(upstream.close)
    const harness = await startProxy({ upstreamBaseUrl: upstream.url })
    const { socket } = openSocket(harness.port, handshake())
    await eventually(() => upstream.heads.length === 1)
    socket.end()
    await eventually(() => upstream.sockets[0]!.closed && harness.deps.load.inFlight === 0)
  })

  it('for sending alone still lets it receive', async () => {
    const upstream = await startByteUpstream((socket, _head, key) => {
      socket.write(switching(key))
      socket.on('end', () => socket.end('the last words'))
    })
    closers.push(upstream.close)
    const harness = await startProxy({ upstreamBaseUrl: upstream.url })
    const peer = openSocket(harness.port, handshake())
    await eventually(() => peer.text.includes('101 '))
    peer.socket.end('bye')
    await eventually(() => peer.text.endsWith('\r\n\r\nthe last words'))
    expect(upstream.received[0]!.toString()).toBe('bye')
    await eventually(() => harness.deps.load.inFlight === 0)
  })
})

describe('a WebSocket without a byte', () => {
  it('is closed with 1001 after UPSTREAM_TIMEOUT_SECONDS, one that is used is not', async () => {
    const { harness, upstream } = await startWithUpstream(echo, {
      limits: { ...LIMITS, upstreamTimeoutMs: 300 },
    })
    const silent = closed(await opened(client(harness)))
    const used = await opened(client(harness))
    const sending = setInterval(() => used.send('x'), 50)
    expect(await silent).toBe(1001)
    await eventually(() => upstream.open().size === 1)
    clearInterval(sending)
    expect(used.readyState).toBe(WebSocket.OPEN)
  })
})

describe('a server that drains', () => {
  it('leaves WebSockets open until shortly before the limit, and closes them with 1001', async () => {
    const { harness, upstream } = await startWithUpstream()
    const socket = await opened(client(harness))
    const code = closed(socket)
    const ofUpstream = closed([...upstream.open()][0]!)
    const drained = harness.drain(1500)
    await delay(100)
    const answer = next(socket)
    socket.send('still there')
    expect(String(await answer)).toBe('still there')
    expect(await code).toBe(1001)
    expect(await ofUpstream).toBe(1001)
    await drained
  })

  it('ends before the limit when the last WebSocket is closed', async () => {
    const { harness } = await startWithUpstream()
    const socket = await opened(client(harness))
    const drained = harness.drain(60_000)
    socket.close()
    await drained
  })

  it('does not break a frame for its own close: that follows the frame', async () => {
    const upstream = await startByteUpstream((socket, _head, key) => {
      // a frame of five bytes, of which three come at first
      socket.write(
        Buffer.concat([Buffer.from(switching(key)), Buffer.from('\x82\x05abc', 'latin1')])
      )
    })
    closers.push(upstream.close)
    const harness = await startProxy({ upstreamBaseUrl: upstream.url })
    const peer = openSocket(harness.port, handshake())
    const chunks: Buffer[] = []
    peer.socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    await eventually(() => peer.text.includes('abc'))
    const drained = harness.drain(1000)
    await delay(600)
    upstream.sockets[0]!.write('de\x81\x01x')
    await drained
    const text = Buffer.concat(chunks).toString('latin1')
    expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toBe('\x82\x05abcde\x88\x02\x03\xe9')
  })
})

describe('a side that does not read', () => {
  it.each(['client', 'upstream'] as const)(
    'holds the other back, and the memory of the proxy stays small: the %s',
    async (slow) => {
      const chunk = Buffer.alloc(2 ** 20)
      let written = 0
      /** Writes without end, as fast as the connection takes it. */
      const flood = (socket: Socket): void => {
        let isTaken = true
        while (isTaken && written < 2 ** 30) {
          isTaken = socket.write(chunk)
          written += chunk.length
        }
        socket.once('drain', () => flood(socket))
      }
      const upstream = await startByteUpstream((socket, _head, key) => {
        socket.write(switching(key))
        if (slow === 'client') flood(socket)
        else socket.removeAllListeners('data').pause()
      })
      closers.push(upstream.close)
      const harness = await startProxy({ upstreamBaseUrl: upstream.url })
      const peer = openSocket(harness.port, handshake())
      await eventually(() => peer.text.includes('101 '))
      if (slow === 'client') peer.socket.pause()
      else flood(peer.socket)
      let before = -1
      await eventually(async () => {
        const isStuck = written === before
        before = written
        await delay(300)
        return isStuck
      })
      // the buffers of three connections' kernels, and nothing that grows with what was sent
      expect(written).toBeLessThan(64 * 2 ** 20)
      if (slow === 'client') peer.socket.removeAllListeners('data').resume()
      else upstream.sockets[0]!.resume()
      await eventually(() => written > before + 16 * 2 ** 20)
    },
    20_000
  )
})

describe('bytes behind the handshake', () => {
  it('reach the upstream behind its answer, and are not read as a request', async () => {
    const smuggled = 'GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const upstream = await startByteUpstream((socket, _head, key) =>
      setTimeout(() => socket.write(switching(key)), 50)
    )
    closers.push(upstream.close)
    const harness = await startProxy({ upstreamBaseUrl: upstream.url })
    const peer = openSocket(harness.port, handshake() + smuggled)
    await eventually(() => peer.text.includes('101 '))
    peer.socket.write('more')
    await eventually(() => upstream.received[0]!.toString() === `${smuggled}more`)
    expect(upstream.heads).toHaveLength(1)
  })

  it('of the upstream reach the client behind the head', async () => {
    const upstream = await startByteUpstream((socket, _head, key) =>
      socket.write(`${switching(key, 'X-Of-Upstream: a')}first`)
    )
    closers.push(upstream.close)
    const harness = await startProxy({ upstreamBaseUrl: upstream.url })
    const peer = openSocket(harness.port, handshake())
    await eventually(() => peer.text.endsWith('\r\n\r\nfirst'))
    expect(peer.text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
    expect(peer.text).toContain('X-Of-Upstream: a\r\n')
    expect(peer.text.match(/connection: upgrade\r\n/gi)).toHaveLength(1)
    expect(peer.text.match(/upgrade: websocket\r\n/gi)).toHaveLength(1)
    expect(KEY).toHaveLength(24)
  })
})

describe('behind nginx', () => {
  it.skipIf(WHY_NO_NGINX !== null)(
    `with the shipped file WebSockets pass, and no other upgrade ${WHY_NO_NGINX ?? ''}`,
    async () => {
      const { harness, upstream } = await startWithUpstream()
      const folder = mkdtempSync(join(tmpdir(), 'promptintern-nginx-'))
      // nginx's own user reads in it
      chmodSync(folder, 0o755)
      closers.push(() => rmSync(folder, { recursive: true, force: true }))
      const nginx = await startNginx(folder, [harness.port, harness.port])
      closers.push(nginx.stop)
      const port = Number(new URL(nginx.baseUrl).port)
      const socket = await opened(client({ port }, '/v1/realtime', ['realtime']))
      const answer = next(socket)
      socket.send('x'.repeat(100_000))
      expect(String(await answer)).toBe('x'.repeat(100_000))
      expect(socket.protocol).toBe('realtime')
      const code = closed(socket)
      for (const open of upstream.open()) open.close(4001)
      expect(await code).toBe(4001)
      const headers = { upgrade: 'h2c', connection: 'upgrade' }
      const plain = await send(port, null, { method: 'GET', path: '/readyz', headers })
      expect(plain.status).toBe(404)
    }
  )
})
