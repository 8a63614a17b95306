/** Keys, limits and hostile peers of WebSockets. */
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Load } from '../../src/proxy/client/load.ts'
import {
  handshake,
  KEY,
  startByteUpstream,
  startWebSocketUpstream,
  switching,
} from '../kit/upstream/websocket-upstream.ts'
import {
  eventually,
  NO_FAILOVER,
  openSocket,
  startHarness,
  type Harness,
} from '../kit/proxy/harness.ts'
import { keyFor, secretFor, startKeyed, UPSTREAM_KEY } from '../kit/proxy/keyed.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const startUpstream = async () => {
  const upstream = await startWebSocketUpstream()
  closers.push(upstream.close)
  return upstream
}

const start = async (
  overrides: Parameters<typeof startHarness>[0] = {},
  options: Parameters<typeof startHarness>[1] = {}
) => {
  const upstream = await startUpstream()
  const harness = await startHarness({ upstreamBaseUrl: upstream.url, ...overrides }, options)
  closers.push(() => harness.close())
  return { upstream, harness }
}

/** A proxy before an upstream that answers in bytes. */
const before = async (answer: Parameters<typeof startByteUpstream>[0]) => {
  const upstream = await startByteUpstream(answer)
  closers.push(upstream.close)
  const harness = await startHarness({ upstreamBaseUrl: upstream.url })
  closers.push(() => harness.close())
  return { upstream, harness }
}

const keyed = async (...keys: Parameters<typeof startKeyed>[0]) => {
  const upstream = await startUpstream()
  const started = await startKeyed(keys, { upstreamBaseUrl: upstream.url })
  closers.push(() => started.harness.close())
  return { ...started, upstream }
}

interface Answer {
  status: number
  head: string
  body: string
  /** everything, as it was sent */
  text: string
}

const parsed = (text: string): Answer => {
  const end = text.indexOf('\r\n\r\n')
  const head = text.slice(0, end)
  return { status: Number(head.split(' ')[1]), head, body: text.slice(end + 4), text }
}

/** Sends bytes and waits for a head; a refusal is read to its end. */
const ask = async ({ port }: Pick<Harness, 'port'>, ...bytes: string[]): Promise<Answer> => {
  const opened = openSocket(port, ...bytes)
  closers.push(() => opened.socket.destroy())
  await eventually(() => opened.text.includes('\r\n\r\n') || opened.socket.closed)
  if (parsed(opened.text).status !== 101) await eventually(() => opened.socket.closed)
  return parsed(opened.text)
}

const codeOf = ({ body }: Answer): string | undefined => /"code":"(\w+)"/.exec(body)?.[1]

const bearer = (key: string): string => `Authorization: Bearer ${key}`

