/** The comparison of two texts, bounded for texts that are long or have nothing in common. */
import { describe, expect, it } from 'vitest'
import {
  differenceOf,
  MAX_COMPARED_CHARS,
  type DifferenceRow,
} from '../../../src/admin/page/templates/difference-view.tsx'

const lines = (count: number, of: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => `${of(at)}\n`).join('')

const textOf = (rows: DifferenceRow[], side: 'left' | 'right'): string =>
  rows.flatMap((row) => row[side].map(({ text }) => text)).join('')

describe('the difference of two texts', () => {
  it('has both texts in order where nothing is left out', () => {
    const [left, right] = ['one\ntwo\nthree\n', 'one\nTWO\nthree\nfour\n']
    const { rows, isEqual, isCut, rest } = differenceOf(left, right)
    expect(textOf(rows, 'left')).toBe(left)
    expect(textOf(rows, 'right')).toBe(right)
    expect({ isEqual, isCut, rest }).toEqual({ isEqual: false, isCut: false, rest: 0 })
  })

  it('of equal texts is one row, and of empty ones none', () => {
    expect(differenceOf('same\n', 'same\n')).toMatchObject({ isEqual: true, rows: [{}] })
    expect(differenceOf('', '').rows).toEqual([])
  })

  it('shows a word that changed in a long line with the text around it', () => {
    const long = 'word '.repeat(5_000)
    const { rows } = differenceOf(`${long}cat ${long}`, `${long}dog ${long}`)
    expect(rows).toHaveLength(1)
    expect(rows[0]!.left.filter(({ kind }) => kind === 'changed')).toEqual([
      { kind: 'changed', text: 'cat' },
    ])
    expect(textOf(rows, 'left').length).toBeLessThan(2_000)
    expect(textOf(rows, 'left')).toContain('equal characters')
  })

  it('of texts with nothing in common gives up early, and shows them as changed', () => {
    const { rows, rest } = differenceOf(
      lines(20_000, (at) => `a${at}`),
      lines(20_000, (at) => `b${at}`)
    )
    expect(rows).toHaveLength(1)
    expect(rows[0]!.left[0]!.kind).toBe('changed')
    expect(rest).toBe(0)
  })

  it('compares no more than its limit, and says so', () => {
    const common = 'x'.repeat(MAX_COMPARED_CHARS)
    expect(differenceOf(`${common}a`, `${common}b`)).toMatchObject({ isCut: true, isEqual: false })
  })

  it('shows no more rows than can be read, and counts the others', () => {
    const { rows, rest } = differenceOf(
      lines(900, (at) => (at % 2 === 0 ? `a${at} ${'x'.repeat(90)}` : `${at}`)),
      lines(900, (at) => (at % 2 === 0 ? `b${at} ${'x'.repeat(90)}` : `${at}`))
    )
    expect(rest).toBeGreaterThan(0)
    expect(rows.length + rest).toBeGreaterThan(800)
    expect(textOf(rows, 'left').length).toBeLessThan(40_000)
  })
})
