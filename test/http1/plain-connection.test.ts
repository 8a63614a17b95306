/** Whose a connection is, from its first byte to its last: the plain path's, then Node's. */
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PlainAnswer } from '../../src/http1/plain-answer.ts'
import type { RequestHead } from '../../src/http1/plain-head.ts'
import { servePlain } from '../../src/http1/plain-server.ts'
import { eventually } from '../proxy/harness.ts'

const PATH = '/plain'
const LIMITS = { keepAliveMs: 60_000, headMs: 60_000, requestMs: 60_000 }

interface Begun {
  body: string
  answer: PlainAnswer
}

let server: Server
let limits: typeof LIMITS
let begun: Begun[]
let abandoned: number
let takesIt: (head: RequestHead, bodyBytes: number) => boolean
/** of what Node's server was asked for */
let nodes: string[]
let clients: Socket[]

const answerAtOnce = ({ body, answer }: Begun): void => {
  const text = `plain ${body}`
  answer.writeHead(200, ['Content-Length', String(text.length)])
  answer.end(text)
}
let answers: (request: Begun) => void

beforeEach(async () => {
  ;[begun, abandoned, nodes, clients] = [[], 0, [], []]
  limits = { ...LIMITS }
  takesIt = () => true
  answers = answerAtOnce
  server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('error', () => {})
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const text = `${incoming.method} ${incoming.url} ${Buffer.concat(chunks).toString()}`
      nodes.push(text)
      outgoing.end(`node ${text}`)
    })
  })
  const takes = (head: RequestHead, bodyBytes: number) =>
    takesIt(head, bodyBytes)
      ? {
          begin: (body: Buffer, answer: PlainAnswer) => {
            const request = { body: body.toString(), answer }
            begun.push(request)
            answers(request)
          },
          abandon: () => void abandoned++,
        }
      : null
  servePlain(server, { path: PATH, takes }, { limits, checkMs: 10, begun: () => {} })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  for (const client of clients) client.destroy()
  server.closeAllConnections()
  server.close()
})

/** A client and what it has received. */
const open = () => {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const client = { socket, text: '', closed: false }
  clients.push(socket)
  socket.setNoDelay(true)
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => (client.text += chunk.toString()))
  socket.on('close', () => (client.closed = true))
  return client
}

const post = (body: string, path = PATH): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const GET = 'GET /other HTTP/1.1\r\nHost: a\r\n\r\n'

/** The texts of answers, in their order. */
const bodiesIn = (text: string): string[] =>
  [...text.matchAll(/(?:plain|node) [^\r]*?(?=HTTP\/1|\r|$)/g)].map(([body]) => body)

const received = async (client: ReturnType<typeof open>, ...bodies: string[]): Promise<void> => {
  await eventually(() => bodiesIn(client.text).length >= bodies.length)
  expect(bodiesIn(client.text)).toEqual(bodies)
}

describe('plain requests', () => {
  it('are the same wherever they are cut', async () => {
    const client = open()
    const text = post('hello')
    for (let cut = 1; cut < text.length; cut++) {
      client.socket.write(text.slice(0, cut))
      await delay(1)
      client.socket.write(text.slice(cut))
      await eventually(() => begun.length === cut)
    }
    expect(new Set(begun.map(({ body }) => body))).toEqual(new Set(['hello']))
    expect(nodes).toEqual([])
  })

  it('in one piece are answered one after another', async () => {
    answers = () => {}
    const client = open()
    client.socket.write(post('one') + post('two') + post('three'))
    for (const [index, body] of ['one', 'two', 'three'].entries()) {
      await eventually(() => begun.length > index)
      await delay(5)
      expect(begun).toHaveLength(index + 1)
      expect(begun[index]!.body).toBe(body)
      answerAtOnce(begun[index]!)
    }
    await received(client, 'plain one', 'plain two', 'plain three')
  })

  it('by the hundred in one piece do not climb on each other', async () => {
    const client = open()
    const bodies = Array.from({ length: 500 }, (_, i) => String(i))
    client.socket.write(bodies.map((body) => post(body)).join(''))
    await received(client, ...bodies.map((body) => `plain ${body}`))
  })

  it('that come too early wait in the client`s memory, not in ours', async () => {
    answers = () => {}
    const client = open()
    const large = post('x'.repeat(2 ** 20))
    for (let i = 0; i < 64; i++) client.socket.write(large)
    await eventually(() => begun.length === 1)
    await delay(100)
    expect(client.socket.writableLength).toBeGreaterThan(32 * 2 ** 20)
    expect(begun).toHaveLength(1)
  })
})