describe('an issued key', () => {
  it.each([
    ['in a header', bearer(secretFor('a'))],
    [
      'in the protocols, as a page sends it',
      `Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.${secretFor('a')}, openai-organization.mine`,
    ],
    ['in both', `${bearer(secretFor('a'))}\r\nSec-WebSocket-Protocol: realtime, ${secretFor('a')}`],
    [
      'also behind a name with dots',
      `${bearer(secretFor('a'))}\r\nSec-WebSocket-Protocol: realtime, base64url.bearer.authorization.k8s.io.${secretFor('a')}`,
    ],
  ])('%s opens a WebSocket, and the upstream gets the key of the operator', async (_, header) => {
    const { harness, upstream } = await keyed(keyFor('a'))
    const { status } = await ask(harness, handshake('/v1/realtime?model=m', header))
    expect(status).toBe(101)
    const [{ headers, rawHeaders } = { headers: {}, rawHeaders: [''] }] = upstream.handshakes
    expect(headers['authorization']).toBe(`Bearer ${UPSTREAM_KEY}`)
    expect(rawHeaders.join()).not.toMatch(/pi-|mine/)
    expect(headers['sec-websocket-key']).toBe(KEY)
  })

  it.each([
    ['none', ''],
    ['an unknown one', bearer(secretFor('b'))],
    [
      'two',
      `${bearer(secretFor('a'))}\r\nSec-WebSocket-Protocol: openai-insecure-api-key.${secretFor('b')}`,
    ],
  ])('is needed: %s gets 401 and nothing reaches the upstream', async (_, header) => {
    const { harness, upstream } = await keyed(keyFor('a'))
    const bytes = handshake('/v1/realtime', ...(header === '' ? [] : [header]))
    const answer = await ask(harness, bytes)
    expect([answer.status, codeOf(answer)]).toEqual([401, 'invalid_api_key'])
    expect(answer.head).toMatch(/connection: close/i)
    expect(upstream.handshakes).toEqual([])
    await eventually(() => harness.deps.load.inFlight === 0)
  })

  it.each([
    ['models', { models: ['gpt-4o*'] }],
    ['tokens', { tokensPerMinute: 1_000 }],
    ['a budget', { budget: { usd: 1, period: 'day' as const } }],
  ])('with a limit on %s is refused, since nothing can be read', async (_, limits) => {
    const { harness, upstream } = await keyed(keyFor('a', limits))
    const bytes = handshake('/v1/realtime?model=gpt-4o', bearer(secretFor('a')))
    const answer = await ask(harness, bytes)
    expect([answer.status, codeOf(answer)]).toEqual([403, 'forbidden'])
    expect(upstream.handshakes).toEqual([])
  })

  it('counts a handshake as one request a minute', async () => {
    const { harness, upstream } = await keyed(keyFor('a', { requestsPerMinute: 1 }))
    const bytes = handshake('/v1/realtime', bearer(secretFor('a')))
    expect((await ask(harness, bytes)).status).toBe(101)
    const answer = await ask(harness, bytes)
    expect([answer.status, codeOf(answer)]).toEqual([429, 'rate_limit_exceeded'])
    expect(answer.head).toMatch(/retry-after/i)
    expect(upstream.handshakes).toHaveLength(1)
  })

  it.each([
    ['revoked', []],
    ['limited', [keyFor('a', { tokensPerMinute: 10 })]],
  ])(
    'that is %s ends its WebSockets with 1008',
    async (_, next) => {
      const { harness, upstream, replaceKeys } = await keyed(keyFor('a'))
      const opened = openSocket(harness.port, handshake('/v1/realtime', bearer(secretFor('a'))))
      await eventually(() => opened.text.includes('101 '))
      let bytes = Buffer.alloc(0)
      opened.socket.on('data', (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])))
      replaceKeys(next)
      await new Promise((resolve) => opened.socket.once('end', resolve))
      expect(bytes.toString('latin1')).toBe('\x88\x02\x03\xf0')
      opened.socket.destroy()
      await eventually(() => upstream.open().size === 0)
    },
    15_000
  )
})

describe('a revoked key', () => {
  it('reaches the upstream no more, not even while a frame of it is under way', async () => {
    const upstream = await startByteUpstream((socket, _head, key) =>
      socket.write(Buffer.from(`${switching(key)}\x82\x05abc`, 'latin1'))
    )
    closers.push(upstream.close)
    const { harness, replaceKeys } = await startKeyed([keyFor('a')], {
      upstreamBaseUrl: upstream.url,
    })
    closers.push(() => harness.close())
    const { socket } = openSocket(
      harness.port,
      handshake('/v1/realtime', bearer(secretFor('a'))) + 'early'
    )
    await eventually(() => upstream.received[0]?.toString() === 'early')
    replaceKeys([])
    const ended = new Promise((resolve) => upstream.sockets[0]!.once('end', resolve))
    await new Promise((resolve) => setTimeout(resolve, 5_200))
    socket.write('late')
    await ended
    expect(upstream.received[0]!.toString()).toBe('early')
  }, 15_000)
})

