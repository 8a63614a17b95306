import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listen } from '../../adapters/host/host.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { GeneratedDelta } from '../../src/engine/engine.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { ROWS, TOKEN, finished, startTestEngine, until } from '../contract/harness.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

const REQUEST: ChatRequest = {
  model: 'fake-base',
  messages: [{ role: 'user', content: 'one two three four five six' }],
}

/** An engine that answers every request with one response. */
const engineAnswering = (
  answer: (init: RequestInit) => Response | Promise<Response>,
  options = {}
) => {
  const requests: { url: string; init: RequestInit }[] = []
  const engine = createEngine({
    name: 'e',
    baseUrl: 'http://engine/v1',
    token: 'secret',
    fetch: async (input, init = {}) => {
      requests.push({ url: String(input), init })
      return answer(init)
    },
    ...options,
  })
  return { engine, requests }
}

const chunk = (text: string): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text }, finish_reason: null }] })}\n\n`

/** A stream of the text, cut into pieces of `size` bytes. */
const streamOf = (text: string, size: number): Response => {
  const bytes = new TextEncoder().encode(text)
  let offset = 0
  return new Response(
    new ReadableStream<Uint8Array>({
      pull(controller) {
        if (offset >= bytes.length) return controller.close()
        controller.enqueue(bytes.subarray(offset, offset + size))
        offset += size
      },
    })
  )
}

const read = async (stream: AsyncIterable<GeneratedDelta>): Promise<string> => {
  const texts: string[] = []
  for await (const { text } of stream) texts.push(text)
  return texts.join('')
}

/** Answers when its request is aborted, as `fetch` does. */
const never = ({ signal }: RequestInit): Promise<Response> =>
  new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)))

const noModels = (): Response => Response.json({ data: [] })

describe('engine client', () => {
  it('does a whole internalization’s calls against an engine', async () => {
    const { engine } = await startTestEngine(ownFolder())
    const training_file = await engine.uploadRows(ROWS, 'rows.jsonl')
    const metadata = { idempotency_key: 'k', stage: '1' }
    const job = await engine.createJob({ model: 'fake-base', training_file, metadata })
    const { fine_tuned_model } = await finished(engine, job.id)
    const lora = fine_tuned_model!
    expect((await engine.findJobs({ stage: '1' })).map(({ id }) => id)).toEqual([job.id])
    const events = await engine.jobEvents(job.id)
    expect(events[0]!.message).toBe('Started')
    expect(await engine.jobEvents(job.id, events.at(-2)!.id)).toEqual(events.slice(-1))
    const newest = events.findLast((event) => event.type === 'metrics')!
    expect(await engine.jobProgress(job.id)).toEqual({
      message: events.at(-1)!.message,
      metrics: newest.data,
    })
    const messages = ROWS[0]!.messages.slice(0, -1)
    const answer = await engine.complete({ model: lora, messages, logprobs: true })
    expect(answer.choices[0]!.message.content).toBe('It is Paris')
    expect(await read(engine.stream({ model: lora, messages }))).toBe('It is Paris')
    const { losses } = await engine.loss(lora, ROWS)
    expect(losses.every((loss) => loss < 0.01)).toBe(true)
    expect(await engine.countTokens(lora, 'two words')).toBe(2)
    expect(await engine.countTokens(lora, messages)).toBe(answer.usage!.prompt_tokens)
    expect((await engine.models()).find(({ id }) => id === lora)!.parent).toBe('fake-base')
    expect((await engine.files()).map(({ id, filename }) => [id, filename])).toEqual([
      [training_file, 'rows.jsonl'],
    ])
    await engine.deleteFile(training_file)
    expect(await engine.files()).toEqual([])
    await expect(engine.deleteFile(training_file)).rejects.toMatchObject({ code: 'not-found' })
    await engine.deleteModel(lora)
    await expect(engine.complete({ model: lora, messages })).rejects.toMatchObject({
      code: 'not-found',
      param: 'model',
    })
  })

  it('reads all pages of a list', async () => {
    const { engine } = await startTestEngine(ownFolder(), {}, { queue: { maxUnfinished: 500 } })
    const training_file = await engine.uploadRows(ROWS, 'rows.jsonl')
    const ids: string[] = []
    for (let index = 0; index < 101; index++) {
      const request = { model: 'fake-base', training_file, hyperparameters: { max_steps: 1 } }
      ids.push((await engine.createJob(request)).id)
    }
    expect((await engine.findJobs({})).map(({ id }) => id)).toEqual(ids.reverse())
  })

  it.each([
    [400, 'invalid_request', 'invalid-request'],
    [400, 'context_length_exceeded', 'context-length-exceeded'],
    [401, 'unauthorized', 'engine-unavailable'],
    [404, 'not_found', 'not-found'],
    [409, 'conflict', 'conflict'],
    [413, 'body_too_large', 'body-too-large'],
    [500, 'internal', 'engine-unavailable'],
    [503, 'overloaded', 'engine-unavailable'],
    [504, 'engine_timeout', 'engine-timeout'],
  ])(
    'turns status %i with %s into %s, with the engine’s message',
    async (status, code, expected) => {
      const error = { message: 'the reason', type: 't', param: 'model', code }
      const { engine } = engineAnswering(() => Response.json({ error }, { status }))
      const rejection = {
        code: expected,
        param: 'model',
        message: expect.stringContaining('the reason'),
      }
      await expect(engine.complete(REQUEST)).rejects.toMatchObject(rejection)
      await expect(read(engine.stream(REQUEST))).rejects.toMatchObject(rejection)
    }
  )

  it('calls an engine unavailable that answers with something else than the contract', async () => {
    const page = '<html>Bad gateway</html>'
    const gateway = engineAnswering(() => new Response(page, { status: 502 })).engine
    await expect(gateway.models()).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringContaining('Bad gateway'),
    })
    const { engine } = engineAnswering(() => new Response(page))
    await expect(engine.models()).rejects.toMatchObject({ code: 'engine-unavailable' })
    // the answer of a provider's router when the machine is stopped
    for (const body of ['', page, '{"detail":"Not Found"}', 'null']) {
      const router = engineAnswering(() => new Response(body, { status: 404 })).engine
      await expect(router.models()).rejects.toMatchObject({
        code: 'engine-unavailable',
        message: expect.stringContaining('status 404'),
      })
    }
  })

  it('calls an engine unavailable when nothing listens, and names the cause', async () => {
    const server = await listen((await startTestEngine(ownFolder())).host.app)
    await server.close()
    const baseUrl = `http://127.0.0.1:${server.port}/v1`
    const engine = createEngine({ name: 'dead', baseUrl, token: TOKEN, fetch })
    await expect(engine.models()).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    })
    await expect(read(engine.stream(REQUEST))).rejects.toMatchObject({ code: 'engine-unavailable' })
  })

  it('gives up after its timeouts: at the first answer, at the first token, between tokens', async () => {
    const limits = { timeoutMs: 20, generationTimeoutMs: 30 }
    const silent = engineAnswering(never, limits).engine
    const timeout = { code: 'engine-timeout' }
    await expect(silent.models()).rejects.toMatchObject(timeout)
    await expect(silent.complete(REQUEST)).rejects.toMatchObject(timeout)
    await expect(read(silent.stream(REQUEST))).rejects.toMatchObject(timeout)
    const stalled = engineAnswering(({ signal }) => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(chunk('a')))
          signal!.addEventListener('abort', () => controller.error(signal!.reason))
        },
      })
      return new Response(body)
    }, limits).engine
    await expect(read(stalled.stream(REQUEST))).rejects.toMatchObject(timeout)
  })

  it('does not count the time its reader takes', async () => {
    const text = [chunk('a'), chunk('b'), 'data: [DONE]\n\n'].join('')
    const { engine } = engineAnswering(() => streamOf(text, 10_000), { generationTimeoutMs: 60 })
    const texts: string[] = []
    for await (const delta of engine.stream(REQUEST)) {
      texts.push(delta.text)
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
    expect(texts).toEqual(['a', 'b'])
  })

  it('reads a stream cut at any byte', async () => {
    const text = [
      chunk('Grüße '),
      ': a comment\n\n',
      chunk('日本'),
      chunk('!'),
      'data: [DONE]\n\n',
    ].join('')
    for (let size = 1; size <= 40; size++) {
      const { engine } = engineAnswering(() => streamOf(text, size))
      expect(await read(engine.stream(REQUEST))).toBe('Grüße 日本!')
    }
  })

  it('takes a stream without [DONE] for a dead engine, wherever it ends', async () => {
    const text = [chunk('one'), chunk(' two'), 'data: [DONE]\n\n'].join('')
    const complete = new TextEncoder().encode(text).length
    for (let length = 0; length < complete - 1; length += 7) {
      const { engine } = engineAnswering(() => streamOf(text.slice(0, length), 11))
      await expect(read(engine.stream(REQUEST))).rejects.toMatchObject({
        code: 'engine-unavailable',
      })
    }
  })

  it('passes on the error that an engine sends in mid-stream', async () => {
    const faults = { dieAfterTokens: 3 }
    const { engine } = await startTestEngine(ownFolder(), { faults })
    const texts: string[] = []
    const reading = (async () => {
      for await (const { text } of engine.stream(REQUEST)) texts.push(text)
    })()
    await expect(reading).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringContaining('dies after 3 tokens'),
    })
    expect(texts).toEqual(['You', ' said:', ' one'])
  })

  it('reports an engine when its connection breaks in mid-stream', async () => {
    const server = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk('a'))
      setTimeout(() => response.destroy(), 20)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
    const engine = createEngine({ name: 'e', baseUrl, token: null, fetch })
    await expect(read(engine.stream(REQUEST))).rejects.toMatchObject({ code: 'engine-unavailable' })
  })

  it('stops the generation when its reader stops', async () => {
    const faults = { tokenMs: 5 }
    const test = await startTestEngine(
      ownFolder(),
      { faults },
      { limits: { maxConcurrentCompletions: 1 } }
    )
    const server = await listen(test.host.app)
    onTestFinished(() => server.close())
    const baseUrl = `http://127.0.0.1:${server.port}/v1`
    const engine = createEngine({ name: 'e', baseUrl, token: TOKEN, fetch })
    const long = { ...REQUEST, messages: [{ role: 'user', content: 'word '.repeat(1000) }] }
    for await (const delta of engine.stream(long)) {
      expect(delta.text).toBe('You')
      break
    }
    // the only place is free long before the five seconds that the answer would take
    const startedAt = Date.now()
    const next = await until(
      () => engine.complete(REQUEST).catch(() => null),
      (answer) => answer !== null
    )
    expect(next!.choices[0]!.finish_reason).toBe('stop')
    expect(Date.now() - startedAt).toBeLessThan(2500)
  })

  it('says client-closed when the caller cancels', async () => {
    const { engine } = engineAnswering(never)
    const abort = new AbortController()
    const pending = [
      engine.complete(REQUEST, { signal: abort.signal }),
      read(engine.stream(REQUEST, { signal: abort.signal })),
    ]
    setTimeout(() => abort.abort(), 10)
    const outcomes = await Promise.allSettled(pending)
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'client-closed' } })
  })

  it('sends its token, or none when there is none', async () => {
    const { engine, requests } = engineAnswering(noModels)
    await engine.models()
    expect(requests[0]!.init.headers).toMatchObject({ authorization: 'Bearer secret' })
    const open = engineAnswering(noModels, { token: null })
    await open.engine.models()
    expect(open.requests[0]!.init.headers).not.toHaveProperty('authorization')
  })
})
