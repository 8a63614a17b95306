/**
 * The differential suite plays each case once directly to the upstream and once through the proxy. The
 * upstream and the client must receive the same bytes, except for headers of one connection (RFC 9110
 * §7.6.1), the framing of bodies, and the header with the id of the record.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startHarness, type Harness } from '../kit/proxy/harness.ts'
import { CASES, type Case } from './cases.ts'
import {
  converse,
  startScriptedUpstream,
  valueOf,
  type Conversation,
  type Message,
  type ScriptedUpstream,
  type Step,
} from './wire.ts'

/** Headers of one connection or of its framing; each server answers `expect` by itself. */
const OF_THE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'content-length',
  'host',
  'expect',
])

/** The proxy adds it to the answers that it logs. */
const RECORD = 'x-promptintern-record'

const endToEnd = (headers: string[]): string[] => {
  const declared = (valueOf(headers, 'connection') ?? '').toLowerCase().split(/ *, */)
  return headers.flatMap((name, i) => {
    const lower = name.toLowerCase()
    return i % 2 === 1 || OF_THE_CONNECTION.has(lower) || declared.includes(lower)
      ? []
      : [name, headers[i + 1]!]
  })
}

/** The declared length, so that answers to HEAD are compared, too; without one, the body's length. */
const lengthOf = ({ headers, body }: Message): string =>
  valueOf(headers, 'content-length') ?? String(body.length)

const asRequest = (message: Message) => ({
  target: message.startLine.replace(/ HTTP\/1\.[01]$/, ''),
  headers: endToEnd(message.headers),
  length: lengthOf(message),
  body: message.body.toString('latin1'),
  complete: message.complete,
})

const withoutRecord = (headers: string[]): string[] =>
  headers.filter((_, i) => headers[i - (i % 2)] !== RECORD)

const asResponse = (message: Message) => ({
  // a status line without a reason may end with a blank
  status: message.startLine.replace(/^HTTP\/1\.[01] /, '').trim(),
  headers: withoutRecord(endToEnd(message.headers)),
  length: lengthOf(message),
  body: message.body.toString('latin1'),
  trailers: message.trailers,
  complete: message.complete,
})

interface Seen {
  requests: ReturnType<typeof asRequest>[]
  responses: ReturnType<typeof asResponse>[]
}

let upstream: ScriptedUpstream
let harness: Harness

beforeAll(async () => {
  upstream = await startScriptedUpstream()
  harness = await startHarness({ upstreamBaseUrl: `http://127.0.0.1:${upstream.port}` })
})

afterAll(async () => {
  await harness.close()
  upstream.close()
})

const withHost = (steps: Step[], port: number): Step[] =>
  steps.map((step) =>
    typeof step === 'string' ? step.replaceAll('{host}', `127.0.0.1:${port}`) : step
  )

const isContinue = ({ startLine }: Message): boolean => startLine.includes(' 100 ')

const play = async ({ request, response, methods, atOnce }: Case, port: number): Promise<Seen> => {
  upstream.requests.length = 0
  upstream.script = { steps: response, atOnce }
  const conversation: Conversation = await converse(port, withHost(request, port), methods)
  expect(upstream.requests.map(({ headers }) => valueOf(headers, 'host'))).toEqual(
    upstream.requests.map(() => `127.0.0.1:${upstream.port}`)
  )
  return {
    requests: upstream.requests.map(asRequest),
    responses: conversation.responses.filter((message) => !isContinue(message)).map(asResponse),
  }
}

const CHAT = '/v1/chat/completions'

/** The same bytes to the other endpoint that is read. The body keeps its length. */
const asResponsesRequest = (step: Step): Step => {
  if (typeof step !== 'string' && !Buffer.isBuffer(step)) return step
  const sent = typeof step === 'string' ? step : step.toString('latin1')
  const text = sent.replaceAll(CHAT, '/v1/responses').replaceAll('"messages":', '"input":   ')
  return typeof step === 'string' ? text : Buffer.from(text, 'latin1')
}

const isSentTo = ({ request }: Case, path: string): boolean =>
  request.some((step) => typeof step === 'string' && step.includes(path))

const RESPONSES_CASES = CASES.filter((one) => isSentTo(one, CHAT)).map((one) => ({
  ...one,
  name: `${one.name}, by the Responses API`,
  request: one.request.map(asResponsesRequest),
}))
const ALL_CASES = [...CASES, ...RESPONSES_CASES]

describe('through the proxy as without it', () => {
  it('is tested with many cases of different names', () => {
    expect(CASES.length).toBeGreaterThanOrEqual(150)
    expect(RESPONSES_CASES.length).toBeGreaterThanOrEqual(100)
    expect(new Set(ALL_CASES.map(({ name }) => name)).size).toBe(ALL_CASES.length)
  })

  it.each(ALL_CASES.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const direct = await play(one, upstream.port)
    const proxied = await play(one, harness.port)
    // after an early answer the upstream may not have read the whole body
    if (!one.atOnce) expect(proxied.requests).toEqual(direct.requests)
    if (one.expects === 'bad-gateway') {
      expect(proxied.responses).toMatchObject([{ status: '502 Bad Gateway', complete: true }])
      expect(JSON.parse(proxied.responses[0]!.body)).toMatchObject({
        error: { code: 'upstream_unavailable' },
      })
      return
    }
    if (one.expects === 'broken')
      expect(direct.responses.map(({ complete }) => complete)).toEqual([false])
    expect(proxied.responses).toEqual(direct.responses)
  })
})
