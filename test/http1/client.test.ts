import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createHttp1Client, type Http1Client } from '../../src/http1/client.ts'
import { ask as askFor, BODY, dispatch as dispatchTo, Recorder, settle, until } from './recorder.ts'
import { OK, startRawUpstream, type RawUpstream } from './raw-upstream.ts'

const TIMEOUTS = { connectTimeoutMs: 2000, idleTimeoutMs: 2000 }
const ANSWERED = ['connect', 'headers', 'data', 'complete']

let upstream: RawUpstream
let client: Http1Client

const originOf = (port: number): URL => new URL(`http://127.0.0.1:${port}`)

beforeEach(async () => {
  upstream = await startRawUpstream()
  client = createHttp1Client(originOf(upstream.port), TIMEOUTS)
})
afterEach(async () => {
  await client.close()
  upstream.close()
})

const dispatch = (body = BODY): Recorder => dispatchTo(client, body)
const ask = (body = BODY): Promise<Recorder> => askFor(client, body)

/** What is not to be sent. */
interface Odd {
  path?: string
  headers?: string[]
}

const says = (text: string) => (socket: Socket) => void socket.write(text, 'latin1')

describe('a request', () => {
  it('is written with its headers as they are', async () => {
    await ask()
    expect(upstream.requests).toEqual([
      {
        head: [
          'POST /v1/x?y HTTP/1.1',
          `host: 127.0.0.1:${upstream.port}`,
          'connection: keep-alive',
          'X-A: 1',
          'x-a: 2',
          `content-length: ${BODY.length}`,
        ].join('\r\n'),
        body: BODY,
      },
    ])
  })

  it('may be empty, and larger than any buffer', async () => {
    const large = Buffer.alloc(5_000_000, 'x')
    for (const body of [Buffer.alloc(0), large]) await ask(body)
    expect(upstream.requests.map(({ body }) => body.length)).toEqual([0, large.length])
    expect(upstream.requests[1]!.body.equals(large)).toBe(true)
    expect(upstream.requests[0]!.head).toContain('content-length: 0')
  })

  it('keeps its bytes while others are written that are not yet read', async () => {
    const bodies = Array.from({ length: 200 }, (_, i) => Buffer.alloc(40_000, `${i},`))
    upstream.opened = (socket) => {
      socket.pause()
      setTimeout(() => socket.resume(), 50)
    }
    const recorders = bodies.map((body) => dispatch(body))
    await Promise.all(recorders.map(({ over }) => over))
    const received = upstream.requests.map(({ body }) => body.toString()).sort()
    expect(received).toEqual(bodies.map(String).sort())
  })

  it.each([
    ['a path with a blank', { path: '/a b' }],
    ['a path with a line end', { path: '/a\r\nX: y' }],
    ['a path outside ASCII', { path: '/\u00e9' }],
    ['a path that is none', { path: 'http://evil/' }],
    ['a line end in a value', { headers: ['X-A', '1\r\nX-B: 2'] }],
    ['a line feed in a value', { headers: ['X-A', '1\nX-B: 2'] }],
    ['a zero in a value', { headers: ['X-A', '\0'] }],
    ['a value beyond latin1', { headers: ['X-A', '\u20ac'] }],
    ['a colon in a name', { headers: ['X:A', '1'] }],
    ['a line end in a name', { headers: ['X\r\nA', '1'] }],
    ['an empty name', { headers: ['', '1'] }],
  ] satisfies [string, Odd][])('is refused with %s, and nothing is sent', async (_, odd: Odd) => {
    const { path = '/', headers = [] } = odd
    expect(() => client.headOf(path, headers)).toThrow(
      expect.objectContaining({ code: 'unsendable' })
    )
    await settle()
    expect(upstream.sockets).toHaveLength(0)
  })
})

