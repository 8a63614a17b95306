import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { wordsOf } from '../../src/core/form/words.ts'

const textsOf = (text: string): string[] => wordsOf(text).map((word) => word.text)

describe('words of a text', () => {
  it.each([
    ['Order AB1234, 2.5 kg', ['Order', 'AB', '1234', ',', '2', '.', '5', 'kg']],
    ["O'Brien's", ['O', "'", 'Brien', "'", 's']],
    ['Zoe\u0308 léa', ['Zoe\u0308', 'léa']],
    ['👍🏽 ok', ['👍', '🏽', 'ok']],
    ['مرحبا بالعالم', ['مرحبا', 'بالعالم']],
    ['नमस्ते', ['नमस्ते']],
    ['明天三點', ['明', '天', '三', '點']],
    ['½ x²', ['½', 'x', '²']],
    ['\u0301', ['\u0301']],
    ['\ud800x', ['\ud800', 'x']],
    [' \t\n\u00a0', []],
    ['', []],
  ])('of %j', (text, words) => {
    expect(textsOf(text)).toEqual(words)
  })

  it('are in order, apart, and leave out nothing but white space', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        const words = wordsOf(text)
        let at = 0
        let between = ''
        for (const word of words) {
          expect(word.start).toBeGreaterThanOrEqual(at)
          expect(word.end).toBeGreaterThan(word.start)
          expect(word.text).toBe(text.slice(word.start, word.end))
          between += text.slice(at, word.start)
          at = word.end
        }
        expect((between + text.slice(at)).trim()).toBe('')
      })
    )
  })

  it('are the same beside other characters as alone', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9 .,-]{0,30}$/), (text) => {
        const mixed = textsOf(`é ${text} é`)
        expect(mixed.slice(1, -1)).toEqual(textsOf(text))
      })
    )
  })
})
