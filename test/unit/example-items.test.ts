import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blockDigests, divideBlock, formOf } from '../../src/core/template/example-items.ts'
import type { Division } from '../../src/core/template/template.ts'
import { factorOfTenfold } from '../kit/linear.ts'

const by = (start: string | null, ends: Partial<Division> = {}): Division => ({
  start,
  labels: ['Q:', 'A:'],
  forms: ['Q: A:'],
  lead: '',
  tail: '',
  ...ends,
})

describe('a block of examples', () => {
  it('is its items and the gaps between them, letter by letter', () => {
    const text = fc.string({
      unit: fc.constantFrom('Q: ', 'A: ', 'x', ' ', '\n', '\n\n', '1. ', '\t', '\u2003'),
      maxLength: 30,
    })
    fc.assert(
      fc.property(text, fc.constantFrom('Q:', '1.', null), (block, start) => {
        const divided = divideBlock(block, { start })
        if (divided === null) return
        const { items, gaps } = divided
        expect(gaps.every((gap) => gap.trim() === '')).toBe(true)
        expect(gaps[0] + items.map((item, at) => item + gaps[at + 1]!).join('')).toBe(block)
      }),
      { numRuns: 2000 }
    )
  })

  it.each([
    ['at a label', 'Q:', 'Q: a\nA: b\n\nc\nQ: d\nA: e', ['Q: a\nA: b\n\nc', 'Q: d\nA: e']],
    ['behind blank lines', null, 'a\nb\n \n\nc', ['a\nb', 'c']],
    ['at the numbers of a list', '1.', '1. a\n2. b', ['1. a', '2. b']],
  ])('is divided %s', (_name, start, block, items) => {
    expect(divideBlock(block, { start })?.items).toEqual(items)
  })

  it.each([
    ['text in front of the first item', 'Q:', 'note\nQ: a'],
    ['nothing', null, ' \n'],
    ['too many items', 'Q:', 'Q: a\n'.repeat(257)],
  ])('is not divided with %s', (_name, start, block) => {
    expect(divideBlock(block, { start })).toBeNull()
  })

  it('has the constant text at its ends as part of the first and the last item', () => {
    const whole = blockDigests('Q: a\nQ: b.', by('Q:'))
    expect(blockDigests('a\nQ: b', by('Q:', { lead: 'Q: ', tail: '.' }))).toEqual(whole)
  })

  it('has another digest for an item with one letter changed, and the same at another place', () => {
    const [item] = blockDigests('Q: a', by('Q:'))!
    expect(blockDigests('Q: b', by('Q:'))![0]).not.toBe(item)
    expect(blockDigests('1. b\n2. a', by('1.'))![1]).toBe(blockDigests('1. a', by('1.'))![0])
    expect(blockDigests('0. b\n1. a', by('1.'))![1]).toBe(blockDigests('1. a', by('1.'))![0])
  })

  it.each(['7. a', '18. a', '01. a', '0. b\n0. a', '1. b\n1. a', '5. b\n6. a'])(
    'has another digest for the last item of %j, whose number is not its place',
    (block) => {
      const digests = blockDigests(block, by('1.'))!
      expect(digests[block.split('\n').length - 1]).not.toBe(blockDigests('1. a', by('1.'))![0])
    }
  )

  it('shows a line more in an item by its form', () => {
    expect(formOf('Q: a\nA: b', ['Q:', 'A:'])).toBe('Q: A:')
    expect(formOf('Q: a\nmore\nmore\nA: b', ['Q:', 'A:'])).toBe('Q: · A:')
    expect(formOf('Q: a\nA: b\nNote: all to black', ['Q:', 'A:'])).toBe('Q: A: ·')
  })

  it.each(['\n', 'Q: a\n', ' \n', '1. ', 'a:', 'a b-c/', '\t', '12'])(
    'takes time in proportion to a block of %j',
    (unit) => {
      const factor = factorOfTenfold(
        {
          size: 100_000,
          make: (chars) => `Q: a\n${unit.repeat(chars / unit.length)}`,
          run(block) {
            divideBlock(block, by(null))
            blockDigests(block, by('1.'))
            formOf(block, ['Q:'])
          },
        },
        15
      )
      expect(factor).toBeLessThan(15)
    }
  )
})
