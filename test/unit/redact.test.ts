import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRedactor, DETECTOR_NAMES, type DetectorName } from '../../src/core/log/redact.ts'
import { factorOfTenfold } from '../kit/linear.ts'

const all = createRedactor({ detectors: DETECTOR_NAMES, patterns: {} })
const one = (text: string): string => all()(text)
const onlyIbans = createRedactor({ detectors: ['iban'], patterns: {} })

const FOUND: [DetectorName, string, string][] = [
  ['email', 'ask ann.b+x@mail.example.co.uk now', 'ask [EMAIL_1] now'],
  ['email', 'Ann <ann@example.com>, bob@example.com', 'Ann <[EMAIL_1]>, [EMAIL_2]'],
  ['email', 'jürgen@m.müller.de', '[EMAIL_1]'],
  ['phone', 'call +49 30 901820 or +1 (415) 555-2671.', 'call [PHONE_1] or [PHONE_2].'],
  ['phone', 'call 0151 23456789', 'call [PHONE_1]'],
  ['phone', '(020) 7946 0958', '[PHONE_1]'],
  ['phone', '415-555-2671 and 0049 30 901820', '[PHONE_1] and [PHONE_2]'],
  ['phone', '+1234567 8, +1 2345 6789 0123 4567', '[PHONE_1], [PHONE_2]'],
  ['phone', '030 123456, 030 123456789', '[PHONE_1], [PHONE_2]'],
  ['phone', '02 12345678, 01234 56789', '[PHONE_1], [PHONE_2]'],
  ['phone', '(02) 12345678, (01234) 56789', '[PHONE_1], [PHONE_2]'],
  ['card', 'pay with 4111 1111 1111 1111 today', 'pay with [CARD_1] today'],
  ['card', '5500-0000-0000-0004, 340000000000009', '[CARD_1], [CARD_2]'],
  ['iban', 'to DE89 3704 0044 0532 0130 00, please', 'to [IBAN_1], please'],
  ['iban', 'GB82WEST12345698765432', '[IBAN_1]'],
  ['iban', 'NO9386011117947', '[IBAN_1]'],
  ['iban', 'MT84MALT011000012345MTLCAST001S', '[IBAN_1]'],
  ['key', 'sk-proj-abcdefghijklmnopqrstuvwx', '[KEY_1]'],
  ['key', 'AKIAIOSFODNN07EXAMPL', '[KEY_1]'],
  ['key', `token ghp_${'a1B2'.repeat(9)}`, 'token [KEY_1]'],
  [
    'key',
    'Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N',
    'Bearer [KEY_1]',
  ],
]

const ESCAPED: [text: string, expected: string][] = [
  // a text that is no JSON, such as a body that was cut off
  [String.raw`{"a":"ann\u0040example.com`, '{"a":"[EMAIL_1]'],
  ['/v1/x?mail=ann%40example.com&tel=%2B49%2030%20901820', '/v1/x?mail=[EMAIL_1]&tel=[PHONE_1]'],
  ['/v1/%zz?mail=ann%2540example%2Ecom', '/v1/%zz?mail=[EMAIL_1]'],
  ['j%C3%BCrgen%40m.m%C3%BCller.de', '[EMAIL_1]'],
  // JSON within a string of JSON, once and twice
  [
    JSON.stringify({ arguments: String.raw`{"to":"ann\u0040example.com","n":1}` }),
    JSON.stringify({ arguments: '{"to":"[EMAIL_1]","n":1}' }),
  ],
  [
    JSON.stringify({ a: JSON.stringify({ b: String.raw`{"to":"m\u00fcller\u0040example.com"}` }) }),
    JSON.stringify({ a: JSON.stringify({ b: '{"to":"[EMAIL_1]"}' }) }),
  ],
  [
    JSON.stringify({ a: JSON.stringify('hi\nann@example.com\nbye') }),
    JSON.stringify({ a: JSON.stringify('hi\n[EMAIL_1]\nbye') }),
  ],
  ['ann&#64;example.com, ann&#x40;example.com, ann@example.com', '[EMAIL_1], [EMAIL_1], [EMAIL_1]'],
  [String.raw`sk\u002dproj\u002dabcdefghijklmnopqrstuvwx`, '[KEY_1]'],
  ['pay%20with%204111%201111%201111%201111', 'pay%20with%20[CARD_1]'],
]

/** With its check digits: 98 less the remainder of the rest with 00 in their place (ISO 13616). */
const ibanOf = (country: string, account: string): string => {
  const digits = [...`${account}${country}00`].map((char) => Number.parseInt(char, 36)).join('')
  return `${country}${String(98n - (BigInt(digits) % 97n)).padStart(2, '0')}${account}`
}

/** ISO/IEC 7812-1, annex B: the sum with its check digit is a multiple of ten. */
const luhnSum = (digits: string): number =>
  [...digits].reverse().reduce((sum, char, at) => {
    const weighted = Number(char) * (at % 2 === 1 ? 2 : 1)
    return sum + Math.floor(weighted / 10) + (weighted % 10)
  }, 0)

const LEFT = [
  'a discount of 20%40 and 100%, C:\\users\\new, caf\\u00e9 \\ud800',
  'on 2026-11-26 at 10:15, version 1.20.300',
  'order 1234567890, ticket 4711-0815',
  'from 26.11.2026 to 2026/12/24 12:00',
  'on 01/2/2026 101 and 01-12-2026 1015, 2026-1-5 12345',
  'host 192.168.100.200 and 10.0.0.1:8080',
  'card 4111 1111 1111 1112 has a wrong digit',
  '0000 0000 0000 0000',
  'DE89 3704 0044 0532 0130 01 has a wrong digit',
  // 14 characters with the right remainder
  ibanOf('XX', '0123456789'),
  '+1234567, +1 2345 6789 0123 45678',
  '030 12345, 030 1234567890',
  'a@b, @home, user@localhost, 5 @ 3.50',
  'price 1,234,567.89 or 1234567.8901234',
  'sk-short, ask-me-anything-about-everything-here',
  'id 0190a2c4-7d11-7b1e-a2c4-0190a2c47d11',
  '1732629120123456',
]

