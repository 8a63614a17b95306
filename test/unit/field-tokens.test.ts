/** Sources as windows of tokens: every word has a place, and long texts are read in parts. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EncoderTokenizer } from '../../adapters/onnx/encoder/encoder-tokenizer.ts'
import {
  createFieldTokenizer,
  type FieldTokens,
} from '../../adapters/onnx/encoder/fields/field-tokens.ts'
import { wordsOf, type Source } from '../../src/core/form/words.ts'

const [FIRST, SEPARATOR, UNKNOWN] = [101, 102, 100]

/** Ids are the characters of a text in pairs; it knows nothing of `~`. */
const pairs: EncoderTokenizer = {
  encode: (text) => {
    const ids = (text.replaceAll('~', '').match(/.{1,2}/gu) ?? []).map(
      (pair) => 1000 + pair.codePointAt(0)!
    )
    return [FIRST, ...ids, SEPARATOR]
  },
  unknown: UNKNOWN,
  identity: 'pairs',
}

const idOf = (text: string): number => 1000 + text.codePointAt(0)!

const read = (maxTokens: number, ...texts: string[]): FieldTokens =>
  createFieldTokenizer(pairs, maxTokens).read(
    texts.map((text, at): Source => ({ name: `source ${at}`, text }))
  )

const letters = (count: number): string =>
  Array.from({ length: count }, (_, at) => String.fromCodePoint(0x4e00 + at)).join(' ')

describe('words', () => {
  it('are runs of letters, runs of digits and single other characters, with their places', () => {
    const text = 'Zoe\u0301, 7pm\n – €12.50'
    const words = wordsOf(text)
    expect(words.map((word) => word.text)).toEqual([
      'Zoe\u0301',
      ',',
      '7',
      'pm',
      '–',
      '€',
      '12',
      '.',
      '50',
    ])
    for (const { text: own, start, end } of words) expect(text.slice(start, end)).toBe(own)
  })
})

describe('field tokens', () => {
  it('encode each word by itself and mark the query and further sources', () => {
    const { windows, words, cut } = read(64, 'at 7pm', 'yes', '')
    expect(windows).toEqual([
      {
        ids: [
          FIRST,
          idOf('a'),
          idOf('7'),
          idOf('p'),
          SEPARATOR,
          idOf('y'),
          idOf('s'),
          SEPARATOR,
          SEPARATOR,
        ],
        types: [0, 0, 0, 0, 0, 1, 1, 1, 1],
        words: [
          { word: 0, token: 1 },
          { word: 1, token: 2 },
          { word: 2, token: 3 },
          { word: 3, token: 5 },
        ],
      },
    ])
    expect({ words, cut }).toEqual({ words: 4, cut: false })
  })

  it('give a word that the normalizer removes a place', () => {
    const { windows } = read(64, 'a ~ b')
    expect(windows[0]!.ids).toEqual([FIRST, idOf('a'), UNKNOWN, idOf('b'), SEPARATOR])
  })

  it('read an empty query', () => {
    expect(read(64, '')).toEqual({
      windows: [{ ids: [FIRST, SEPARATOR], types: [0, 0], words: [] }],
      words: 0,
      cut: false,
    })
  })

  it('score a word in the window in which it is furthest from an edge', () => {
    const { windows, cut } = read(12, letters(20))
    // windows of ten words, each five behind the one before
    expect(windows.map(({ ids }) => ids[1])).toEqual([0, 5, 10].map((at) => 1000 + 0x4e00 + at))
    expect(windows.map(({ words }) => words.map(({ word }) => word))).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7],
      [8, 9, 10, 11, 12],
      [13, 14, 15, 16, 17, 18, 19],
    ])
    expect(cut).toBe(false)
  })

  it('give each window the slots, and score them in the first one', () => {
    const { windows } = read(16, letters(20), 'ab cd')
    expect(windows.length).toBeGreaterThan(1)
    for (const { ids, types } of windows) {
      expect(ids.slice(-3)).toEqual([idOf('a'), idOf('c'), SEPARATOR])
      expect(types.slice(-4)).toEqual([0, 1, 1, 1])
    }
    const scored = windows.map(({ words }) => words.filter(({ word }) => word >= 20).length)
    expect(scored).toEqual([2, ...scored.slice(1).map(() => 0)])
  })

  it('cut what eight windows do not hold, and say so', () => {
    const { windows, words, cut } = read(12, letters(200))
    expect(windows).toHaveLength(8)
    expect({ words, cut }).toEqual({ words: 200, cut: true })
    // eight windows of ten, half of each its own
    expect(windows.flatMap((window) => window.words)).toHaveLength(45)
  })

  it('cut slots at half a window, and say so', () => {
    const { windows, cut } = read(22, letters(3), letters(50), 'ab')
    expect(windows).toHaveLength(1)
    expect(windows[0]!.ids.length).toBeLessThanOrEqual(3 + 2 + 10)
    expect(windows[0]!.words.filter(({ word }) => word < 3)).toHaveLength(3)
    expect(cut).toBe(true)
  })

  it('read a very long word by its beginning', () => {
    const { windows, cut } = read(64, `${'x'.repeat(10_000)} a`)
    expect(windows[0]!.ids).toEqual([
      FIRST,
      ...Array<number>(4).fill(idOf('x')),
      idOf('a'),
      SEPARATOR,
    ])
    expect(cut).toBe(false)
  })

  it('forget tokens of words, never the marks between texts', () => {
    const { forget } = createFieldTokenizer(pairs, 64)
    const tokens = read(64, 'ab cd', 'ef')
    const asked: boolean[] = []
    const forgotten = forget(tokens, () => asked.push(true) % 2 === 0)
    expect(forgotten.windows[0]!.ids).toEqual([
      FIRST,
      idOf('ab'),
      UNKNOWN,
      SEPARATOR,
      idOf('ef'),
      SEPARATOR,
    ])
    expect(asked).toHaveLength(3)
    expect({ ...forgotten, windows: [] }).toEqual({ ...tokens, windows: [] })
  })

  it('refuse a tokenizer with other markers, or without a token for unknown words', () => {
    expect(() => createFieldTokenizer({ ...pairs, encode: () => [FIRST] }, 64)).toThrow(
      'one token before and one behind'
    )
    expect(() => createFieldTokenizer({ ...pairs, unknown: null }, 64)).toThrow('unknown words')
  })

  it('fit, and score each word once at a token of its own, whatever the sources', () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab7 ~.é\u0301卡'), maxLength: 150 })
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 8, max: 64 }),
        (texts, max) => {
          const { windows, words, cut } = read(max, ...texts)
          const count = texts.reduce((sum, own) => sum + wordsOf(own).length, 0)
          expect(words).toBe(count)
          const scored = windows.flatMap((window) => window.words.map(({ word }) => word))
          expect(new Set(scored).size).toBe(scored.length)
          if (!cut) expect(scored).toHaveLength(words)
          else expect(scored.length).toBeLessThan(words)
          for (const { ids, types, words: own } of windows) {
            expect(ids.length).toBeLessThanOrEqual(max)
            expect(types).toHaveLength(ids.length)
            const tokens = own.map(({ token }) => token)
            expect(new Set(tokens).size).toBe(tokens.length)
            for (const token of tokens) {
              expect(token).toBeLessThan(ids.length)
              expect([FIRST, SEPARATOR]).not.toContain(ids[token])
            }
          }
        }
      )
    )
  })
})
