import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addHours,
  HOUR_MS,
  mergeHours,
  noLatencies,
  quantile,
  trafficOf,
  type CountedRecord,
  type LatencyHistogram,
} from '../../src/core/log/traffic-hours.ts'
import { exampleOutcome } from '../kit/records/examples.ts'

const record = (
  at: number,
  changes: Partial<CountedRecord['head']> = {},
  usage: CountedRecord['usage'] = null
): CountedRecord => ({
  head: { at, model: 'gpt', status: 200, durationMs: 100, route: null, ...changes },
  usage,
})

const usage = { prompt_tokens: 100, completion_tokens: 4, total_tokens: 104 }

/** Of a tier of its own. */
const invented = (number: number, changes: Partial<CountedRecord['head']> = {}): CountedRecord =>
  record(number, changes, { ...usage, service_tier: `tier-${number}` })

const histogramOf = (latencies: number[]): LatencyHistogram =>
  trafficOf(latencies.map((durationMs) => record(0, { durationMs })))[0]!.latency.upstream

const count = (histogram: LatencyHistogram): number => histogram.reduce((a, b) => a + b)

const route = (templateVersion: string, outcome: 'answered' | 'fallback' | 'skipped') => ({
  route: exampleOutcome({ templateVersion, outcome }),
})

describe('figures by the hour', () => {
  it('count requests, matches, answers, tokens and savings of each hour', () => {
    const skipped = exampleOutcome({ outcome: 'skipped', promptTokensSaved: 0 })
    const [hour, next] = trafficOf([
      record(HOUR_MS + 1, {}, usage),
      record(HOUR_MS + 2, { route: exampleOutcome() }, usage),
      record(2 * HOUR_MS - 1, { route: skipped }, usage),
      record(2 * HOUR_MS),
    ])
    expect(hour).toMatchObject({
      hour: HOUR_MS,
      requests: 3,
      matched: 2,
      answered: 1,
      failed: 0,
      promptTokens: 200,
      promptTokensSaved: 790,
      charged: [{ model: 'gpt', answers: 2, input: 200, cachedInput: 0, cacheWrite: 0, output: 8 }],
      uncounted: 0,
      asked: [{ version: 'version-1', answered: 1, discarded: 0 }],
    })
    expect([count(hour!.latency.lora), count(hour!.latency.upstream)]).toEqual([1, 2])
    expect(next).toMatchObject({ hour: 2 * HOUR_MS, requests: 1, matched: 0, promptTokens: 0 })
    expect(next).toMatchObject({ charged: [], uncounted: 1, asked: [] })
  })

  it('tell models apart, with what the cache gave; a client that invents names fills no memory', () => {
    const cached = { ...usage, prompt_tokens_details: { cached_tokens: 60 } }
    const records = Array.from({ length: 100 }, (_, model) => [
      record(0, { model: `m${model}` }, usage),
      record(HOUR_MS, { model: `m${model}` }, cached),
    ]).flat()
    records.push(record(0, { model: '__proto__', status: 500 }, usage))
    for (const hour of trafficOf(records)) {
      expect(hour.charged).toHaveLength(64)
      expect(hour.uncounted).toBe(36)
    }
    const [both] = mergeHours(trafficOf(records), 2 * HOUR_MS)
    expect(both!.charged).toHaveLength(64)
    expect(both!.uncounted).toBe(72)
    expect(both!.charged[0]).toEqual({
      model: 'm0',
      answers: 2,
      input: 200,
      cachedInput: 60,
      cacheWrite: 0,
      output: 8,
    })
  })

  it('tell tiers of a model apart; an upstream that invents names hides no other model', () => {
    const clients = [...Array(200).keys()].map((number) => invented(number))
    const bought = { of: 'a', at: 1, conversation: 'a' }
    const moved = [...Array(200).keys()].map((number) => invented(number, { bought }))
    const others = ['other', 'third'].map((model) => record(300, { model }, usage))
    const [hour] = trafficOf([...clients, ...moved, ...others])
    for (const rows of [hour!.charged.filter(({ model }) => model === 'gpt'), hour!.bought!]) {
      expect(rows.length).toBeLessThan(40)
      expect(rows.reduce((sum, { answers }) => sum + answers, 0)).toBe(200)
    }
    expect(hour!.uncounted).toBe(0)
    const summed = addHours(hour!, hour!)
    expect(summed.bought!.length).toBeLessThan(40)
    expect(summed.charged.reduce((sum, { input }) => sum + input, 0)).toBe(2 * 202 * 100)
  })

  it('count what a lora was asked for, by template', () => {
    const [hour] = trafficOf([
      record(0, route('a', 'answered')),
      record(1, route('b', 'fallback')),
      record(2, route('a', 'fallback')),
      record(3, route('a', 'skipped')),
    ])
    expect(hour!.asked).toEqual([
      { version: 'a', answered: 1, discarded: 1 },
      { version: 'b', answered: 0, discarded: 1 },
    ])
  })

  it('have no latency of errors, of clients that left, and of imported records', () => {
    const [hour] = trafficOf([
      record(0, { status: 500 }),
      record(0, { status: 499 }),
      record(0, { durationMs: 0 }),
    ])
    expect(hour!.requests).toBe(3)
    expect(hour!.latency.upstream).toEqual(noLatencies())
  })

  it('count what failed on the side of servers, not of clients', () => {
    const [hour] = trafficOf(
      [500, 502, 599, 200, 404, 429, 499].map((status) => record(0, { status }))
    )
    expect(hour).toMatchObject({ requests: 7, failed: 3 })
  })

  it('merge into days as if the records had come in one', () => {
    const at = fc.integer({ min: 0, max: 5 * 24 * HOUR_MS })
    const durationMs = fc.integer({ min: 0, max: 10_000_000 })
    fc.assert(
      fc.property(fc.array(fc.record({ at, durationMs })), (calls) => {
        const hours = trafficOf(calls.map((call) => record(call.at, call)))
        const byDay = mergeHours(
          hours.toSorted((a, b) => a.hour - b.hour),
          24 * HOUR_MS
        )
        const days = byDay.map(({ hour }) => hour)
        expect(days).toEqual([...new Set(days)].toSorted((a, b) => a - b))
        expect(days.every((day) => day % (24 * HOUR_MS) === 0)).toBe(true)
        for (const { hour, requests, latency } of byDay) {
          const own = calls.filter(
            (call) => Math.floor(call.at / (24 * HOUR_MS)) === hour / (24 * HOUR_MS)
          )
          expect(requests).toBe(own.length)
          expect(latency.upstream).toEqual(
            own.length === 0 ? noLatencies() : histogramOf(own.map((call) => call.durationMs))
          )
        }
      })
    )
  })
})

describe('quantile of latencies', () => {
  it('is null without a latency', () => {
    expect(quantile(noLatencies(), 0.5)).toBeNull()
  })

  it('is within one bucket, a factor of 1.52, of the true one', () => {
    const latency = fc.double({ min: 1, max: 600_000, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(latency, { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (latencies, share) => {
          const sorted = latencies.toSorted((a, b) => a - b)
          const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
          const ratio = quantile(histogramOf(latencies), share)! / exact
          expect(ratio).toBeGreaterThan(1 / 1.52)
          expect(ratio).toBeLessThan(1.52)
        }
      )
    )
  })

  it('puts what is outside of 1 ms to 10 minutes at its ends', () => {
    expect(quantile(histogramOf([0.01, 0.02]), 0)).toBe(1)
    expect(quantile(histogramOf([3_600_000]), 1)).toBeCloseTo(600_000)
  })

  it('divides the answers of one bucket evenly', () => {
    const [low, middle, high] = [0, 0.5, 1].map((share) => quantile(histogramOf([5, 5]), share)!)
    expect(middle! / low!).toBeCloseTo(high! / middle!)
    expect(high! / low!).toBeCloseTo(600_000 ** (1 / 32))
  })
})
