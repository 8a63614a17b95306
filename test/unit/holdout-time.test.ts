import { expect, it } from 'vitest'
import { holdoutText, holdoutTimeOf } from '../../src/core/internalization/holdout-time.ts'
import { nonEmpty } from '../../src/core/lists.ts'

const MINUTE_MS = 60_000
const START = Date.UTC(2026, 10, 22, 10, 4)

it('counts hours by the clock that have a held-out request', () => {
  const times = [0, 1, 55, 56, 57, 600].map((minutes) => START + minutes * MINUTE_MS)
  // 10, 11 and 20 o'clock
  expect(holdoutTimeOf(nonEmpty(times))).toEqual({ from: START, until: times.at(-1), hours: 3 })
})

it('says when the held-out traffic came, in one sentence', () => {
  const heldOut = {
    holdoutRecordIds: Array<string>(500).fill('id'),
    holdout: { from: START, until: Date.UTC(2026, 10, 29, 9, 58), hours: 141 },
    earlierTries: 0,
  }
  const text = 'held out: 500 requests from 2026-11-22 10:04 to 2026-11-29 09:58 UTC, in 141 hours'
  expect(holdoutText(heldOut)).toBe(text)
  expect(holdoutText({ ...heldOut, earlierTries: 1 })).toBe(
    `${text}; 1 earlier try was judged on some of the same rows`
  )
  expect(holdoutText({ ...heldOut, earlierTries: 2 })).toContain('2 earlier tries were judged')
  expect(holdoutText({ ...heldOut, holdout: { from: START, until: START, hours: 1 } })).toMatch(
    /in 1 hour$/
  )
})
