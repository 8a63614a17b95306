import { describe, expect, it } from 'vitest'
import { createRemembered } from '../../../src/admin/page/internalization/remembered.ts'

describe('what takes long to read', () => {
  let now = 0
  let reads = 0
  const read = async (): Promise<number> => ++reads

  it('is read once for all who look at the same time, and again when it is old', async () => {
    const remembered = createRemembered<number>(1_000, () => now)
    expect(await Promise.all([remembered('a', read), remembered('a', read)])).toEqual([1, 1])
    expect(await remembered('b', read)).toBe(2)
    now = 999
    expect(await remembered('a', read)).toBe(1)
    now = 1_000
    expect(await remembered('a', read)).toBe(3)
  })

  it('is read again after a failure', async () => {
    const remembered = createRemembered<number>(1_000, () => now)
    await expect(remembered('a', () => Promise.reject(new Error('busy')))).rejects.toThrow('busy')
    expect(await remembered('a', async () => 7)).toBe(7)
  })
})
