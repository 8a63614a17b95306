import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  AUTHORIZATION,
  CHAT_PATH,
  chatBody,
  completion,
  eventually,
  respondJson,
  send,
  startHarness,
  type Harness,
} from './harness.ts'

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

const flat = (...headers: [string, string][]): string[] => headers.flat()

const valuesOf = (rawHeaders: string[], name: string): string[] =>
  rawHeaders.flatMap((value, i) => (i % 2 === 1 && rawHeaders[i - 1] === name ? [value] : []))

describe('a request that no route answers', () => {
  it('peers 3.5: reaches the upstream byte by byte, with fields and spaces nobody knows', async () => {
    const body =
      '{ "model":"gpt-4o-mini",\n "x_unknown" : [1, 2.50, 1e3], "messages":[{"role":"user","content":"h\\u00e9"}] }'
    await send(harness.port, body)
    expect(harness.upstream.requests[0]?.body.toString()).toBe(body)
  })

  it('keeps header names in case and order, and duplicates', async () => {
    await send(harness.port, null, {
      method: 'GET',
      path: '/v1/models',
      headers: flat(
        ['Host', 'client.example'],
        ['Authorization', AUTHORIZATION],
        ['X-Trace', 'one'],
        ['OpenAI-Organization', 'org_1'],
        ['X-Trace', 'two'],
        ['Connection', 'X-Private'],
        ['X-Private', 'for the proxy'],
        ['TE', 'trailers']
      ),
    })
    const { rawHeaders } = harness.upstream.requests[0]!
    const own = rawHeaders.slice(rawHeaders.indexOf('Authorization'))
    expect(own).toEqual(
      flat(
        ['Authorization', AUTHORIZATION],
        ['X-Trace', 'one'],
        ['OpenAI-Organization', 'org_1'],
        ['X-Trace', 'two']
      )
    )
    expect(rawHeaders.join()).not.toContain('client.example')
  })

  it('comes back with the upstream`s bytes, headers and duplicate headers', async () => {
    harness.upstream.respond = (_request, response) => {
      response.sendDate = false
      const headers = flat(
        ['Content-Type', 'application/json'],
        ['X-Request-ID', 'req_1'],
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['Content-Length', '13'],
        ['Connection', 'close'],
        ['X-RateLimit-Remaining', '77']
      )
      response.writeHead(200, 'Fine', headers)
      response.end('{"ok" : true}')
    }
    const answer = await send(harness.port, chatBody('hi'))
    expect(answer.body.toString()).toBe('{"ok" : true}')
    expect(valuesOf(answer.rawHeaders, 'Set-Cookie')).toEqual(['a=1', 'b=2'])
    expect(valuesOf(answer.rawHeaders, 'X-Request-ID')).toEqual(['req_1'])
    expect(valuesOf(answer.rawHeaders, 'X-RateLimit-Remaining')).toEqual(['77'])
    expect(answer.statusText).toBe('Fine')
    expect(answer.headers.date).toBeUndefined()
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('x-promptintern'))).toEqual(
      []
    )
  })

  it('peers 3.4: passes an error with its status, body and retry-after', async () => {
    const error = { error: { message: 'slow down', type: 'rate_limit_error', code: null } }
    harness.upstream.respond = respondJson(error, 429, { 'retry-after': '7' })
    const answer = await send(harness.port, chatBody('hi', { stream: true }))
    expect(answer.status).toBe(429)
    expect(answer.headers['retry-after']).toBe('7')
    expect(answer.body.toString()).toBe(JSON.stringify(error))
    expect((await harness.records())[0]).toMatchObject({ status: 429, usage: null })
  })

  it('passes a stream with comments, vendor fields and characters cut in two', async () => {
    const cut = SSE.indexOf(Buffer.from('丁')) + 1
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      response.write(SSE.subarray(0, cut))
      setTimeout(() => response.end(SSE.subarray(cut)), 20)
    }
    const answer = await send(harness.port, chatBody('hi', { stream: true }))
    expect(answer.body.equals(SSE)).toBe(true)
    expect(answer.complete).toBe(true)
    const [record] = await harness.records()
    expect(record).toMatchObject({
      status: 200,
      streamed: true,
      model: 'gpt-4o-mini',
      usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
    })
    expect(JSON.parse(record!.response!)).toMatchObject({
      object: 'chat.completion',
      x_vendor: { a: 1 },
      choices: [{ message: { content: 'héé 丁寧 🎉' }, finish_reason: 'stop' }],
    })
  })

  it('peers 3.2: passes the headers of a stream before its first event', async () => {
    let sawHeaders = false
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      void eventually(() => sawHeaders).then(() => response.end(SSE))
    }
    const answer = send(harness.port, chatBody('hi', { stream: true }), {
      onRequest: (request) => request.on('response', () => (sawHeaders = true)),
    })
    expect((await answer).body.equals(SSE)).toBe(true)
  })

  it.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ])('peers 3.15: passes %s as it is and reads it for the log', async (encoding, compress) => {
    const packed = compress(JSON.stringify(completion('packed')))
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-encoding': encoding,
        'content-length': packed.length,
      })
      response.end(packed)
    }
    const answer = await send(harness.port, chatBody('hi'), {
      headers: { 'accept-encoding': encoding },
    })
    expect(answer.body.equals(packed)).toBe(true)
    expect(harness.upstream.requests[0]?.headers['accept-encoding']).toBe(encoding)
    const [record] = await harness.records()
    expect(JSON.parse(record!.response!)).toEqual(completion('packed'))
    expect(record!.usage).toMatchObject({ total_tokens: 12 })
  })

  it('does not unpack an answer that grows beyond the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 2 ** 20, 32))
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-encoding': 'gzip',
        'content-length': bomb.length,
      })
      response.end(bomb)
    }
    const answer = await send(harness.port, chatBody('hi'))
    expect(answer.body.equals(bomb)).toBe(true)
    expect((await harness.records())[0]).toMatchObject({ status: 200, response: null })
  })

  it('forwards 20 MB whole', async () => {
    const body = chatBody('x'.repeat(20_000_000))
    const answer = await send(harness.port, body)
    expect(answer.status).toBe(200)
    expect(harness.upstream.requests[0]?.body.length).toBe(body.length)
  })

  it('peers 3.11: logs an answer over the capture limit without its text', async () => {
    harness.upstream.respond = respondJson(completion('x'.repeat(2 * 2 ** 20)))
    const answer = await send(harness.port, chatBody('hi'))
    expect(answer.body.length).toBeGreaterThan(2 * 2 ** 20)
    expect((await harness.records())[0]).toMatchObject({ status: 200, response: null, usage: null })
  })

  it('leaves a body that is not JSON to the upstream', async () => {
    harness.upstream.respond = respondJson({ error: { message: 'bad JSON' } }, 400)
    const answer = await send(harness.port, '{"model": ')
    expect(answer.status).toBe(400)
    expect(harness.upstream.requests[0]?.body.toString()).toBe('{"model": ')
    expect((await harness.records())[0]).toMatchObject({ status: 400, model: '' })
  })

  it.each([['null'], ['[]'], ['{"model":"m","messages":[null]}'], ['{"messages":"hi"}'], ['']])(
    'leaves the odd body %j to the upstream',
    async (body) => {
      await send(harness.port, body)
      expect(harness.upstream.requests[0]?.body.toString()).toBe(body)
    }
  )

  it('logs what was asked and answered, and never the credential', async () => {
    const body = chatBody('hi')
    await send(harness.port, body, { path: `${CHAT_PATH}?api-version=1` })
    const [record] = await harness.records()
    expect(record).toMatchObject({
      id: 'record-1',
      path: `${CHAT_PATH}?api-version=1`,
      request: body,
      streamed: false,
      route: null,
    })
    expect(record!.tenant).toMatch(/^[0-9a-f]{32}$/)
    expect(record!.firstByteMs).toBeLessThanOrEqual(record!.durationMs)
    expect(JSON.stringify(record)).not.toContain('sk-test')
  })
})

