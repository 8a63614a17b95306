import { saidBy } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import type { InternalizationState } from '../../src/core/internalization/internalization.ts'
import { transition } from '../../src/lifecycle/transitions.ts'
import { PairReader } from '../../src/core/rollout/pair-reader.ts'
import { evidenceFigures } from '../../src/core/rollout/stages.ts'
import { exampleInternalization, LIVE_STATE } from '../kit/records/examples.ts'

const STATES: InternalizationState[] = [
  { name: 'candidate' },
  { name: 'training', arm: 0, stage: 1 },
  { name: 'evaluating' },
  { name: 'approval' },
  LIVE_STATE,
  { name: 'retired', reason: saidBy('r') },
  { name: 'rejected', reason: saidBy('r') },
  { name: 'failed', reason: saidBy('c') },
]

const LEGAL = `
candidate: training evaluating rejected failed
training: training evaluating rejected failed
evaluating: approval rejected failed
approval: live rejected
live: live retired
retired: live retired
rejected:
failed:`

const reachableFrom = (state: InternalizationState): string[] =>
  STATES.filter((to) => {
    try {
      return transition(exampleInternalization('a', { state }), to).state === to
    } catch {
      return false
    }
  }).map(({ name }) => name)

describe('transition', () => {
  it('allows the steps of the state machine and no other', () => {
    const table = STATES.map((state) => [`${state.name}:`, ...reachableFrom(state)].join(' '))
    expect(table.join('\n')).toBe(LEGAL.trim())
  })

  it('lets no internalization that its evidence retired go live again', () => {
    const evidence = evidenceFigures(new PairReader(true, 0).sums(0), {
      margin: 0.05,
      proven: 0.03,
      least: 0,
    })
    const state = { name: 'retired', reason: saidBy('r'), evidence } as const
    expect(reachableFrom(state)).toEqual(['retired'])
    expect(() => transition(exampleInternalization('a', { state }), LIVE_STATE)).toThrow(
      'internalization a was rolled back by its evidence'
    )
  })

  it('says what is wrong and changes nothing else', () => {
    const before = exampleInternalization('a')
    expect(transition(before, { name: 'failed', reason: saidBy('c') })).toEqual({
      ...before,
      state: { name: 'failed', reason: saidBy('c') },
    })
    expect(() => transition(before, LIVE_STATE)).toThrow(
      'internalization a is candidate, so it cannot become live'
    )
  })
})
