import { beforeEach, describe, expect, it } from 'vitest'
import { Batcher } from '../../../src/store/log/batcher.ts'

const range = (length: number): number[] => Array.from({ length }, (_, index) => index)

describe('batcher', () => {
  let batches: number[][]
  let timers: { callback: () => void; delayMs: number }[]

  const setTimer = (callback: () => void, delayMs: number) => {
    const timer = { callback, delayMs }
    timers.push(timer)
    return () => void timers.splice(timers.indexOf(timer), 1)
  }
  const batcher = (): Batcher<number> =>
    new Batcher(async (items) => {
      if (items.includes(13)) throw new Error('thirteen')
      batches.push(items)
    }, setTimer)

  beforeEach(() => {
    batches = []
    timers = []
  })

  it('writes fifty items at once, and the items that arrive meanwhile together after them', async () => {
    const target = batcher()
    await Promise.all(range(620).map((index) => target.add([index + 100])))
    expect(batches.map(({ length }) => length)).toEqual([50, 512, 58])
    expect(batches.flat()).toEqual(range(620).map((index) => index + 100))
    expect(timers).toEqual([])
  })

  it('writes fewer items when the one timer of 20 ms fires', async () => {
    const target = batcher()
    const added = Promise.all([target.add([1]), target.add([2, 3]), target.add([])])
    expect(timers.map(({ delayMs }) => delayMs)).toEqual([20])
    expect(batches).toEqual([])
    timers[0]!.callback()
    await added
    void target.add([4])
    expect(timers).toHaveLength(1)
    await target.flush()
    expect(batches).toEqual([[1, 2, 3], [4]])
    expect(timers).toEqual([])
    await target.flush()
  })

  it('splits a list over 512 items', async () => {
    await batcher().add(range(1113).map((index) => index + 100))
    expect(batches.map(({ length }) => length)).toEqual([512, 512, 89])
  })

  it('resolves no earlier than the write', async () => {
    const finishes: (() => void)[] = []
    const target = new Batcher(() => new Promise<void>((resolve) => finishes.push(resolve)))
    let done = false
    const added = target.add(range(50)).then(() => (done = true))
    await new Promise(setImmediate)
    expect(done).toBe(false)
    for (const finish of finishes) finish()
    expect(await added).toBe(true)
  })

  it('rejects only the call with the bad item', async () => {
    const target = batcher()
    const added = Promise.allSettled([target.add([1]), target.add([13]), target.add([2])])
    await target.flush()
    expect((await added).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(batches).toEqual([[1], [2]])
  })
})
