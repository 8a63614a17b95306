/** Bytes that are not a request, or that two parsers could read differently, never reach the upstream. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CHAT_PATH, startHarness, type Harness } from '../kit/proxy/harness.ts'
import { converse, startScriptedUpstream, valueOf, type ScriptedUpstream } from './wire.ts'

let upstream: ScriptedUpstream
let harness: Harness

beforeAll(async () => {
  upstream = await startScriptedUpstream()
  upstream.script = { steps: ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'] }
  harness = await startHarness({ upstreamBaseUrl: `http://127.0.0.1:${upstream.port}` })
})
beforeEach(() => {
  upstream.requests.length = 0
})
afterAll(async () => {
  await harness.close()
  upstream.close()
})

const post = (...headers: string[]): string =>
  ['POST /v1/files HTTP/1.1', 'Host: localhost', ...headers, '', ''].join('\r\n')
const get = (...headers: string[]): string =>
  ['GET /v1/files HTTP/1.1', 'Host: localhost', ...headers, '', ''].join('\r\n')

const SMUGGLED = '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n'

const REFUSED: [string, string, status?: number][] = [
  ['both lengths', post('Content-Length: 5', 'Transfer-Encoding: chunked') + SMUGGLED],
  [
    'both lengths, in the other order',
    post('Transfer-Encoding: chunked', 'Content-Length: 5') + SMUGGLED,
  ],
  ['two lengths', post('Content-Length: 5', 'Content-Length: 6') + 'hello!'],
  ['the same length twice', post('Content-Length: 5', 'Content-Length: 5') + 'hello'],
  ['a list of lengths', post('Content-Length: 5, 5') + 'hello'],
  ['a signed length', post('Content-Length: +5') + 'hello'],
  ['a negative length', post('Content-Length: -5') + 'hello'],
  ['a length in hex', post('Content-Length: 0x5') + 'hello'],
  ['an unknown transfer coding', post('Transfer-Encoding: xchunked') + SMUGGLED],
  ['chunked not last', post('Transfer-Encoding: chunked, identity') + SMUGGLED],
  ['two transfer codings', post('Transfer-Encoding: chunked', 'Transfer-Encoding: x') + SMUGGLED],
  ['a blank before the colon', post('Transfer-Encoding : chunked') + SMUGGLED],
  ['a control character before chunked', post('Transfer-Encoding: \vchunked') + SMUGGLED],
  ['a chunk size that is not a number', post('Transfer-Encoding: chunked') + 'zz\r\n'],
  ['a chunk size that is too large', post('Transfer-Encoding: chunked') + `${'f'.repeat(17)}\r\n`],
  ['a chunk longer than its size', post('Transfer-Encoding: chunked') + '2\r\nabc\r\n0\r\n\r\n'],
  ['a folded header', get('X-A: 1', ' folded')],
  ['a line feed in a value', get('X-A: 1\nX-B: 2')],
  ['a carriage return in a value', get('X-A: 1\rX-B: 2')],
  ['a zero byte in a value', get('X-A: 1\u00002')],
  ['a header without a name', get(': 1')],
  ['a header without a colon', get('nothing')],
  ['line feeds alone', 'GET /v1/files HTTP/1.1\nHost: localhost\n\n'],
  ['no host', 'GET /v1/files HTTP/1.1\r\n\r\n'],
  ['a method with odd characters', 'G@T /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['an unknown method', 'BREW /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a blank in the path', 'GET /v1/a b HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a control character in the path', 'GET /v1/a\u0001b HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['bytes in the path', 'GET /v1/\u00e9 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a target without a slash', 'GET evil:80 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a TLS greeting', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003'],
  ['a flood of headers', get(...Array<string>(5000).fill('X-A: 1')), 431],
  [
    'a header without end',
    `GET /v1/files HTTP/1.1\r\nHost: localhost\r\nX-A: ${'x'.repeat(50_000)}`,
    431,
  ],
]

/** Errors in the body are found by other code in a chat completion, whose body is read as a whole. */
const REFUSED_CHATS = REFUSED.filter(([name]) => name.startsWith('a chunk')).map(
  ([name, bytes]): [string, string] => [
    `${name}, in a chat completion`,
    bytes.replace('/v1/files', CHAT_PATH),
  ]
)

