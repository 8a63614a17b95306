/** How much a live route has answered over time, read from its history. */
import { changeReason } from '../../src/core/internalization/change-reason.ts'
import { saidBy } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import {
  coverageChange,
  coverageSteps,
  hasMoved,
} from '../../src/core/internalization/coverage-steps.ts'
import type {
  HistoryEntry,
  InternalizationState,
} from '../../src/core/internalization/internalization.ts'
import type { BorderSums } from '../../src/core/rollout/border.ts'
import { changeText, gainText, routeSteps } from '../../src/lifecycle/rollout-report.ts'
import { exampleApproved } from '../kit/records/examples.ts'
import { exampleBorder, exampleEvidence, exampleWithheld, stageOf } from '../kit/records/rollout.ts'

/** Its proof has a threshold of -0.125, and a coverage of 60 %. */
const ROW = exampleApproved()
const PROVED = -0.125

const live = (
  share: number,
  changes: Partial<Extract<InternalizationState, { name: 'live' }>> = {}
): InternalizationState => ({
  name: 'live',
  stage: stageOf(share),
  ...changes,
})

/** Each state from the one before, a minute apart. */
const historyOf = (...states: InternalizationState[]): HistoryEntry[] =>
  states.map((to, i) => ({
    at: i * 60_000,
    from: states[i - 1] ?? null,
    to,
    by: 'worker',
    note: null,
  }))

const [wider, narrower] = [exampleBorder(-0.5), exampleBorder(-0.05)]
const NARROWED = { before: 100, rise: 6, least: 0 as const }
const withheld = [exampleWithheld('card_arrival', 20)]

const stepsOf = (...states: InternalizationState[]) =>
  coverageSteps(ROW, historyOf(...states), () => '')

const [APPROVAL, CANARY]: InternalizationState[] = [{ name: 'approval' }, live(0.05)]
const WIDENED = live(0.05, {
  border: wider,
  coverage: { audited: 1000, before: 580, after: 640 },
})

describe('the steps of a route', () => {
  it('are none before it was live', () => {
    expect(stepsOf({ name: 'candidate' }, APPROVAL!)).toEqual([])
  })

  it('begin with the coverage of the proof, which stages do not change', () => {
    const evidence = exampleEvidence()
    const steps = stepsOf(APPROVAL!, CANARY!, live(0.25, { evidence }), live(1))
    expect(steps).toMatchObject([
      { cause: 'proof', share: 0.05, threshold: PROVED, coverage: 0.6, before: null, at: 60_000 },
      { cause: 'stage', share: 0.25, coverage: 0.6, capital: evidence.step },
      { cause: 'stage', share: 1, coverage: 0.6, capital: null },
    ])
    expect(hasMoved(steps)).toBe(false)
  })

  it('are moves of the border in both directions, and withheld answers', () => {
    const steps = stepsOf(
      APPROVAL!,
      CANARY!,
      WIDENED,
      live(0.05, {
        border: wider,
        withheld,
        coverage: { audited: 2000, before: 1280, after: 1260 },
      }),
      live(1, { border: wider, withheld }),
      live(1, {
        border: narrower,
        withheld,
        coverage: { audited: 4000, before: 2520, after: 2200 },
      })
    )
    expect(
      steps.map(({ cause, threshold, coverage, before }) => [cause, threshold, coverage, before])
    ).toEqual([
      ['proof', PROVED, 0.6, null],
      ['border', -0.5, 0.64, 0.58],
      ['withheld', -0.5, 0.63, 0.64],
      ['stage', -0.5, 0.63, null],
      ['border', -0.05, 0.55, 0.63],
    ])
    expect(steps[1]!.capital).toBe(wider.evidence.capital)
    expect(steps[2]!.capital).toBe(withheld[0]!.capital)
    expect(hasMoved(steps)).toBe(true)
    expect(gainText(steps)).toBe(
      '+6.0 points by wider borders, -1.0 points by withheld answers, -8.0 points by narrower borders'
    )
  })

  it('end with its rollback, and begin anew from the proof or with what was learned', () => {
    const evidence = exampleEvidence()
    const retired = {
      name: 'retired',
      reason: saidBy('rolled back: it disagrees'),
      evidence,
    } as const
    const ended = [APPROVAL!, CANARY!, WIDENED, retired] as const
    const history = historyOf(...ended)
    expect(routeSteps(ROW, history).at(-1)).toEqual({
      at: 180_000,
      cause: 'retired',
      threshold: -0.5,
      share: 0,
      coverage: 0,
      before: null,
      capital: evidence.rollback,
      why: 'rolled back: it disagrees',
    })
    expect(stepsOf(...ended, WIDENED).at(-1)).toMatchObject({
      cause: 'restored',
      threshold: -0.5,
      coverage: 0.64,
      before: null,
    })
    const again = stepsOf(...ended, CANARY!)
    expect(again.at(-1)).toMatchObject({ cause: 'proof', threshold: PROVED, coverage: 0.6 })
    expect(gainText(again)).toBeNull()
  })

  it('have no coverage where an older history does not know it', () => {
    const steps = stepsOf(APPROVAL!, CANARY!, live(0.05, { border: wider }))
    expect(steps.at(-1)).toMatchObject({ cause: 'border', coverage: null, before: null })
    expect(gainText(steps)).toBeNull()
  })

  it('leave out what changes nothing that it answers', () => {
    expect(stepsOf(APPROVAL!, CANARY!, CANARY!)).toHaveLength(1)
  })
})

