import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chatSpan } from '../../src/tracing/chat-span.ts'
import { startTracing, type Tracing } from '../../src/tracing/start.ts'
import { exampleOutcome, exampleRecord } from '../kit/records/examples.ts'
import { completion } from '../kit/records/completion.ts'
import { chatBody, eventually, startHarness, type Harness } from '../kit/proxy/harness.ts'

interface OtlpValue {
  stringValue?: string
  intValue?: number | string
  arrayValue?: { values: OtlpValue[] }
}

interface OtlpSpan {
  name: string
  traceId: string
  parentSpanId?: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  status: { code: number }
  attributes: { key: string; value: OtlpValue }[]
}

interface OtlpRequest {
  resourceSpans: {
    resource: { attributes: OtlpSpan['attributes'] }
    scopeSpans: { spans: OtlpSpan[] }[]
  }[]
}

const plain = ({ stringValue, intValue, arrayValue }: OtlpValue): unknown =>
  arrayValue ? arrayValue.values.map(plain) : (stringValue ?? Number(intValue))

const attributesOf = ({ attributes }: Pick<OtlpSpan, 'attributes'>): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]))

/** A collector on loopback. */
let collector: Server
let received: { url: string; headers: IncomingHttpHeaders; text: string }[]
let tracing: Tracing
let faults: unknown[]
let harness: Harness

const start = async (overrides: Parameters<typeof startHarness>[0] = {}): Promise<void> => {
  const { port } = collector.address() as AddressInfo
  tracing = startTracing({
    endpoint: `http://127.0.0.1:${port}/`,
    upstreamBaseUrl: 'https://upstream.example/v1',
    maxAnswerBytes: 2 ** 20,
    onFault: (error) => faults.push(error),
  })
  harness = await startHarness({ trace: tracing.trace, ...overrides })
}

/** All spans so far in the order of their requests, once nothing waits any more. */
const spans = async (): Promise<OtlpSpan[]> => {
  await tracing.close()
  return received
    .flatMap(({ text }) => (JSON.parse(text) as OtlpRequest).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
    .sort((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)))
}

beforeEach(async () => {
  received = []
  faults = []
  collector = createServer((incoming, response) => {
    let text = ''
    incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    incoming.on('end', () => {
      received.push({ url: incoming.url ?? '', headers: incoming.headers, text })
      response.end('{}')
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  await harness.close()
  await tracing.close()
  collector.closeAllConnections()
  collector.close()
})

describe('the span of a chat completion', () => {
  it('says by the conventions what was asked and what it took, under the caller`s span', async () => {
    await start()
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await harness.send(chatBody('a secret question'), { headers: { traceparent } })
    expect(harness.upstream.requests[0]?.headers.traceparent).toBe(traceparent)
    const [span, ...others] = await spans()
    expect(others).toEqual([])
    expect(span).toMatchObject({
      name: 'chat gpt-4o-mini',
      kind: 3,
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
    })
    expect(attributesOf(span!)).toEqual({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.response.id': 'chatcmpl-upstream',
      'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
      'gen_ai.response.finish_reasons': ['stop'],
      'gen_ai.usage.input_tokens': 9,
      'gen_ai.usage.output_tokens': 3,
      'server.address': 'upstream.example',
      'server.port': 443,
      'http.response.status_code': 200,
      'promptintern.route': 'unmatched',
    })
    expect(BigInt(span!.endTimeUnixNano)).toBeGreaterThan(BigInt(span!.startTimeUnixNano))
    const [request] = received
    expect(request?.url).toBe('/v1/traces')
    expect(request?.text).toContain('promptintern-proxy')
    for (const secret of ['a secret question', 'from the upstream', 'sk-test'])
      expect(request?.text).not.toContain(secret)
  })

  it('is there for exchanges that are not logged, encoded, failed, or left by the client', async () => {
    await start({ isCaptured: () => false })
    const { upstream } = harness
    upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      response.end(gzipSync(JSON.stringify(completion('hello'))))
    }
    await harness.send(chatBody('hi'))
    upstream.respond = (_request, response) => response.destroy()
    await harness.send(chatBody('hi'))
    upstream.respond = () => {}
    await harness.leave(() => upstream.requests.length === 3)
    await eventually(() => upstream.aborted === 2)
    const sent = await spans()
    expect(sent.map((span) => attributesOf(span)['http.response.status_code'])).toEqual([
      200, 502, 499,
    ])
    expect(attributesOf(sent[0]!)['gen_ai.usage.input_tokens']).toBe(9)
    expect(sent.map(({ status }) => status.code)).toEqual([0, 2, 2])
    expect(attributesOf(sent[1]!)).toMatchObject({ 'error.type': '502' })
    expect(attributesOf(sent[1]!)).not.toHaveProperty(['gen_ai.usage.input_tokens'])
    expect(await harness.records()).toEqual([])
  })

  it('costs no request anything where the collector is away', async () => {
    await start()
    collector.closeAllConnections()
    await new Promise((resolve) => collector.close(resolve))
    expect((await harness.send(chatBody('hi'))).status).toBe(200)
    await tracing.close()
    expect(received).toEqual([])
    // what was not sent is told
    expect(faults.length).toBeGreaterThan(0)
  })

  it('names the lora that answered, and not the upstream', async () => {
    await start()
    const { request, response, usage, ...head } = exampleRecord(1, { route: exampleOutcome() })
    const answer = { response: Buffer.from(response!), usage }
    const exchange = { head, form: { kind: 'read' as const, usage }, request: Buffer.from(request) }
    const span = chatSpan({ ...exchange, answer: [answer.response] }, answer, {
      address: 'upstream.example',
      port: 443,
    })
    expect(span.attributes).toMatchObject({
      'gen_ai.provider.name': 'promptintern',
      'promptintern.route': 'answered',
      'promptintern.template': 'version-1',
    })
    expect(span.attributes).not.toHaveProperty(['server.address'])
  })
})
