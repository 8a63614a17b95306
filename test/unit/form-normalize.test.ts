import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canMake, CHAINS, normalize, type Chain } from '../../src/core/form/normalize/chains.ts'

const CASES: [chain: Chain, text: string, value: string | null][] = [
  [['identity'], ' as it  is ', ' as it  is '],
  [['collapsed'], 'John \n Smith', 'John Smith'],
  [['lower'], 'ANNA@Example.ORG', 'anna@example.org'],
  [['upper'], 'ab-12', 'AB-12'],
  [['title'], "jean-luc o'hara", "Jean-Luc O'Hara"],
  [['title'], "THE CAT'S", "The Cat's"],
  [['capital-words'], "the USA and o'hara", "The USA And O'hara"],
  [['capital-first'], 'screen of Anna', 'Screen of Anna'],
  [['capital-first'], '«ok»', '«Ok»'],
  [['sentence'], 'SCREEN IS BROKEN', 'Screen is broken'],
  [['without-blanks'], 'DE89 3704 0044', 'DE8937040044'],
  [['without-marks'], 'AB-12/34', 'AB1234'],
  [['underscored', 'lower'], 'Extra Large', 'extra_large'],
  [['hyphenated', 'lower'], 'Extra  Large!', 'extra-large'],
  [['digits'], '(030) 123-45', '03012345'],
  [['digits'], 'call 030', null],
  [['phone'], '+49 30 123', '+4930123'],
  [['number'], 'twenty-three', '23'],
  [['number'], 'Two hundred and five', '205'],
  [['number'], 'three thousand twelve', '3012'],
  [['number'], 'a hundred', '100'],
  [['number'], 'a dozen', '12'],
  [['number'], 'twenty eleven', null],
  [['number'], 'two three', null],
  [['number'], 'hundred', null],
  [['number'], 'and five', null],
  [['number'], '1,200.50', '1200.5'],
  [['number'], '12,00', null],
  [['number'], '1.5 million', '1500000'],
  [['number'], '2k', '2000'],
  [['number'], '-0', '0'],
  [['number'], '007', '7'],
  [['number'], '123456789012345678901', '123456789012345678901'],
  [['plain-number'], 'two hundred', '200'],
  [['plain-number'], '1500', '1500'],
  [['plain-number'], '1.500', null],
  [['plain-number'], '1,500', null],
  [['number-with-comma'], '1.200,50', '1200.5'],
  [['number-with-comma'], "1'200", '1200'],
  [['number', 'one-decimal'], '45', '45.0'],
  [['number', 'two-decimals'], '1,045.5', '1045.50'],
  [['number', 'two-decimals'], '1.234', null],
  [['ordinal'], '23rd', '23'],
  [['ordinal'], 'twenty-third', '23'],
  [['ordinal'], 'twelfth', '12'],
  [['date'], 'March 5, 2026', '2026-03-05'],
  [['date'], '2026-03-05', '2026-03-05'],
  [['date'], '5/5/2026', '2026-05-05'],
  [['date'], '5/3/2026', null],
  [['date'], '25/3/2026', null],
  [['date-day-first'], '5/3/2026', '2026-03-05'],
  [['date-month-first'], '5/3/2026', '2026-05-03'],
  [['date-day-first'], '5th of March, 2026', '2026-03-05'],
  [['date-day-first'], 'March 5, 2026', '2026-03-05'],
  [['date-day-first'], '5. März 2026', '2026-03-05'],
  [['date-day-first'], '2026/3/5', '2026-03-05'],
  [['date-day-first'], '05.03.26', '2026-03-05'],
  [['date-day-first'], '29 February 2024', '2024-02-29'],
  [['date-day-first'], '29 February 2025', null],
  [['date-day-first'], '31/4/2026', null],
  [['date-day-first'], '5 March', null],
  [['date-day-first'], 'tomorrow', null],
  [['date-day-first', 'day.month.year'], 'March 5, 2026', '05.03.2026'],
  [['date-month-first', 'month/day/year'], 'March 5, 2026', '03/05/2026'],
  [['time'], '7 pm', '19:00'],
  [['time'], '7:30 p.m.', '19:30'],
  [['time'], '12 am', '00:00'],
  [['time'], '12pm', '12:00'],
  [['time'], '9:05', null],
  [['time'], '12:30', null],
  [['time'], '13:05', '13:05'],
  [['time'], '0:05', '00:05'],
  [['time-of-24-hours'], '9:05', '09:05'],
  [['time-of-24-hours'], '9 Uhr', '09:00'],
  [['time-of-24-hours'], '9:05 pm', '21:05'],
  [['time-of-24-hours'], '2 hours', null],
  [['time'], '14 hrs', null],
  [['time'], '14:00 hours', '14:00'],
  [['time'], '14h30', '14:30'],
  [['time'], '19 Uhr', '19:00'],
  [['time'], 'noon', '12:00'],
  [['time'], '7', null],
  [['time'], "7 o'clock", null],
  [['time'], '13 pm', null],
  [['time'], '25:00', null],
  [['currency'], '€', 'EUR'],
  [['currency'], 'Dollars', 'USD'],
  [['code-and-amount'], '$1200', 'USD 1200'],
  [['code-and-amount'], '$1.200', null],
  [['code-and-amount'], '$1,200.50', null],
  [['code-and-amount-with-point'], '$1,200.50', 'USD 1200.5'],
  [['code-and-amount-with-comma'], '1.200,50 €', 'EUR 1200.5'],
  [['number-with-unit-with-comma'], '1,5 kg', '1.5kg'],
  [['code-and-amount'], 'twenty euros', 'EUR 20'],
  [['amount-and-code'], '45 CHF', '45 CHF'],
  [['unit'], 'kilograms', 'kg'],
  [['number-and-unit'], '5 kilograms', '5 kg'],
  [['number-with-unit'], '12 minutes', '12min'],
]

describe('normalization', () => {
  it.each(CASES)('%j of %j is %j', (chain, text, value) => {
    expect(normalize(chain, text)).toBe(value)
  })

  it('makes only values that are looked for', () => {
    for (const [chain, , value] of CASES)
      if (value !== null) expect(canMake(chain, value), `${chain} ${value}`).toBe(true)
  })

  it('reads each whole number below a million that is written in words', () => {
    const small =
      'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
        ' '
      )
    const tens = '- - twenty thirty forty fifty sixty seventy eighty ninety'.split(' ')
    const inWords = (value: number): string => {
      if (value < 20) return small[value]!
      if (value < 100)
        return tens[Math.floor(value / 10)]! + (value % 10 ? `-${small[value % 10]}` : '')
      const [size, name] = value < 1000 ? [100, 'hundred'] : [1000, 'thousand']
      const rest = value % size
      return `${inWords(Math.floor(value / size))} ${name}${rest ? ` ${inWords(rest)}` : ''}`
    }
    fc.assert(
      fc.property(fc.nat(999_999), (value) => {
        expect(normalize(['number'], inWords(value))).toBe(String(value))
      })
    )
  })

  it('takes linear time on hostile texts, and never throws', () => {
    const hostile = ['1,', '1.', 'a ', 'hundred ', '- ', '1/', ' ', "'", '𝟙', 'ß', 'İ']
    for (const part of hostile) for (const chain of CHAINS) normalize(chain, part.repeat(20_000))
    fc.assert(
      fc.property(fc.constantFrom(...CHAINS), fc.string({ unit: 'grapheme' }), (chain, text) => {
        normalize(chain, text)
      })
    )
  })
})
