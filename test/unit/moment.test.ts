import { describe, expect, it } from 'vitest'
import { momentOf } from '../../src/core/log/forms/fields.ts'

const AT = Date.UTC(2026, 9, 1, 12, 30, 1, 250)

describe('a time that another program wrote', () => {
  it.each<[string, unknown]>([
    ['a date of ECMAScript', '2026-10-01T12:30:01.250Z'],
    ['a date with an offset', '2026-10-01T14:30:01.250+02:00'],
    ['a timestamp of PostgreSQL, which is UTC', '2026-10-01 12:30:01.25'],
    ['a timestamp with a zone of PostgreSQL', '2026-10-01 14:30:01.25+02'],
    ['a DateTime64 of ClickHouse, which is UTC', '2026-10-01 12:30:01.250000'],
    ['a datetime of Python', '2026-10-01T12:30:01.250000'],
    ['seconds', AT / 1000],
    ['milliseconds', AT],
    ['microseconds', AT * 1000],
    ['nanoseconds as OTLP has them', `${AT}000123`],
    ['seconds in a text', String(AT / 1000)],
  ])('is read from %s', (_, time) => {
    expect(momentOf(time)).toBe(AT)
  })

  it('is midnight UTC for a day alone', () => {
    expect(momentOf('2026-10-01')).toBe(Date.UTC(2026, 9, 1))
  })

  it.each([['soon'], [''], ['0'], [0], [-1], [null], [undefined], [true], [NaN], [Infinity], [{}]])(
    'is not %s',
    (time) => {
      expect(momentOf(time)).toBeNull()
    }
  )
})