describe('the reason of a step', () => {
  it('has the coverage that it gained or lost, on the same requests', () => {
    const [, , moved] = historyOf(APPROVAL!, CANARY!, WIDENED)
    expect(changeText({ ...moved!, note: null })).toMatch(
      /evidence 25; it answers 64\.0 % of the audited requests, 58\.0 % before$/
    )
  })
})

const counts = (pairs: number) => ({ pairs, losses: 0, credits: 0 })
const SUMS: BorderSums = {
  borders: [
    { threshold: PROVED, ...counts(58) },
    { threshold: -0.5, ...counts(64) },
  ],
  answered: 58,
  drafts: 20,
  audited: 100,
}

const row = (state: InternalizationState) => ({ ...ROW, state })

describe('a change of the coverage', () => {
  it('compares both borders on all audited requests until then', () => {
    expect(coverageChange(row(CANARY!), { border: wider }, SUMS)).toEqual({
      audited: 100,
      before: 58,
      after: 64,
    })
    const proof = { ...wider, threshold: PROVED }
    expect(coverageChange(row(WIDENED), { border: proof }, SUMS)).toEqual({
      audited: 100,
      before: 64,
      after: 58,
    })
  })

  it('takes withheld answers away, also at the next border', () => {
    const state = live(0.05, { withheld })
    expect(coverageChange(row(CANARY!), { withheld }, SUMS)).toMatchObject({
      before: 58,
      after: 38,
    })
    expect(coverageChange(row(state), { border: wider }, SUMS)).toMatchObject({
      before: 38,
      after: 44,
    })
  })

  it('is known of a border that the sums do not have where its answers are given', () => {
    expect(coverageChange(row(CANARY!), { border: narrower }, SUMS)).toBeUndefined()
    expect(coverageChange(row(CANARY!), { border: narrower }, SUMS, 41)).toEqual({
      audited: 100,
      before: 58,
      after: 41,
    })
  })

  it.each([
    ['border-widened', live(0.05, { border: wider })],
    ['border-narrowed', live(0.05, { border: { ...narrower, narrowing: NARROWED } })],
    ['withheld', live(0.05, { withheld })],
    ['stage-entered', live(0.25, { evidence: exampleEvidence() })],
  ])('is a code: %s', (code, to) => {
    expect(changeReason({ from: CANARY!, to })?.code).toBe(code)
  })
})