describe('everything that is no chat completion', () => {
  it.each(['GET', 'DELETE', 'PUT', 'PATCH', 'OPTIONS'])('passes %s through', async (method) => {
    const answer = await send(harness.port, null, { method, path: '/v1/files/f%20x?after=%2F' })
    expect(answer.status).toBe(200)
    expect(harness.upstream.requests[0]).toMatchObject({ method, url: '/v1/files/f%20x?after=%2F' })
    expect(await harness.records()).toEqual([])
  })

  it('answers HEAD once, with the upstream`s headers', async () => {
    harness.upstream.respond = (_request, response) => {
      response.writeHead(204, { 'x-upstream': 'yes' })
      response.end()
    }
    const answer = await send(harness.port, null, { method: 'HEAD', path: '/v1/models' })
    expect(answer.status).toBe(204)
    expect(answer.headers['x-upstream']).toBe('yes')
  })

  it('streams an upload while it is being sent', async () => {
    const { port, upstream } = harness
    let received = 0
    const finished = new Promise<void>((resolve) => {
      upstream.respond = (request, response) => {
        received = request.body.length
        respondJson({ id: 'file-1' })(request, response)
        resolve()
      }
    })
    const answer = await send(port, Buffer.alloc(3_000_000, 'a'), {
      path: '/v1/files',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    })
    await finished
    expect(received).toBe(3_000_000)
    expect(answer.body.toString()).toBe('{"id":"file-1"}')
    expect(upstream.requests[0]?.headers['content-length']).toBe('3000000')
  })

  it('passes a bypassed chat completion through unread and unlogged', async () => {
    const body = chatBody('x'.repeat(100))
    await send(harness.port, body, { headers: { 'x-promptintern-bypass': 'true' } })
    const [request] = harness.upstream.requests
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
    ['/openai/v1', '/v10', '/v10'],
  ])('with the path %j turns %j into %j', async (basePath, path, expected) => {
    const other = await startHarness({ upstreamBaseUrl: harness.upstream.url + basePath })
    await send(other.port, null, { method: 'GET', path })
    expect(harness.upstream.requests[0]?.url).toBe(expected)
    await other.close()
  })
})
