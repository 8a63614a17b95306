/** How long a stage lasts at least, and what it says that it waits for. */
import { reasonOf, type Reason } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import { baselineOf, type Baseline } from '../../src/core/rollout/indicators.ts'
import { partOfDay } from '../../src/core/days.ts'
import { NO_PAIRS } from '../../src/core/rollout/evidence.ts'
import { PairReader } from '../../src/core/rollout/pair-reader.ts'
import type { JudgedPair } from '../../src/core/rollout/pair.ts'
import { stageWaits, type StageTime } from '../../src/core/rollout/stage-time.ts'
import { pausedStage, stageOf } from '../../src/core/rollout/stages.ts'

const HOUR_MS = 3_600_000
const BEGAN = Date.UTC(2026, 10, 29, 10, 4)

/** Half of the traffic before noon, a little at night, none in the evening. */
const PARTS = [0.04, 0.06, 0.4, 0.4, 0.1, 0]
const BASELINE = { parts: PARTS } as Baseline

const waits = (changes: Partial<StageTime> = {}, minHours = 24): Reason[] =>
  stageWaits(
    {
      stage: stageOf(0.05, NO_PAIRS, BEGAN),
      stageParts: [0, 3, 3, 3, 3, 0],
      baseline: BASELINE,
      now: BEGAN + 24 * HOUR_MS,
      ...changes,
    },
    { minHours }
  )

describe('a stage of a rollout', () => {
  it('waits for nothing after a day with pairs of each part that the proof had traffic in', () => {
    expect(waits()).toEqual([])
  })

  it('waits for the end of its least time, and says when that is', () => {
    const now = BEGAN + 24 * HOUR_MS - 1
    expect(waits({ now })).toEqual([reasonOf('stage-too-young', { until: BEGAN + 24 * HOUR_MS })])
    expect(waits({ now }, 23)).toEqual([])
  })

  it('waits for three pairs of each part of the day, and names the parts', () => {
    expect(waits({ stageParts: [0, 0, 3, 2, 3, 0] })).toEqual([
      reasonOf('part-of-day-missing', { part: 1, pairs: 0, needed: 3 }),
      reasonOf('part-of-day-missing', { part: 3, pairs: 2, needed: 3 }),
    ])
    expect(waits({ stageParts: [0, 0, 0, 0, 0, 0], baseline: null })).toEqual([])
  })

  it('asks for the parts of the day for a week at most', () => {
    const stageParts = [0, 0, 3, 3, 3, 0]
    expect(waits({ stageParts, now: BEGAN + 167 * HOUR_MS })).toHaveLength(1)
    expect(waits({ stageParts, now: BEGAN + 168 * HOUR_MS })).toEqual([])
  })

  it('waits longer where the clock was set back', () => {
    expect(waits({ now: BEGAN - 48 * HOUR_MS })).toEqual([
      reasonOf('stage-too-young', { until: BEGAN + 24 * HOUR_MS }),
    ])
  })

  it('waits for nothing with a least time of 0, in its last stage and in a pause', () => {
    const early = { now: BEGAN, stageParts: [0, 0, 0, 0, 0, 0] }
    expect(waits(early, 0)).toEqual([])
    expect(waits({ ...early, stage: stageOf(1, NO_PAIRS, BEGAN) })).toEqual([])
    const stage = pausedStage(stageOf(0.05, NO_PAIRS, BEGAN))
    expect(stage.began).toBe(BEGAN)
    expect(waits({ ...early, stage })).toEqual([])
  })
})

describe('the parts of the day', () => {
  it('are six of four hours, UTC', () => {
    const hours = [0, 3.99, 4, 12, 23.99, 24]
    expect(hours.map((hour) => partOfDay(hour * HOUR_MS))).toEqual([0, 0, 1, 3, 5, 0])
    expect(partOfDay(-HOUR_MS)).toBe(5)
  })

  it('of the held-out traffic are in the baseline', () => {
    const sighting = { isFallback: false, confidence: -0.1, chars: 10, isNewLabel: null }
    const times = [0, 1, 5, 22].map((hour) => ({ ...sighting, at: hour * HOUR_MS }))
    expect(baselineOf(times).parts).toEqual([0.5, 0.25, 0, 0, 0, 0.25])
  })

  it('have the pairs since the stage began', () => {
    const reader = new PairReader(true, 2)
    reader.read(
      [0, 5, 5, 6, 13].map((hour, i): JudgedPair => ({
        place: i + 1,
        at: hour * HOUR_MS,
        conversation: String(i),
        outcome: 'agreed',
        drawn: 1,
        rating: null,
        confidence: 0,
      }))
    )
    expect(reader.sums(0).stageParts).toEqual([0, 2, 0, 1, 0, 0])
  })
})
