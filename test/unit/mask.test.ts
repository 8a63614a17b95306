import { describe, expect, it } from 'vitest'
import { maskOf, maskText, maskValues } from '../../src/core/detect/building/mask.ts'
import { cpuMsOf } from '../kit/linear.ts'

describe('masks of typed values', () => {
  it.each([
    ['Friday, October 3, 2026', 'date'],
    ['October 3rd', 'date'],
    ['3 Oct 2026', 'date'],
    ['Freitag, den 3. Oktober 2026', 'date'],
    ['1er octobre 2026', 'date'],
    ['viernes, 3 de octubre de 2026', 'date'],
    ['sexta-feira, 3 de outubro de 2026', 'date'],
    ['2026年10月3日(土)', 'date'],
    ['October 2026', 'date'],
    ['miércoles', 'date'],
    ['Freitag, 3. Oktober 2026 um 14:05 Uhr', 'datetime'],
    ['2026-10-03T14:05:11.123Z', 'datetime'],
    ['2:05 p.m.', 'time'],
    ['14h30', 'time'],
    ['eve@example.org', 'email'],
    ['#4711', 'ticket'],
  ])('%s is a %s', (value, mask) => {
    expect(maskOf(value)).toBe(mask)
  })

  it.each(['Plan B', 'set 3', 'the 2 of us', '5 GB', 'Oktoberfest 3', 'it may'])(
    '%s is not wholly a typed value',
    (value) => {
      expect(maskOf(value)).toBeNull()
    }
  )

  it('replaces whole dates inside a text, and not the words around them', () => {
    expect(maskText('From Mon, 5 October 2026 to Oct. 9, 2026, at 9:00 am (no. 12), or 8:30')).toBe(
      'From \u0000 to \u0000 (no. 12), or \u0000'
    )
    expect(maskText('今天是2026年10月3日。')).toBe('今天是\u0000。')
  })

  it('gives equal values one mark, gives them back, and leaves texts with marks of their own', () => {
    const values = ['on 2026-10-03 or 2026-10-04', 'on 2026-10-04 or never']
    const { values: masked, unmask } = maskValues(values)
    expect(masked).toEqual(['on \ue000 or \ue001', 'on \ue001 or never'])
    expect(masked.map(unmask)).toEqual(values)
    expect(maskValues(['\ue000 2026-10-03']).values).toEqual(['\ue000 2026-10-03'])
  })

  it.each([
    'a.',
    'a+',
    'a@',
    'a@a.',
    'a1',
    '1',
    '1 ',
    '1-',
    '1:',
    '3. ',
    'f',
    'https://',
    'monday, ',
    'may 1 ',
    '2026年',
    '\n',
    'sept. ',
    ' ',
  ])('takes time in proportion to a line of 1 MB of %j', (unit) => {
    const line = unit.repeat(1e6 / unit.length)
    const masked = () => {
      for (const text of [`${line}!`, `x${line}_`]) maskText(text)
      maskOf(line)
    }
    // quadratic time is minutes
    expect(cpuMsOf(masked)).toBeLessThan(8000)
  })
})
