import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { watchSnapshot, type SnapshotWatch } from '../../src/server/snapshot-watch.ts'

const POLL_MS = 500

const silent = { info: () => {} }

describe('a watched snapshot', () => {
  const fresh = {
    revision: 1,
    value: 'first',
    reads: 0,
    isDown: false,
    answers: Promise.resolve(),
    release: (): void => {},
  }
  const store = { ...fresh }
  let watch: SnapshotWatch<string>
  let faults: unknown[][]

  beforeEach(async () => {
    vi.useFakeTimers()
    Object.assign(store, fresh)
    faults = []
    watch = await watchSnapshot(
      {
        name: 'things',
        revision: async () => {
          if (store.isDown) throw new Error('gone')
          return store.revision
        },
        read: async () => {
          store.reads++
          const { value } = store
          await store.answers
          return value
        },
      },
      silent,
      (...reported) => faults.push(reported)
    )
  })

  afterEach(() => {
    watch.stop()
    vi.useRealTimers()
  })

  const change = (value: string): void => {
    store.value = value
    store.revision++
  }

  it('is replaced within two polls of a change, and read once per change', async () => {
    expect([watch.snapshot(), watch.isCurrent()]).toEqual(['first', true])
    change('second')
    await vi.advanceTimersByTimeAsync(2 * POLL_MS)
    expect(watch.snapshot()).toBe('second')
    await vi.advanceTimersByTimeAsync(10 * POLL_MS)
    expect(store.reads).toBe(2)
  })

  it('stays while the store fails, reports it, and catches up', async () => {
    store.isDown = true
    change('second')
    await vi.advanceTimersByTimeAsync(2 * POLL_MS)
    expect([watch.snapshot(), watch.isCurrent()]).toEqual(['first', false])
    expect(faults[0]).toEqual(['snapshot', new Error('gone'), { name: 'things' }])
    store.isDown = false
    await vi.advanceTimersByTimeAsync(2 * POLL_MS)
    expect([watch.snapshot(), watch.isCurrent()]).toEqual(['second', true])
  })

  it('reads one after another: a slow answer does not restore older data', async () => {
    store.answers = new Promise((resolve) => {
      store.release = resolve
    })
    change('second')
    await vi.advanceTimersByTimeAsync(3 * POLL_MS)
    expect(store.reads).toBe(2)
    change('third')
    store.release()
    await vi.advanceTimersByTimeAsync(2 * POLL_MS)
    expect(watch.snapshot()).toBe('third')
  })

  it('is as new as the call of a refresh, also during a slow poll', async () => {
    change('second')
    await watch.refresh()
    expect(watch.snapshot()).toBe('second')
    store.answers = new Promise((resolve) => {
      store.release = resolve
    })
    change('third')
    await vi.advanceTimersByTimeAsync(POLL_MS)
    // the poll has read the third revision and waits
    change('fourth')
    const refreshed = watch.refresh()
    store.answers = Promise.resolve()
    store.release()
    await refreshed
    expect(watch.snapshot()).toBe('fourth')
  })

  it('reports a failed refresh, and catches up when the store recovers', async () => {
    change('second')
    store.isDown = true
    await expect(watch.refresh()).rejects.toMatchObject({ code: 'store-unavailable' })
    expect([watch.snapshot(), watch.isCurrent()]).toEqual(['first', false])
    store.isDown = false
    await vi.advanceTimersByTimeAsync(POLL_MS)
    expect([watch.snapshot(), watch.isCurrent()]).toEqual(['second', true])
  })

  it('ages from the moment at which the store was asked, while it fails or does not answer', async () => {
    await vi.advanceTimersByTimeAsync(10 * POLL_MS)
    expect(watch.ageMs()).toBeLessThanOrEqual(POLL_MS)
    store.isDown = true
    await vi.advanceTimersByTimeAsync(20 * POLL_MS)
    expect(watch.ageMs()).toBeGreaterThanOrEqual(20 * POLL_MS)
    store.isDown = false
    await vi.advanceTimersByTimeAsync(POLL_MS)
    expect(watch.ageMs()).toBe(0)
    store.answers = new Promise((resolve) => {
      store.release = resolve
    })
    change('second')
    expect(watch.isCurrent()).toBe(true)
    await vi.advanceTimersByTimeAsync(11 * POLL_MS)
    expect([watch.ageMs(), watch.isCurrent()]).toEqual([11 * POLL_MS, false])
    store.release()
    await vi.advanceTimersByTimeAsync(0)
    expect(watch.ageMs()).toBe(10 * POLL_MS)
    await vi.advanceTimersByTimeAsync(POLL_MS)
    expect(watch.ageMs()).toBe(0)
  })

  it('stops polling when it is stopped', async () => {
    watch.stop()
    change('second')
    await vi.advanceTimersByTimeAsync(10 * POLL_MS)
    expect(store.reads).toBe(1)
  })
})
