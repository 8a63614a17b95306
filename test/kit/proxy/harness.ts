/** A real upstream, a real proxy server and a raw client on loopback, for the proxy's tests. */
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { ClientRequest, OutgoingHttpHeaders, Server, ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { Registry } from 'prom-client'
import {
  batchCaptured,
  readBatch,
  type CapturedExchange,
} from '../../../src/core/log/exchange-batch.ts'
import { completion } from '../records/completion.ts'
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import type { ServerFault } from '../../../src/fault-log.ts'
import { listen as listenWith, type ListenOptions } from '../../../src/server/http-server.ts'
import { createCredentials } from '../../../src/proxy/access/credentials.ts'
import { createEnvelopes } from '../../../src/proxy/envelopes.ts'
import type { ProxyDeps } from '../../../src/proxy/deps.ts'
import { createBodyBudget } from '../../../src/proxy/client/body-budget.ts'
import { Load } from '../../../src/proxy/client/load.ts'
import { createMetrics } from '../../../src/proxy/metrics/metrics.ts'
import { createProxy } from '../../../src/proxy/proxy.ts'
import { systemTimer } from '../../../src/timers.ts'
import { compileRouteTable } from '../../../src/core/route/route-table.ts'
import { createTenants } from '../../../src/proxy/access/tenants.ts'
import { rememberedResponses } from './kept-responses.ts'
import { readRecords } from '../../../src/store/log/record-bytes.ts'

export const CHAT_PATH = '/v1/chat/completions'
export const AUTHORIZATION = 'Bearer sk-test-0123456789abcdef'

export interface UpstreamRequest {
  method: string
  url: string
  rawHeaders: string[]
  headers: IncomingMessage['headers']
  body: Buffer
}

export type Responder = (request: UpstreamRequest, response: ServerResponse) => void

export const respondJson =
  (value: unknown, status = 200, headers: OutgoingHttpHeaders = {}): Responder =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(value))
  }

/** A stream of events. @param options.end false leaves it open */
export const respondEvents =
  (
    text: string | Buffer,
    { headers = {}, end = true }: { headers?: OutgoingHttpHeaders; end?: boolean } = {}
  ): Responder =>
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', ...headers })
    response.write(text)
    if (end) response.end()
  }

/** Answers that wait until they are told to be given, one by one. */
export const onDemand = (value: unknown) => {
  const waiting: (() => void)[] = []
  const respond: Responder = (request, response) =>
    waiting.push(() => respondJson(value)(request, response))
  return { respond, answer: () => waiting.shift()?.(), waiting: () => waiting.length }
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })

export interface FakeUpstream {
  url: string
  requests: UpstreamRequest[]
  /** bodies of the requests so far, as UTF-8 */
  bodies(): string[]
  /** exchanges that the proxy broke off, whether or not an answer had begun */
  aborted: number
  respond: Responder
  close(): void
}

export const startUpstream = async (): Promise<FakeUpstream> => {
  const upstream: FakeUpstream = {
    url: '',
    requests: [],
    bodies: () => upstream.requests.map(({ body }) => body.toString()),
    aborted: 0,
    respond: respondJson(completion('from the upstream')),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    response.on('close', () => {
      if (!response.writableFinished) upstream.aborted++
    })
    incoming.on('error', () => {})
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', url = '', rawHeaders, headers } = incoming
      const request = { method, url, rawHeaders, headers, body: Buffer.concat(chunks) }
      upstream.requests.push(request)
      upstream.respond(request, response)
    })
  })
  upstream.url = `http://127.0.0.1:${await listen(server)}`
  return upstream
}

export type Harness = Awaited<ReturnType<typeof startHarness>>

const MAX_ANSWER_BYTES = 2 ** 20

export const LIMITS: ProxyDeps['limits'] = {
  maxBodyBytes: 32 * 2 ** 20,
  captureMaxBytes: MAX_ANSWER_BYTES,
  adaptedTimeoutMs: 2000,
  adaptedMaxTokens: 256,
  upstreamTimeoutMs: 10_000,
  keepAliveMs: 0,
}

export const NO_FAILOVER: ProxyDeps['failover'] = {
  upstreams: [],
  breaker: { maxFailures: 3, pauseMs: 60_000 },
  retryAfterMaxMs: 0,
}

/** The id of a harness's first, second, … record. */
export const recordId = (number: number): string =>
  `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`

const NO_ROUTES = compileRouteTable([])

const now = (): number => performance.timeOrigin + performance.now()

