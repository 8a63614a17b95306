/** The official client by the Responses API, with a live lora: what it answers, and what it must not answer. */
import OpenAI from 'openai'
import { zodTextFormat } from 'openai/helpers/zod'
import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { eventually } from '../kit/proxy/harness.ts'
import { bothWays, collect } from './both-ways.ts'
import { ANSWER, MODEL, PROMPT, QUESTION, useLiveLora } from './live-lora.ts'
import { API_KEY } from './openai-upstream.ts'
import { IMAGE_URL } from './questions.ts'

const harness = useLiveLora()
beforeEach(() => {
  harness.upstream.requests.length = 0
})

const REQUEST = { model: MODEL, instructions: PROMPT, input: QUESTION, store: false }
/** The newest record whose answer has the id. */
const recordWith = async (id: string): Promise<ExchangeRecord> => {
  let found: ExchangeRecord | undefined
  await eventually(async () => {
    const records = await harness.records()
    found = records.findLast(({ response }) => response?.includes(`"${id}"`) === true)
    return found !== undefined
  })
  return found!
}

const USAGE = { input_tokens: 12, output_tokens: 3, total_tokens: 15 }

describe('a lora', () => {
  it('answers at once, with usage and headers that explain the route', async () => {
    const { data, response } = await harness.client.responses.create(REQUEST).withResponse()
    expect(data.output_text).toBe(ANSWER)
    expect(data).toMatchObject({
      id: expect.stringMatching(/^resp_[0-9a-f]{48}$/),
      object: 'response',
      status: 'completed',
      model: harness.lora,
      instructions: PROMPT,
      store: false,
      usage: USAGE,
    })
    expect(response.headers.get('x-promptintern-route')).toBe('answered')
    expect(harness.upstream.requests).toEqual([])
  })

  it.each([
    ['a system message', [{ role: 'system' as const, content: PROMPT }]],
    [
      'a system message in parts',
      [{ role: 'system' as const, content: [{ type: 'input_text' as const, text: PROMPT }] }],
    ],
  ])('answers where the prompt is %s', async (_, prompt) => {
    const input = [...prompt, { role: 'user' as const, content: QUESTION }]
    const { output_text: text } = await harness.client.responses.create({
      model: MODEL,
      input,
      store: false,
    })
    expect(text).toBe(ANSWER)
    expect(harness.upstream.requests).toEqual([])
  })

  it('answers in a stream, of which the client’s helper makes the response', async () => {
    const events = await collect(
      await harness.client.responses.create({ ...REQUEST, stream: true })
    )
    const deltas = events.flatMap((event) =>
      event.type === 'response.output_text.delta' ? event.delta : []
    )
    expect(deltas.join('')).toBe(ANSWER)
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: { usage: USAGE } })
    const stream = harness.client.responses.stream(REQUEST)
    expect((await stream.finalResponse()).output_text).toBe(ANSWER)
    expect(harness.upstream.requests).toEqual([])
  })

  it('is read by the client’s parser', async () => {
    const { output_text: text, output_parsed: parsed } =
      await harness.client.responses.parse(REQUEST)
    expect([text, parsed]).toEqual([ANSWER, null])
  })

  it('is logged as a chat completion is, with its own path', async () => {
    const { id } = await harness.client.responses.create(REQUEST)
    const record = await recordWith(id)
    expect(record).toMatchObject({
      path: '/v1/responses',
      model: MODEL,
      status: 200,
      route: { outcome: 'answered', lora: harness.lora },
    })
    expect(JSON.parse(record.response!)).toMatchObject({ id, object: 'response' })
  })
})

describe('the upstream', () => {
  const format = zodTextFormat(z.object({ name: z.string() }), 'person')

  it.each<[string, Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming>]>([
    ['knows what was said before', { previous_response_id: 'resp_before' }],
    ['keeps the conversation', { conversation: 'conv_1' }],
    ['works in the background', { background: true }],
    ['has tools of its own', { tools: [{ type: 'web_search' }] }],
    ['shows its reasoning', { reasoning: { summary: 'auto' } }],
    ['says how sure it is', { include: ['message.output_text.logprobs'] }],
    ['answers in a form of which the template knows nothing', { text: { format } }],
    ['keeps the prompt', { prompt: { id: 'pmpt_1' } }],
    [
      'sees an image',
      {
        input: [
          {
            role: 'user',
            content: [
              { type: 'input_text', text: QUESTION },
              { type: 'input_image', image_url: IMAGE_URL, detail: 'auto' },
            ],
          },
        ],
      },
    ],
    ['finds what an item refers to', { input: [{ type: 'item_reference', id: 'msg_1' }] }],
  ])('answers where it %s', async (_, difference) => {
    await bothWays(harness, (baseURL) =>
      new OpenAI({ apiKey: API_KEY, baseURL, maxRetries: 0 }).responses.create({
        ...REQUEST,
        ...difference,
      })
    )
  })

  it('answers another prompt, streamed, and the log has its response and usage', async () => {
    const answered = await bothWays(harness, async (baseURL) => {
      const own = new OpenAI({ apiKey: API_KEY, baseURL, maxRetries: 0 })
      return collect(
        await own.responses.create({ model: MODEL, input: 'Grüezi – 你好 🙂', stream: true })
      )
    })
    const last = answered.at(-1)! as OpenAI.Responses.ResponseCompletedEvent
    const record = await recordWith(last.response.id)
    expect(record).toMatchObject({
      path: '/v1/responses',
      streamed: true,
      status: 200,
      route: null,
    })
    expect(JSON.parse(record.response!)).toEqual(last.response)
    expect(record.usage).toEqual(last.response.usage)
  })
})
