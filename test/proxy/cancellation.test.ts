import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { completion } from '../kit/records/completion.ts'
import {
  CHAT_PATH,
  chatBody,
  errorOf,
  eventually,
  LIMITS,
  respondEvents,
  respondJson,
  startHarness,
  type Harness,
  type Responder,
} from '../kit/proxy/harness.ts'

const CHUNK =
  'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}\n\n'

const streamForEver: Responder = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const timer = setInterval(() => response.write(CHUNK), 5)
  response.on('close', () => clearInterval(timer))
}

const beginJson: Responder = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 })
  response.write('{"id": "c1", ')
}

let harness: Harness

/** A further harness in place of the first one. */
const restart = async (...parameters: Parameters<typeof startHarness>): Promise<void> => {
  await harness.close()
  harness = await startHarness(...parameters)
}

beforeEach(async () => {
  harness = await startHarness()
})
afterEach(() => harness.close())

const isFreed = (): boolean => harness.upstream.aborted === 1
const isAsked = (): boolean => harness.upstream.requests.length === 1

describe('a client that leaves', () => {
  it.each([false, true])(
    'before the first byte frees the upstream (stream: %s)',
    async (stream) => {
      harness.upstream.respond = () => {}
      await harness.leave(isAsked, chatBody('hi', { stream }))
      await eventually(isFreed)
      expect(await harness.records()).toMatchObject([
        { status: 499, streamed: stream, response: null, usage: null },
      ])
    }
  )

  it.each<[string, Responder, object]>([
    ['an answer', beginJson, { response: null }],
    ['a stream', streamForEver, { usage: { total_tokens: 6 } }],
  ])('in the middle of %s frees the upstream', async (_, respond, logged) => {
    harness.upstream.respond = respond
    const stream = respond === streamForEver
    await harness.send(chatBody('hi', { stream }), {
      onData: (request) => request.destroy(),
    })
    await eventually(isFreed)
    const [record] = await harness.records()
    expect(record).toMatchObject({ status: 499, ...logged })
    // the part of a stream that arrived is logged
    if (stream) expect(JSON.parse(record!.response!).choices[0].finish_reason).toBeNull()
  })

  it('while it is still sending its request never reaches the upstream', async () => {
    const { socket } = harness.open(
      `POST ${CHAT_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"model":`
    )
    await eventually(() => harness.deps.bodies.inUse() > 0)
    socket.destroy()
    await eventually(() => harness.deps.load.inFlight === 0)
    expect(harness.upstream.requests).toEqual([])
    expect(await harness.records()).toEqual([])
  })

  it('in the middle of a passed-through upload frees the upstream', async () => {
    const { socket } = harness.open(
      'POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nabc'
    )
    await delay(50)
    socket.destroy()
    await eventually(isFreed)
    expect((await harness.send(chatBody('hi'))).status).toBe(200)
  })

  it('cannot end the process, however often', async () => {
    harness.upstream.respond = streamForEver
    await Promise.all(
      Array.from({ length: 30 }, (_unused, i) =>
        harness
          .send(chatBody('hi', { stream: true }), {
            onRequest: (request) => setTimeout(() => request.destroy(), i),
          })
          .catch(() => {})
      )
    )
    await eventually(() => harness.upstream.aborted === harness.upstream.requests.length)
    harness.upstream.respond = respondJson(completion('still here'))
    expect((await harness.send(chatBody('hi'))).status).toBe(200)
  })
})

describe('an upstream that fails', () => {
  it.each([
    ['a stream', { 'content-type': 'text/event-stream' }, CHUNK],
    ['a JSON answer', { 'content-type': 'application/json', 'content-length': 100 }, '{'],
  ])('in the middle of %s breaks the client`s answer', async (_, headers, text) => {
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, headers)
      response.write(text, () => setTimeout(() => response.destroy(), 10))
    }
    const answer = await harness.send(chatBody('hi', { stream: text === CHUNK }))
    expect([answer.text, answer.complete]).toEqual([text, false])
    expect(await harness.records()).toMatchObject([{ status: 502 }])
  })

  it('before it answers gives 502 in OpenAI`s format', async () => {
    harness.upstream.respond = (_request, response) => response.destroy()
    const answer = await harness.send(chatBody('hi'))
    expect(answer.status).toBe(502)
    expect(JSON.parse(answer.text)).toEqual({
      error: {
        message: 'the connection to the upstream failed',
        type: 'server_error',
        param: null,
        code: 'upstream_unavailable',
      },
    })
    expect(await harness.records()).toMatchObject([{ status: 502, response: null }])
  })

  it('by answering before the upload is over still gets its answer through', async () => {
    const early = createServer((request, response) => {
      request.resume()
      response.writeHead(413, { 'content-type': 'text/plain', 'content-length': 7 })
      response.end('too big')
    })
    await new Promise<void>((resolve) => early.listen(0, '127.0.0.1', resolve))
    const { port } = early.address() as AddressInfo
    await restart({ upstreamBaseUrl: `http://127.0.0.1:${port}` })
    const upload = harness.open(
      'POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nhalf'
    )
    await eventually(() => upload.text.includes('413') && upload.text.endsWith('too big'))
    upload.socket.destroy()
    early.close()
  })
})

describe('a slow client', () => {
  it('slows the upstream down instead of filling the memory', async () => {
    let written = 0
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      const block = Buffer.alloc(2 ** 18)
      const push = (): void => {
        let flowing = true
        while (flowing && written < 400) {
          written++
          flowing = response.write(block)
        }
        if (written < 400) response.once('drain', push)
      }
      push()
    }
    const { socket } = harness.open('GET /v1/files/big/content HTTP/1.1\r\nhost: localhost\r\n\r\n')
    socket.pause()
    let blocks = -1
    while (blocks !== written) {
      blocks = written
      await delay(200)
    }
    expect(written * 2 ** 18).toBeLessThan(32 * 2 ** 20)
    socket.destroy()
    await eventually(isFreed)
  })
})

describe('limits', () => {
  const small = { ...LIMITS, maxBodyBytes: 1000, upstreamTimeoutMs: 300 }
  const large = chatBody('x'.repeat(5000))

  it.each([
    ['with its length', {}],
    ['in chunks', { 'transfer-encoding': 'chunked' }],
  ])('refuse a body over the limit, %s, in OpenAI`s format', async (_, headers) => {
    await restart({ limits: small })
    const isChunked = 'transfer-encoding' in headers
    const answer = await harness.send(isChunked ? null : large, {
      headers,
      onRequest: (request) => void (isChunked && request.write(large)),
    })
    expect([answer.status, errorOf(answer).code]).toEqual([413, 'body_too_large'])
    expect(harness.upstream.requests).toEqual([])
  })

  it('do not hold for a bypassed body', async () => {
    await restart({ limits: small })
    await harness.send(large, { headers: { 'x-promptintern-bypass': 'true' } })
    expect(harness.upstream.bodies()[0]).toBe(large)
  })

  it('end the wait for an upstream that stays silent', async () => {
    await restart({ limits: small })
    harness.upstream.respond = () => {}
    expect((await harness.send(chatBody('hi'))).status).toBe(502)
    harness.upstream.respond = respondEvents(CHUNK, { end: false })
    expect((await harness.send(chatBody('hi', { stream: true }))).complete).toBe(false)
  })

  it('answer a request target that cannot be forwarded with an error', async () => {
    const answer = await harness.send(null, { method: 'OPTIONS', path: '*' })
    expect([answer.status, errorOf(answer).code]).toEqual([400, 'invalid_request'])
    expect((await harness.send(chatBody('hi'))).status).toBe(200)
  })
})
