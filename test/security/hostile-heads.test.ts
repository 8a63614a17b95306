/** Heads of answers of a hostile upstream, byte for byte. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Attempt } from '../../src/proxy/upstream/attempt.ts'
import { eventually, send, startHarness, type Harness } from '../kit/proxy/harness.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** @returns a proxy before an upstream that answers the first request of each connection by a function */
const proxyBefore = async (answer: (socket: Socket) => void): Promise<Harness> => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).once('data', () => answer(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const harness = await startHarness({ upstreamBaseUrl: `http://127.0.0.1:${port}` })
  closing.push(() => harness.close())
  return harness
}

const HINT = `HTTP/1.1 103 Early Hints\r\nlink: <${'a'.repeat(15_000)}>\r\n\r\n`
const END = 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone'
const GET = 'GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n'

it('of interim answers without end a client gets ten, and its answer', async () => {
  const harness = await proxyBefore((socket) => socket.write(HINT.repeat(1000) + END))
  const opened = harness.open(GET)
  closing.push(() => opened.socket.destroy())
  await eventually(() => opened.text.endsWith('done'))
  expect(opened.text.match(/103 Early Hints/g)).toHaveLength(10)
})

const ask = (harness: Harness) => send(harness.port, null, { method: 'GET', path: '/v1/models' })

/** The bytes of a text as characters. */
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1')

const STATUS_LINES: [what: string, line: string, status: number, text: string][] = [
  ['a usual status text', '200 Fine', 200, 'Fine'],
  ['none', '200', 200, ''],
  ['a control character', '200 a\u0001b', 200, 'OK'],
  ['bytes that are no UTF-8', '404 \u0080\u00ff', 404, 'Not Found'],
  ['Chinese', `400 ${bytesOf('错误')}`, 400, 'Bad Request'],
  ['Chinese, of a status without a name', `799 ${bytesOf('错误')}`, 799, ''],
  ['the status 999', '999 x', 999, 'x'],
  ['the status 000', '000 x', 502, 'Bad Gateway'],
  ['the status 099', '099 x', 502, 'Bad Gateway'],
]

describe('a status line with', () => {
  it.each(STATUS_LINES)('%s gives an answer that HTTP allows', async (_, line, status, text) => {
    const head = `HTTP/1.1 ${line}\r\ncontent-length: 0\r\n\r\n`
    const harness = await proxyBefore((socket) => socket.write(Buffer.from(head, 'latin1')))
    const answer = await ask(harness)
    expect([answer.status, answer.statusText]).toEqual([status, text])
    expect(harness.deps.load.inFlight).toBe(0)
  })
})

it.each(['x-odd: a\u0001b', 'x-odd: a\u007fb', 'connection: x\r\nx-odd: \u0000'])(
  'a header that cannot be sent ends as 502, and is told to the operator: %j',
  async (header) => {
    const head = `HTTP/1.1 200 OK\r\n${header}\r\ncontent-length: 0\r\n\r\n`
    const harness = await proxyBefore((socket) => socket.write(head))
    expect((await ask(harness)).status).toBe(502)
    expect(harness.faults.map(({ kind }) => kind)).toEqual(['upstream'])
    expect(harness.deps.load.inFlight).toBe(0)
  }
)

it('an answer that cannot be begun breaks off its attempt, whatever the cause', () => {
  const aborted: unknown[] = []
  const controller = { rawHeaders: [], abort: (error: unknown) => aborted.push(error) } as never
  const cause = new Error('cannot be sent')
  const answer = {
    isUnwanted: false,
    begin: () => {
      throw cause
    },
  } as never
  const judge = { begun: (begun: Attempt) => begun.pass(), failed: () => false }
  const attempt = new Attempt(judge, {} as never, answer)
  attempt.onRequestStart(controller)
  attempt.onResponseStart(controller, 200, null, 'OK')
  expect(aborted).toEqual([cause])
})
