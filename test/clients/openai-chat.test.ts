/** The official client's chat completions, with and without the proxy. */
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { eventually, startHarness, type Harness } from '../kit/proxy/harness.ts'
import { bothWays, collect } from './both-ways.ts'
import { API_KEY, createOpenAiUpstream } from './openai-upstream.ts'
import { AUDIO, IMAGE_URL, TOOLS, WEATHER } from './questions.ts'

let harness: Harness

beforeAll(async () => {
  harness = await startHarness()
  harness.upstream.respond = createOpenAiUpstream()
})
afterAll(() => harness.close())

const both = <Result>(call: (client: OpenAI) => Promise<Result>): Promise<Result> =>
  bothWays(harness, (baseURL) => call(new OpenAI({ apiKey: API_KEY, baseURL, maxRetries: 0 })))

const REQUEST = {
  model: 'gpt-4o-mini',
  messages: [
    { role: 'system' as const, content: 'Be short.' },
    { role: 'user' as const, content: 'Grüezi – 你好 🙂' },
  ],
}

describe('chat completions', () => {
  it('answers at once, with the request’s id and the raw response', async () => {
    const answer = await both(async (client) => {
      const { data, response, request_id } = await client.chat.completions
        .create(REQUEST)
        .withResponse()
      return {
        data,
        request_id,
        status: response.status,
        limit: response.headers.get('x-ratelimit-remaining-requests'),
      }
    })
    expect(answer.data.choices[0]!.message.content).toContain('Grüezi – 你好 🙂')
    expect(answer).toMatchObject({ request_id: 'req_mock', status: 200, limit: '9999' })
  })

  it.each([false, true])('streams, with usage at the end: %s', async (include_usage) => {
    const stream_options = include_usage ? { include_usage } : undefined
    const chunks = await both(async (client) =>
      collect(await client.chat.completions.create({ ...REQUEST, stream: true, stream_options }))
    )
    expect(chunks.length).toBeGreaterThan(5)
    expect(chunks.filter(({ usage }) => usage != null)).toEqual(
      include_usage ? [chunks.at(-1)] : []
    )
  })

  it('assembles a stream by the client’s helper, event by event', async () => {
    const { deltas, final } = await both(async (client) => {
      const heard: string[] = []
      const stream = client.chat.completions.stream(REQUEST)
      stream.on('content', (delta) => heard.push(delta))
      return { final: await stream.finalChatCompletion(), deltas: heard }
    })
    expect(final.choices[0]!.message.content).toBe(deltas.join(''))
  })

  it('calls two functions at once and reads their results in a second request', async () => {
    const second = await both(async (client) => {
      const first = await client.chat.completions.create({ ...REQUEST, tools: TOOLS })
      const { message, finish_reason } = first.choices[0]!
      expect(finish_reason).toBe('tool_calls')
      expect(message.tool_calls).toHaveLength(2)
      const results = message.tool_calls!.map(({ id }) => ({
        role: 'tool' as const,
        tool_call_id: id,
        content: `result of ${id}`,
      }))
      return client.chat.completions.create({
        ...REQUEST,
        tools: TOOLS,
        messages: [...REQUEST.messages, message, ...results],
      })
    })
    expect(second.choices[0]!.message.content).toMatch(
      /result of call_[0-9a-f]{24} \| result: result of call_[0-9a-f]{24}$/
    )
  })

  it('streams tool calls piece by piece', async () => {
    const final = await both(async (client) =>
      client.chat.completions.stream({ ...REQUEST, tools: TOOLS }).finalChatCompletion()
    )
    const [call] = final.choices[0]!.message.tool_calls!
    expect(call).toMatchObject({
      id: expect.stringMatching(/^call_[0-9a-f]{24}$/),
      function: { name: 'weather' },
    })
    expect(JSON.parse((call as { function: { arguments: string } }).function.arguments)).toEqual({
      city: 'Zürich – 苏黎世',
      days: 7,
    })
  })

  it('runs tools by the client’s own runner', async () => {
    const said = await both(async (client) => {
      const runner = client.chat.completions.runTools({
        ...REQUEST,
        tools: [
          {
            type: 'function',
            function: {
              ...WEATHER.function,
              parse: JSON.parse as (text: string) => { city: string },
              function: ({ city }: { city: string }) => `rain in ${city}`,
            },
          },
        ],
      })
      return runner.finalContent()
    })
    expect(said).toContain('rain in Zürich')
  })

  it('parses structured output by a zod schema', async () => {
    const Event = z.object({ people: z.array(z.string()), kind: z.enum(['a', 'b']) })
    const completion = await both(async (client) =>
      client.chat.completions.parse({
        ...REQUEST,
        response_format: zodResponseFormat(Event, 'event'),
      })
    )
    expect(completion.choices[0]!.message.parsed).toEqual({
      people: ['Zürich – 苏黎世'],
      kind: 'a',
    })
  })

  it('sees images and hears audio', async () => {
    const completion = await both(async (client) =>
      client.chat.completions.create({
        model: 'gpt-4o-audio-preview',
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is this?' },
              { type: 'image_url', image_url: { url: IMAGE_URL, detail: 'low' } },
              { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
              { type: 'input_audio', input_audio: { data: AUDIO, format: 'wav' } },
            ],
          },
        ],
      })
    )
    const said = completion.choices[0]!.message.content!
    expect(said).toContain(`[image of ${IMAGE_URL.length} characters]`)
    expect(said).toContain(`[wav of ${AUDIO.length} characters]`)
  })

  it('gives two choices with log-probabilities, at once and as a stream', async () => {
    const request = { ...REQUEST, n: 2, logprobs: true, top_logprobs: 2 }
    const { choices, chunks } = await both(async ({ chat }) => ({
      choices: (await chat.completions.create({ ...request, stream: false })).choices,
      chunks: await collect(await chat.completions.create({ ...request, stream: true })),
    }))
    expect(choices.map(({ index }) => index)).toEqual([0, 1])
    expect(choices[1]!.logprobs!.content![0]!.top_logprobs).toHaveLength(2)
    expect(new Set(chunks.map((chunk) => chunk.choices[0]!.index))).toEqual(new Set([0, 1]))
  })

  it('aborts the upstream’s answer when the client aborts a stream', async () => {
    const { respond } = harness.upstream
    const aborted = harness.upstream.aborted
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n')
    }
    const client = new OpenAI({ apiKey: API_KEY, baseURL: harness.baseUrl })
    const stream = await client.chat.completions.create({ ...REQUEST, stream: true })
    for await (const chunk of stream) {
      expect(chunk.choices[0]!.delta.content).toBe('a')
      stream.controller.abort()
    }
    await eventually(() => harness.upstream.aborted === aborted + 1)
    harness.upstream.respond = respond
  })
})
