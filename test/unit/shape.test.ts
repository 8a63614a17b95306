import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MONTHS, WEEKDAYS, MAX_SHAPED_CHARS, shapeOf } from '../../src/core/template/shape.ts'

const LOCALES = ['en', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'pl', 'zh', 'ja', 'ko']
const DAYS = Array.from({ length: 366 }, (_, at) => new Date(Date.UTC(2028, 0, 1 + at)))

describe('the shape of a value', () => {
  it.each(LOCALES)('is one for all full dates of a year in %s', (locale) => {
    const format = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeZone: 'UTC' })
    expect(new Set(DAYS.map((day) => shapeOf(format.format(day)))).size).toBe(1)
  })

  it.each([...MONTHS, ...WEEKDAYS])('has a class for "%s" in any case', (word) => {
    expect(shapeOf(word)).toMatch(/^‹(?:month|weekday)›$/u)
    expect(shapeOf(word.toUpperCase())).toBe(shapeOf(word))
  })

  it.each([
    ['2026-11-29', '0000-00-00'],
    ['2026-11-2', '0000-00-0'],
    ['2026-11-29T08:05:00.123Z', '0000-00-00T00:00:00.000‹A›'],
    ['29-11-2026', '0-0-0000'],
    ['٢٠٢٦-١١-٢٩', '٠٠٠٠-٠٠-٠٠'],
    ['9:05 am', '0:00 ‹half of a day›'],
    ['10:15 p.m.', '0:00 ‹half of a day›.'],
    ['9:05pm', '0:00‹half of a day›'],
    ['14:05 CEST', '0:00 ‹zone›'],
    ['October 3rd', '‹month› 0'],
    ['1er octobre 2026', '0 ‹month› 0000'],
    ['Mon, 5 Oct 2026', '‹weekday›, 0 ‹month› 0000'],
    ['123e4567-e89b-12d3-a456-426614174000', '‹uuid›'],
    ['deadbeef01', '‹hex 10›'],
    ['INC0012345', 'INC0000000'],
    ['x7', '‹a›7'],
    ['x7-8', '‹a›0-0'],
    ['$347', '$300'],
    ['-12 %', '-10 %'],
    ['٣٤٧', '٣٠٠'],
    ['9 am', '0 ‹half of a day›'],
    ['12°30°45', '0°0°0'],
    ['1° ottobre', '0 ‹month›'],
    ['1234567', '1000000'],
  ])('of %s is %s', (value, shape) => {
    expect(shapeOf(value)).toBe(shape)
  })

  it.each([
    'a holiday: ALL to black',
    'it is sat out',
    'eve@example.org',
    'Jonas Weber',
    'ALL-to-black',
    '—',
    '',
  ])('of %s is the text itself', (value) => {
    expect(shapeOf(value)).toBe(value)
  })

  it('keeps every word that is in no closed list, wherever it stands', () => {
    const word = fc.constantFrom('ALL', 'black', 'never', 'Ω', 'nothing', 'стоп')
    const typed = fc.constantFrom('2026-11-29', 'May 3', '14:05', 'deadbeef01', '#4711', '')
    fc.assert(
      fc.property(typed, word, typed, (before, text, after) => {
        expect(shapeOf(`${before} ${text} ${after}`)).toContain(text)
        expect(shapeOf(`${before} ${text} ${after}`)).not.toBe(shapeOf(`${before} ${after}`))
      })
    )
  })

  it('is never that of a written class', () => {
    expect(shapeOf('‹month›')).not.toBe(shapeOf('March'))
    expect(shapeOf('‹uuid›')).not.toBe(shapeOf('123e4567-e89b-12d3-a456-426614174000'))
  })

  it('tells values of different length of figures apart, but for one and two', () => {
    expect(shapeOf('2026-10-0')).not.toBe(shapeOf('2026-10-04'))
    expect(shapeOf('100')).not.toBe(shapeOf('1000'))
    expect(shapeOf('7 May')).toBe(shapeOf('31 May'))
  })

  it('tells lone numbers by their length and their first figure', () => {
    expect(shapeOf('347')).toBe(shapeOf('399'))
    for (const other of ['947', '3470', '34', '3']) expect(shapeOf(other)).not.toBe(shapeOf('347'))
    expect(shapeOf('3')).not.toBe(shapeOf('31'))
  })

  it('has none for a value that is too long', () => {
    expect(shapeOf('1'.repeat(MAX_SHAPED_CHARS))).not.toBeNull()
    expect(shapeOf('1'.repeat(MAX_SHAPED_CHARS + 1))).toBeNull()
  })
})