describe('an answer', () => {
  it('comes with its head, body and trailers', async () => {
    upstream.answer = says(
      'HTTP/1.1 299 caf\u00e9\r\nb: 1\r\nA: \u00fc\r\nB: 2\r\nTransfer-Encoding: chunked\r\n\r\n' +
        '3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n'
    )
    const { calls, ...heard } = await ask()
    expect(calls).toEqual(ANSWERED)
    expect(heard).toMatchObject({
      status: 299,
      statusText: 'caf\u00e9',
      headers: ['b', '1', 'A', '\u00fc', 'B', '2', 'Transfer-Encoding', 'chunked'],
      body: 'abcde',
      trailers: ['X-T', '1'],
    })
  })

  it('comes behind interim ones', async () => {
    upstream.answer = says(`HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 102 P\r\n\r\n${OK}`)
    const { calls, interims, body } = await ask()
    expect(calls).toEqual(['connect', 'interim', 'interim', ...ANSWERED.slice(1)])
    expect(interims).toEqual([
      [103, ['Link', 'a']],
      [102, []],
    ])
    expect(body).toBe('ok')
  })

  it.each(['HTTP/1.1', 'HTTP/1.0'])('lasts until the connection ends in %s', async (version) => {
    upstream.answer = (socket) => void socket.end(`${version} 200 OK\r\n\r\nall of it`)
    expect(await ask()).toMatchObject({ calls: ANSWERED, body: 'all of it' })
  })

  it('says when all that has come was handed on', async () => {
    const recorder = dispatch()
    const heard: string[] = []
    recorder.heard = (call) => heard.push(call)
    const [head, body] = OK.split(/(?<=\r\n\r\n)/)
    upstream.answer = says(head!)
    await recorder.begun
    await settle()
    expect(heard).toEqual(['connect', 'headers', 'idle'])
    upstream.sockets[0]!.write(body!)
    await recorder.over
    expect(heard.slice(3)).toEqual(['data', 'complete'])
  })

  it('counts when it comes before the request was written', async () => {
    const refusal = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno'
    upstream.opened = (socket) => {
      socket.pause()
      socket.write(refusal)
    }
    const huge = Buffer.alloc(50_000_000)
    expect(await ask(huge)).toMatchObject({ calls: ANSWERED, status: 413, body: 'no' })
    await settle()
    upstream.opened = () => {}
    expect(await ask()).toMatchObject({ status: 200 })
    expect(upstream.sockets).toHaveLength(2)
  })

  it.each([
    ['before it', ''],
    ['inside of its head', 'HTTP/1.1 200 OK\r\nX-'],
    ['inside of its body', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'],
    ['inside of a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc'],
    ['behind an interim one', 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  ])('is an error when the connection ends %s', async (_, text) => {
    upstream.answer = (socket) => void socket.end(text)
    const { calls, error } = await ask()
    expect(calls.at(0)).toBe('connect')
    expect(calls.at(-1)).toBe('error')
    expect(error).toMatchObject({ code: 'answer-cut-off' })
  })

  it('is an error when the connection is reset, also where it lasts until the end', async () => {
    upstream.answer = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nabc')
      setTimeout(() => socket.resetAndDestroy(), 20)
    }
    expect(await ask()).toMatchObject({
      calls: ['connect', 'headers', 'data', 'error'],
      error: { code: 'ECONNRESET' },
    })
  })

  it('is an error when it is none', async () => {
    upstream.answer = says('hello')
    const { error } = await ask()
    expect(error).toMatchObject({ code: 'invalid-answer' })
    await until(() => upstream.sockets[0]!.destroyed)
  })

  it('is an error when whom it is told to throws', async () => {
    for (const call of ['connect', 'headers', 'data', 'complete']) {
      const recorder = new Recorder()
      recorder.heard = (heard) => {
        if (heard === call) throw new Error(`at ${call}`)
      }
      client.dispatch(client.headOf('/', []), BODY, recorder)
      await recorder.over
      await settle()
      expect(recorder.error).toMatchObject({ message: `at ${call}` })
      expect(recorder.calls).toEqual([...ANSWERED.slice(0, ANSWERED.indexOf(call) + 1), 'error'])
    }
    expect(await ask()).toMatchObject({ calls: ANSWERED })
  })
})

describe('back pressure', () => {
  const ANSWER_BYTES = 20_000_000
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${ANSWER_BYTES}\r\n\r\n`

  it('stops the upstream until more is wanted', async () => {
    upstream.answer = (socket) => {
      socket.write(head)
      socket.write(Buffer.alloc(ANSWER_BYTES, 'z'))
    }
    const recorder = dispatch()
    recorder.wantsMore = false
    await recorder.begun
    await delay(100)
    expect(recorder.calls).toEqual(['connect', 'headers'])
    expect(upstream.sockets[0]!.writableLength).toBeGreaterThan(0)
    recorder.resume()
    await until(() => recorder.body.length > 0)
    await delay(50)
    expect(recorder.body.length).toBeLessThan(ANSWER_BYTES / 2)
    recorder.wantsMore = true
    recorder.resume()
    await recorder.over
    expect(recorder.body).toHaveLength(ANSWER_BYTES)
    expect(recorder.calls).toEqual(ANSWERED)
  })

  it.each([
    ['by length', OK, 'ok'],
    [
      'in chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n',
      'ab',
    ],
    ['until the end', 'HTTP/1.1 200 OK\r\n\r\nab', 'ab'],
  ])('loses nothing when the connection ends meanwhile: %s', async (_, text, body) => {
    upstream.answer = (socket) => void socket.end(text)
    const recorder = dispatch()
    recorder.wantsMore = false
    await recorder.begun
    await delay(50)
    expect(recorder.calls).toEqual(['connect', 'headers'])
    while (!recorder.calls.includes('complete')) {
      recorder.resume()
      await delay(5)
    }
    expect(recorder.calls).toEqual(ANSWERED)
    expect(recorder.body).toBe(body)
  })

  it('ends in an error when the answer was cut off meanwhile', async () => {
    upstream.answer = (socket) => void socket.end(OK.slice(0, -1))
    const recorder = dispatch()
    recorder.wantsMore = false
    await recorder.begun
    await delay(50)
    recorder.wantsMore = true
    recorder.resume()
    await recorder.over
    expect(recorder).toMatchObject({ body: 'o', error: { code: 'answer-cut-off' } })
  })
})