export const startHarness = async (
  overrides: Partial<ProxyDeps> = {},
  options: Partial<ListenOptions> = {}
) => {
  const upstream = await startUpstream()
  const exchanges: CapturedExchange[] = []
  /** what was reported, oldest first */
  const faults: { kind: ServerFault; error: unknown; data: object | undefined }[] = []
  const registry = new Registry()
  let ids = 0
  const deps: ProxyDeps = {
    upstreamBaseUrl: upstream.url,
    failover: NO_FAILOVER,
    load: new Load({ maxInFlight: 10_000, maxDelayMs: 0 }),
    routes: () => NO_ROUTES,
    areRoutesGood: () => true,
    engines: new Map(),
    tenants: createTenants({ secret: 'secret', ttlMs: 60_000, maxEntries: 100, now }),
    credentials: createCredentials(),
    envelopeOf: createEnvelopes({
      credentials: createCredentials(),
      hasOwnKey: false,
      irrelevant: [],
    }),
    allowedHosts: [],
    ownSecrets: [],
    access: null,
    bodies: createBodyBudget(256 * 2 ** 20, () => 0),
    keptResponses: rememberedResponses(),
    isCaptured: () => true,
    log: (exchange) => exchanges.push(exchange),
    metrics: createMetrics(registry),
    fault: (kind, error, data) => faults.push({ kind, error, data }),
    limits: LIMITS,
    trace: null,
    asksForUsage: false,
    echoModel: false,
    breaker: { maxFailures: 3, pauseMs: 60_000 },
    now,
    setTimer: systemTimer,
    random: Math.random,
    newId: () => recordId(++ids),
    ...overrides,
  }
  const proxy = createProxy(deps)
  const address = { port: 0, host: '127.0.0.1' }
  const { server, port, drain } = await listenWith(proxy.app, address, {
    fault: deps.fault,
    ...options,
  })
  return {
    port,
    drain,
    send: (body: string | Buffer | null, sendOptions?: SendOptions) =>
      send(port, body, sendOptions),
    leave: (...request: RequestToLeave) => leave(port, ...request),
    open: (...bytes: string[]) => openSocket(port, ...bytes),
    baseUrl: `http://127.0.0.1:${port}/v1`,
    upstream,
    registry,
    /** the text of all metrics */
    metrics: () => registry.metrics(),
    deps,
    faults,
    /** the record of every exchange that has ended so far */
    records: async (): Promise<ExchangeRecord[]> => {
      const found: ExchangeRecord[] = []
      const batch = readBatch(batchCaptured(exchanges))
      for await (const records of readRecords(batch, { maxBytes: MAX_ANSWER_BYTES, redact: null }))
        for (const { head, usage, request, response } of records)
          found.push({
            ...head,
            usage,
            request: request.toString(),
            response: response === null ? null : response.toString(),
          })
      return found
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await proxy.close()
      upstream.close()
    },
  }
}

export interface RawAnswer {
  status: number
  statusText: string
  rawHeaders: string[]
  headers: IncomingMessage['headers']
  body: Buffer
  /** the body as UTF-8 */
  text: string
  /** false when the connection broke before the end of the answer */
  complete: boolean
}

export interface SendOptions {
  method?: string
  path?: string
  headers?: OutgoingHttpHeaders | string[]
  onRequest?: (request: ClientRequest) => void
  onData?: (request: ClientRequest) => void
}

/** Sends bytes and returns bytes. @throws when the connection breaks before an answer begins */
export const send = (
  port: number,
  body: string | Buffer | null,
  { method = 'POST', path = CHAT_PATH, headers, onRequest, onData }: SendOptions = {}
): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const defaults = {
      'content-type': 'application/json',
      authorization: AUTHORIZATION,
      ...(body === null ? {} : { 'content-length': Buffer.byteLength(body) }),
    }
    const request = httpRequest(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: false,
        headers: Array.isArray(headers) ? headers : { ...defaults, ...headers },
      },
      (response) => {
        const chunks: Buffer[] = []
        const finish = (): void => {
          const { statusCode = 0, statusMessage = '', rawHeaders, complete } = response
          const received = Buffer.concat(chunks)
          resolve({
            status: statusCode,
            statusText: statusMessage,
            rawHeaders,
            headers: response.headers,
            body: received,
            text: received.toString(),
            complete,
          })
        }
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          onData?.(request)
        })
        response.on('error', () => {})
        response.on('close', finish)
      }
    )
    request.on('error', reject)
    onRequest?.(request)
    if (body === null) request.end()
    else request.end(body)
  })

export interface ErrorObject {
  message: string
  type: string
  param: string | null
  code: string
}

/** The error in OpenAI's format that an answer consists of. */
export const errorOf = ({ text }: Pick<RawAnswer, 'text'>): ErrorObject =>
  (JSON.parse(text) as { error: ErrorObject }).error

type RequestToLeave = [
  isTime: () => boolean | Promise<boolean>,
  body?: string,
  headers?: OutgoingHttpHeaders,
]

/** A client that sends a request and leaves when the moment has come, before it has an answer. */
const leave = async (
  port: number,
  ...[isTime, body = chatBody('hi'), headers = {}]: RequestToLeave
): Promise<void> => {
  const onRequest = (request: ClientRequest): void =>
    void eventually(isTime).then(() => request.destroy())
  const answer = await send(port, body, { headers, onRequest }).catch(() => null)
  if (answer !== null) throw new Error('the client got an answer')
}

/** A connection as bytes. */
export const openSocket = (port: number, ...bytes: string[]) => {
  const socket = connect(port, '127.0.0.1')
  const opened = { socket, text: '' }
  socket.on('data', (chunk: Buffer) => (opened.text += chunk.toString()))
  socket.on('error', () => {})
  for (const piece of bytes) socket.write(piece)
  return opened
}

/** On a machine that runs other tests beside. */
const MOST_WAIT_MS = 20_000

/** Waits for something that happens behind a connection. */
export const eventually = async (check: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + MOST_WAIT_MS
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`it did not happen within ${MOST_WAIT_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Of the same model, and no template's. */
export const UNMATCHED_BODY = JSON.stringify({
  model: 'gpt-4o-mini',
  messages: [{ role: 'user', content: 'no match' }],
})

export const chatBody = (content: unknown, extra: Record<string, unknown> = {}): string =>
  JSON.stringify({
    model: 'gpt-4o-mini',
    messages: [
      { role: 'system', content: 'Sort the question.' },
      { role: 'user', content },
    ],
    ...extra,
  })
