import { saidBy } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import { liveHours } from '../../src/core/internalization/live-hours.ts'
import { compileMatcher } from '../../src/core/match/match.ts'
import {
  callsPerMonth,
  askedOf,
  removedShare,
  upstreamTokens,
  type LoggedCall,
} from '../../src/core/cost/template-traffic.ts'
import type { Template } from '../../src/core/template/template.ts'
import type { Usage } from '../../src/openai/chat.ts'
import {
  exampleOutcome,
  exampleRecord,
  exampleTemplate,
  LIVE_STATE,
} from '../kit/records/examples.ts'

const usage = (prompt: number, completion: number, more: object = {}): Usage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...more,
})
const cached = (tokens: number) => ({ prompt_tokens_details: { cached_tokens: tokens } })
const call = (changes: Partial<LoggedCall>): LoggedCall => ({
  at: 0,
  status: 200,
  usage: null,
  route: null,
  ...changes,
})

describe('upstreamTokens', () => {
  it('weights the cache by prompt tokens, and is null without counts of the provider', () => {
    const calls = [
      call({ usage: usage(1000, 4, cached(900)) }),
      call({ usage: usage(3000, 8, cached(0)) }),
    ]
    expect(upstreamTokens(calls)).toEqual({
      calls: 2,
      isEstimated: false,
      promptTokens: 2000,
      outputTokens: 6,
      cacheHitShare: 0.225,
      cacheWriteShare: null,
      serviceTier: null,
    })
    expect(upstreamTokens([call({ usage: usage(10, 1) })])).toMatchObject({ cacheHitShare: null })
  })

  it('leaves out calls that a lora answered, that failed, or that have no counts', () => {
    const calls = [
      call({ usage: usage(40, 4), route: exampleOutcome() }),
      call({ usage: usage(5000, 4), status: 500 }),
      call({ estimatedUsage: usage(700, 2) }),
      call({ usage: usage(1000, 4), route: exampleOutcome({ outcome: 'fallback' }) }),
    ]
    expect(upstreamTokens(calls)).toMatchObject({
      calls: 1,
      promptTokens: 1000,
      isEstimated: false,
    })
  })

  it('uses estimates, and tells so, where the upstream counted no call', () => {
    const calls = [call({ estimatedUsage: usage(700, 2) }), call({ estimatedUsage: null })]
    expect(upstreamTokens(calls)).toMatchObject({ calls: 1, promptTokens: 700, isEstimated: true })
    expect(upstreamTokens([call({})])).toBeNull()
    expect(upstreamTokens([])).toBeNull()
  })
})

describe('callsPerMonth', () => {
  const day = 86_400_000

  it('extrapolates from one day or more, and adds calls that are not logged', () => {
    const window = { calls: 120, from: 0, to: 2 * day }
    expect(callsPerMonth(window, 1)).toBeCloseTo((60 * 365) / 12, 9)
    expect(callsPerMonth(window, 0.5)).toBeCloseTo((120 * 365) / 12, 9)
    expect(callsPerMonth({ ...window, to: day - 1 }, 1)).toBeNull()
    expect(callsPerMonth(window, 0)).toBeNull()
  })
})

describe('removedShare', () => {
  const template: Template = {
    ...exampleTemplate(),
    messages: [
      { role: 'system', segments: [{ kind: 'anchor', text: 'x'.repeat(90) }] },
      { role: 'user', segments: [{ kind: 'query' }] },
    ],
  }
  const matcher = compileMatcher([template])
  const record = (system: string, query: string) => ({
    ...exampleRecord(1, {
      request: JSON.stringify({
        model: 'gpt-4o-mini',
        messages: [
          { role: 'system', content: system },
          { role: 'user', content: query },
        ],
      }),
    }),
    sequence: 1,
    templateVersion: template.version,
  })

  it('is the share of the text that the adapted model does not read', () => {
    const records = [record('x'.repeat(90), 'y'.repeat(10)), record('x'.repeat(90), 'é'.repeat(5))]
    expect(removedShare(matcher, records)).toBeCloseTo(0.9, 12)
  })

  it('skips requests of another prompt or without their text', () => {
    const other = record('z'.repeat(90), 'y'.repeat(10))
    expect(removedShare(matcher, [other, { ...other, request: '' }])).toBeNull()
  })
})

const skipped = (reason: string) => exampleOutcome({ outcome: 'skipped', reason })

describe('askedOf', () => {
  it('says what became of calls that the lora was asked for, and how many it may not answer', () => {
    const routes = [
      skipped('traffic-share'),
      skipped('audit'),
      skipped('kind-not-proven'),
      exampleOutcome({ outcome: 'fallback' }),
      exampleOutcome(),
    ]
    const calls = [...routes, null].map((route) => call({ route }))
    expect(askedOf(calls)).toEqual({ answered: 1, discarded: 1, unfitShare: 0.2 })
    expect(askedOf([])).toEqual({ answered: 0, discarded: 0, unfitShare: 0 })
  })
})

describe('liveHours', () => {
  const hour = 3_600_000
  const entry = (at: number, name: 'live' | 'approval') => ({
    at: at * hour,
    from: null,
    to: name === 'live' ? LIVE_STATE : { name },
    by: 'worker',
    note: null,
  })
  const retired = (at: number) => ({
    at: at * hour,
    from: null,
    to: { name: 'retired' as const, reason: saidBy('x') },
    by: 'cli',
    note: null,
  })

  it('counts an hour with several live loras once', () => {
    const histories = [
      [entry(0, 'approval'), entry(10, 'live'), retired(20), entry(30, 'live')],
      [entry(15, 'live'), retired(25)],
      [entry(12, 'live'), retired(13)],
    ]
    const period = { from: 0, to: 35 * hour }
    expect(liveHours(histories, period)).toBe(20)
    expect(liveHours([], period)).toBe(0)
    expect(liveHours(histories, { ...period, from: 22 * hour })).toBe(8)
    expect(liveHours(histories, { ...period, from: 36 * hour })).toBe(0)
  })
})
