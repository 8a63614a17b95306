import { describe, expect, it } from 'vitest'
import { cutText, visibleText } from '../../../src/admin/page/parts/visible-text.ts'

describe('text of requests on the page', () => {
  it.each([
    ['a\u202eb', 'a‹RLO›b'],
    ['\ufeffx\u200b', '‹BOM›x‹ZWSP›'],
    ['a\u0000b\u001b[0m', 'a‹U+0000›b‹U+001B›[0m'],
    ['one\r\ntwo\tthree', 'one\ntwo\tthree'],
    ['\ud800', '‹U+D800›'],
    ['👩‍👩‍👧 می‌خواهم', '👩‍👩‍👧 می‌خواهم'],
  ])('shows what cannot be seen, and joins letters as before: %j', (text, shown) => {
    expect(visibleText(text)).toBe(shown)
  })

  it('is cut between characters', () => {
    expect(cutText('ab👩c', 3)).toEqual({ text: 'ab', rest: 3 })
    expect(cutText('ab👩c', 4)).toEqual({ text: 'ab👩', rest: 1 })
    expect(cutText('abc', 3)).toEqual({ text: 'abc', rest: 0 })
  })
})
