import { describe, expect, it } from 'vitest'
import { timeOrderedId } from '../../src/time-ordered-id.ts'

describe('a time-ordered id', () => {
  it('is a UUID of version 7 that begins with its time', () => {
    // the example of RFC 9562, appendix A.6: Tuesday, February 22, 2022 2:22:22 PM GMT−05:00
    const id = timeOrderedId(() => 1_645_557_742_000)
    expect(id).toMatch(/^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  })

  it('is another one every time, later ones behind earlier ones', () => {
    const ids = Array.from({ length: 1000 }, (_, ms) => timeOrderedId(() => 1e12 + ms))
    expect(new Set(ids).size).toBe(1000)
    expect(ids.toSorted()).toEqual(ids)
    const sameTime = Array.from({ length: 1000 }, () => timeOrderedId(() => 1e12))
    expect(new Set(sameTime).size).toBe(1000)
  })
})