describe('a handshake', () => {
  it.each([
    ['Authorization: Bearer the-admin-token'],
    ['Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.the-admin-token'],
    ['Sec-WebSocket-Protocol: the-admin-token'],
  ])('with a secret of the proxy goes nowhere: %s', async (header) => {
    const { harness, upstream } = await start({ ownSecrets: ['the-admin-token'] })
    const answer = await ask(harness, handshake('/v1/realtime', header))
    expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthorized'])
    expect(upstream.handshakes).toEqual([])
  })

  it.each(['/admin/x', '/v1/../metrics', '/v1/promptintern/feedback', '/%61dmin'])(
    'for the proxy`s own path %s goes nowhere',
    async (path) => {
      const { harness, upstream } = await start()
      expect((await ask(harness, handshake(path))).status).toBe(404)
      expect(upstream.handshakes).toEqual([])
    }
  )

  it('under another name than the server`s is refused', async () => {
    const { harness, upstream } = await start()
    const bytes = handshake().replace('Host: localhost', 'Host: rebound.example')
    const answer = await ask(harness, bytes)
    expect([answer.status, codeOf(answer)]).toEqual([403, 'forbidden'])
    expect(upstream.handshakes).toEqual([])
  })

  it('of a page of another site spends no key of the operator', async () => {
    const named = await startUpstream()
    const upstreams = [
      { name: 'east', baseUrl: named.url, apiKey: 'sk-east', models: ['*'], fallback: [] },
    ]
    const { harness } = await start({ failover: { ...NO_FAILOVER, upstreams } })
    const path = '/v1/realtime?model=m'
    const answer = await ask(harness, handshake(path, 'Origin: https://evil.example'))
    expect([answer.status, codeOf(answer)]).toEqual([403, 'forbidden'])
    expect(named.handshakes).toEqual([])
    expect((await ask(harness, handshake(path, 'Origin: http://localhost'))).status).toBe(101)
  })

  it('beyond the limit of requests gets 503, and so does any other request while it is open', async () => {
    const { harness } = await start({ load: new Load({ maxInFlight: 1, maxDelayMs: 0 }) })
    expect((await ask(harness, handshake())).status).toBe(101)
    const answer = await ask(harness, handshake())
    expect([answer.status, codeOf(answer)]).toEqual([503, 'overloaded'])
    expect((await harness.send(null, { method: 'GET', path: '/v1/models' })).status).toBe(503)
  })

  it('keeps its connection where others are closed to make room', async () => {
    const { harness } = await start({}, { maxConnections: 1 })
    const opened = openSocket(harness.port, handshake())
    await eventually(() => opened.text.includes('101 '))
    const { socket } = openSocket(harness.port, handshake())
    await eventually(() => socket.closed)
    expect(opened.socket.closed).toBe(false)
    opened.socket.destroy()
  })

  it('is answered with 503 while the server drains', async () => {
    const { harness, upstream } = await start()
    const opened = openSocket(harness.port, 'GET /v1/realtime HTTP/1.1\r\n')
    await eventually(() => opened.socket.bytesWritten > 0)
    const drained = harness.drain(2_000)
    await new Promise((resolve) => setTimeout(resolve, 100))
    opened.socket.write(handshake().slice('GET /v1/realtime HTTP/1.1\r\n'.length))
    await eventually(() => opened.socket.closed)
    expect(parsed(opened.text).status).toBe(503)
    expect(upstream.handshakes).toEqual([])
    await drained
  })
})

describe('a handshake that is not valid', () => {
  it.each([
    ['no connection header', handshake().replace('Connection: Upgrade\r\n', '')],
    ['no key', handshake().replace(/Sec-WebSocket-Key.*\r\n/, '')],
    ['a key of another length', handshake().replace(KEY, 'x')],
    ['two keys', handshake('/v1/realtime', `Sec-WebSocket-Key: ${KEY}`)],
    ['a body', handshake('/v1/realtime', 'Content-Length: 5') + 'hello'],
    ['HTTP/1.0', handshake().replace('HTTP/1.1', 'HTTP/1.0')],
  ])('gets 400 and no upstream: %s', async (_, bytes) => {
    const { harness, upstream } = await start()
    const answer = await ask(
      harness,
      `${bytes}GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n`
    )
    expect([answer.status, codeOf(answer)]).toEqual([400, 'invalid_request'])
    expect(answer.text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
    expect(upstream.handshakes).toEqual([])
    expect(await harness.metrics()).toMatch(/route="refused"} [12]/)
  })

  it('without a host gets 400', async () => {
    const { harness, upstream } = await start()
    const answer = await ask(harness, handshake().replace('Host: localhost\r\n', ''))
    expect(answer.status).toBe(400)
    expect(upstream.handshakes).toEqual([])
  })

  it('behind a request that is still unanswered does not get between its bytes', async () => {
    const { upstream, harness } = await before((socket) =>
      setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 100)
    )
    const opened = openSocket(
      harness.port,
      'GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n' + handshake()
    )
    await eventually(() => opened.socket.closed)
    expect(opened.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400'])
    expect(upstream.heads).toHaveLength(1)
  })
})

