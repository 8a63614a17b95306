import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  CHAT_PATH,
  chatBody,
  completion,
  eventually,
  respondJson,
  send,
  startHarness,
  type Harness,
  type Responder,
} from './harness.ts'

const CHUNK =
  'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}\n\n'

const neverAnswer: Responder = () => {}

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

beforeEach(async () => {
  harness = await startHarness()
})
afterEach(() => harness.close())

const isFreed = (): boolean => harness.upstream.aborted === 1

const leaveWhileWaiting = async (body: string): Promise<void> => {
  harness.upstream.respond = neverAnswer
  const leaving = send(harness.port, body, {
    onRequest: (request) =>
      void eventually(() => harness.upstream.requests.length === 1).then(() => request.destroy()),
  })
  await expect(leaving).rejects.toThrow()
  await eventually(isFreed)
}

describe('a client that leaves', () => {
  it('peers 3.1: before the first byte of an answer frees the upstream', async () => {
    await leaveWhileWaiting(chatBody('hi'))
    expect((await harness.records())[0]).toMatchObject({ status: 499, response: null, usage: null })
  })

  it('peers 3.1: before the first byte of a stream frees the upstream', async () => {
    await leaveWhileWaiting(chatBody('hi', { stream: true }))
    expect((await harness.records())[0]).toMatchObject({ status: 499, streamed: true })
  })

  it('peers 3.1: in the middle of an answer frees the upstream', async () => {
    harness.upstream.respond = beginJson
    await send(harness.port, chatBody('hi'), { onData: (request) => request.destroy() })
    await eventually(isFreed)
    expect((await harness.records())[0]).toMatchObject({ status: 499, response: null })
  })

  it('peers 3.1: in the middle of a stream frees the upstream; what came is logged', async () => {
    harness.upstream.respond = streamForEver
    await send(harness.port, chatBody('hi', { stream: true }), {
      onData: (request) => request.destroy(),
    })
    await eventually(isFreed)
    const [record] = await harness.records()
    expect(record).toMatchObject({ status: 499, usage: { total_tokens: 6 } })
    expect(JSON.parse(record!.response!).choices[0]).toMatchObject({ finish_reason: null })
  })

  it('while it is still sending its request never reaches the upstream', async () => {
    const socket = connect(harness.port, '127.0.0.1')
    socket.write(`POST ${CHAT_PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"model":`)
    await delay(50)
    socket.destroy()
    await delay(50)
    expect(harness.upstream.requests).toEqual([])
    expect(await harness.records()).toEqual([])
  })

  it('in the middle of a passed-through upload frees the upstream', async () => {
    const socket = connect(harness.port, '127.0.0.1')
    socket.write('POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc')
    await delay(50)
    socket.destroy()
    await eventually(isFreed)
    const answer = await send(harness.port, chatBody('hi'))
    expect(answer.status).toBe(200)
  })

  it('cannot end the process, however often', async () => {
    harness.upstream.respond = streamForEver
    await Promise.all(
      Array.from({ length: 30 }, (_unused, i) =>
        send(harness.port, chatBody('hi', { stream: true }), {
          onRequest: (request) => setTimeout(() => request.destroy(), i),
        }).catch(() => {})
      )
    )
    await eventually(() => harness.upstream.aborted === harness.upstream.requests.length)
    harness.upstream.respond = respondJson(completion('still here'))
    expect((await send(harness.port, chatBody('hi'))).status).toBe(200)
  })
})

