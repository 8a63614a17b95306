/** The official client's calls beside chat completions, with and without the proxy. */
import { connect } from 'node:net'
import OpenAI, { toFile } from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import { zodTextFormat } from 'openai/helpers/zod'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { startWebSocketUpstream } from '../kit/upstream/websocket-upstream.ts'
import { startHarness, type Harness } from '../kit/proxy/harness.ts'
import { bothWays, collect } from './both-ways.ts'
import { API_KEY, createOpenAiUpstream } from './openai-upstream.ts'
import { IMAGE, IMAGE_URL, WEATHER } from './questions.ts'

let harness: Harness

beforeAll(async () => {
  harness = await startHarness()
  harness.upstream.respond = createOpenAiUpstream()
})
afterAll(() => harness.close())

const model = 'gpt-4o-mini'
const JSONL = Buffer.from('{"custom_id":"1"}\n{"custom_id":"zwei – 二"}\n')

type Call = (client: OpenAI) => Promise<unknown>

const embed =
  (encoding_format?: 'float' | 'base64'): Call =>
  async ({ embeddings }) => {
    const input = ['one', 'zwei']
    const asked = { model: 'text-embedding-3-small', input, encoding_format, dimensions: 5 }
    return (await embeddings.create(asked)).data.map(({ embedding }) => embedding.length)
  }

const respondWithImage: Call = async ({ responses }) => {
  const content = [
    { type: 'input_text' as const, text: 'Grüezi – 你好' },
    { type: 'input_image' as const, image_url: IMAGE_URL, detail: 'auto' as const },
  ]
  const input = [{ role: 'user' as const, content }]
  return (await responses.create({ model, instructions: 'Be short.', input })).output_text
}

const streamEvents: Call = async ({ responses }) => {
  const events = await collect(await responses.create({ model, input: 'hello', stream: true }))
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual([...events.keys()])
  return [events[0]!.type, events.at(-1)!.type]
}

const callFunction: Call = async ({ responses }) => {
  const { name, parameters } = WEATHER.function
  const tools = [{ type: 'function' as const, name, parameters, strict: false }]
  const [call] = (await responses.create({ model, tools, input: 'hello' })).output
  if (call?.type !== 'function_call') throw new Error('no function was called')
  const result = {
    type: 'function_call_output' as const,
    call_id: call.call_id,
    output: 'rain',
  }
  const input = [{ role: 'user' as const, content: 'hello' }, call, result]
  return (await responses.create({ model, tools, input })).output_text
}

const keepFile: Call = async ({ files }) => {
  const file = await toFile(JSONL, 'zeilen – 行.jsonl')
  const sent = await files.create({ file, purpose: 'batch' })
  expect(await collect(await files.list())).toEqual([sent])
  const content = Buffer.from(await (await files.content(sent.id)).arrayBuffer())
  const { deleted } = await files.delete(sent.id)
  return [content.toString(), deleted, await collect(await files.list())]
}

const editImage: Call = async ({ images }) => {
  const image = await toFile(IMAGE, 'pixel.png', { type: 'image/png' })
  const { data } = await images.edit({ model: 'gpt-image-1', image, prompt: 'greener' })
  return Buffer.from(data![0]!.b64_json!, 'base64').toString()
}

const speak: Call = async ({ audio }) => {
  const asked = { model: 'gpt-4o-mini-tts', voice: 'alloy', input: 'Grüezi' }
  const response = await audio.speech.create(asked)
  return Buffer.concat(await collect(response.body as AsyncIterable<Uint8Array>)).length
}

const CALLS: [name: string, call: Call, expected: unknown][] = [
  ['a response to an image', respondWithImage, expect.stringContaining('Grüezi – 你好')],
  ['the events of a response', streamEvents, ['response.created', 'response.completed']],
  [
    'structured output of a response',
    async ({ responses }) => {
      const format = zodTextFormat(z.object({ answer: z.string() }), 'answer')
      return (await responses.parse({ model, input: 'hello', text: { format } })).output_parsed
    },
    { answer: 'Zürich – 苏黎世' },
  ],
  ['a function call of a response', callFunction, expect.stringContaining('rain')],
  ['embeddings as the client asks for by default', embed(), [5, 5]],
  ['embeddings as numbers', embed('float'), [5, 5]],
  ['embeddings in base64', embed('base64'), [28, 28]],
  ['a file as a form, and its bytes', keepFile, [JSONL.toString(), true, []]],
  ['an image as a form', editImage, `greener ${IMAGE.toString('hex')}`],
  ['speech as a stream of bytes', speak, 6 * 4000 + 15],
  [
    'moderations',
    async ({ moderations }) => {
      const asked = { model: 'omni-moderation-latest', input: ['hello', 'kill'] }
      return (await moderations.create(asked)).results.map(({ flagged }) => flagged)
    },
    [false, true],
  ],
  [
    'models',
    async ({ models }) => {
      const listed = await collect(await models.list())
      expect(listed).toContainEqual(await models.retrieve(model))
      return listed.length
    },
    4,
  ],
  [
    'a fine-tuning job, which the upstream runs and not the proxy',
    ({ fineTuning }) => fineTuning.jobs.create({ model, training_file: 'file-1' }),
    expect.objectContaining({ id: 'ftjob-1', training_file: 'file-1' }),
  ],
]

const clientOf = (baseURL: string) => new OpenAI({ apiKey: API_KEY, baseURL, maxRetries: 0 })

describe('the official client', () => {
  it.each(CALLS)('gets %s', async (_, call, expected) => {
    expect(await bothWays(harness, (baseURL) => call(clientOf(baseURL)))).toEqual(expected)
  })
})

describe('the realtime API', () => {
  it('gets the events of the client, which gets those of the API', async () => {
    const upstream = await startWebSocketUpstream((socket, { url = '', headers }) =>
      socket.on('message', (data: Buffer) => {
        const session = {
          ...(JSON.parse(data.toString()) as object),
          url,
          key: headers.authorization,
        }
        socket.send(JSON.stringify({ type: 'session.updated', session }))
      })
    )
    const proxy = await startHarness({ upstreamBaseUrl: upstream.url })
    const client = new OpenAI({ apiKey: API_KEY, baseURL: proxy.baseUrl })
    // the client always uses TLS, which a load balancer in front of the proxy would terminate
    const createConnection = () => connect(proxy.port, '127.0.0.1')
    const options = { createConnection } as object
    const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime', options }, client)
    const session = { type: 'realtime' as const, instructions: 'Grüezi – 你好' }
    realtime.socket.on('open', () => realtime.send({ type: 'session.update', session }))
    const updated = await new Promise((resolve, reject) => {
      realtime.on('session.updated', resolve)
      realtime.on('error', reject)
    })
    expect(updated).toMatchObject({
      session: { url: '/v1/realtime?model=gpt-realtime', key: `Bearer ${API_KEY}`, session },
    })
    realtime.close()
    upstream.close()
    await proxy.close()
  })

  it('tells the client the status with which the upstream refuses', async () => {
    const client = new OpenAI({ apiKey: API_KEY, baseURL: harness.baseUrl })
    const createConnection = () => connect(harness.port, '127.0.0.1')
    const options = { createConnection } as object
    const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime', options }, client)
    const message = await new Promise<string>((resolve) => {
      realtime.on('error', (error) => resolve(error.message))
    })
    expect(message).toContain('404')
  })
})
