/** Clients that hold connections, send bytes slowly or flood headers: other clients are still served. */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  CHAT_PATH,
  chatBody,
  eventually,
  send,
  startHarness,
  startUpstream,
  type Harness,
} from '../kit/proxy/harness.ts'
import { startServerProcess } from '../kit/process/server-process.ts'

interface OpenConnection {
  socket: Socket
  text: string
}

const open = (port: number, bytes: string): OpenConnection => {
  const connection = { socket: connect(port, '127.0.0.1'), text: '' }
  connection.socket.on('error', () => {})
  connection.socket.on('data', (chunk: Buffer) => (connection.text += chunk.toString()))
  connection.socket.write(bytes)
  return connection
}

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index))

const SPARE_FILES = 500

/** The limit of open files of this process and its children. */
const maxFiles = (): number => {
  const report = process.report.getReport() as unknown as {
    userLimits?: { open_files: { soft: number | 'unlimited' } }
  }
  return Number(report.userLimits?.open_files.soft ?? 1024) || Infinity
}

describe('idle connections', () => {
  const count = [10_000, 2_000].find((wanted) => wanted + SPARE_FILES <= maxFiles())

  it.skipIf(count === undefined)(
    `do not keep others from being served: ${count ?? `skipped, ${maxFiles()} open files are too few`}`,
    { timeout: 120_000 },
    async () => {
      const upstream = await startUpstream()
      const server = await startServerProcess({ UPSTREAM_BASE_URL: upstream.url })
      const idle: OpenConnection[] = []
      for (let i = 0; i < count! / 500; i++) {
        const more = times(500, () =>
          open(server.port, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
        )
        idle.push(...more)
        await eventually(() => more.every(({ text }) => text.includes('200 OK')))
      }
      const answers = await Promise.all(times(100, () => send(server.port, chatBody('hi'))))
      expect(answers.map(({ status }) => status)).toEqual(times(100, () => 200))
      expect(idle.filter(({ socket }) => socket.closed)).toEqual([])
      // the server still holds the connections, not only the client
      const [first, last] = [idle[0]!, idle.at(-1)!]
      for (const connection of [first, last]) {
        connection.text = ''
        connection.socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n')
      }
      await eventually(() => first.text.includes('200 OK') && last.text.includes('200 OK'))
      for (const { socket } of idle) socket.destroy()
      await server.remove()
      upstream.close()
    }
  )
})

/** The head of a request whose body follows. */
const headOf = (path: string) =>
  `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n`

/** Sends a byte periodically until the connection closes. */
const trickle = async (connections: OpenConnection[]): Promise<void> => {
  while (connections.some(({ socket }) => !socket.closed)) {
    for (const { socket } of connections) if (socket.writable) socket.write('x')
    await delay(20)
  }
}

describe('clients that send slowly', () => {
  let harness: Harness
  const LIMITS = { headMs: 300, requestMs: 600, checkMs: 50 }

  beforeEach(async () => {
    harness = await startHarness({}, LIMITS)
  })
  afterEach(() => harness.close())

  it.each([
    ['heads', `POST ${CHAT_PATH} HTTP/1.1\r\nhost: localhost\r\nx-slow: `],
    ['bodies of chat completions', headOf(CHAT_PATH)],
    ['uploads', headOf('/v1/files')],
  ])('%s get an error and are cut, while others are served', async (_, bytes) => {
    const connections = times(100, () => open(harness.port, bytes))
    const trickling = trickle(connections)
    expect((await send(harness.port, chatBody('hi'))).status).toBe(200)
    await trickling
    // a client that writes at that moment may see a reset before it reads the error
    const told = connections.filter(({ text }) => text !== '').map(({ text }) => text)
    expect(told.length).toBeGreaterThan(0)
    for (const text of told) {
      expect(text).toMatch(/^HTTP\/1.1 408 /)
      expect(JSON.parse(text.split('\r\n\r\n')[1]!).error.code).toBe('request_timeout')
    }
    await eventually(() => harness.deps.load.inFlight === 0)
    await eventually(() => harness.deps.bodies.inUse() === 0)
    expect((await send(harness.port, chatBody('hi'))).status).toBe(200)
  })

  it('uploads free the upstream', async () => {
    const upload = open(harness.port, headOf('/v1/files'))
    await trickle([upload])
    await eventually(() => harness.upstream.aborted === 1)
    expect(harness.upstream.requests).toEqual([])
  })

  it('do not include clients whose answer takes longer than the limit of a request', async () => {
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
      setTimeout(() => response.end('data: [DONE]\n\n'), 2 * LIMITS.requestMs)
    }
    const answer = await send(harness.port, chatBody('hi', { stream: true }))
    expect([answer.body.toString(), answer.complete]).toEqual(['data: 1\n\ndata: [DONE]\n\n', true])
  })
})

describe('a client that disconnects with pipelined requests', () => {
  const body = chatBody('hi')
  const post = `POST ${CHAT_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  const upload = 'POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi'

  it.each([
    ['a chat completion first', [post, post, upload, post]],
    ['an upload first', [upload, post, upload, post]],
  ])('frees the upstream and takes no memory: %s', async (_, requests) => {
    const harness = await startHarness()
    harness.upstream.respond = () => {}
    const { socket } = open(harness.port, requests.join(''))
    await eventually(() => harness.upstream.requests.length === 1)
    expect(harness.deps.load.inFlight).toBe(1)
    socket.destroy()
    await eventually(() => harness.upstream.aborted === 1)
    await eventually(() => harness.deps.load.inFlight === 0)
    expect(harness.deps.bodies.inUse()).toBe(0)
    expect(harness.upstream.requests).toHaveLength(1)
    await harness.close()
  })

  it('gets the answers that it waits for in their order', async () => {
    const harness = await startHarness()
    let asked = 0
    harness.upstream.respond = (_request, response) =>
      void setTimeout(() => response.end(`number ${++asked}.`), 20)
    const connection = open(harness.port, [post, upload, post].join(''))
    await eventually(() => connection.text.includes('number 3.'))
    expect(connection.text.match(/number \d/g)).toEqual(['number 1', 'number 2', 'number 3'])
    connection.socket.destroy()
    await harness.close()
  })
})
