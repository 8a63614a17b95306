/** The parts of a route that are watched each by itself, fixed with its plan. */
import { describe, expect, it } from 'vitest'
import { newlyWrong, rulesOf, withheldShare } from '../../src/core/internalization/live-route.ts'
import type { WithheldPart } from '../../src/core/rollout/withheld.ts'
import { exampleApproved, LIVE_STATE } from '../kit/records/examples.ts'
import { createPartFinder, planParts, withoutKind } from '../../src/core/route/parts.ts'
import {
  LEAST_OF_A_TRAIT,
  provenKinds,
  type RequestKind,
} from '../../src/core/route/request-kind.ts'

const kindOf = (turn: string, plan: string, parameters = 'no parameters'): RequestKind => ({
  traits: [turn, parameters],
  values: [`plan=${plan}`, 'language=en'],
  chars: 10,
})

const times = (count: number, kind: RequestKind): RequestKind[] =>
  Array.from({ length: count }, () => kind)

const SAMPLE = [...times(90, kindOf('turn 1', 'pro')), ...times(30, kindOf('turn 1', 'free'))]
const ANSWERS = ['a', 'a', 'a', 'b'].map((name) => [name])

const partsOf = (sample: RequestKind[], isSingle: boolean) =>
  planParts({
    kinds: provenKinds(sample),
    sample,
    labels: ['a', 'b'],
    answers: ANSWERS,
    isSingle,
  })

describe('the parts of a plan', () => {
  it('are its answers and its kinds of requests, but none that all requests have', () => {
    expect(partsOf(SAMPLE, true)).toEqual([
      { kind: 'answer', name: 'a', share: 0.75 },
      { kind: 'request', name: 'plan=pro', share: 0.75 },
      { kind: 'answer', name: 'b', share: 0.25 },
      { kind: 'request', name: 'plan=free', share: 0.25 },
    ])
  })

  it('are proven parameters, too', () => {
    const sample = [...SAMPLE, ...times(LEAST_OF_A_TRAIT, kindOf('turn 1', 'pro', 'parameters={}'))]
    const names = partsOf(sample, true).map(({ name }) => name)
    expect(names).toContain('no parameters')
    expect(names).toContain('parameters={}')
    expect(names).not.toContain('turn 1')
  })

  it('are the exact turns alone where conversations go on', () => {
    const turns = ['turn 1', 'turn 2: user', 'turn 2: result', 'turns 5 to 8: user alone']
    const sample = turns.flatMap((turn) => [
      ...times(40, kindOf(turn, 'pro')),
      ...times(40, kindOf(turn, 'free')),
    ])
    expect(partsOf(sample, false).map(({ kind, name }) => [kind, name])).toEqual([
      ['request', 'turn 1'],
      ['request', 'turn 2: result'],
      ['request', 'turn 2: user'],
    ])
  })

  it('have a limit, and are the most frequent ones', () => {
    const names = Array.from({ length: 1_200 }, (_, i) => `label ${i}`)
    const parts = planParts({
      kinds: provenKinds(SAMPLE),
      sample: SAMPLE,
      labels: names,
      answers: names.slice(600).map((name) => [name]),
      isSingle: true,
    })
    expect(parts).toHaveLength(1_000)
    expect(parts.filter(({ share }) => share > 0)).toHaveLength(602)
  })

  it('are found in a request and its answer by their numbers', () => {
    const find = createPartFinder(partsOf(SAMPLE, true))
    expect(find(kindOf('turn 1', 'free'), ['a'])).toEqual([3, 0])
    // the name of an answer is none of a request
    expect(find(kindOf('turn 1', 'none'), ['plan=pro', 'c'])).toEqual([])
  })
})

describe('a kind of requests that is left out', () => {
  it('leaves the others, and is never the last one of its group', () => {
    const kinds = provenKinds(SAMPLE)
    const rest = withoutKind(kinds, 'plan=free')!
    expect(rest).toEqual({ ...kinds, values: ['language=en', 'plan=pro'] })
    for (const name of ['plan=pro', 'language=en', 'turn 1', 'no parameters'])
      expect(withoutKind(rest, name)).toBeNull()
  })
})

describe('a live route', () => {
  const parts = partsOf(SAMPLE, true)
  const part = (number: number) => ({
    ...parts[number]!,
    pairs: 9,
    losses: 9,
    credits: 0,
    capital: 9,
  })
  const [pro, free, label] = [part(1), part(3), part(0)]
  const plan = { ...exampleApproved().plan!, kinds: provenKinds(SAMPLE), parts }
  const liveWith = (...withheld: WithheldPart[]) => ({
    plan,
    state: { ...LIVE_STATE, withheld },
  })

  it('withholds a part once, and never the last kind of a group', () => {
    expect(newlyWrong(liveWith(), [pro, label])).toEqual([pro, label])
    expect(newlyWrong(liveWith(), [pro, free])).toEqual([pro])
    expect(newlyWrong(liveWith(free), [free, pro, label])).toEqual([label])
  })

  it('gives the answers and answers the kinds that are left', () => {
    const rules = rulesOf(plan, liveWith(free, label).state)
    expect(rules.answers).toEqual({ ...plan.answers, withheld: ['a'] })
    expect(rules.kinds.values).toEqual(['language=en', 'plan=pro'])
    expect(rulesOf(plan, liveWith().state)).toEqual({ answers: plan.answers, kinds: plan.kinds })
    expect(withheldShare(liveWith(free, label))).toBe(0.25)
  })
})
