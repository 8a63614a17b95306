import { describe, expect, it } from 'vitest'
import { TOKEN, startTestEngine } from './harness.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

const authorization = `Bearer ${TOKEN}`

const start = async (limits: object = {}) => startTestEngine(ownFolder(), {}, { limits })

const multipart = (parts: Record<string, string | Blob>): FormData => {
  const form = new FormData()
  for (const [name, value] of Object.entries(parts)) form.set(name, value)
  return form
}

/** A body of unknown length, sent in pieces; counts the pieces that were read. */
const endlessBody = (prefix: string) => {
  const counter = { bytes: 0 }
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = new TextEncoder().encode(counter.bytes === 0 ? prefix : 'x'.repeat(1024))
      counter.bytes += piece.length
      controller.enqueue(piece)
    },
  })
  return { stream, counter }
}

const post = (
  send: typeof fetch,
  path: string,
  body: RequestInit['body'],
  headers: Record<string, string> = { authorization }
): Promise<Response> =>
  send(`http://engine/v1${path}`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)

/** One word to the fake engine, as a stream. */
const HELLO = JSON.stringify({
  model: 'fake-base',
  stream: true,
  messages: [{ role: 'user', content: 'hello' }],
})

const codeOf = async (response: Response): Promise<string> =>
  ((await response.json()) as { error: { code: string } }).error.code

describe('contract app', () => {
  it('refuses a JSON body over the limit while it is being read', async () => {
    const { fetch } = await start({ maxBodyBytes: 10_000 })
    const { stream, counter } = endlessBody('{"model": "')
    const response = await post(fetch, '/chat/completions', stream)
    expect(response.status).toBe(413)
    expect(await codeOf(response)).toBe('body_too_large')
    expect(counter.bytes).toBeLessThan(20_000)
  })

  it('refuses an upload over the limit while it is being read', async () => {
    const { fetch } = await start({ maxFileBytes: 1000 })
    const { stream, counter } = endlessBody('--x\r\n')
    const headers = { authorization, 'content-type': 'multipart/form-data; boundary=x' }
    const response = await post(fetch, '/files', stream, headers)
    expect(response.status).toBe(413)
    expect(counter.bytes).toBeLessThan(100_000)
  })

  it('refuses a file over the limit that fits its envelope', async () => {
    const { fetch } = await start({ maxFileBytes: 1000 })
    const body = multipart({ purpose: 'fine-tune', file: new Blob(['x'.repeat(1001)]) })
    const response = await post(fetch, '/files', body)
    expect([response.status, await codeOf(response)]).toEqual([413, 'body_too_large'])
  })

  it('names what an upload lacks', async () => {
    const { fetch } = await start()
    const upload = async (body: FormData | string) => {
      const response = await post(fetch, '/files', body)
      const { error } = (await response.json()) as { error: { param: string; message: string } }
      return [response.status, error.param]
    }
    expect(await upload(multipart({ purpose: 'fine-tune' }))).toEqual([400, 'file'])
    expect(await upload(multipart({ purpose: 'fine-tune', file: 'text' }))).toEqual([400, 'file'])
    expect(await upload(multipart({ file: new Blob(['{}']) }))).toEqual([400, 'purpose'])
    expect(await upload('not multipart')).toEqual([400, null])
  })

  it('refuses tokens that differ in their last letter, in length and in scheme', async () => {
    const { fetch } = await start()
    const withToken = async (value: string) =>
      (await fetch('http://engine/v1/models', { headers: { authorization: value } })).status
    expect(await withToken(`Bearer ${TOKEN.slice(0, -1)}x`)).toBe(401)
    expect(await withToken(`Bearer ${TOKEN}x`)).toBe(401)
    expect(await withToken(TOKEN)).toBe(401)
    expect(await withToken('')).toBe(401)
    expect(await withToken(authorization)).toBe(200)
  })

  it('asks for a token before it reads a body', async () => {
    const { fetch } = await start()
    const { stream, counter } = endlessBody('{')
    const response = await post(fetch, '/files', stream, {})
    expect(response.status).toBe(401)
    expect(counter.bytes).toBeLessThan(5000)
  })

  it('refuses more completions at a time than configured, and serves again afterwards', async () => {
    const test = await startTestEngine(
      ownFolder(),
      { faults: { tokenMs: 20 } },
      { limits: { maxConcurrentCompletions: 1 } }
    )
    const request = { model: 'fake-base', messages: [{ role: 'user', content: 'one two three' }] }
    const outcomes = await Promise.allSettled([
      test.engine.complete(request),
      test.engine.complete(request),
    ])
    expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected'])
    expect((await test.engine.complete(request)).choices[0]!.finish_reason).toBe('stop')
  })

  it('answers an error before the first token with its status, also to a stream', async () => {
    const faults = { dieAfterTokens: 0 }
    const { fetch } = await startTestEngine(ownFolder(), { faults })
    const response = await post(fetch, '/chat/completions', HELLO)
    expect([response.status, await codeOf(response)]).toEqual([500, 'internal'])
  })

  it('ends a stream that fails later with an error event and without [DONE]', async () => {
    const faults = { dieAfterTokens: 2 }
    const { fetch, logged } = await startTestEngine(ownFolder(), { faults })
    const response = await post(fetch, '/chat/completions', HELLO)
    const text = await response.text()
    expect(response.status).toBe(200)
    expect(text).toContain('"error":{"message":"the fake engine dies')
    expect(text).not.toContain('[DONE]')
    expect(logged).toContain('fault generation: the fake engine dies after 2 tokens, as told')
  })

  it('refuses a page behind an unknown item and a page of no size', async () => {
    const { fetch } = await start()
    const status = async (query: string) =>
      (await fetch(`http://engine/v1/fine_tuning/jobs?${query}`, { headers: { authorization } }))
        .status
    expect(await status('limit=10')).toBe(200)
    expect(await status('after=nobody')).toBe(400)
    expect(await status('limit=0')).toBe(400)
    expect(await status('limit=many')).toBe(400)
  })
})
