/**
 * Requests and answers as bytes, usual and unusual ones. Every case is played once without the proxy and
 * once through it; both ends must see the same.
 */
import { STATUS_CODES } from 'node:http'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import type { Step } from './wire.ts'

export interface Case {
  name: string
  /** methods of the requests, in order; the test waits for as many answers */
  methods: string[]
  request: Step[]
  /** played for every request */
  response: Step[]
  /** the upstream answers before it has received the body */
  atOnce?: boolean
  /**
   * Cases without a complete answer: `bad-gateway` if the upstream closed the connection before an
   * answer, `broken` if it closed it inside one, and the client gets the part that arrived.
   */
  expects?: 'bad-gateway' | 'broken'
}

const CHAT = '/v1/chat/completions'
const AUTHORIZATION = 'Authorization: Bearer sk-test'
const CHAT_BODY = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] })
const STREAM_BODY = JSON.stringify({ ...(JSON.parse(CHAT_BODY) as object), stream: true })

const ANSWER = '{"id":"1","object":"chat.completion","choices":[]}'

const lines = (...parts: string[]): string => `${parts.join('\r\n')}\r\n\r\n`

const chunked = (...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat([
    ...parts.flatMap((part) => {
      const bytes = Buffer.from(part)
      return [Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]
    }),
    Buffer.from('0\r\n\r\n'),
  ])

interface RequestOptions {
  method?: string
  path?: string
  headers?: string[]
  body?: string | Buffer | null
}

const request = ({
  method = 'POST',
  path = CHAT,
  headers = [],
  body = CHAT_BODY,
}: RequestOptions = {}): Step[] => {
  const length = body === null ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
  const head = lines(
    `${method} ${path} HTTP/1.1`,
    'Host: {host}',
    AUTHORIZATION,
    ...headers,
    ...length
  )
  return body === null ? [head] : [head, Buffer.from(body)]
}

const response = (
  body: string | Buffer = ANSWER,
  { status = '200 OK', headers = ['Content-Type: application/json'] } = {}
): Step[] => [
  lines(`HTTP/1.1 ${status}`, ...headers, `Content-Length: ${Buffer.byteLength(body)}`),
  Buffer.from(body),
]

const one = (
  name: string,
  asked: RequestOptions,
  answered: Step[] = response(),
  rest: Partial<Case> = {}
): Case => ({
  name,
  methods: [asked.method ?? 'POST'],
  request: request(asked),
  response: answered,
  ...rest,
})

/** Routes of OpenAI's API: every method, with and without a body, ids and queries. */
const ROUTES: [method: string, path: string][] = [
  ['GET', '/v1/models'],
  ['DELETE', '/v1/models/ft:gpt-4o-mini:org::1'],
  ['POST', CHAT],
  ['GET', CHAT],
  ['GET', `${CHAT}/chatcmpl-1/messages?limit=2&order=asc`],
  ['DELETE', `${CHAT}/chatcmpl-1`],
  ['POST', '/v1/responses'],
  ['GET', '/v1/responses/resp_1?include[]=file_search_call.results'],
  ['POST', '/v1/embeddings'],
  ['GET', '/v1/files?purpose=batch'],
  ['GET', '/v1/files/file-1/content'],
  ['POST', '/v1/batches'],
  ['POST', '/v1/fine_tuning/jobs'],
  ['GET', '/v1/fine_tuning/jobs/ftjob-1/events?after=x&limit=1'],
  ['POST', '/v1/vector_stores/vs_1/files'],
  ['PUT', '/v1/anything'],
  ['PATCH', '/v1/anything'],
  ['OPTIONS', CHAT],
  ['HEAD', '/v1/models'],
]

const WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

const routes: Case[] = ROUTES.map(([method, path]) =>
  one(`${method} ${path}`, { method, path, body: WITHOUT_BODY.has(method) ? null : CHAT_BODY })
)

const paths: Case[] = [
  '/v1/files/f%20x?after=%2F&%C3%BC=1',
  '/v1/models?',
  '/v1/models?a=1&a=2&b',
  '/v1//models',
  '/v1/./models',
  '/v1/models/../files',
  '/v1/models/%2e%2e/files',
  '/v1/models;a=b',
  "/v1/models/a+b~c!$&'()*,:@",
  `/v1/models?q=${'x'.repeat(4000)}`,
].map((path) => one(`path ${path.slice(0, 40)}`, { method: 'GET', path, body: null }))

const headers: Case[] = [
  ['odd case', ['x-LoWeR: 1', 'X-UPPER: 2', 'OpenAI-Beta: assistants=v2']],
  ['duplicates in order', ['X-A: 1', 'X-B: 2', 'X-A: 3', 'x-a: 4']],
  ['empty values', ['X-Empty:', 'X-Blank:   ']],
  ['blanks around values', ['X-Pad:   a b   ', 'X-Tab:\ta\t']],
  ['a long value', [`X-Long: ${'v'.repeat(6000)}`]],
  ['many of them', Array.from({ length: 60 }, (_, i) => `X-Many-${i}: ${i}`)],
  ['bytes outside ASCII', ['X-Latin: caf\u00e9 \u00fc']],
  ['punctuation in names', ["X-!#$%&'*+.^_`|~: 1"]],
  ['cookies', ['Cookie: a=1; b=2', 'Cookie: c=3']],
  ['forwarded addresses', ['X-Forwarded-For: 10.0.0.1', 'Forwarded: for=10.0.0.2', 'Via: 1.1 a']],
  ['organization and project', ['OpenAI-Organization: org_1', 'OpenAI-Project: proj_1']],
  ['tracing', ['traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01']],
  ['idempotency', ['Idempotency-Key: 1b2c', 'X-Stainless-Retry-Count: 1']],
  ['accept and encodings', ['Accept: text/event-stream, */*;q=0.1', 'Accept-Encoding: gzip, br']],
  ['a user agent', ['User-Agent: OpenAI/JS 6.0.0']],
  ['hop-by-hop ones', ['Connection: keep-alive, X-Hop', 'X-Hop: 1', 'TE: trailers']],
  ['ranges and conditions', ['Range: bytes=0-9', 'If-None-Match: "x"']],
].flatMap(([name, list]) => [
  one(`request headers: ${String(name)}, chat`, { headers: list as string[] }),
  one(`request headers: ${String(name)}, passed`, {
    method: 'GET',
    path: '/v1/files',
    body: null,
    headers: list as string[],
  }),
])

const json = (extra: string): string =>
  `{"model":"m","messages":[{"role":"user","content":"hi"}]${extra}}`

const bodies: Case[] = [
  one('body: unknown fields and odd spaces', {
    body: '{ "model":"m",\n\t"x_new" : [1, 2.50, 1e3] , "messages":[]}',
  }),
  one('body: duplicate keys', { body: '{"model":"a","model":"b","messages":[]}' }),
  one('body: huge numbers', { body: json(',"seed":123456789012345678901234567890,"x":1e999') }),
  one('body: lone surrogates', { body: json(',"x":"\\ud800"') }),
  one('body: deep nesting', { body: json(`,"x":${'['.repeat(5000)}${']'.repeat(5000)}`) }),
  one('body: escapes', { body: json(',"x":"\\u0000\\u00e9\\/"') }),
  one('body: UTF-8 beyond the BMP', { body: json(',"x":"\u4e01\u5be7 \ud83c\udf89"') }),
  one('body: byte order mark', { body: Buffer.from(`\ufeff${CHAT_BODY}`) }),
  one('body: broken UTF-8', {
    body: Buffer.concat([Buffer.from(CHAT_BODY), Buffer.of(0xff, 0xfe)]),
  }),
  one('body: not JSON', { body: '{"model": ' }),
  one('body: JSON that is not a request', { body: '[null]' }),
  one('body: empty, with its length', { body: '' }),
  one('body: none, without a length', { body: null }),
  one('body: one byte', { body: 'x' }),
  one('body: a GET with one', { method: 'GET', path: '/v1/files', body: '{}' }),
  one('body: a DELETE with one', { method: 'DELETE', path: '/v1/files/1', body: '{}' }),
  one('body: 20 MB to chat', { body: json(`,"x":"${'y'.repeat(20_000_000)}"`) }),
  one('body: 20 MB upload', {
    path: '/v1/files',
    headers: ['Content-Type: multipart/form-data; boundary=x'],
    body: Buffer.alloc(20_000_000, 7),
  }),
  one('body: gzip', { headers: ['Content-Encoding: gzip'], body: gzipSync(CHAT_BODY) }),
  one('body: brotli', { headers: ['Content-Encoding: br'], body: brotliCompressSync(CHAT_BODY) }),
]

const framed = (name: string, path: string, rest: Step[], head: string[]): Case => ({
  name,
  methods: ['POST'],
  request: [lines(`POST ${path} HTTP/1.1`, 'Host: {host}', AUTHORIZATION, ...head), ...rest],
  response: response(),
})

/** Single characters with pauses; the placeholder of the host stays whole. */
const inPieces = (steps: Step[]): Step[] =>
  steps.flatMap((step): Step[] =>
    typeof step === 'string'
      ? (step.match(/\{host\}|[^]/g) ?? []).flatMap((piece): Step[] => [piece, { waitMs: 1 }])
      : [step]
  )

const framings: Case[] = [CHAT, '/v1/files'].flatMap((path) => [
  framed(`framing: chunked to ${path}`, path, [chunked(CHAT_BODY)], ['Transfer-Encoding: chunked']),
  framed(
    `framing: chunks of one byte to ${path}`,
    path,
    [chunked(...CHAT_BODY)],
    ['Transfer-Encoding: chunked']
  ),
  framed(
    `framing: chunk extensions to ${path}`,
    path,
    ['5;name=value\r\n{"mod\r\n', '0\r\n\r\n'],
    ['Transfer-Encoding: chunked']
  ),
  framed(`framing: a body in pieces to ${path}`, path, inPieces([CHAT_BODY]), [
    `Content-Length: ${CHAT_BODY.length}`,
  ]),
  one(`framing: a head in pieces to ${path}`, { path }, response(), {
    request: inPieces(request({ path })),
  }),
  framed(
    `framing: expects 100-continue to ${path}`,
    path,
    [{ waitMs: 30 }, CHAT_BODY],
    ['Expect: 100-continue', `Content-Length: ${CHAT_BODY.length}`]
  ),
])

/** Codes with their usual reason, without one, and with another one. */
const STATUSES = [
  ...[
    200, 201, 202, 206, 299, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 408, 409, 413,
    415, 418, 422, 429, 499, 500, 501, 502, 503, 504, 520, 529, 599,
  ].map((code) => `${code} ${STATUS_CODES[code] ?? 'Odd'}`),
  '200',
  '200 All is well',
]

const statuses: Case[] = STATUSES.map((status) =>
  one(
    `status ${status}`,
    {},
    response('{"error":{"message":"m","type":"t","param":null,"code":null}}', {
      status,
      headers: [
        'Content-Type: application/json; charset=utf-8',
        'Location: http://169.254.169.254/latest/meta-data',
        'Retry-After: 7',
        'X-RateLimit-Remaining-Requests: 0',
        'X-Request-ID: req_1',
      ],
    })
  )
)

const bare: Case[] = ['204 No Content', '304 Not Modified'].flatMap((status) => [
  one(`status ${status} to chat`, {}, [lines(`HTTP/1.1 ${status}`, 'X-Request-ID: r')]),
  one(`status ${status}, passed`, { method: 'GET', path: '/v1/files', body: null }, [
    lines(`HTTP/1.1 ${status}`, 'ETag: "1"'),
  ]),
])

const TYPES = [
  'text/html',
  'text/plain',
  'application/xml',
  'audio/mpeg',
  'application/octet-stream',
  'image/png',
]

const contents: Case[] = [
  ...TYPES.flatMap((type) => [
    one(
      `answer of type ${type}`,
      { path: '/v1/audio/speech' },
      response(Buffer.from([0, 255, 13, 10, 0]), { headers: [`Content-Type: ${type}`] })
    ),
    one(
      `error of type ${type}`,
      {},
      response('<oops>', { status: '503 Busy', headers: [`Content-Type: ${type}`] })
    ),
  ]),
  one('answer without a type', {}, response(ANSWER, { headers: [] })),
  one('answer with an empty body', {}, response('')),
  ...(
    [
      ['gzip', gzipSync],
      ['br', brotliCompressSync],
      ['deflate', deflateSync],
      ['zstd', (text: string) => Buffer.from(text)],
    ] as const
  ).map(([encoding, pack]) =>
    one(
      `answer packed as ${encoding}`,
      { headers: [`Accept-Encoding: ${encoding}`] },
      response(pack(ANSWER), {
        headers: ['Content-Type: application/json', `Content-Encoding: ${encoding}`],
      })
    )
  ),
  one(
    'answer headers: duplicates, case and order',
    {},
    response(ANSWER, {
      headers: [
        'set-cookie: a=1',
        'X-B: 1',
        'Set-Cookie: b=2',
        'x-b: 2',
        'CONTENT-TYPE: application/json',
      ],
    })
  ),
  one(
    'answer headers: bytes outside ASCII and empty values',
    {},
    response(ANSWER, {
      headers: ['X-Latin: caf\u00e9', 'X-Empty:', 'Date: yesterday', 'Server: s'],
    })
  ),
  one(
    'answer headers: hop-by-hop ones',
    {},
    response(ANSWER, { headers: ['Connection: keep-alive', 'Keep-Alive: timeout=5', 'X-A: 1'] })
  ),
  one('answer of 5 MB', {}, response(Buffer.alloc(5_000_000, 'z'))),
  one(
    'answer to HEAD, with a length and no body',
    { method: 'HEAD', path: '/v1/files', body: null },
    [lines('HTTP/1.1 200 OK', 'Content-Type: application/json', 'Content-Length: 512')]
  ),
  one('answer without a length, until the connection ends', {}, [
    lines('HTTP/1.1 200 OK', 'Content-Type: application/json', 'Connection: close'),
    ANSWER,
    'end',
  ]),
  one('answer of HTTP/1.0', {}, [
    lines('HTTP/1.0 200 OK', 'Content-Type: application/json'),
    ANSWER,
    'end',
  ]),
  one(
    'answer before the body was sent',
    { path: '/v1/files', body: 'x'.repeat(1000) },
    response('no', { status: '413 Content Too Large' }),
    { atOnce: true }
  ),
  one('hints: 103 before the answer', {}, [
    lines('HTTP/1.1 103 Early Hints', 'Link: </a>; rel=preload'),
    { waitMs: 5 },
    ...response(),
  ]),
  one('hints: 102 twice before the answer', { path: '/v1/batches' }, [
    lines('HTTP/1.1 102 Processing'),
    { waitMs: 5 },
    lines('HTTP/1.1 102 Processing', 'X-Progress: 50'),
    { waitMs: 5 },
    ...response(),
  ]),
]

const EVENTS = [
  'data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"x_vendor":{"a":1}}\n\n',
  'data: {"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"h\u00e9 \u4e01 \ud83c\udf89"},"finish_reason":"stop"}]}\n\n',
  'data: {"id":"c1","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}\n\n',
  'data: [DONE]\n\n',
]

const SSE_HEAD = lines(
  'HTTP/1.1 200 OK',
  'Content-Type: text/event-stream; charset=utf-8',
  'Cache-Control: no-cache',
  'Transfer-Encoding: chunked'
)

const stream = (name: string, parts: (string | Buffer)[], rest: Partial<Case> = {}): Case =>
  one(`stream: ${name}`, { body: STREAM_BODY }, [SSE_HEAD, chunked(...parts)], rest)

const chunkOf = (bytes: Buffer): Buffer => chunked(bytes).subarray(0, -5)

const WIDE = Buffer.from('data: {"choices":[{"delta":{"content":"\u00e9\u4e01\ud83c\udf89"}}]}\n\n')
const FIRST_WIDE = WIDE.indexOf(0xc3)

const streams: Case[] = [
  stream('plain', EVENTS),
  stream('all in one chunk', [EVENTS.join('')]),
  stream(
    'one byte a chunk',
    [...Buffer.from(EVENTS.join(''))].map((byte) => Buffer.of(byte))
  ),
  stream('comments', [': ping\n\n', EVENTS[0]!, ':\n\n', ...EVENTS.slice(1)]),
  stream(
    'CRLF',
    EVENTS.map((event) => event.replaceAll('\n', '\r\n'))
  ),
  stream(
    'CR alone',
    EVENTS.map((event) => event.replaceAll('\n', '\r'))
  ),
  stream('names, ids and retry', [
    'event: delta\nid: 7\nretry: 100\n',
    EVENTS[0]!,
    ...EVENTS.slice(1),
  ]),
  stream('several data lines', ['data: {"choices":\ndata: []}\n\n', EVENTS[3]!]),
  stream(
    'no blank after the colon',
    EVENTS.map((event) => event.replace('data: ', 'data:'))
  ),
  stream('byte order mark', ['\ufeff', ...EVENTS]),
  stream('without [DONE]', EVENTS.slice(0, 3)),
  stream('without its last line end', [...EVENTS.slice(0, 3), 'data: [DONE]']),
  stream('an error inside', [EVENTS[0]!, 'data: {"error":{"message":"overloaded"}}\n\n']),
  stream('a comment after [DONE]', [...EVENTS, ': bye\n\n']),
  stream('events that are not JSON', ['data: hello\n\n', 'nonsense\n\n', ...EVENTS]),
  stream('an event of 1 MB', [`data: {"x":"${'y'.repeat(1_000_000)}"}\n\n`, EVENTS[3]!]),
  stream('nothing at all', []),
  one(
    'stream: with a length',
    { body: STREAM_BODY },
    response(EVENTS.join(''), { headers: ['Content-Type: text/event-stream'] })
  ),
  one('stream: until the connection ends', { body: STREAM_BODY }, [
    lines('HTTP/1.1 200 OK', 'Content-Type: text/event-stream'),
    ...EVENTS,
    'end',
  ]),
  one(
    'stream: an error with a JSON body',
    { body: STREAM_BODY },
    response('{"error":{}}', { status: '429 Too Many Requests' })
  ),
  one('stream: with trailers', { body: STREAM_BODY, headers: ['TE: trailers'] }, [
    lines(
      'HTTP/1.1 200 OK',
      'Content-Type: text/event-stream',
      'Transfer-Encoding: chunked',
      'Trailer: X-Took, X-Sum'
    ),
    chunkOf(Buffer.from(EVENTS.join(''))),
    '0\r\nX-Took: 12\r\nX-Sum: 1\r\n\r\n',
  ]),
  one('stream: of a response', { path: '/v1/responses', body: STREAM_BODY }, [
    SSE_HEAD,
    chunked(
      'event: response.created\ndata: {"type":"response.created"}\n\n',
      'event: done\ndata: {}\n\n'
    ),
  ]),
  ...Array.from({ length: 9 }, (_, i) => FIRST_WIDE + 1 + i).map((cut) =>
    one(`stream: cut after byte ${cut} of wide characters`, { body: STREAM_BODY }, [
      SSE_HEAD,
      chunkOf(WIDE.subarray(0, cut)),
      { waitMs: 3 },
      chunked(WIDE.subarray(cut), EVENTS[3]!),
    ])
  ),
  one('stream: with pauses', { body: STREAM_BODY }, [
    SSE_HEAD,
    ...EVENTS.flatMap((event): Step[] => [chunkOf(Buffer.from(event)), { waitMs: 5 }]),
    '0\r\n\r\n',
  ]),
]

const FIRST_EVENT = chunkOf(Buffer.from(EVENTS[0]!))
const LENGTH_HEAD = lines('HTTP/1.1 200 OK', 'Content-Length: 50')
const PAUSE: Step = { waitMs: 20 }

const DEATHS: [name: string, response: Step[], expects: Case['expects']][] = [
  ['end before an answer', ['end'], 'bad-gateway'],
  ['reset before an answer', ['reset'], 'bad-gateway'],
  ['end inside a status line', ['HTTP/1.1 2', 'end'], 'bad-gateway'],
  ['end inside the headers', ['HTTP/1.1 200 OK\r\nContent-Ty', 'end'], 'bad-gateway'],
  ['end instead of a body', [LENGTH_HEAD, PAUSE, 'end'], 'broken'],
  ['end inside a body', [LENGTH_HEAD, '{"id"', PAUSE, 'end'], 'broken'],
  ['end inside a chunk', [SSE_HEAD, FIRST_EVENT, '50\r\ndata: ', PAUSE, 'end'], 'broken'],
  ['end after a chunk', [SSE_HEAD, FIRST_EVENT, PAUSE, 'end'], 'broken'],
  ['reset after a chunk', [SSE_HEAD, FIRST_EVENT, PAUSE, 'reset'], 'broken'],
  ['an answer that is not HTTP', ['hello\r\n\r\n', 'end'], 'bad-gateway'],
]

const deaths: Case[] = [CHAT, '/v1/embeddings'].flatMap((path) =>
  DEATHS.map(([name, answer, expects]) =>
    one(`upstream: ${name}, to ${path}`, { path }, answer, { expects })
  )
)

const connections: Case[] = [
  {
    name: 'connection: three requests, one after another',
    methods: ['POST', 'GET', 'POST'],
    request: [
      ...request(),
      { waitMs: 40 },
      ...request({ method: 'GET', path: '/v1/models', body: null }),
      { waitMs: 40 },
      ...request({ path: '/v1/embeddings' }),
    ],
    response: response(),
  },
  {
    name: 'connection: two requests at once',
    methods: ['GET', 'GET'],
    request: [
      ...request({ method: 'GET', path: '/v1/models', body: null }),
      ...request({ method: 'GET', path: '/v1/files', body: null }),
    ],
    response: response(),
  },
  one('connection: the client asks to close it', { headers: ['Connection: close'] }),
  {
    name: 'connection: HTTP/1.0',
    methods: ['POST'],
    request: [
      lines(`POST ${CHAT} HTTP/1.0`, 'Host: {host}', `Content-Length: ${CHAT_BODY.length}`),
      CHAT_BODY,
    ],
    response: response(),
  },
  {
    name: 'connection: HTTP/1.0 that is kept alive',
    methods: ['GET'],
    request: [lines('GET /v1/models HTTP/1.0', 'Host: {host}', 'Connection: keep-alive')],
    response: response(),
  },
]

export const CASES: Case[] = [
  ...routes,
  ...paths,
  ...headers,
  ...bodies,
  ...framings,
  ...statuses,
  ...bare,
  ...contents,
  ...streams,
  ...deaths,
  ...connections,
]
