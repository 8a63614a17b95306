import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isProven,
  kindOf,
  LEAST_OF_A_TRAIT,
  lengthBands,
  provenKinds,
  type RequestKind,
} from '../../src/core/route/request-kind.ts'
import type { Match, Slot } from '../../src/core/template/template.ts'
import { exampleTemplate } from '../kit/records/examples.ts'

const slot = (name: string, changes: Partial<Slot> = {}): Slot => ({
  kind: 'slot',
  name,
  type: 'enum',
  values: ['free', 'pro'],
  maxChars: 4,
  multiline: false,
  kept: true,
  ...changes,
})

const segments = [slot('plan'), slot('day', { kept: false }), slot('note', { type: 'short' })]

const match = (turns: number, plan?: string): Match => ({
  template: {
    ...exampleTemplate(),
    messages: plan === undefined ? [] : [{ role: 'system', segments }],
  },
  slots: plan === undefined ? {} : { plan, day: 'free', note: 'pro' },
  examples: {},
  query: 'four',
  turns: Array.from({ length: 2 * turns }, (_, i) => ({
    role: i % 2 === 0 ? 'assistant' : 'user',
    content: 'abc',
  })),
})

const request = { model: 'm', messages: [] }
const times = (count: number, kind: RequestKind): RequestKind[] =>
  Array.from({ length: count }, () => kind)

/** @param results which of the turns behind the first one are results of functions */
const turnOf = (...results: boolean[]): string => {
  const found = match(results.length)
  const turns = found.turns.map((turn, at) =>
    at % 2 === 1 && results[(at - 1) / 2] ? { ...turn, isResult: true as const } : turn
  )
  return kindOf(request, { ...found, turns }).traits[0]!
}
const users = (turns: number): boolean[] => Array.from({ length: turns }, () => false)

const parametersOf = (members: object): string =>
  kindOf({ ...request, ...members }, match(0, 'free')).traits[1]!

describe('the kind of a request', () => {
  it('is its turn, exactly up to the fourth and by powers of two behind it', () => {
    expect([0, 1, 3, 4, 7, 8, 15, 16].map((turns) => turnOf(...users(turns)))).toEqual([
      'turn 1',
      'turn 2: user',
      'turn 4: user, user, user',
      'turns 5 to 8: user alone',
      'turns 5 to 8: user alone',
      'turns 9 to 16: user alone',
      'turns 9 to 16: user alone',
      'turns 17 to 32: user alone',
    ])
  })

  it('says of its turns which are words of the user and which are results of functions', () => {
    expect([
      turnOf(true),
      turnOf(true, false),
      turnOf(false, true),
      turnOf(true, true, true, true),
      turnOf(true, true, true, false),
      turnOf(false, false, false, true),
    ]).toEqual([
      'turn 2: result',
      'turn 3: result, user',
      'turn 3: user, result',
      'turns 5 to 8: result alone',
      'turns 5 to 8: both, user last',
      'turns 5 to 8: both, result last',
    ])
  })

  it('is its parameters, the values of its kept slots and its length', () => {
    const asked = { ...request, reasoning_effort: 'low', verbosity: 'high', stop: ['x'] }
    expect(kindOf(asked, match(1, 'pro'))).toEqual({
      traits: [
        'turn 2: user',
        'parameters={"reasoning_effort":"low","stop":["x"],"verbosity":"high"}',
      ],
      values: ['plan=pro'],
      chars: 10,
    })
  })

  it.each<object>([
    {},
    { stop: null, verbosity: null, reasoning_effort: null, temperature: null },
    { user: 'u', seed: 7, stream: true, metadata: { a: 'b' }, service_tier: 'flex', n: 1 },
    { presence_penalty: 0, logit_bias: {}, modalities: ['text'], logprobs: false },
  ])('has no parameters where none can change an answer: %j', (members) => {
    expect(parametersOf(members)).toBe('no parameters')
  })

  it('differs for each value of a member, known or not, and for its absence', () => {
    const long = 'x'.repeat(1000)
    const digest = parametersOf({ x: long }).slice('parameters={"x":"'.length, -'"}'.length)
    const members: object[] = [
      {},
      ...[undefined, null, false, 0, '', [], {}, 'x', 1, long, `${long}x`, digest].map((x) => ({
        x,
        y: 1,
      })),
      ...['low', 'high'].map((effort) => ({ reasoning_effort: effort })),
      ...['\n', ['\n'], ['\n', ' ']].map((stop) => ({ stop })),
      ...[0, 0.5, 1].map((temperature) => ({ temperature })),
      ...[1, 2].map((tokens) => ({ max_tokens: tokens })),
      { max_completion_tokens: 1 },
      { service_tier: 'of another provider' },
      { x: 1, y: 2 },
      { x: 2, y: 1 },
      { 'x":1,"y': 2 },
      { tools: null },
      { metadata: { tags: ['free'] } },
      { stream_options: { include_usage: true } },
      { messages: [{ role: 'system', content: '', x: null }] },
      { messages: [{ role: 'system', content: '', name: 'x' }] },
      { messages: [{ role: 'system', content: '', name: 'y' }] },
      { messages: [{ role: 'system', content: '', name: null }] },
      { messages: [{ role: 'developer', content: '' }] },
      { messages: [{ role: 'developer', content: '', name: 'x' }] },
      { 'messages.0.name': 'x' },
      { '0.name': 'x' },
      { constructor: 1 },
      JSON.parse('{"__proto__":1}') as object,
      { x: { y: JSON.parse('1e400') as unknown } },
      { x: { y: null } },
      Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x${i}`, i])),
      Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x${i}`, i + 1])),
    ]
    const kinds = members.map(parametersOf)
    expect(new Set(kinds).size).toBe(members.length)
    for (const kind of kinds) expect(kind.length).toBeLessThan(320)
  })

  it('does not depend on the empty members of an answer that a client sends back', () => {
    const answer = { role: 'assistant', content: 'x', refusal: null, audio: null }
    expect(parametersOf({ messages: [{ role: 'system', content: '' }, answer] })).toBe(
      'no parameters'
    )
  })
})

