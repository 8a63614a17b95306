import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { table, wrap } from '../../src/cli/layout.ts'

const word = fc.stringMatching(/^[a-z]{1,30}$/)
const text = fc.array(word, { minLength: 1, maxLength: 40 }).map((words) => words.join(' '))

describe('wrap', () => {
  it('keeps all words, and breaks no word', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 10, max: 60 }), fc.nat(6), (line, width, indent) => {
        expect(wrap(line, width, indent).split(/\s+/).join(' ')).toBe(line)
      })
    )
  })

  it('makes no line wider than the width unless a word is', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 10, max: 60 }), fc.nat(6), (line, width, indent) => {
        for (const part of wrap(line, width, indent).split('\n'))
          expect(part.length <= width || !part.trim().includes(' ')).toBe(true)
      })
    )
  })

  it('indents all lines but the first, and keeps the indentation of the text', () => {
    expect(wrap('  one two three', 10, 2)).toBe('  one two\n    three')
  })
})

describe('table', () => {
  const rows = [
    ['id', 'state'],
    ['a', 'live'],
    ['bb', 'rejected: too few rows'],
  ]

  it('has columns as wide as their widest cell', () => {
    expect(table(rows, 80)).toBe('id  state\na   live\nbb  rejected: too few rows')
  })

  it('is a block for each row where the columns do not fit, without cells that are empty', () => {
    expect(table([...rows, ['c', '']], 20)).toBe(
      'id     a\nstate  live\n\nid     bb\nstate  rejected: too\n       few rows\n\nid     c'
    )
  })

  it('is its header without rows', () => {
    expect(table([['id', 'state']], 80)).toBe('id  state')
  })
})
