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
import { exampleTemplate } from '../fixtures/examples.ts'

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

const turnOf = (turns: number): string => kindOf(request, match(turns)).traits[0]!

describe('the kind of a request', () => {
  it('is its turn, exactly up to the fourth and by powers of two behind it', () => {
    expect([0, 1, 3, 4, 7, 8, 15, 16].map(turnOf)).toEqual([
      'turn 1',
      'turn 2',
      'turn 4',
      'turns 5 to 8',
      'turns 5 to 8',
      'turns 9 to 16',
      'turns 9 to 16',
      'turns 17 to 32',
    ])
  })

  it('is its parameters, the values of its kept slots and its length', () => {
    const asked = { ...request, reasoning_effort: 'low', verbosity: 'high', stop: ['x'] }
    expect(kindOf({ ...request, stop: null, verbosity: null }, match(0)).traits).toEqual(['turn 1'])
    expect(kindOf(asked, match(1, 'pro'))).toEqual({
      traits: ['turn 2', 'reasoning_effort=low', 'verbosity=high', 'stop'],
      values: ['plan=pro'],
      chars: 10,
    })
  })

  it('says where messages have a name or the instructions another role than the template', () => {
    const named = { model: 'm', messages: [{ role: 'system', content: '', name: 'router' }] }
    const other = { model: 'm', messages: [{ role: 'developer', content: '' }] }
    expect(kindOf(named, match(0, 'free')).traits).toEqual(['turn 1', 'name'])
    expect(kindOf(other, match(0, 'free')).traits).toEqual(['turn 1', 'other role'])
  })
})

describe('proven kinds', () => {
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
