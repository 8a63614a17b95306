import { describe, expect, it } from 'vitest'
import { sliceFigures, type SliceRow } from '../../src/core/gate/slices.ts'

const rowsOf = (
  slices: string[],
  size: number,
  right: number,
  changes: (i: number) => Partial<SliceRow> = () => ({})
): SliceRow[] =>
  Array.from({ length: size }, (_, i) => ({
    agrees: i < right,
    upstreamAgrees: null,
    at: i,
    conversation: `${slices.join()}-${i}`,
    slices,
    ...changes(i),
  }))

/** The upstream repeats itself on four of five; where it was not asked it is taken to do so. */
const asked = (i: number) => ({ upstreamAgrees: i % 10 === 3 ? null : i % 5 > 0 })

describe('sliceFigures', () => {
  it('looks at slices with at least 50 rows only, and at every slice of a row', () => {
    const rows = [
      ...rowsOf(['small', 'turn 1'], 49, 0),
      ...rowsOf(['large', 'turn 1'], 50, 50),
      ...rowsOf([], 100, 0),
    ]
    expect(sliceFigures(rows, 0).map(({ slice, rows: size }) => [slice, size])).toEqual([
      ['turn 1', 99],
      ['large', 50],
    ])
  })

  it('lets a slice lose ten points and no more, beyond what the upstream loses there', () => {
    const rows = [
      ...rowsOf(['holds'], 60, 54),
      ...rowsOf(['fails'], 60, 53),
      ...rowsOf(['noisy holds'], 60, 42, asked),
      ...rowsOf(['noisy fails'], 60, 41, asked),
    ]
    expect(
      sliceFigures(rows, 0).map(({ upstreamAgreement, holds }) => [upstreamAgreement, holds])
    ).toEqual([
      [1, true],
      [1, false],
      [0.8, true],
      [0.8, false],
    ])
  })

  it('never fails where the upstream does not agree with itself', () => {
    const never = rowsOf(['a'], 60, 0, () => ({ upstreamAgrees: false }))
    expect(sliceFigures(never, 0)[0]).toMatchObject({ holds: true, upstreamAgreement: 0 })
  })

  it.each([1, 3])('gives the exact lower bound of the conversations, of %d turns each', (turns) => {
    const conversation = (i: number) => ({ conversation: String(Math.floor(i / turns)) })
    const [figures] = sliceFigures(rowsOf(['a'], 60, 60, conversation), 0)
    expect(figures!.lowerBound).toBeCloseTo(0.05 ** (turns / 60), 9)
  })
})
