import { assert, property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashedDims, hashedFeatures } from '../../src/core/learn/text-head.ts'

const DIMS = 4096

const rowsOf = (...texts: string[]): Float32Array[] =>
  hashedFeatures(texts, DIMS).map(({ places, values }) => {
    const dense = new Float32Array(DIMS)
    for (const [at, place] of places.entries()) dense[place] = values[at]!
    return dense
  })

const cosine = (one: string, other: string): number => {
  const [a, b] = rowsOf(one, other)
  return a!.reduce((sum, value, at) => sum + value * b![at]!, 0)
}

describe('hashed features', () => {
  it('have length 1 for every text with a letter or digit', () => {
    assert(
      property(string({ unit: 'grapheme' }), (text) => {
        const norm = Math.hypot(...rowsOf(text)[0]!)
        if (/[\p{L}\p{N}]/u.test(text.normalize('NFKC').toLowerCase()))
          expect(norm).toBeCloseTo(1, 4)
        else expect(Number.isFinite(norm)).toBe(true)
      })
    )
  })

  it('are zeros for a text without letters and digits', () => {
    expect(Math.hypot(...rowsOf(' ?! ')[0]!)).toBe(0)
  })

  it('are the same for a text whatever stands beside it', () => {
    expect(rowsOf('lost my card', 'x')[0]).toEqual(rowsOf('lost my card')[0])
  })

  it('are close for texts that share words, and for a word with another ending', () => {
    expect(cosine('I lost my card', 'my card is lost')).toBeGreaterThan(0.5)
    expect(cosine('cancel', 'cancelled')).toBeGreaterThan(0.2)
    expect(Math.abs(cosine('I lost my card', 'what is the exchange rate'))).toBeLessThan(0.15)
  })

  it('find common words in scripts without blanks', () => {
    expect(cosine('我的银行卡丢失了', '银行卡丢失怎么办')).toBeGreaterThan(0.3)
    expect(Math.abs(cosine('我的银行卡丢失了', '今天汇率是多少'))).toBeLessThan(0.2)
  })

  it('have fewer dimensions where many labels would make a large head', () => {
    expect(hashedDims(2)).toBe(4096)
    expect(hashedDims(128)).toBe(4096)
    expect(hashedDims(129)).toBe(2048)
    expect(hashedDims(2000)).toBe(256)
  })
})
