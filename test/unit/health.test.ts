import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { watchHealth, type Health, type HealthOptions } from '../../src/server/health.ts'

const EVERY_MS = 5000
const TIMEOUT_MS = 5000
const NOTHING = { queued: 0, queuedBytes: 0, written: 0, dropped: 0, storeFailures: 0 }

let health: Health
let stats = NOTHING

const watch = (options: Partial<HealthOptions> = {}): void => {
  const routes = { ageMs: () => 0, maxAgeMs: 1 }
  health = watchHealth({ engine: null, routes, fault: () => {}, ...options, logStats: () => stats })
}

beforeEach(() => {
  vi.useFakeTimers()
  stats = NOTHING
})
afterEach(() => {
  health.stop()
  vi.useRealTimers()
})

const check = () => vi.advanceTimersByTimeAsync(EVERY_MS)

describe('the health of the log', () => {
  it.each([
    ['nothing happens', {}, true],
    ['records are dropped and none is written', { dropped: 3 }, false],
    ['a burst drops some of the records', { dropped: 3, written: 50 }, true],
  ])('when %s', async (_, change, isTaken) => {
    watch()
    stats = { ...NOTHING, ...change }
    await check()
    expect(health.logIsTaken()).toBe(isTaken)
  })

  it('stays bad without news, and is good again after the next record', async () => {
    watch()
    stats = { ...NOTHING, dropped: 3 }
    await check()
    await check()
    expect(health.logIsTaken()).toBe(false)
    stats = { ...NOTHING, dropped: 3, written: 1 }
    await check()
    expect(health.logIsTaken()).toBe(true)
  })
})

describe('the health of the engine', () => {
  it('is null without an engine', async () => {
    watch()
    await check()
    expect(health.engineIsReachable()).toBeNull()
  })

  it('follows its answers; a missing answer counts as a failure after the timeout', async () => {
    const engine = { models: (): Promise<unknown> => Promise.reject(new Error('away')) }
    const faults: unknown[][] = []
    watch({ engine, fault: (...reported) => faults.push(reported) })
    expect(health.engineIsReachable()).toBe(true)
    await check()
    await check()
    expect(health.engineIsReachable()).toBe(false)
    // only the change is reported
    expect(faults).toEqual([['engine-away', new Error('away')]])
    engine.models = () => Promise.resolve([])
    await check()
    expect(health.engineIsReachable()).toBe(true)
    engine.models = () => new Promise(() => {})
    await check()
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS - 1)
    expect(health.engineIsReachable()).toBe(true)
    await vi.advanceTimersByTimeAsync(1)
    expect(health.engineIsReachable()).toBe(false)
    expect(faults[1]).toMatchObject(['engine-away', { code: 'engine-timeout' }])
  })
})

describe('the age of the routes', () => {
  it('is a fault when it passes the limit, and again only after they were confirmed', async () => {
    let ageMs = 0
    const faults: unknown[][] = []
    const routes = { ageMs: () => ageMs, maxAgeMs: 60_000 }
    watch({ routes, fault: (...reported) => faults.push(reported) })
    const agesAndFaults: [number, number][] = [
      [60_000, 0],
      [61_000, 1],
      [66_000, 1],
      [200, 1],
      [90_000, 2],
    ]
    for (const [age, expected] of agesAndFaults) {
      ageMs = age
      await check()
      expect(faults).toHaveLength(expected)
    }
    expect(faults[0]).toMatchObject([
      'routes-too-old',
      { message: expect.stringContaining('for 61 s') as string },
    ])
  })
})