describe('a connection on which a request was answered', () => {
  const GET = 'GET /admin/x HTTP/1.1\r\nHost: localhost\r\n\r\n'

  it('may become a WebSocket, to which the limit of idle connections does not apply', async () => {
    const { harness, upstream } = await start({}, { keepAliveMs: 100 })
    const opened = openSocket(harness.port, GET)
    await eventually(() => opened.text.includes('not_found'))
    opened.socket.write(handshake())
    await eventually(() => opened.text.includes('101 '))
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(opened.socket.closed).toBe(false)
    expect(upstream.open().size).toBe(1)
    opened.socket.destroy()
  })

  it('in the same packet as the handshake does not confuse the two', async () => {
    const { harness, upstream } = await start()
    const opened = openSocket(harness.port, GET + handshake())
    await eventually(() => opened.socket.closed)
    expect(opened.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 400'])
    expect(upstream.handshakes).toEqual([])
    expect(harness.faults).toEqual([])
  })
})

describe('another upgrade', () => {
  it('of a request with a body is ignored, and the body arrives', async () => {
    const plain = await startHarness()
    closers.push(() => plain.close())
    const answer = openSocket(
      plain.port,
      'POST /v1/files HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n' +
        'Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\nContent-Length: 5\r\n\r\nhello'
    )
    await eventually(() => answer.text.includes('from the upstream'))
    expect(plain.upstream.bodies()).toEqual(['hello'])
    answer.socket.destroy()
  })
})

describe('an upstream that', () => {
  it.each([
    ['has not read the key', switching('another key')],
    ['sends no accept', switching(KEY).replace(/Sec-WebSocket-Accept.*\r\n/, '')],
    ['sends it twice', switching(KEY, 'Sec-WebSocket-Accept: x')],
    ['switches to something else', switching(KEY).replace('websocket', 'h2c')],
    ['says 101 without an upgrade', 'HTTP/1.1 101 Switching Protocols\r\n\r\nbytes'],
    ['sends a head without end', `HTTP/1.1 101 x\r\nX-A: ${'x'.repeat(1_000_000)}`],
    ['sends nonsense', 'nonsense\r\n\r\n'],
  ])('%s gives 502 and no byte of its own', async (_, bytes) => {
    const { upstream, harness } = await before((socket) => socket.write(`${bytes}its own bytes`))
    const answer = await ask(harness, handshake())
    expect([answer.status, codeOf(answer)]).toEqual([502, 'upstream_unavailable'])
    expect(answer.text).not.toMatch(/its own|101/)
    await eventually(() => upstream.sockets[0]!.closed && harness.deps.load.inFlight === 0)
    expect(harness.faults.map(({ kind }) => kind)).toEqual(['upstream'])
  })

  it('says 101 to a plain request gives 502', async () => {
    const { harness } = await before((socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\nbytes')
    )
    const opened = openSocket(harness.port, 'GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await eventually(() => opened.text.includes('upstream_unavailable'))
    expect(opened.text).toMatch(/^HTTP\/1\.1 502/)
    opened.socket.destroy()
  })

  it('names headers of the proxy or of the connection in its answer does not pass them on', async () => {
    const { harness } = await before((socket, _head, key) =>
      socket.write(
        switching(
          key,
          'X-PromptIntern-Route: answered',
          'Content-Length: 5',
          'Keep-Alive: x',
          'X-B: b'
        )
      )
    )
    const { status, head } = await ask(harness, handshake())
    expect(status).toBe(101)
    expect(head).not.toMatch(/promptintern|content-length|keep-alive/i)
    expect(head).toContain('X-B: b')
  })
})

describe('a client that', () => {
  it('floods the proxy before the upstream has answered is not read on', async () => {
    const { harness } = await before(() => {})
    const socket = connect(harness.port, '127.0.0.1')
    socket.on('error', () => {})
    closers.push(() => socket.destroy())
    socket.write(handshake())
    const chunk = Buffer.alloc(2 ** 20)
    let written = 0
    while (written < 2 ** 28) {
      const isTaken = socket.write(chunk)
      written += chunk.length
      if (isTaken) continue
      const hasDrained = await Promise.race([
        new Promise<boolean>((resolve) => socket.once('drain', () => resolve(true))),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 1_000)),
      ])
      if (!hasDrained) break
    }
    expect(written).toBeLessThan(64 * 2 ** 20)
  })

  it('goes on behind a refusal is not heard', async () => {
    const { harness, upstream } = await start({ ownSecrets: ['own'] })
    const answer = await ask(
      harness,
      handshake('/v1/realtime', bearer('own')) +
        'GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(100)
    )
    expect(answer.text.match(/HTTP\/1\.1 \d/g)).toHaveLength(1)
    expect(upstream.handshakes).toEqual([])
  })
})
