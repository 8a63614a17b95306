import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeNeighbours, secondOpinion } from '../../src/core/neighbours.ts'
import { seededRandom } from '../../src/random.ts'

const LOGGED = [
  { query: 'My card has not arrived yet', answer: 'card_arrival' },
  { query: 'When will my new card arrive?', answer: 'card_arrival' },
  { query: 'The card I ordered did not arrive', answer: 'card_arrival' },
  { query: 'I forgot my PIN and want to change it', answer: 'change_pin' },
  { query: 'How do I change the PIN of my card?', answer: 'change_pin' },
  { query: 'Change my PIN please', answer: 'change_pin' },
  { query: 'Did my transfer reach the other bank?', answer: 'transfer' },
  { query: 'The transfer to a bank abroad is late', answer: 'transfer' },
]

const opinionOf = (logged = LOGGED) => secondOpinion(encodeNeighbours(logged))
const least = Math.log(1e-3)

describe('the second opinion', () => {
  it('is for what like queries were answered, and against the rest', () => {
    const opinion = opinionOf()
    const query = 'Please help me to change my PIN'
    expect(Math.exp(opinion(query, 'change_pin'))).toBeGreaterThan(0.9)
    expect(Math.exp(opinion(query, 'card_arrival'))).toBeLessThan(0.1)
    expect(opinion(query, 'never_seen')).toBeCloseTo(least, 9)
  })

  it('says as much as there are answers where nothing is alike', () => {
    const opinion = opinionOf()
    for (const query of ['', '???', 'zzzz qqqq', 'x'.repeat(1e5)]) {
      expect(Math.exp(opinion(query, 'card_arrival'))).toBeCloseTo(3 / 8 + 1e-3, 6)
      expect(Math.exp(opinion(query, 'transfer'))).toBeCloseTo(2 / 8 + 1e-3, 6)
    }
  })

  it('takes no notice of case, punctuation or the script of letters', () => {
    const logged = [
      { query: 'Где моя карта?', answer: 'card' },
      { query: 'Где же карта', answer: 'card' },
      { query: 'Смените PIN-код', answer: 'pin' },
      { query: 'сменить pin код', answer: 'pin' },
    ]
    const opinion = opinionOf(logged)
    expect(opinion('ГДЕ МОЯ, КАРТА', 'card')).toBe(opinion('где моя карта', 'card'))
    expect(Math.exp(opinion('где карта', 'card'))).toBeGreaterThan(0.9)
  })

  it('is at most 0 and shares 1 among the answers, whatever is asked', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 40 })
    const logged = fc.array(fc.record({ query: text, answer: fc.constantFrom('a', 'b', 'c') }), {
      minLength: 1,
      maxLength: 30,
    })
    fc.assert(
      fc.property(logged, text, (rows, query) => {
        const opinion = opinionOf(rows)
        const answers = [...new Set(rows.map(({ answer }) => answer))]
        const shares = answers.map((answer) => Math.exp(opinion(query, answer)))
        const sum = shares.reduce((total, share) => total + share, 0)
        expect(Math.max(...shares)).toBeLessThanOrEqual(1)
        expect(sum).toBeGreaterThan(0.99)
        expect(sum).toBeLessThan(1 + 2e-3 * answers.length)
      })
    )
  })

  it('keeps the newest of very many, and no text of any', () => {
    const old = Array.from({ length: 5000 }, (_, i) => ({
      query: `old matter ${i}`,
      answer: 'old',
    }))
    const bytes = encodeNeighbours([...old, ...LOGGED])
    expect(bytes.length).toBeLessThan(3 * 2 ** 20)
    const text = Buffer.from(bytes).toString('latin1')
    expect(text).toContain('card_arrival')
    for (const word of ['matter', 'forgot', 'abroad']) expect(text).not.toContain(word)
    expect(Math.exp(secondOpinion(bytes)('change my PIN', 'change_pin'))).toBeGreaterThan(0.8)
  })

  it('has a limit in bytes, however long the queries are', () => {
    const random = seededRandom(3)
    const word = (): string => Math.floor(random() * 2 ** 20).toString(36)
    const long = Array.from({ length: 3000 }, () => ({
      query: Array.from({ length: 300 }, word).join(' '),
      answer: 'long',
    }))
    const bytes = encodeNeighbours([...long, ...LOGGED])
    expect(bytes.length).toBeGreaterThan(2 ** 20)
    expect(bytes.length).toBeLessThan(8 * 2 ** 20)
    expect(Math.exp(secondOpinion(bytes)('change my PIN', 'change_pin'))).toBeGreaterThan(0.8)
  })

  it('refuses a damaged index', () => {
    const bytes = encodeNeighbours(LOGGED)
    const longer = Buffer.concat([bytes, Buffer.of(0)])
    for (const broken of [
      bytes.subarray(0, -1),
      bytes.subarray(0, 3),
      longer,
      Buffer.alloc(64, 123),
    ])
      expect(() => secondOpinion(broken)).toThrow(/index of logged queries is damaged/)
  })
})