describe('an upstream that fails', () => {
  it('in the middle of a stream breaks the client`s stream', async () => {
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(CHUNK, () => setTimeout(() => response.destroy(), 10))
    }
    const answer = await send(harness.port, chatBody('hi', { stream: true }))
    expect(answer.body.toString()).toBe(CHUNK)
    expect(answer.complete).toBe(false)
    expect((await harness.records())[0]).toMatchObject({ status: 502 })
  })

  it('in the middle of a JSON answer breaks the client`s answer', async () => {
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
      response.write('{', () => setTimeout(() => response.destroy(), 10))
    }
    const answer = await send(harness.port, chatBody('hi'))
    expect(answer.complete).toBe(false)
    expect((await harness.records())[0]).toMatchObject({ status: 502, response: null })
  })

  it('before it answers gives 502 in OpenAI`s format', async () => {
    harness.upstream.respond = (_request, response) => response.destroy()
    const answer = await send(harness.port, chatBody('hi'))
    expect(answer.status).toBe(502)
    expect(JSON.parse(answer.body.toString())).toEqual({
      error: {
        message: 'the connection to the upstream failed',
        type: 'server_error',
        param: null,
        code: 'upstream_unavailable',
      },
    })
    expect((await harness.records())[0]).toMatchObject({ status: 502, response: null })
  })

  it('by not being there gives 502, and the process lives on', async () => {
    const other = await startHarness({ upstreamBaseUrl: 'http://127.0.0.1:1' })
    expect((await send(other.port, chatBody('hi'))).status).toBe(502)
    const passed = await send(other.port, null, { method: 'GET', path: '/v1/models' })
    expect(passed.status).toBe(502)
    await other.close()
  })

  it('by answering before the upload is over still gets its answer through', async () => {
    const early = createServer((request, response) => {
      request.resume()
      response.writeHead(413, { 'content-type': 'text/plain', 'content-length': 7 })
      response.end('too big')
    })
    await new Promise<void>((resolve) => early.listen(0, '127.0.0.1', resolve))
    const { port } = early.address() as AddressInfo
    const other = await startHarness({ upstreamBaseUrl: `http://127.0.0.1:${port}` })
    const socket = connect(other.port, '127.0.0.1')
    socket.write('POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf')
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    await eventually(() => text.includes('413') && text.endsWith('too big'))
    socket.destroy()
    await other.close()
    early.close()
  })
})

describe('a slow client', () => {
  it('peers 3.13: slows the upstream down instead of filling the memory', async () => {
    let written = 0
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      const block = Buffer.alloc(2 ** 18)
      const push = (): void => {
        let flowing = true
        while (flowing && written < 400 * 2 ** 18) {
          written++
          flowing = response.write(block)
        }
        if (written < 400 * 2 ** 18) response.once('drain', push)
      }
      push()
    }
    const socket = connect(harness.port, '127.0.0.1')
    socket.pause()
    socket.write('GET /v1/files/big/content HTTP/1.1\r\nhost: x\r\n\r\n')
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
  const small = {
    maxBodyBytes: 1000,
    captureMaxBytes: 1000,
    adaptedTimeoutMs: 100,
    adaptedMaxTokens: 10,
    upstreamTimeoutMs: 1000,
    keepAliveMs: 0,
  }

  it('refuses a body over the limit in OpenAI`s format', async () => {
    const other = await startHarness({ limits: small })
    const answer = await send(other.port, chatBody('x'.repeat(5000)))
    expect(answer.status).toBe(413)
    expect(JSON.parse(answer.body.toString()).error.code).toBe('body_too_large')
    expect(other.upstream.requests).toEqual([])
    await other.close()
  })

  it('refuses a body over the limit that does not say its length', async () => {
    const other = await startHarness({ limits: small })
    const answer = await send(other.port, null, {
      headers: { 'transfer-encoding': 'chunked' },
      onRequest: (request) => {
        for (let i = 0; i < 5; i++) request.write('x'.repeat(500))
      },
    })
    expect(answer.status).toBe(413)
    expect(other.upstream.requests).toEqual([])
    await other.close()
  })

  it('streams a bypassed body over the limit', async () => {
    const other = await startHarness({ limits: small })
    const body = chatBody('x'.repeat(5000))
    const answer = await send(other.port, body, { headers: { 'x-promptintern-bypass': 'true' } })
    expect(answer.status).toBe(200)
    expect(other.upstream.requests[0]?.body.toString()).toBe(body)
    await other.close()
  })

  it('gives up on an upstream that stays silent', async () => {
    const other = await startHarness({ limits: { ...small, upstreamTimeoutMs: 300 } })
    other.upstream.respond = neverAnswer
    const answer = await send(other.port, chatBody('hi'))
    expect(answer.status).toBe(502)
    await other.close()
  })

  it('survives a flood of headers and lines that are no HTTP', async () => {
    const headers: Record<string, string> = {}
    for (let i = 0; i < 2000; i++) headers[`x-flood-${i}`] = 'y'.repeat(20)
    const flooded = await send(harness.port, chatBody('hi'), { headers }).catch(() => null)
    expect([431, undefined]).toContain(flooded?.status)
    const socket = connect(harness.port, '127.0.0.1')
    socket.end('\0\0 what is this\r\n\r\n')
    await new Promise((resolve) => socket.on('close', resolve).resume())
    expect((await send(harness.port, chatBody('hi'))).status).toBe(200)
  })

  it('answers a request target that cannot be forwarded with an error', async () => {
    const answer = await send(harness.port, null, { method: 'OPTIONS', path: '*' })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect((await send(harness.port, chatBody('hi'))).status).toBe(200)
  })
})
