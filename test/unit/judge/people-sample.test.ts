/** Which answers people rate: a block of 300 that no opinion has chosen. */
import { describe, expect, it } from 'vitest'
import { peopleFigures, PeopleSampler, type AuditedAnswer } from '../../../src/core/judge/people.ts'
import {
  asEvidence,
  lossOf,
  PAIR_OUTCOMES,
  type WatchedPair,
} from '../../../src/core/rollout/pair.ts'

const audits = (
  count: number,
  change: (index: number) => Partial<AuditedAnswer> = () => ({})
): AuditedAnswer[] =>
  Array.from({ length: count }, (_, index) => ({
    place: index + 1,
    recordId: `record-${index}`,
    at: 1_000 * index,
    conversation: String(index),
    outcome: index % 10 === 0 ? 'disagreed' : 'agreed',
    isEqual: false,
    rating: null,
    drawn: 1,
    ...change(index),
  }))

const sampleOf = (pairs: AuditedAnswer[], changes: number[] = []) => {
  const sampler = new PeopleSampler(changes)
  sampler.read(pairs)
  const { answers, earlierTries } = sampler.sample()
  const places = answers.map(({ place }) => place)
  return { answers, earlierTries, count: places.length, first: places[0], last: places.at(-1) }
}

const ratedAt =
  (...places: number[]) =>
  (index: number): Partial<AuditedAnswer> =>
    places.includes(index + 1) ? { rating: 'upstream' } : {}

describe('the sample that people rate', () => {
  it('has accepted and rejected answers in the order of the requests', () => {
    const { answers, count } = sampleOf(audits(100))
    expect(count).toBe(100)
    expect(answers.filter(({ isFlagged }) => isFlagged)).toHaveLength(10)
  })

  it('has no drafts and no requests without an answer of the lora', () => {
    const pairs = audits(PAIR_OUTCOMES.length, (index) => ({ outcome: PAIR_OUTCOMES[index]! }))
    expect(sampleOf(pairs).count).toBe(4)
  })

  it('is the newest whole block while none is rated', () => {
    expect(sampleOf(audits(299))).toMatchObject({ count: 299, first: 1 })
    expect(sampleOf(audits(599))).toMatchObject({ count: 300, first: 1, last: 300 })
    expect(sampleOf(audits(700))).toMatchObject({ count: 300, first: 301, last: 600 })
  })

  it('stays the same from the first rating on', () => {
    expect(sampleOf(audits(2_000, ratedAt(450)))).toMatchObject({
      first: 301,
      last: 600,
      earlierTries: 0,
    })
  })

  it('is the newest one that is rated, and those before are tries', () => {
    expect(sampleOf(audits(1_000, ratedAt(5, 450)))).toMatchObject({ first: 301, earlierTries: 1 })
    expect(sampleOf(audits(650, ratedAt(5, 620)))).toMatchObject({ first: 601, earlierTries: 1 })
  })

  it('begins anew when the route answers otherwise, and what was rated before is a try', () => {
    const changed = sampleOf(audits(700, ratedAt(3)), [350_500])
    expect(changed).toMatchObject({ first: 352, last: 651, earlierTries: 1 })
    expect(sampleOf(audits(400), [350_500])).toMatchObject({
      first: 352,
      count: 49,
      earlierTries: 0,
    })
  })

  it('needs no person for equal answers, and believes one who rates them', () => {
    const { answers } = sampleOf(
      audits(3, (index) => ({ isEqual: true, ...(index === 0 && { rating: 'upstream' }) }))
    )
    expect(answers.map(({ isBad }) => isBad)).toEqual([true, false, false])
  })

  it('keeps fewer of the audits of hours in which more were made', () => {
    const pairs = audits(2_000, (index) => ({ drawn: index % 2 === 0 ? 1 : 0.25 }))
    const { answers } = sampleOf(pairs.slice(0, 700))
    const often = answers.filter(({ place }) => place % 2 === 1).length
    expect(often / answers.length).toBeGreaterThan(0.1)
    expect(often / answers.length).toBeLessThan(0.3)
  })

  it.each([
    [8, 'proved'],
    [9, 'not-proved'],
  ])('of which %i are bad: %s', (bad, result) => {
    const pairs = audits(300, (index) => ({ rating: index < bad ? 'upstream' : 'both' }))
    const { answers: sample, earlierTries } = sampleOf(pairs)
    const figures = peopleFigures({ sample, margin: 0.05, burstMs: 0, earlierTries })
    expect(figures).toMatchObject({ rated: 300, bad, result })
  })
})

it('a rating is no evidence of what a judge promises, and decides where equality does', () => {
  const pair = { ...audits(1)[0]!, rating: 'both', ratedAt: 5 } as unknown as WatchedPair
  expect(lossOf(asEvidence(pair, false))).toBe(0)
  expect(lossOf(asEvidence(pair, true))).toBe(1)
})
