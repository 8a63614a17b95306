/** The stages of a rollout: their names and shares, and what evidence decides. */
import { describe, expect, it } from 'vitest'
import { lossBoundsOf } from '../../src/core/internalization/live-route.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import { addLoss, NO_PAIRS, NO_STREAM } from '../../src/core/rollout/evidence.ts'
import {
  decideRollout,
  evidenceFigures,
  firstShare,
  isMore,
  nextShare,
  pausedStage,
  resumedStage,
  stageName,
  stageOf,
  trafficShares,
  type EvidenceFigures,
  type RolloutSettings,
  type RolloutStage,
} from '../../src/core/rollout/stages.ts'
import { exampleApproved } from '../kit/records/examples.ts'

const SETTINGS: RolloutSettings = {
  stages: [0, 0.05, 0.25, 1],
  auditShare: 0.03,
  minHours: 24,
  rollbackCapital: 300,
  stepCapital: 20,
  steps: true,
  auditUsdPerDay: null,
}

const at = (share: number): RolloutStage => stageOf(share, NO_PAIRS, 0)

const internalization = (
  upstreamAgreement: number,
  agreementAnsweredBound: number
): Pick<Internalization, 'id' | 'verdict'> => ({
  id: 'i',
  verdict: {
    ...exampleApproved().verdict!,
    arm: 0,
    upstreamAgreement,
    arms: [{ ...exampleApproved().verdict!.arms[0]!, lossBound: 1 - agreementAnsweredBound }],
  },
})

describe('the name of a stage', () => {
  it.each([
    [0, 'shadow'],
    [0.05, 'canary 5 %'],
    [0.125, 'canary 12.5 %'],
    [0.001, 'canary 0.1 %'],
    [0.07, 'canary 7 %'],
    [1, 'full'],
  ])('of share %d is %s', (share, name) => {
    expect(stageName(at(share))).toBe(name)
  })
})

describe('the shares of the traffic', () => {
  it.each<[string, number, Partial<RolloutSettings>, served: number, audited: number]>([
    ['shadow', 0, {}, 0, 1],
    ['shadow without audits at the end', 0, { auditShare: 0 }, 0, 1],
    ['canary', 0.05, {}, 0.05, 0.95],
    ['full', 1, {}, 0.97, 0.03],
    ['full without audits', 1, { auditShare: 0 }, 1, 0],
  ])('in %s', (_case, share, changes, trafficShare, auditShare) => {
    const shares = trafficShares(at(share), { ...SETTINGS, ...changes })
    expect(shares.trafficShare).toBeCloseTo(trafficShare, 12)
    expect(shares.auditShare).toBeCloseTo(auditShare, 12)
    expect(shares.trafficShare + shares.auditShare).toBeLessThanOrEqual(1)
  })
})

describe('the order of stages', () => {
  const counts = { pairs: 200, losses: 3.5, credits: 0 }

  it('begins with the first one that is set', () => {
    expect(firstShare(SETTINGS)).toBe(0)
    expect(firstShare({ ...SETTINGS, stages: [1] })).toBe(1)
  })

  it('goes to the next larger share', () => {
    expect([0, 0.25, 1].map((share) => nextShare(at(share), SETTINGS))).toEqual([0.05, 1, null])
  })

  it('has the pairs before a stage, and its time', () => {
    const figures = { ...counts, rollback: 1 }
    expect(stageOf(0.25, figures, 7)).toEqual({ share: 0.25, before: counts, began: 7 })
  })

  it('goes from a pause back to the stage that was paused, with its pairs', () => {
    const stage = { share: 0.25, before: { pairs: 10, losses: 1, credits: 0 }, began: 5 }
    const paused = pausedStage(stage)
    expect(stageName(paused)).toBe('paused')
    expect(pausedStage(paused)).toEqual(paused)
    expect(nextShare(paused, SETTINGS)).toBe(0.25)
    expect(resumedStage(paused)).toEqual(stage)
    expect(resumedStage(stage)).toEqual(stage)
    expect([0.25, 0.26].map((share) => isMore(share, paused))).toEqual([false, true])
  })

  it('goes on where the settings have changed since', () => {
    expect(nextShare(at(0.1), SETTINGS)).toBe(0.25)
    expect(nextShare(at(0.1), { stages: [1] })).toBe(1)
  })
})

