/** The parts that a cache's causes are found with. */
import { describe, expect, it } from 'vitest'
import { linesOf, PiecePool } from '../../../src/core/cache/piece.ts'
import { Stretches } from '../../../src/core/cache/stretches.ts'
import { causeOfTexts } from '../../../src/core/cache/layout.ts'

const HOUR = 3_600_000

const countOf = (stretches: Stretches<{ at: number }>): number =>
  stretches.all().reduce((sum, { items }) => sum + items.length, 0)

describe('stretches', () => {
  const limits = { items: 400, bytes: 1e9, length: HOUR }
  const filled = (perHour: number, hours: number, own = limits) => {
    const stretches = new Stretches<{ at: number }>(own)
    for (let number = 0; number < perHour * hours; number++) {
      const at = (number * HOUR) / perHour
      if (stretches.wants(at)) stretches.add({ at }, 10)
    }
    return stretches
  }

  it('are all hours of a small log', () => {
    const stretches = filled(10, 30)
    expect([countOf(stretches), stretches.rank]).toEqual([300, Infinity])
  })

  it('are whole hours of a long log, spread over it', () => {
    const all = filled(20, 2000).all()
    expect(all.every(({ items, isCut }) => items.length === 20 && !isCut)).toBe(true)
    expect(all.length).toBeGreaterThanOrEqual(19)
    expect(all.at(-1)!.hour - all[0]!.hour).toBeGreaterThan(1000)
  })

  it('are the beginnings of hours with more requests than fit', () => {
    const all = filled(5000, 50).all()
    expect(all.length).toBeGreaterThanOrEqual(4)
    for (const { items, isCut, hour } of all) {
      expect([items.length, isCut]).toEqual([100, true])
      expect(items[0]!.at).toBe(hour * HOUR)
    }
  })

  it('stay within their bytes', () => {
    const own = { ...limits, bytes: 1000 }
    expect(10 * countOf(filled(5, 500, own))).toBeLessThanOrEqual(1000)
  })

  it('of several templates have the same hours below the lowest rank of them', () => {
    const [many, few] = [filled(20, 500), filled(2, 500)]
    const rank = Math.min(many.rank, few.rank)
    const hoursOf = (stretches: Stretches<{ at: number }>): number[] =>
      stretches.all(rank).map(({ hour }) => hour)
    expect(hoursOf(few)).toEqual(hoursOf(many))
    expect(hoursOf(few).length).toBeGreaterThan(10)
  })
})

describe('the lines of a text', () => {
  it.each(['', 'one', 'one\ntwo\n', `${'word. '.repeat(5000)}\n`, 'x'.repeat(1_000_000)])(
    'are the whole text (%#)',
    (text) => {
      const lines = linesOf(text)
      expect(lines.join('')).toBe(text)
      expect(lines.length).toBeLessThanOrEqual(512)
    }
  )

  it('become pieces that are equal for equal texts and keep no more than their start', () => {
    const pool = new PiecePool()
    const long = 'ä'.repeat(10_000)
    expect(pool.of(long, 'line')).toBe(pool.of(long, 'line'))
    expect(pool.of(`${long}b`, 'line').hash).not.toBe(pool.of(`${long}c`, 'line').hash)
    expect(pool.of(long, 'line')).toMatchObject({ bytes: 20_000, head: 'ä'.repeat(120) })
  })
})

describe('what differs between texts', () => {
  it.each<[string, string[]]>([
    ['date', ['2026-10-01', '2026-09-12', '2026-10-03']],
    ['date', ['Ordered on 3 May 2026.', 'Ordered on 14 June 2026.', 'Ordered on 1 May 2025.']],
    ['date', ['am Montag', 'am Dienstag', 'am Freitag']],
    ['date', ['2026-10-01 09:30', '2026-09-12 09:30', '2026-10-03 09:30']],
    ['time', ['2026-10-01 09:30', '2026-10-01 09:31', '2026-10-01 09:47']],
    ['time', ['It is 9:30 am now', 'It is 9:31 am now', 'It is 10:02 am now']],
    ['time', ['1790812800', '1790812860', '1790813000']],
    ['name', ['Mara Lindt', 'Ivo', 'Chidi O’Neil']],
    ['name', ['You talk to Mara.', 'You talk to Ivo.', 'You talk to Greta.']],
    ['id', ['a3f09c77', 'bb01d4e2', '0c9f77ab']],
    ['id', ['order 771230', 'order 120031', 'order 551200', 'order 91']],
    ['id', ['mara@example.com', 'ivo@example.org', 'greta@example.com']],
    ['counter', ['Request 17 of today', 'Request 18 of today', 'Request 21 of today']],
    ['counter', ['INC0041', 'INC0042', 'INC0044']],
    [
      'user-text-first',
      ['Where is my parcel? I have waited.', 'The lid of the box broke, what now?'],
    ],
  ])('is a %s', (cause, values) => {
    expect(causeOfTexts(values, false)).toBe(cause)
  })

  it('is examples where long texts come again', () => {
    const texts = ['The router flickers when it rains, again.', 'A bottle leaks; the box is wet.']
    expect(causeOfTexts([...texts, ...texts], true)).toBe('retrieved-examples')
  })
})
