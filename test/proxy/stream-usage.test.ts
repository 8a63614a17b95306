import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { createBodyBudget } from '../../src/proxy/client/body-budget.ts'
import {
  chatBody,
  eventually,
  LIMITS,
  startHarness,
  type Harness,
  type Responder,
} from '../kit/proxy/harness.ts'

const chunk = (fields: Record<string, unknown>): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', ...fields })}\n\n`
const delta = (content: string): string =>
  chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }], usage: null })
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const SHOWN = [delta('a'), delta('b')]
const HIDDEN = chunk({ choices: [], usage: USAGE })
const DONE = 'data: [DONE]\n\n'
const WHOLE = [...SHOWN, HIDDEN, DONE].join('')
const WITHOUT = [...SHOWN, DONE].join('')

let harness: Harness
afterEach(() => harness.close())

/** As OpenAI does: the extra chunk comes when it is asked for. */
const upstream =
  (encode: (text: string) => Buffer, headers: Record<string, string | number>): Responder =>
  (request, response) => {
    const { stream_options: options } = JSON.parse(request.body.toString()) as {
      stream_options?: { include_usage?: boolean }
    }
    const text = options?.include_usage === true ? WHOLE : WITHOUT
    response.writeHead(200, { 'content-type': 'text/event-stream', ...headers })
    response.end(encode(text))
  }

const start = async (overrides: Parameters<typeof startHarness>[0] = {}): Promise<void> => {
  harness = await startHarness({ asksForUsage: true, ...overrides })
  harness.upstream.respond = upstream(Buffer.from, {})
}

const usageOfRecord = async () => (await harness.records()).at(-1)?.usage

describe('the usage of a stream', () => {
  it('is asked of the upstream, logged, and hidden from a client that did not ask', async () => {
    await start()
    const body = chatBody('hi', { stream: true })
    const answer = await harness.send(body)
    expect(answer.text).toBe(WITHOUT)
    const [request] = harness.upstream.requests
    expect(request?.body.toString()).toBe(
      `{"stream_options":{"include_usage":true},${body.slice(1)}`
    )
    expect(request?.headers['content-length']).toBe(String(request?.body.length))
    const [record] = await harness.records()
    expect(record?.usage).toEqual(USAGE)
    expect(record?.request).toBe(body)
  })

  it('reaches a client that asked, whose request stays as it is', async () => {
    await start()
    const body = chatBody('hi', { stream: true, stream_options: { include_usage: true } })
    expect((await harness.send(body)).text).toBe(WHOLE)
    expect(harness.upstream.bodies()[0]).toBe(body)
  })

  it('is not asked for unless configured, and then absent, not 0', async () => {
    await start({ asksForUsage: false })
    const body = chatBody('hi', { stream: true })
    expect((await harness.send(body)).text).toBe(WITHOUT)
    expect(harness.upstream.bodies()[0]).toBe(body)
    expect(await usageOfRecord()).toBeNull()
  })

  it('is not asked for where nothing streams', async () => {
    await start()
    await harness.send(chatBody('hi'))
    expect(harness.upstream.bodies()[0]).toBe(chatBody('hi'))
  })

  it('is not asked for where a second body does not fit into memory', async () => {
    const body = chatBody('hi', { stream: true })
    const bodies = createBodyBudget(2 * body.length, () => 0)
    await start({ bodies })
    expect((await harness.send(body)).text).toBe(WITHOUT)
    expect(harness.upstream.bodies()[0]).toBe(body)
    await eventually(() => bodies.inUse() === 0)
    await harness.close()
    const roomy = createBodyBudget(3 * body.length, () => 0)
    await start({ bodies: roomy })
    expect((await harness.send(body)).text).toBe(WITHOUT)
    expect(await usageOfRecord()).toEqual(USAGE)
    await eventually(() => roomy.inUse() === 0)
  })

  it('passes where the answer is encoded or has a length', async () => {
    await start()
    harness.upstream.respond = upstream((text) => gzipSync(text), { 'content-encoding': 'gzip' })
    const body = chatBody('hi', { stream: true })
    expect((await harness.send(body)).body).toEqual(gzipSync(WHOLE))
    expect(await usageOfRecord()).toEqual(USAGE)
    harness.upstream.respond = upstream(Buffer.from, { 'content-length': WHOLE.length })
    expect((await harness.send(body)).text).toBe(WHOLE)
  })

  it('is hidden beside keep-alive comments, which never get into an event', async () => {
    await start({ limits: { ...LIMITS, keepAliveMs: 20 } })
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(SHOWN[0])
      response.write(HIDDEN.slice(0, 30))
      // long enough for some comments; a slower machine sends more of them
      setTimeout(() => response.end(HIDDEN.slice(30) + SHOWN[1] + DONE), 200)
    }
    const answer = await harness.send(chatBody('hi', { stream: true }))
    const text = answer.text
    expect(text).toContain(': keep-alive\n\n')
    expect(text.replaceAll(': keep-alive\n\n', '')).toBe(WITHOUT)
  })
})