describe('what evidence decides', () => {
  const none: EvidenceFigures = {
    ...NO_PAIRS,
    interval: [0, 1],
    margin: 0.05,
    proven: 0.04,
    least: 0,
    rollback: 0,
    drift: 0,
    step: 0,
    stagePairs: 0,
    roseAt: null,
    sinceRise: NO_PAIRS,
  }
  const [rollback, step] = [Math.log(300), Math.log(20)]

  it.each<[string, Partial<EvidenceFigures>, number, object]>([
    ['nothing before a pair', {}, 0, { rollsBack: false, hasDrifted: false, mayStep: false }],
    ['a rollback at its capital', { rollback }, 1, { rollsBack: true }],
    ['none just below it', { rollback: rollback - 1e-9 }, 1, { rollsBack: false }],
    ['drift at the same capital', { drift: rollback }, 1, { hasDrifted: true, rollsBack: false }],
    ['none just below it', { drift: rollback - 1e-9 }, 1, { hasDrifted: false }],
    ['a step at its capital', { step }, 0.25, { mayStep: true }],
    ['a step from the shadow stage', { step }, 0, { mayStep: true }],
    ['none just below it', { step: step - 1e-9 }, 0, { mayStep: false }],
    ['none in the last stage', { step }, 1, { mayStep: false }],
  ])('is %s', (_case, changes, share, decision) => {
    expect(
      decideRollout({ ...none, ...changes }, { stage: at(share), waitsFor: [] }, SETTINGS)
    ).toMatchObject(decision)
  })

  it('is a rollback, but no step, in a pause', () => {
    const paused = pausedStage(at(0.25))
    expect(
      decideRollout({ ...none, step, rollback }, { stage: paused, waitsFor: [] }, SETTINGS)
    ).toEqual({
      rollsBack: true,
      hasDrifted: false,
      mayStep: false,
    })
  })

  it('comes from all pairs for the route, and from those since it began for a stage', () => {
    let stream = NO_STREAM
    for (let pair = 0; pair < 60; pair++) stream = addLoss(stream, pair < 30 ? 1 : 0)
    const inStage = { pairs: 30, losses: 0, credits: 0 }
    const startTimes = new Map<number, number>()
    const figures = evidenceFigures(
      { stream, inStage, startTimes },
      { margin: 0.05, proven: 0.04, least: 0 }
    )
    expect(figures).toMatchObject({ pairs: 60, losses: 30, stagePairs: 30 })
    expect(figures.rollback).toBeGreaterThan(rollback)
    expect(figures.drift).toBeGreaterThan(figures.rollback)
    expect(figures.step).toBeGreaterThan(0)
    expect(figures.interval[0]).toBeGreaterThan(0.25)
    expect(figures.interval[1]).toBeLessThan(0.75)
  })
})

describe('the bounds of the loss of a route', () => {
  it('are the margin and what promotion proved', () => {
    const bounds = lossBoundsOf(internalization(1, 0.961), false)
    expect(bounds.margin).toBe(0.05)
    expect(bounds.proven).toBeCloseTo(0.039, 12)
    expect(lossBoundsOf(internalization(1, 0.961), true)).toEqual({ ...bounds, least: -1 })
  })

  it('allow nothing for an upstream that disagrees with itself, with second answers or without', () => {
    for (const hasCredits of [false, true])
      expect(lossBoundsOf(internalization(0.9, 0.961), hasCredits).margin).toBe(0.05)
  })

  it('are between 0 and 1, and what was proven is at most the margin', () => {
    expect(lossBoundsOf(internalization(1, 1), false).proven).toBe(0.001)
    expect(lossBoundsOf(internalization(1, 0.9), false)).toEqual({
      margin: 0.05,
      proven: 0.05,
      least: 0,
    })
  })

  it('need a verdict', () => {
    expect(() => lossBoundsOf({ id: 'i', verdict: null }, true)).toThrow('has no verdict')
  })
})
