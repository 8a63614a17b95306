import { connect } from 'node:net'
import OpenAI, { toFile } from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import { zodTextFormat } from 'openai/helpers/zod'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { startHarness, type Harness } from '../proxy/harness.ts'
import { bothWays, collect } from './both-ways.ts'
import { API_KEY, createOpenAiUpstream } from './openai-upstream.ts'
import { IMAGE, IMAGE_URL, WEATHER } from './questions.ts'

let harness: Harness

beforeAll(async () => {
  harness = await startHarness()
  harness.upstream.respond = createOpenAiUpstream()
})
afterAll(() => harness.close())

const both = <Result>(call: (client: OpenAI) => Promise<Result>): Promise<Result> =>
  bothWays(harness, (baseURL) => call(new OpenAI({ apiKey: API_KEY, baseURL, maxRetries: 0 })))

const JSONL = Buffer.from('{"custom_id":"1"}\n{"custom_id":"zwei – 二"}\n')

describe('responses', () => {
  it('answers at once', async () => {
    const response = await both((client) =>
      client.responses.create({
        model: 'gpt-4o-mini',
        instructions: 'Be short.',
        input: [
          {
            role: 'user',
            content: [
              { type: 'input_text', text: 'Grüezi – 你好' },
              { type: 'input_image', image_url: IMAGE_URL, detail: 'auto' },
            ],
          },
        ],
      })
    )
    expect(response.output_text).toContain('Grüezi – 你好')
  })

  it('streams every event', async () => {
    const events = await both(async (client) =>
      collect(await client.responses.create({ model: 'gpt-4o-mini', input: 'hello', stream: true }))
    )
    expect(events[0]!.type).toBe('response.created')
    expect(events.at(-1)!.type).toBe('response.completed')
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()])
  })

  it('parses structured output', async () => {
    const format = zodTextFormat(z.object({ answer: z.string() }), 'answer')
    const response = await both((client) =>
      client.responses.parse({ model: 'gpt-4o-mini', input: 'hello', text: { format } })
    )
    expect(response.output_parsed).toEqual({ answer: 'Zürich – 苏黎世' })
  })

  it('calls a function and reads its result', async () => {
    const { name, parameters } = WEATHER.function
    const tools = [{ type: 'function' as const, name, parameters, strict: false }]
    const said = await both(async (client) => {
      const model = 'gpt-4o-mini'
      const first = await client.responses.create({ model, tools, input: 'hello' })
      const [call] = first.output
      if (call?.type !== 'function_call') throw new Error('no function was called')
      const { call_id } = call
      const result = { type: 'function_call_output' as const, call_id, output: 'rain' }
      const input = [{ role: 'user' as const, content: 'hello' }, call, result]
      return (await client.responses.create({ model, tools, input })).output_text
    })
    expect(said).toContain('rain')
  })
})

describe('embeddings', () => {
  it.each(['float', 'base64', undefined] as const)('come as %s', async (encoding_format) => {
    const { data } = await both((client) =>
      client.embeddings.create({
        model: 'text-embedding-3-small',
        input: ['one', 'zwei'],
        encoding_format,
        dimensions: 5,
      })
    )
    expect(data.map(({ index }) => index)).toEqual([0, 1])
    expect(data[0]!.embedding).toHaveLength(encoding_format === 'base64' ? 28 : 5)
  })
})

describe('files', () => {
  it('are sent, listed, read and deleted', async () => {
    const { read, left } = await both(async (client) => {
      const sent = await client.files.create({
        file: await toFile(JSONL, 'zeilen – 行.jsonl'),
        purpose: 'batch',
      })
      const listed = await collect(await client.files.list())
      expect(listed).toEqual([sent])
      expect(await client.files.retrieve(sent.id)).toEqual(sent)
      const content = await client.files.content(sent.id)
      const deleted = await client.files.delete(sent.id)
      return {
        sent,
        deleted,
        read: Buffer.from(await content.arrayBuffer()),
        left: await collect(await client.files.list()),
      }
    })
    expect(read).toEqual(JSONL)
    expect(left).toEqual([])
  })

  it('are worked through in batches', async () => {
    const batch = await both(async (client) => {
      const { id: input_file_id } = await client.files.create({
        file: await toFile(JSONL, 'batch.jsonl'),
        purpose: 'batch',
      })
      const { id } = await client.batches.create({
        input_file_id,
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
        metadata: { from: 'test' },
      })
      return client.batches.retrieve(id)
    })
    expect(batch).toMatchObject({ object: 'batch', metadata: { from: 'test' } })
  })

  it('are trained on by the upstream, not by us', async () => {
    const job = await both(async (client) => {
      const { id: training_file } = await client.files.create({
        file: await toFile(JSONL, 'train.jsonl'),
        purpose: 'fine-tune',
      })
      const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4o-mini', training_file })
      return client.fineTuning.jobs.retrieve(id)
    })
    expect(job).toMatchObject({ object: 'fine_tuning.job', organization_id: 'org-mock' })
  })
})

