import { describe, expect, it } from 'vitest'
import { createAccumulator } from '../../src/openai/accumulate.ts'
import { renderEvents } from '../../src/openai/render.ts'

const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

const chunk = (choices: unknown[], extra: Record<string, unknown> = {}): string =>
  event({ id: 'c1', object: 'chat.completion.chunk', created: 5, model: 'm', choices, ...extra })

const delta = (value: Record<string, unknown>, extra: Record<string, unknown> = {}): string =>
  chunk([{ index: 0, delta: value, finish_reason: null, ...extra }])

const call = (index: number, fields: Record<string, unknown>): Record<string, unknown> => ({
  tool_calls: [{ index, ...fields }],
})

const choice = (index: number, content: string) => ({ index, delta: { content } })

const logprob = (token: string) => ({ token, logprob: -0.1, bytes: null, top_logprobs: [] })

const STREAM = [
  delta({ role: 'assistant', content: '' }),
  ': keep-alive\n\n',
  delta({ content: 'héé ' }, { logprobs: { content: [logprob('héé ')], refusal: null } }),
  'event: ping\ndata: {"type": "ping"}\n\n',
  delta({ content: '丁寧 🎉' }, { logprobs: { content: [logprob('丁')], refusal: null } }),
  delta({ reasoning_content: 'because', x_vendor: { a: 1 } }),
  delta({ reasoning_content: ' of it', x_vendor: { b: [2] } }),
  delta(call(1, { id: 'call_b', type: 'function', function: { name: 'g', arguments: '' } })),
  delta(call(0, { id: 'call_a', type: 'function', function: { name: 'f', arguments: '{"x"' } })),
  delta(call(0, { function: { arguments: ':1}' } })),
  delta(call(1, { function: { arguments: '{}' } })),
  chunk([{ index: 0, delta: {}, finish_reason: 'tool_calls' }], { system_fingerprint: 'fp_1' }),
  chunk([], {
    usage: {
      prompt_tokens: 9,
      completion_tokens: 3,
      total_tokens: 12,
      prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
    },
    service_tier: 'default',
  }),
  'data: [DONE]\n\n',
].join('')

const EXPECTED = {
  id: 'c1',
  object: 'chat.completion',
  created: 5,
  model: 'm',
  system_fingerprint: 'fp_1',
  service_tier: 'default',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'héé 丁寧 🎉',
        reasoning_content: 'because of it',
        x_vendor: { a: 1, b: [2] },
        tool_calls: [
          { id: 'call_a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
          { id: 'call_b', type: 'function', function: { name: 'g', arguments: '{}' } },
        ],
      },
      logprobs: { content: [logprob('héé '), logprob('丁')], refusal: null },
      finish_reason: 'tool_calls',
    },
  ],
  usage: {
    prompt_tokens: 9,
    completion_tokens: 3,
    total_tokens: 12,
    prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
  },
}

const accumulate = (...parts: (string | Uint8Array)[]) => {
  const accumulator = createAccumulator()
  for (const part of parts) {
    accumulator.push(typeof part === 'string' ? new TextEncoder().encode(part) : part)
  }
  return accumulator
}

describe('a streamed chat completion', () => {
  it('adds up to the completion an unstreamed request gets', () => {
    const accumulator = accumulate(STREAM)
    expect(accumulator.completion()).toEqual(EXPECTED)
    expect(accumulator.isDone()).toBe(true)
  })

  it('adds up to the same wherever it is cut', () => {
    const bytes = new TextEncoder().encode(STREAM)
    for (let at = 1; at < bytes.length; at++) {
      const completion = accumulate(bytes.subarray(0, at), bytes.subarray(at)).completion()
      expect(completion, `cut at byte ${at}`).toEqual(EXPECTED)
    }
    const single = Array.from(bytes, (byte) => Uint8Array.of(byte))
    expect(accumulate(...single).completion()).toEqual(EXPECTED)
  })

  it('keeps several choices apart', () => {
    const completion = accumulate(
      chunk([choice(1, 'b')]),
      chunk([choice(0, 'a')]),
      chunk([choice(1, 'B'), choice(0, 'A')])
    ).completion()
    expect(completion?.choices.map(({ index, message }) => [index, message.content])).toEqual([
      [0, 'aA'],
      [1, 'bB'],
    ])
  })

  it('that has just begun is a completion without an end', () => {
    const accumulator = accumulate(delta({ role: 'assistant', content: 'half' }))
    expect(accumulator.isDone()).toBe(false)
    expect(accumulator.completion()).toMatchObject({
      choices: [{ message: { content: 'half' }, finish_reason: null, logprobs: null }],
    })
    expect(accumulator.completion()).not.toHaveProperty('usage')
  })

  it('that carries an error tells it', () => {
    const accumulator = accumulate(event({ error: { message: 'overloaded' } }))
    expect(accumulator.completion()).toBeNull()
    expect(accumulator.error()).toEqual({ message: 'overloaded' })
  })

  it.each([
    '',
    'data: nonsense\n\n',
    'data: null\n\n',
    'data: [1]\n\n',
    'data: {"choices":[null]}\n\n',
  ])('of invalid events has no choices: %j', (text) => {
    const accumulator = accumulate(text)
    expect(accumulator.completion()?.choices ?? []).toEqual([])
  })

  it('of our own adds up to what was rendered', () => {
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
    const answer = { id: 'c1', created: 5, model: 'lora', content: 'a "b"\n🎉', usage }
    expect(accumulate(renderEvents(answer, true)).completion()).toMatchObject({
      id: 'c1',
      created: 5,
      model: 'lora',
      usage,
      choices: [{ message: { role: 'assistant', content: 'a "b"\n🎉' }, finish_reason: 'stop' }],
    })
    expect(accumulate(renderEvents(answer, false)).completion()).not.toHaveProperty('usage')
  })
})
