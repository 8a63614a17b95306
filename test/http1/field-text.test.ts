import { describe, expect, it } from 'vitest'
import { copyOf, fieldKey } from '../../src/http1/field-text.ts'

describe('a header`s name', () => {
  it.each([
    ['Content-Type', 'content-type'],
    ['x-a', 'x-a'],
    ["!#$%&'*+-.^_`|~09Az", "!#$%&'*+-.^_`|~09az"],
  ])('is the same in lower case, however often it is asked for: %s', (name, key) => {
    expect([fieldKey(name), fieldKey(name), fieldKey(`${name}`)]).toEqual([key, key, key])
  })

  it.each(['', 'x a', 'x:', 'x\r\n', '\u00e9', '\u20ac'])('is none: %j', (name) => {
    expect([fieldKey(name), fieldKey(name)]).toEqual([null, null])
  })

  it('is not taken for one whose characters have the same last byte', () => {
    expect([fieldKey('X-\u0141'), fieldKey('X-A')]).toEqual([null, 'x-a'])
    expect(copyOf('\u00e9\u0141')).toBe('\u00e9\u0141')
  })

  it('is read also when more are known than are kept', () => {
    for (let i = 0; i < 2000; i++) expect(fieldKey(`X-${i}`)).toBe(`x-${i}`)
    expect(fieldKey('X-1999')).toBe('x-1999')
  })
})
