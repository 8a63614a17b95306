import { dayOf } from '../../src/core/days.ts'
import { describe, expect, it } from 'vitest'
import { firstDayOf } from '../../src/core/keys/issued-key.ts'

const at = (text: string): number => Date.parse(text)
const NOON = at('2026-11-26T12:00:00Z')

describe('a period', () => {
  it('is in UTC', () => {
    expect(firstDayOf('day', at('2026-11-26T23:59:59Z'))).toBe(dayOf(NOON))
    expect(firstDayOf('month', at('2026-12-31T23:59:59Z'))).toBe(dayOf(at('2026-12-01T00:00:00Z')))
    expect(firstDayOf('total', NOON)).toBe(0)
  })
})
