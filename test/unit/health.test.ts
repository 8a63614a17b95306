import { afterEach, describe, expect, it } from 'vitest'
import { watchHealth, type Health, type HealthOptions } from '../../src/server/health.ts'
import { eventually } from '../proxy/harness.ts'

const NOTHING = { queued: 0, queuedBytes: 0, written: 0, dropped: 0, storeFailures: 0 }

let health: Health
afterEach(() => health.stop())

/** Looks every few milliseconds; a round is over once the stats were read twice more. */
const watch = (options: Partial<HealthOptions> = {}) => {
  const state = { stats: NOTHING, reads: 0 }
  health = watchHealth({
    engine: null,
    fault: () => {},
    everyMs: 5,
    timeoutMs: 20,
    ...options,
    logStats: () => {
      state.reads++
      return state.stats
    },
  })
  const rounds = async (): Promise<void> => {
    const { reads } = state
    await eventually(() => state.reads > reads + 1)
  }
  return { state, rounds }
}

describe('the health of the log', () => {
  it('is bad while records are dropped and none is written, and good again with the next one', async () => {
    const { state, rounds } = watch()
    await rounds()
    expect(health.logIsTaken()).toBe(true)
    state.stats = { ...NOTHING, dropped: 3 }
    await rounds()
    expect(health.logIsTaken()).toBe(false)
    await rounds()
    expect(health.logIsTaken()).toBe(false)
    state.stats = { ...NOTHING, dropped: 3, written: 1 }
    await rounds()
    expect(health.logIsTaken()).toBe(true)
  })

  it('is good where a burst drops some of what comes', async () => {
    const { state, rounds } = watch()
    state.stats = { ...NOTHING, dropped: 3, written: 50 }
    await rounds()
    expect(health.logIsTaken()).toBe(true)
  })
})

describe('the health of the engine', () => {
  it('is unknown without one', async () => {
    const { rounds } = watch()
    await rounds()
    expect(health.engineIsReachable()).toBeNull()
  })

  it('follows its answers, and silence is none', async () => {
    const engine = { models: (): Promise<unknown> => Promise.reject(new Error('away')) }
    const faults: unknown[][] = []
    const { rounds } = watch({ engine, fault: (...reported) => faults.push(reported) })
    expect(health.engineIsReachable()).toBe(true)
    await eventually(() => health.engineIsReachable() === false)
    await rounds()
    // that it is still away is no news
    expect(faults).toEqual([['engine-away', new Error('away')]])
    engine.models = () => Promise.resolve([])
    await eventually(() => health.engineIsReachable() === true)
    engine.models = () => new Promise(() => {})
    await eventually(() => health.engineIsReachable() === false)
    expect(faults[1]).toMatchObject(['engine-away', { code: 'engine-timeout' }])
  })
})
