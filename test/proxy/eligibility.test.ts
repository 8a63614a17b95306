import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  eligibility,
  FULL_CONFIDENCE,
  trafficPosition,
  updateConfidence,
} from '../../src/core/route/route.ts'
import type { Template } from '../../src/core/template/template.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'

const TEMPLATE: Template = {
  tenant: 't',
  model: 'm',
  tools: '',
  responseFormat: '',
  version: 'v',
  messages: [],
  maxTurnsAfter: 0,
}

const request = (extra: Partial<ChatRequest>): ChatRequest => ({
  model: 'm',
  messages: [],
  ...extra,
})

const tools = [{ type: 'function', function: { name: 'f' } }]

const tokens = (values: number[]) =>
  values.map((logprob) => ({ token: 'x', logprob, bytes: null, top_logprobs: [] }))

const match = (query: string) => ({
  template: TEMPLATE,
  slots: {},
  examples: {},
  query,
  turns: [],
})

describe('eligibility', () => {
  it.each<Partial<ChatRequest>>([
    {},
    { n: 1, temperature: 1, top_p: 0.5, seed: 3, stop: ['x'], max_tokens: 5, user: 'u' },
    { n: null, temperature: null, logprobs: null, tools: null, stream_options: null },
    { logprobs: false, store: false, tools: [], modalities: ['text'], logit_bias: {} },
    { metadata: { a: 'b' }, service_tier: 'auto', reasoning_effort: 'low', x_unknown: null },
  ])('lets plain requests be answered: %j', (extra) => {
    expect(eligibility(request(extra), TEMPLATE)).toBeNull()
  })

  it('lets tools pass only where the template was trained with them', () => {
    expect(eligibility(request({ tools }), TEMPLATE)).toBe('tools')
    expect(eligibility(request({ functions: tools }), TEMPLATE)).toBe('tools')
    const withTools = { ...TEMPLATE, tools: 'digest' }
    expect(eligibility(request({ tools }), withTools)).toBeNull()
  })
})

describe('confidence', () => {
  const logprobs = fc.array(fc.double({ min: -20, max: 0, noNaN: true }))

  it('never rises, so an unsure answer can be dropped at once', () => {
    fc.assert(
      fc.property(fc.constantFrom('sum', 'min'), logprobs, logprobs, (statistic, first, more) => {
        const before = updateConfidence(statistic, FULL_CONFIDENCE, tokens(first))
        expect(updateConfidence(statistic, before, tokens(more))).toBeLessThanOrEqual(before)
      })
    )
  })

  it('is the sum or the lowest of the log-probabilities, however they are split', () => {
    expect(updateConfidence('sum', FULL_CONFIDENCE, tokens([-1, -2, -3]))).toBe(-6)
    expect(updateConfidence('min', FULL_CONFIDENCE, tokens([-1, -3, -2]))).toBe(-3)
    const half = updateConfidence('min', FULL_CONFIDENCE, tokens([-3]))
    expect(updateConfidence('min', half, tokens([-1]))).toBe(-3)
  })
})

describe('the position in the traffic', () => {
  it('is fixed by the question and spread evenly', () => {
    expect(trafficPosition(match('a'))).toBe(trafficPosition(match('a')))
    const positions = Array.from({ length: 2000 }, (_unused, i) => trafficPosition(match(`q${i}`)))
    expect(positions.every((position) => position >= 0 && position < 1)).toBe(true)
    for (const share of [0.1, 0.5, 0.9]) {
      const below = positions.filter((position) => position < share).length / positions.length
      expect(Math.abs(below - share)).toBeLessThan(0.05)
    }
  })
})
