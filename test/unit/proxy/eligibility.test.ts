import { describe, expect, it } from 'vitest'
import type { AnswerRules } from '../../../src/core/answer/answer-rules.ts'
import { DEFER_ANSWER } from '../../../src/core/answer/outcome.ts'
import { adaptedRequest, eligibility, sideOf } from '../../../src/core/route/route.ts'
import type { ChatRequest } from '../../../src/openai/chat.ts'
import { exampleTemplate } from '../../kit/records/examples.ts'
import { ANSWERS } from '../../kit/records/route-rules.ts'

const request = (extra: Partial<ChatRequest>): ChatRequest => ({
  model: 'm',
  messages: [],
  ...extra,
})

const tools = [{ type: 'function', function: { name: 'f' } }]

/** What the API refuses. */
const INVALID = [
  { tools: [] },
  { tools: [7] },
  { functions: [] },
  { tool_choice: [] },
  { parallel_tool_calls: 'no' },
  { response_format: [] },
  { stream: 'yes' },
  { max_tokens: 'abc' },
  { max_tokens: 0 },
  { max_completion_tokens: 1.5 },
  { temperature: 'hot' },
  { temperature: -1 },
  { temperature: Infinity },
  { top_p: 2 },
  { seed: 'x' },
  { n: 0 },
  { stop: [] },
  { stop: ['a', 'b', 'c', 'd', 'e'] },
  { stop: 7 },
  { logprobs: 1 },
  { top_logprobs: 21 },
  { modalities: 'audio' },
  { modalities: [] },
  { presence_penalty: 3 },
  { logit_bias: { 5: 'much' } },
  { reasoning_effort: {} },
  { verbosity: 1 },
  { user: 7 },
  { metadata: 'a' },
  { service_tier: 1 },
  { store: 'yes' },
  { messages: [{ role: 'user', content: 'hi', name: 7 }] },
] as unknown as Partial<ChatRequest>[]

const match = (query: string) => ({
  template: exampleTemplate(),
  slots: {},
  examples: {},
  query,
  turns: [],
})

const adapted = (extra: Partial<ChatRequest>, answers = ANSWERS, maxTokens?: number) =>
  adaptedRequest({ lora: 'lora-a', answers }, match('hi'), request(extra), maxTokens)

const outputsOf = (extra: Partial<ChatRequest>, rules: Partial<AnswerRules>) =>
  adapted(extra, { ...ANSWERS, ...rules })['structured_outputs']

describe('eligibility', () => {
  it.each<[string | null, Partial<ChatRequest>]>([
    [null, {}],
    [null, { n: 1, temperature: 1, top_p: 0.5, seed: 3, stop: ['x'], max_tokens: 5, user: 'u' }],
    [null, { n: null, temperature: null, logprobs: null, tools: null, stream_options: null }],
    [null, { logprobs: false, store: false, modalities: ['text'], logit_bias: {} }],
    [
      null,
      { metadata: { a: 'b' }, service_tier: 'auto', reasoning_effort: 'low', x_unknown: null },
    ],
    [null, { presence_penalty: 0, frequency_penalty: 0, top_logprobs: null }],
    [null, { x_unknown: 0 }],
    ['several-choices', { n: 2 }],
    [null, { logprobs: true, top_logprobs: 3 }],
    ['logprobs', { top_logprobs: 0 }],
    ['tools', { tools }],
    ['tools', { functions: tools }],
    ['modality', { modalities: ['text', 'audio'] }],
    ['sampling', { temperature: 1.001 }],
    ['sampling', { presence_penalty: -0.1 }],
    ['sampling', { frequency_penalty: 0.1 }],
    ['sampling', { logit_bias: { 5: -100 } }],
    ['unsupported-field', { store: true }],
    ['unsupported-field', { audio: {} }],
    ...INVALID.map((members): ['invalid-field', Partial<ChatRequest>] => [
      'invalid-field',
      members,
    ]),
  ])('is %s for %j', (reason, extra) => {
    expect(eligibility(request(extra), exampleTemplate())).toBe(reason)
  })

  it('allows tools where the template was trained with them, but not the older functions', () => {
    const withTools = { ...exampleTemplate(), tools: 'digest' }
    expect(eligibility(request({ tools }), withTools)).toBeNull()
    expect(eligibility(request({ functions: tools }), withTools)).toBe('tools')
  })
})

describe('the request to a lora', () => {
  it('has the query alone, greedily and with log-probabilities', () => {
    expect(adapted({ temperature: 1, top_p: 0.5, stop: null, user: 'u' })).toEqual({
      model: 'lora-a',
      messages: [{ role: 'user', content: 'hi' }],
      temperature: 0,
      logprobs: true,
      max_tokens: ANSWERS.maxTokens,
    })
    expect(adapted({ stop: ['\n'] }).stop).toEqual(['\n'])
  })

  it('has as many alternatives as the client asks for, where it asks for probabilities', () => {
    expect(adapted({ logprobs: true, top_logprobs: 3 }).top_logprobs).toBe(3)
    expect(adapted({ logprobs: true })).not.toHaveProperty('top_logprobs')
    expect(adapted({ logprobs: true, top_logprobs: 0 })).not.toHaveProperty('top_logprobs')
    expect(adapted({ top_logprobs: 3 })).not.toHaveProperty('top_logprobs')
  })

  it.each<[number, Partial<ChatRequest>, number?]>([
    [1023, { max_tokens: 1023 }],
    [1024, { max_tokens: 1025 }],
    [7, { max_completion_tokens: 7, max_tokens: 5 }],
    [5, { max_completion_tokens: null, max_tokens: 5 }],
    [3, { max_tokens: 5 }, 3],
    [5, { max_tokens: 5 }, 9],
  ])('has at most %d tokens for %j', (most, extra, maxTokens) => {
    expect(adapted(extra, ANSWERS, maxTokens).max_tokens).toBe(most)
  })

  it('has the labels as the only choices, and the deferral where the lora has learned it', () => {
    const labels = ['a', 'b']
    expect(outputsOf({}, { labels, defers: false })).toEqual({ choice: labels })
    expect(outputsOf({}, { labels, defers: true })).toEqual({ choice: ['a', 'b', DEFER_ANSWER] })
  })

  it('is bound to the functions of the request, but where the answers are labels', () => {
    const look = { name: 'look', parameters: { type: 'object' } }
    const withLook = { tools: [{ type: 'function', function: { ...look, description: 'looks' } }] }
    const calls = { functions: [look], required: false, parallel: true }
    expect(outputsOf(withLook, {})).toEqual({ calls })
    expect(outputsOf({}, {})).toBeUndefined()
    expect(outputsOf(withLook, { labels: ['a'] })).toEqual({ choice: ['a'] })
  })
})

it.each([
  [0, 'lora'],
  [0.249, 'lora'],
  [0.25, 'upstream'],
  [0.949, 'upstream'],
  [0.95, 'audit'],
  [0.999, 'audit'],
])('gives the beginning of the traffic to the lora and its end to audits: %d', (position, side) => {
  expect(sideOf({ trafficShare: 0.25, auditShare: 0.05 }, position)).toBe(side)
})
