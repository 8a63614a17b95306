import { describe, expect, it } from 'vitest'
import { createBatcher } from '../../src/store/sqlite/batcher.ts'

describe('batcher', () => {
  it('writes fifty at once, and what comes meanwhile together after them', async () => {
    const batches: number[][] = []
    const { add } = createBatcher(async (items: number[]) => {
      batches.push(items)
    })
    await Promise.all(Array.from({ length: 620 }, (_, index) => add([index])))
    expect(batches.map(({ length }) => length)).toEqual([50, 512, 58])
    expect(batches.flat()).toEqual(Array.from({ length: 620 }, (_, index) => index))
  })

  it('lets a few wait no longer than a moment', async () => {
    const sizes: number[] = []
    const { add } = createBatcher(async (items: number[]) => {
      sizes.push(items.length)
    })
    await Promise.all([add([1]), add([2, 3])])
    await add([4])
    expect(sizes).toEqual([3, 1])
  })

  it('splits a long list', async () => {
    const sizes: number[] = []
    const { add } = createBatcher(async (items: number[]) => {
      sizes.push(items.length)
    })
    await add(Array.from({ length: 1100 }, (_, index) => index))
    expect(sizes).toEqual([512, 512, 76])
  })

  it('flushes what waits, and nothing at all', async () => {
    const written: number[] = []
    const { add, flush } = createBatcher(async (items: number[]) => {
      written.push(...items)
    })
    await flush()
    void add([1])
    await flush()
    expect(written).toEqual([1])
  })

  it('resolves no earlier than the write', async () => {
    const finishes: (() => void)[] = []
    const { add } = createBatcher(
      (_items: number[]) => new Promise<void>((resolve) => finishes.push(resolve))
    )
    let done = false
    const added = add(Array.from({ length: 50 }, () => 1)).then(() => (done = true))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(done).toBe(false)
    for (const finish of finishes) finish()
    await added
    expect(done).toBe(true)
  })

  it('fails the caller whose item is bad and no other', async () => {
    const written: number[] = []
    const { add } = createBatcher(async (items: number[]) => {
      if (items.includes(13)) throw new Error('thirteen')
      written.push(...items)
    })
    const results = await Promise.allSettled([add([1]), add([13]), add([2])])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(written).toEqual([1, 2])
  })
})
