/** How a promise stands: green only where its bound keeps it. */
import { describe, expect, it } from 'vitest'
import { liveAgreement, sliceStanding, standingOf } from '../../../src/views/say-verdict.ts'
import { exampleEvidence } from '../../kit/records/rollout.ts'

describe('a promise', () => {
  it.each([
    [0.99, 0.95, 'good'],
    [0.99, 0.894, 'waits'],
    [0.95, 0.894, 'waits'],
    [0.94, 0.9, 'bad'],
  ])('of 95 %% with %d observed and at least %d is %s', (observed, bound, tone) => {
    expect(standingOf({ observed, bound, promised: 0.95 }).tone).toBe(tone)
  })

  it('of a live route is read of the loss that its pairs show', () => {
    const agreement = liveAgreement(exampleEvidence())!
    expect(agreement.observed).toBeCloseTo(0.975)
    expect(agreement.bound).toBeCloseTo(0.918)
    expect(agreement.promised).toBeCloseTo(0.95)
    expect(liveAgreement(exampleEvidence({ pairs: 0 }))).toBeNull()
    expect(liveAgreement(null)).toBeNull()
  })
})

describe('a part of the traffic', () => {
  it.each([
    ['is green where its bound keeps the promise', 0.99, 0.96, true, 'good'],
    ['is amber where only the point keeps it', 0.97, 0.894, true, 'waits'],
    ['is amber where it is worse within ten points', 0.92, 0.88, true, 'waits'],
    ['is red where it fails', 0.8, 0.7, false, 'bad'],
  ])('%s', (_name, agreement, lowerBound, holds, tone) => {
    expect(sliceStanding({ agreement, lowerBound, holds }, 0.95).tone).toBe(tone)
  })
})
