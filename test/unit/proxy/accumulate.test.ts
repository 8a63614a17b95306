import { describe, expect, it } from 'vitest'
import { CompletionAccumulator } from '../../../src/openai/accumulate.ts'
import { renderCompletion, renderEvents } from '../../../src/openai/render.ts'

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

const USAGE = {
  prompt_tokens: 9,
  completion_tokens: 3,
  total_tokens: 12,
  prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
}

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
  chunk([], { usage: USAGE, service_tier: 'default' }),
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
  usage: USAGE,
}

const accumulate = (...parts: (string | Uint8Array)[]) => {
  const accumulator = new CompletionAccumulator()
  for (const part of parts) {
    accumulator.push(typeof part === 'string' ? new TextEncoder().encode(part) : part)
  }
  return accumulator
}

describe('the accumulated completion of a stream', () => {
  it('equals the completion of a request that does not stream', () => {
    expect(accumulate(STREAM).answer()).toEqual(EXPECTED)
  })

  it('is the same wherever the bytes are cut', () => {
    const bytes = new TextEncoder().encode(STREAM)
    const whole = JSON.stringify(accumulate(STREAM).answer())
    for (let at = 1; at < bytes.length; at++) {
      const completion = accumulate(bytes.subarray(0, at), bytes.subarray(at)).answer()
      expect(JSON.stringify(completion), `cut at byte ${at}`).toBe(whole)
    }
    const single = Array.from(bytes, (byte) => Uint8Array.of(byte))
    expect(accumulate(...single).answer()).toEqual(EXPECTED)
  })

  it('keeps several choices apart', () => {
    const completion = accumulate(
      chunk([choice(1, 'b')]),
      chunk([choice(0, 'a')]),
      chunk([choice(1, 'B'), choice(0, 'A')])
    ).answer()
    expect(completion?.choices.map(({ index, message }) => [index, message.content])).toEqual([
      [0, 'aA'],
      [1, 'bB'],
    ])
  })

  it('has no finish reason and no usage while the stream runs', () => {
    const accumulator = accumulate(delta({ role: 'assistant', content: 'half' }))
    expect(accumulator.answer()).toMatchObject({
      choices: [{ message: { content: 'half' }, finish_reason: null, logprobs: null }],
    })
    expect(accumulator.answer()).not.toHaveProperty('usage')
  })

  it('is missing when the stream sends an error, which is kept', () => {
    const accumulator = accumulate(event({ error: { message: 'overloaded' } }))
    expect(accumulator.answer()).toBeNull()
    expect(accumulator.error).toEqual({ message: 'overloaded' })
  })

  it.each(['', 'nonsense', 'null', '[1]', '{"choices":[null]}'])(
    'ignores an event that is not a chunk: %s',
    (data) => {
      expect(accumulate(`data: ${data}\n\n`).answer()?.choices ?? []).toEqual([])
    }
  )

  it('ignores invalid parts of a choice, and a repeated finish reason', () => {
    const first = { index: 0, delta: { content: 'a' }, logprobs: 7, finish_reason: 'stop' }
    const later = { index: 0, delta: 'b', logprobs: null, finish_reason: 'stop' }
    expect(accumulate(chunk([first]), chunk([later])).answer()?.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: 'a' },
        logprobs: null,
        finish_reason: 'stop',
      },
    ])
  })

  const HEAD = {
    id: 'c1',
    itemId: '',
    created: 5,
    completed: 6,
    model: 'lora',
    fingerprint: 'fp_1',
  }

  const CALLS = ['a', 'b'].map((name) => ({
    id: `call_${name}`,
    itemId: '',
    name,
    arguments: '{"x":"y"}',
  }))

  it.each([
    ['text', { content: 'a "b"\n🎉', calls: [] }],
    ['calls', { content: '', calls: CALLS }],
  ])('equals the answer that was rendered: %s', (_name, parts) => {
    const answer = { ...HEAD, ...parts, logprobs: null, usage: USAGE }
    const { choices, ...rest } = renderCompletion(answer)
    // a stream has no annotations
    const { annotations: _, ...message } = choices[0]!.message
    expect(accumulate(renderEvents(answer, true)).answer()).toEqual({
      ...rest,
      choices: [{ ...choices[0], message }],
    })
    expect(accumulate(renderEvents(answer, false)).answer()).not.toHaveProperty('usage')
  })

  it('is null for more tool calls than an answer can have', () => {
    const accumulator = new CompletionAccumulator()
    accumulator.push(Buffer.from(delta({ content: 'hi' })))
    expect(accumulator.answer()).not.toBeNull()
    const calls = Array.from({ length: 20_001 }, (_, index) => ({ index }))
    accumulator.push(Buffer.from(delta({ tool_calls: calls })))
    expect(accumulator.answer()).toBeNull()
  })
})
