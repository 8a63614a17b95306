import { describe, expect, it } from 'vitest'
import { sliceFigures } from '../../src/core/gate-slices.ts'

const rowsOf = (slices: string[], size: number, right: number, turns = 1) =>
  Array.from({ length: size }, (_, i) => ({
    agrees: i < right,
    upstreamAgrees: null,
    conversation: `${slices.join()}-${Math.floor(i / turns)}`,
    slices,
  }))

const namesAndHolds = (rows: ReturnType<typeof rowsOf>) =>
  sliceFigures(rows, { alpha: 0.05 }).map(({ slice, holds }) => [slice, holds])

const boundOf = (turns: number) =>
  sliceFigures(rowsOf(['a'], 60, 60, turns), { alpha: 0.05 })[0]!.lowerBound

describe('sliceFigures', () => {
  it('looks at slices with at least 50 rows only, and at every slice of a row', () => {
    const rows = [
      ...rowsOf(['small', 'turn 1'], 49, 0),
      ...rowsOf(['large', 'turn 1'], 50, 50),
      ...rowsOf([], 100, 0),
    ]
    expect(
      sliceFigures(rows, { alpha: 0.05 }).map(({ slice, rows: size }) => [slice, size])
    ).toEqual([
      ['turn 1', 99],
      ['large', 50],
    ])
  })

  it('tolerates chance and names a loss that chance does not explain', () => {
    const rows = [...rowsOf(['unlucky'], 60, 52), ...rowsOf(['bad'], 60, 42)]
    expect(namesAndHolds(rows)).toEqual([
      ['unlucky', true],
      ['bad', false],
    ])
  })

  it('adjusts for the number of slices', () => {
    // P(X ≤ 48 | 60, 0.9) = 0.017: fails alone, and holds as one of ten
    expect(namesAndHolds(rowsOf(['a'], 60, 48))).toEqual([['a', false]])
    const others = Array.from({ length: 9 }, (_, i) => rowsOf([`other ${i}`], 60, 60)).flat()
    expect(namesAndHolds([...rowsOf(['a'], 60, 48), ...others])[0]).toEqual(['a', true])
  })

  it('gives the exact lower bound, of conversations where turns share them', () => {
    expect(boundOf(1)).toBeCloseTo(0.05 ** (1 / 60), 9)
    expect(boundOf(3)).toBeCloseTo(0.05 ** (1 / 20), 9)
  })

  it('grants a slice what the upstream loses there itself', () => {
    const rows = rowsOf(['a'], 60, 42).map((row, i) => ({ ...row, upstreamAgrees: i % 5 > 0 }))
    expect(sliceFigures(rows, { alpha: 0.05 })[0]).toMatchObject({
      upstreamAgreement: 0.8,
      holds: true,
    })
  })
})