describe('a connection', () => {
  it.each([
    ['in one piece', [post('one') + GET + post('two')]],
    ['in pieces', [post('one'), GET, post('two')]],
    ['cut in the wrong places', [`${post('one')}GE`, GET.slice(2) + post('two')]],
  ])('is Node`s from the first request that is not plain, %s', async (_, pieces) => {
    const client = open()
    for (const piece of pieces) {
      client.socket.write(piece)
      await delay(20)
    }
    await received(client, 'plain one', 'node GET /other ', `node POST ${PATH} two`)
    expect(begun).toHaveLength(1)
  })

  it('is Node`s when a beginning turns out to be another`s', async () => {
    const client = open()
    const text = post('one', `${PATH}er`)
    for (const byte of text) {
      client.socket.write(byte)
      await delay(1)
    }
    await received(client, `node POST ${PATH}er one`)
  })

  it('is Node`s with a request that is plain and not taken', async () => {
    takesIt = ({ headers }, bodyBytes) => headers.host === 'b' || bodyBytes < 4
    const client = open()
    client.socket.write(post('one') + post('three'))
    await received(client, 'plain one', `node POST ${PATH} three`)
  })

  it('that breaks off in a body is forgotten', async () => {
    const client = open()
    client.socket.write(post('hello').slice(0, -1))
    await delay(20)
    client.socket.destroy()
    await eventually(() => abandoned === 1)
    expect(begun).toEqual([])
  })

  it('that breaks off tells the answer', async () => {
    answers = () => {}
    const client = open()
    client.socket.write(post('hello'))
    await eventually(() => begun.length === 1)
    let [closes, finished] = [0, true]
    const { answer } = begun[0]!
    answer.on('close', () => {
      closes++
      finished = answer.writableFinished
    })
    client.socket.destroy()
    await eventually(() => closes === 1)
    expect([finished, answer.destroyed, abandoned]).toEqual([false, true, 0])
    answer.write('nobody')
    answer.end()
    expect(closes).toBe(1)
  })

  it('tells a writer to wait for a slow reader, and when to go on', async () => {
    answers = () => {}
    const client = open()
    client.socket.pause()
    client.socket.write(post('hello'))
    await eventually(() => begun.length === 1)
    const { answer } = begun[0]!
    answer.writeHead(200, [])
    while (answer.write('x'.repeat(2 ** 16)));
    expect(answer.writableNeedDrain).toBe(true)
    const drained = new Promise<void>((resolve) => answer.once('drain', () => resolve()))
    client.socket.resume()
    await drained
    let isFinished = false
    answer.once('close', () => (isFinished = answer.writableFinished))
    answer.end()
    await eventually(() => isFinished)
  })
})

describe('who takes too long', () => {
  it.each([
    ['with a first byte', 'headMs', ''],
    ['with a head', 'headMs', post('hello').slice(0, 20)],
    ['with a body', 'requestMs', post('hello').slice(0, -1)],
  ] as const)('%s is refused', async (_, limit, text) => {
    limits[limit] = 50
    const refusals: unknown[] = []
    server.on('clientError', ({ code }: Error & { code?: string }, socket) => {
      refusals.push(code)
      socket.destroy()
    })
    const client = open()
    client.socket.write(text)
    await eventually(() => client.closed)
    expect(refusals).toEqual(['ERR_HTTP_REQUEST_TIMEOUT'])
    expect(abandoned).toBe(limit === 'requestMs' ? 1 : 0)
  })

  it('with a next request is closed', async () => {
    limits.keepAliveMs = 50
    const client = open()
    client.socket.write(post('one'))
    await eventually(() => client.closed)
    expect(bodiesIn(client.text)).toEqual(['plain one'])
  })

  it('is not who waits for an answer', async () => {
    Object.assign(limits, { keepAliveMs: 20, headMs: 20, requestMs: 20 })
    answers = (request) => void setTimeout(() => answerAtOnce(request), 100)
    const client = open()
    client.socket.write(post('one'))
    await received(client, 'plain one')
  })
})

describe('a request that breaks off', () => {
  it.each([
    ['in its head', post('hello').slice(0, 20)],
    ['in its body', post('hello').slice(0, -1)],
  ])('%s is refused, the client may still read', async (_, text) => {
    server.on('clientError', ({ code }: Error & { code?: string }, socket) => socket.end(code))
    const client = open()
    client.socket.end(text)
    await eventually(() => client.closed)
    expect(client.text).toBe('HPE_INVALID_EOF_STATE')
  })
})
