/** Bytes that cross the proxy, as the log sees them. `test/differential` compares them end to end. */
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { completion } from '../kit/records/completion.ts'
import {
  CHAT_PATH,
  chatBody,
  eventually,
  recordId,
  respondEvents,
  respondJson,
  send,
  startHarness,
  type Harness,
} from '../kit/proxy/harness.ts'

const SSE = Buffer.from(
  [
    'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"x_vendor":{"a":1}}',
    ': keep-alive comment',
    'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"héé 丁寧 🎉"},"finish_reason":"stop"}]}',
    'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}',
    'data: [DONE]',
    '',
  ].join('\n\n')
)

let harness: Harness

beforeEach(async () => {
  harness = await startHarness()
})
afterEach(() => harness.close())

const recorded = async () => (await harness.records())[0]!

/** Answers with the packed body, and checks that the client gets it. */
const sendPacked = async (packed: Buffer, encoding: string): Promise<void> => {
  harness.upstream.respond = (_request, response) =>
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-encoding': encoding })
      .end(packed)
  const answer = await harness.send(chatBody('hi'))
  expect(answer.body.equals(packed)).toBe(true)
}

describe('a request that no route answers', () => {
  it('is logged with its answer, and without credentials', async () => {
    const body = chatBody('hi')
    const path = `${CHAT_PATH}?api-version=1&api-key=sk-test`
    await harness.send(body, { path })
    expect(harness.upstream.requests[0]!.url).toBe(path)
    const record = await recorded()
    expect(record).toMatchObject({
      id: recordId(1),
      path: `${CHAT_PATH}?api-version=1&api-key=[CREDENTIAL]`,
      request: body,
      response: JSON.stringify(completion('from the upstream')),
      streamed: false,
      route: null,
      status: 200,
    })
    expect(record.tenant).toMatch(/^[0-9a-f]{32}$/)
    expect(record.firstByteMs).toBeLessThanOrEqual(record.durationMs)
    expect(JSON.stringify(record)).not.toContain('sk-test')
  })

  it('is logged with a stream whose characters arrive in two pieces', async () => {
    const cut = SSE.indexOf(Buffer.from('丁')) + 1
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      response.write(SSE.subarray(0, cut))
      setTimeout(() => response.end(SSE.subarray(cut)), 20)
    }
    const answer = await harness.send(chatBody('hi', { stream: true }))
    expect([answer.body.equals(SSE), answer.complete]).toEqual([true, true])
    const record = await recorded()
    expect(record).toMatchObject({
      status: 200,
      streamed: true,
      model: 'gpt-4o-mini',
      usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
    })
    expect(JSON.parse(record.response!)).toMatchObject({
      object: 'chat.completion',
      x_vendor: { a: 1 },
      choices: [{ message: { content: 'héé 丁寧 🎉' }, finish_reason: 'stop' }],
    })
  })

  it('gets the headers of a stream before its first event', async () => {
    let sawHeaders = false
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      void eventually(() => sawHeaders).then(() => response.end(SSE))
    }
    const answer = harness.send(chatBody('hi', { stream: true }), {
      onRequest: (request) => request.on('response', () => (sawHeaders = true)),
    })
    expect((await answer).body.equals(SSE)).toBe(true)
  })

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('is logged with the text of an answer in %s', async (encoding, compress) => {
    await sendPacked(compress(JSON.stringify(completion('packed'))), encoding)
    const record = await recorded()
    expect(JSON.parse(record.response!)).toEqual(completion('packed'))
    expect(record.usage).toMatchObject({ total_tokens: 12 })
  })

  it('is logged without an answer over the limit, packed or not', async () => {
    await sendPacked(gzipSync(Buffer.alloc(8 * 2 ** 20, 32)), 'gzip')
    harness.upstream.respond = respondJson(completion('x'.repeat(2 * 2 ** 20)))
    expect((await harness.send(chatBody('hi'))).body.length).toBeGreaterThan(2 * 2 ** 20)
    const records = await harness.records()
    expect(records).toMatchObject([
      { status: 200, response: null },
      { status: 200, response: null },
    ])
    expect(records[1]!.usage).toBeNull()
  })

  it.each(['{"model": ', 'null', '[]', '{"model":"m","messages":[null]}', '{"messages":"hi"}', ''])(
    'is left to the upstream, and logged, with the body %j',
    async (body) => {
      harness.upstream.respond = respondJson({ error: { message: 'bad request' } }, 400)
      expect((await harness.send(body)).status).toBe(400)
      expect(harness.upstream.bodies()[0]).toBe(body)
      expect(await recorded()).toMatchObject({
        status: 400,
        model: body.includes('"m"') ? 'm' : '',
      })
    }
  )
})

describe('a request that is not read', () => {
  it('is not logged: another path, or a bypass, whose header does not reach the upstream', async () => {
    harness.upstream.respond = respondEvents('data: 1\n\n')
    await harness.send(null, { method: 'GET', path: '/v1/models' })
    const body = chatBody('x'.repeat(100))
    await harness.send(body, { headers: { 'x-promptintern-bypass': 'true' } })
    const [, request] = harness.upstream.requests
    expect(request?.body.toString()).toBe(body)
    expect(request?.headers['x-promptintern-bypass']).toBeUndefined()
    expect(await harness.records()).toEqual([])
  })
})

describe('the upstream`s base URL', () => {
  it.each([
    ['', '/v1/models', '/v1/models'],
    ['/', '/v1/models', '/v1/models'],
    ['/v1', '/v1/models', '/v1/models'],
    ['/openai/v1/', '/v1/models?x=1', '/openai/v1/models?x=1'],
    ['/api/v3', '/api/v3/models', '/api/v3/models'],
  ])('with the path %j turns %j into %j', async (basePath, path, expected) => {
    const other = await startHarness({ upstreamBaseUrl: harness.upstream.url + basePath })
    await send(other.port, null, { method: 'GET', path })
    expect(harness.upstream.requests[0]?.url).toBe(expected)
    await other.close()
  })
})