const kind = (members: object): RequestKind => kindOf({ ...request, ...members }, match(0))

describe('proven kinds', () => {
  it('have all parameters together, not each of them', () => {
    const proven = provenKinds([
      ...times(40, kind({ stop: 'x' })),
      ...times(40, kind({ reasoning_effort: 'low' })),
    ])
    expect(isProven(proven, kind({ stop: 'x' }))).toBe(true)
    expect(isProven(proven, kind({ stop: 'x', reasoning_effort: 'low' }))).toBe(false)
    expect(isProven(proven, kind({}))).toBe(false)
  })

  const first = kindOf(request, match(0))
  const second = kindOf(request, match(1))

  it('have as many exchanges as can show a loss of less than ten points', () => {
    expect(0.9 ** LEAST_OF_A_TRAIT).toBeLessThanOrEqual(0.05)
    expect(0.9 ** (LEAST_OF_A_TRAIT - 1)).toBeGreaterThan(0.05)
    const proven = provenKinds([...times(100, first), ...times(LEAST_OF_A_TRAIT - 1, second)])
    expect([isProven(proven, first), isProven(proven, second)]).toEqual([true, false])
    const enough = provenKinds([...times(100, first), ...times(LEAST_OF_A_TRAIT, second)])
    expect(isProven(enough, second)).toBe(true)
  })

  it('have the values of slots that the sample has, and nothing longer than its requests', () => {
    const pro = kindOf(request, match(0, 'pro'))
    const proven = provenKinds([...times(40, first), pro])
    expect(isProven(proven, pro)).toBe(true)
    expect(isProven(proven, kindOf(request, match(0, 'free')))).toBe(false)
    expect(isProven(proven, { ...first, chars: first.chars + 1 })).toBe(false)
    // the length of a request that is not proven itself says nothing
    expect(provenKinds([...times(40, first), { ...second, chars: 9999 }]).maxChars).toBe(4)
    expect(provenKinds(times(40, { ...first, chars: 0 })).maxChars).toBe(0)
  })

  it('of an empty sample are none', () => {
    expect(isProven(provenKinds([]), first)).toBe(false)
  })
})

describe('length bands', () => {
  it('are quarters in which equal lengths stay together', () => {
    expect(lengthBands([1, 2, 3, 4])).toEqual([
      'length ≤ 1',
      'length ≤ 2',
      'length ≤ 3',
      'length ≤ 4',
    ])
    expect(new Set(lengthBands([7, 7, 7])).size).toBe(1)
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 1, maxLength: 60 }), (lengths) => {
        const bands = lengthBands(lengths)
        expect(new Set(bands).size).toBeLessThanOrEqual(4)
        lengths.forEach((length, i) =>
          expect(length).toBeLessThanOrEqual(Number(bands[i]!.slice('length ≤ '.length)))
        )
      })
    )
  })
})
