/** The official client with a live lora: requests that the lora answers, and requests that it must not answer. */
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { bothWays, collect } from './both-ways.ts'
import { ANSWER, MODEL, PROMPT, QUESTION, useLiveLora } from './live-lora.ts'
import { IMAGE_URL, TOOLS } from './questions.ts'

const harness = useLiveLora()
beforeEach(() => {
  harness.upstream.requests.length = 0
})

const REQUEST = {
  model: MODEL,
  messages: [
    { role: 'system' as const, content: PROMPT },
    { role: 'user' as const, content: QUESTION },
  ],
}

const USAGE = {
  prompt_tokens: 12,
  completion_tokens: 3,
  total_tokens: 15,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 0,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
}

describe('a lora', () => {
  it('answers at once, with usage and headers that explain the route', async () => {
    const { data, response } = await harness.client.chat.completions.create(REQUEST).withResponse()
    expect(data).toEqual({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'chat.completion',
      created: expect.any(Number),
      model: harness.lora,
      service_tier: 'default',
      system_fingerprint: expect.stringMatching(/^fp_[0-9a-f]{10}$/),
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: ANSWER, refusal: null, annotations: [] },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: USAGE,
    })
    expect(data.id).toMatch(/^chatcmpl-[0-9A-Za-z]{29}$/)
    expect(response.headers.get('x-promptintern-route')).toBe('answered')
    expect(response.headers.get('x-promptintern-lora')).toBe(harness.lora)
    expect(harness.upstream.requests).toEqual([])
  })

  it('answers in a stream, with usage if the client asks for it', async () => {
    const chunks = await collect(
      await harness.client.chat.completions.create({
        ...REQUEST,
        stream: true,
        stream_options: { include_usage: true },
      })
    )
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(ANSWER)
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: USAGE })
    expect(harness.upstream.requests).toEqual([])
  })

  it('is read by the client’s helpers', async () => {
    const stream = harness.client.chat.completions.stream(REQUEST)
    expect(await stream.finalContent()).toBe(ANSWER)
    const parsed = await harness.client.chat.completions.parse(REQUEST)
    expect(parsed.choices[0]!.message.content).toBe(ANSWER)
    expect(harness.upstream.requests).toEqual([])
  })
})

const both = <Result>(call: (to: OpenAI) => Promise<Result>): Promise<Result> =>
  bothWays(harness, (baseURL) => call(harness.client.withOptions({ baseURL })))

describe('the upstream answers in place of the lora', () => {
  it.each<[string, Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>]>([
    ['tools', { tools: TOOLS }],
    ['several choices', { n: 2 }],
    ['log-probabilities', { logprobs: true }],
    ['structured output', { response_format: zodResponseFormat(z.object({ a: z.string() }), 'a') }],
    ['another model', { model: 'gpt-4o' }],
    [
      'a prompt with one more character',
      { messages: [{ role: 'system', content: `${PROMPT} ` }, REQUEST.messages[1]!] },
    ],
    [
      'an image',
      {
        messages: [
          REQUEST.messages[0]!,
          {
            role: 'user',
            content: [
              { type: 'text', text: QUESTION },
              { type: 'image_url', image_url: { url: IMAGE_URL } },
            ],
          },
        ],
      },
    ],
  ])('when asked for %s', async (_, extra) => {
    const answer = await both((to) => to.chat.completions.create({ ...REQUEST, ...extra }))
    expect(answer.id).toMatch(/^chatcmpl-mock/)
  })

  it('when no similar question was learned', async () => {
    const messages = [REQUEST.messages[0]!, { role: 'user' as const, content: 'Sing!' }]
    const answer = await both((to) => to.chat.completions.create({ ...REQUEST, messages }))
    expect(answer.id).toMatch(/^chatcmpl-mock/)
  })
})