/** the test waits for one answer */
const ONE_ANSWER = ['GET']

describe('bytes that are not a request', () => {
  it.each([...REFUSED, ...REFUSED_CHATS])('%s', async (_, bytes, status = 400) => {
    const { responses } = await converse(harness.port, [bytes], ONE_ANSWER)
    expect(responses.map(({ startLine }) => startLine.split(' ')[1])).toEqual([String(status)])
    expect(upstream.requests).toEqual([])
  })

  it('are refused in OpenAI`s format, and the connection is closed', async () => {
    const { responses } = await converse(harness.port, ['nonsense\r\n\r\n'], ONE_ANSWER)
    const [refusal] = responses
    expect(valueOf(refusal!.headers, 'connection')).toBe('close')
    expect(JSON.parse(refusal!.body.toString())).toEqual({
      error: {
        message: 'the request is not valid HTTP/1.1 (HPE_INVALID_METHOD)',
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_request',
      },
    })
  })

  it('after a request do not get into its answer', async () => {
    const before = `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}`
    const { responses } = await converse(
      harness.port,
      [`${before}nonsense\r\n\r\n`],
      ['POST', 'GET']
    )
    expect(
      responses.map(({ startLine, body }) => [
        startLine.split(' ')[1],
        body.toString('latin1', 0, 8),
      ])
    ).toEqual([
      ['200', 'ok'],
      ['400', '{"error"'],
    ])
    expect(upstream.requests).toHaveLength(1)
  })
})

describe('an ambiguous request', () => {
  it.each([
    [
      'a whole URL',
      'GET http://169.254.169.254/v1/latest HTTP/1.1\r\nHost: localhost\r\n\r\n',
      '/v1/latest',
    ],
    [
      'a user in the URL',
      'GET http://u@b/v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n',
      '/v1/files',
    ],
    ['two hosts', 'GET /v1/files HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n', '/v1/files'],
    ['dots', 'GET /v1/files/../models HTTP/1.1\r\nHost: localhost\r\n\r\n', '/v1/files/../models'],
  ])('goes to the one upstream and nowhere else: %s', async (_, bytes, target) => {
    await converse(harness.port, [bytes], ONE_ANSWER)
    expect(upstream.requests.map(({ startLine }) => startLine)).toEqual([`GET ${target} HTTP/1.1`])
    expect(valueOf(upstream.requests[0]!.headers, 'host')).toBe(`127.0.0.1:${upstream.port}`)
    expect(upstream.requests[0]!.headers.join()).not.toContain('evil')
  })

  it('is not upgraded to HTTP/2', async () => {
    const headers = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMA']
    const { responses } = await converse(harness.port, [get(...headers)], ONE_ANSWER)
    expect(responses[0]?.startLine).toBe('HTTP/1.1 200 OK')
    expect(valueOf(upstream.requests[0]!.headers, 'upgrade')).toBeUndefined()
  })

  it.each(['websocket', 'WebSocket', 'h2c, websocket'])(
    'is not upgraded to %s without a valid key',
    async (protocol) => {
      const headers = ['Connection: Upgrade', `Upgrade: ${protocol}`, 'Sec-WebSocket-Key: x']
      const { responses } = await converse(harness.port, [get(...headers)], ONE_ANSWER)
      expect(responses[0]?.startLine).toBe('HTTP/1.1 400 Bad Request')
      expect(valueOf(responses[0]!.headers, 'connection')).toBe('close')
      expect(JSON.parse(responses[0]!.body.toString())).toMatchObject({
        error: { code: 'invalid_request', message: expect.stringContaining('WebSocket') },
      })
      expect(upstream.requests).toEqual([])
    }
  )
})