describe('images and audio', () => {
  it('makes images', async () => {
    const { data } = await both((client) =>
      client.images.generate({ model: 'gpt-image-1', prompt: 'a cat', n: 2 })
    )
    expect(data).toHaveLength(2)
  })

  it('edits an image', async () => {
    const { data } = await both(async (client) =>
      client.images.edit({
        model: 'gpt-image-1',
        image: await toFile(IMAGE, 'pixel.png', { type: 'image/png' }),
        prompt: 'greener',
      })
    )
    const edited = Buffer.from(data![0]!.b64_json!, 'base64').toString('latin1')
    expect(edited).toContain(`greener ${IMAGE.toString('hex')}`)
  })

  it('writes down what was said', async () => {
    const { text } = await both(async (client) =>
      client.audio.transcriptions.create({
        model: 'gpt-4o-transcribe',
        file: await toFile(IMAGE, 'speech.wav', { type: 'audio/wav' }),
      })
    )
    expect(text).toBe(`speech.wav by gpt-4o-transcribe: ${IMAGE.toString('hex')}`)
  })

  it('speaks, as a stream of bytes', async () => {
    const spoken = await both(async (client) => {
      const response = await client.audio.speech.create({
        model: 'gpt-4o-mini-tts',
        voice: 'alloy',
        input: 'Grüezi',
      })
      return Buffer.concat(await collect(response.body as AsyncIterable<Uint8Array>))
    })
    expect(spoken).toHaveLength(6 * 4000 + 15)
  })
})

describe('moderations and models', () => {
  it('judges texts', async () => {
    const { results } = await both((client) =>
      client.moderations.create({ model: 'omni-moderation-latest', input: ['hello', 'kill'] })
    )
    expect(results.map(({ flagged }) => flagged)).toEqual([false, true])
  })

  it('lists models and finds one', async () => {
    const { listed, one } = await both(async (client) => ({
      listed: await collect(await client.models.list()),
      one: await client.models.retrieve('gpt-4o-mini'),
    }))
    expect(listed).toContainEqual(one)
  })
})

describe('the realtime API', () => {
  it('is refused with the reason, as the client tells it', async () => {
    harness.upstream.requests.length = 0
    const client = new OpenAI({ apiKey: API_KEY, baseURL: harness.baseUrl })
    // the client always asks for TLS, which the proxy leaves to whatever stands before it
    const createConnection = () => connect(harness.port, '127.0.0.1')
    const options = { createConnection } as object
    const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime', options }, client)
    const message = await new Promise<string>((resolve) => {
      realtime.on('error', (error) => resolve(error.message))
    })
    expect(message).toContain('501')
    expect(harness.upstream.requests).toEqual([])
  })

  it('answers a handshake with 501 in OpenAI’s format, and nothing hangs', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${harness.port}/v1/realtime?model=gpt-realtime`, {
      headers: { authorization: `Bearer ${API_KEY}` },
    })
    const refused = await new Promise<{ status?: number; body: string }>((resolve, reject) => {
      socket.on('open', () => reject(new Error('it opened')))
      socket.on('unexpected-response', (_request, response) => {
        collect<Buffer>(response).then(
          (chunks) =>
            resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString() }),
          reject
        )
      })
    })
    expect(refused.status).toBe(501)
    expect(JSON.parse(refused.body)).toEqual({
      error: {
        message: expect.stringContaining('no WebSocket connections'),
        type: 'server_error',
        param: null,
        code: 'not_implemented',
      },
    })
    expect(harness.upstream.requests).toEqual([])
  })
})
