import { describe, expect, it } from 'vitest'
import { sliceFigures } from '../../src/core/gate/slices.ts'

const rowsOf = (slices: string[], size: number, right: number, turns = 1) =>
  Array.from({ length: size }, (_, i) => ({
    agrees: i < right,
    upstreamAgrees: null,
    conversation: `${slices.join()}-${Math.floor(i / turns)}`,
    slices,
  }))

const namesAndHolds = (rows: ReturnType<typeof rowsOf>) =>
  sliceFigures(rows).map(({ slice, holds }) => [slice, holds])

const boundOf = (turns: number) => sliceFigures(rowsOf(['a'], 60, 60, turns))[0]!.lowerBound

describe('sliceFigures', () => {
  it('looks at slices with at least 50 rows only, and at every slice of a row', () => {
    const rows = [
      ...rowsOf(['small', 'turn 1'], 49, 0),
      ...rowsOf(['large', 'turn 1'], 50, 50),
      ...rowsOf([], 100, 0),
    ]
    expect(sliceFigures(rows).map(({ slice, rows: size }) => [slice, size])).toEqual([
      ['turn 1', 99],
      ['large', 50],
    ])
  })

  it('lets a slice lose ten points and no more', () => {
    const rows = [...rowsOf(['holds'], 60, 54), ...rowsOf(['fails'], 60, 53)]
    expect(namesAndHolds(rows)).toEqual([
      ['holds', true],
      ['fails', false],
    ])
  })

  it('says how likely such a loss is by chance, adjusted for the number of slices', () => {
    // P(X ≤ 48 | 60, 0.9) = 0.01458
    const alone = sliceFigures(rowsOf(['a'], 60, 48))[0]!.pValue
    expect(alone).toBeCloseTo(0.01458, 5)
    const others = Array.from({ length: 9 }, (_, i) => rowsOf([`other ${i}`], 60, 60)).flat()
    const [figures] = sliceFigures([...rowsOf(['a'], 60, 48), ...others])
    expect(figures!.pValue).toBeCloseTo(10 * alone, 9)
  })

  it('gives the exact lower bound, of conversations where turns share them', () => {
    expect(boundOf(1)).toBeCloseTo(0.05 ** (1 / 60), 9)
    expect(boundOf(3)).toBeCloseTo(0.05 ** (1 / 20), 9)
  })

  it('grants a slice what the upstream loses there itself', () => {
    const rows = rowsOf(['a'], 60, 43).map((row, i) => ({ ...row, upstreamAgrees: i % 5 > 0 }))
    expect(sliceFigures(rows)[0]).toMatchObject({
      upstreamAgreement: 0.8,
      holds: true,
    })
  })
})