/** A quadratic redactor takes a hundred times as long for ten times the text; the collector adds to it. */
const MOST = 30

describe('the time of a redactor', () => {
  it.each(['\\', '%25', '\\u005c', '&#64;'])(
    'grows with the length of a text of %j, not with its square',
    (piece) => {
      const factor = factorOfTenfold(
        { size: 50_000, make: (count) => piece.repeat(count), run: one },
        MOST
      )
      expect(factor).toBeLessThan(MOST)
    }
  )
})

describe('a redactor', () => {
  it.each(FOUND)('finds a %s in %j', (_, text, expected) => {
    expect(one(text)).toBe(expected)
  })

  it.each(ESCAPED)('finds a value behind escapes in %j', (text, expected) => {
    expect(one(text)).toBe(expected)
  })

  it.each(LEFT)('leaves %j', (text) => {
    expect(one(text)).toBe(text)
  })

  it('gives one value, in all its spellings, one placeholder in all texts of a record', () => {
    expect(
      [
        'Ann@example.com, bob@example.com',
        'ann@EXAMPLE.com: 4111111111111111',
        '4111-1111-1111-1111',
      ].map(all())
    ).toEqual(['[EMAIL_1], [EMAIL_2]', '[EMAIL_1]: [CARD_1]', '[CARD_1]'])
    expect(all()('bob@example.com')).toBe('[EMAIL_1]')
  })

  it('runs only the configured detectors', () => {
    const onlyCards = createRedactor({ detectors: ['card'], patterns: {} })
    expect(onlyCards()('a@example.com 4111111111111111')).toBe('a@example.com [CARD_1]')
  })

  it('accepts additional patterns', () => {
    const staff = createRedactor({ detectors: [], patterns: { STAFF: String.raw`\bE\d{6}\b` } })
    expect(staff()('E123456 and E1234567 and E654321')).toBe('[STAFF_1] and E1234567 and [STAFF_2]')
    expect(() => createRedactor({ detectors: [], patterns: { X: '(' } })).toThrow(SyntaxError)
  })

  it('accepts a pattern that matches nothing between two characters', () => {
    const redact = createRedactor({ detectors: [], patterns: { X: 'x*' } })
    expect(['😀xx😀', '["","😀x"]'].map(redact())).toEqual(['😀[X_1]😀', '["","😀[X_2]"]'])
  })

  it('changes no byte of JSON outside the strings that it redacts', () => {
    const text =
      '{ "n": 4915112345678.5,"created":1732629120, "s" : ["x\\u00e9", "a\\u0040example.com"],"s":1e3 }'
    expect(one(text)).toBe(
      '{ "n": 4915112345678.5,"created":1732629120, "s" : ["x\\u00e9", "[EMAIL_1]"],"s":1e3 }'
    )
  })

  it('redacts a card that is a number, and keys of objects', () => {
    expect(one('{"card":4111111111111111,"a@example.com":1}')).toBe(
      '{"card":"[CARD_1]","[EMAIL_1]":1}'
    )
  })

  it.each([
    '-0.00447769471557983',
    '1e-4111111111111111',
    '1E+4111111111111111',
    '4111111111111111.5',
  ])('leaves the number %s', (number) => {
    expect(one(`{"n":${number}}`)).toBe(`{"n":${number}}`)
  })

  it('recognizes cards and IBANs by their check digits', () => {
    const digits = fc.stringMatching(/^[2-6]\d{12,18}$/)
    fc.assert(
      fc.property(digits, (card) => {
        const isCard = luhnSum(card) % 10 === 0 && new Set(card).size > 1
        expect(one(`pay ${card}`)).toBe(isCard ? 'pay [CARD_1]' : `pay ${card}`)
      }),
      { numRuns: 500 }
    )
    const account = fc.stringMatching(/^[A-Z0-9]{11,30}$/)
    fc.assert(
      fc.property(account, fc.nat(96), (number, wrong) => {
        const iban = ibanOf('DE', number)
        expect(one(`to ${iban}`)).toBe('to [IBAN_1]')
        const other = `DE${String((Number(iban.slice(2, 4)) + 1 + wrong) % 100).padStart(2, '0')}${number}`
        const isSame = Number(other.slice(2, 4)) % 97 === Number(iban.slice(2, 4)) % 97
        if (!isSame) expect(onlyIbans()(other)).toBe(other)
      })
    )
  })

  it('keeps JSON valid', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), (text) => {
        expect(() => JSON.parse(one(text))).not.toThrow()
      })
    )
    fc.assert(
      fc.property(fc.constantFrom(...FOUND), fc.string(), ([, text], around) => {
        const json = JSON.stringify({ around, text: `${around} ${text}` })
        expect(JSON.parse(one(json)) as object).toHaveProperty('text')
      })
    )
  })

  it('redacts a string of many megabytes in JSON', () => {
    const text = JSON.stringify({ a: `${'x "y" '.repeat(3_000_000)} ann@example.org`, b: 'b@c.de' })
    expect(one(text).slice(-40)).toContain('[EMAIL_1]","b":"[EMAIL_2]"}')
  })

  it('terminates on texts that make patterns backtrack', () => {
    const texts = ['a.'.repeat(50_000), '1 '.repeat(50_000), `eyJ${'a'.repeat(100_000)}`]
    expect(texts.map(all()).map(({ length }) => length)).toEqual(texts.map(({ length }) => length))
  })
})
