/** The curve of coverage against agreement, for a person who looks at a verdict. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coverageCurve } from '../../src/core/gate/coverage-curve.ts'
import { armFigures, type HeldOutRow } from '../../src/core/gate/figures.ts'
import { proportionLowerBound } from '../../src/core/gate/statistics.ts'
import { heldOutRow } from '../kit/records/held-out-row.ts'

const OPTIONS = { margin: 0.05, armAlpha: 0.05, minCoverage: 0.2, burstMs: 0 }

const anyRow: fc.Arbitrary<HeldOutRow> = fc.record({
  agrees: fc.boolean(),
  agreesToday: fc.constantFrom(null, true, false),
  fresh: fc.constantFrom(null, { repeats: true, asLogged: [true, true] as const }),
  at: fc.nat(1e9),
  logprobSum: fc.oneof(
    fc.double({ min: -9, max: 0, noNaN: true }),
    fc.constantFrom(-1, -2, Number.NaN)
  ),
  logprobMin: fc.double({ min: -9, max: 0, noNaN: true }),
  deferred: fc.constantFrom(null, null, null, 'deferred'),
  conversation: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'),
  isTraffic: fc.constantFrom(true, true, false),
  isUnseen: fc.boolean(),
  slices: fc.constant([]),
})

describe('the curve of coverage and agreement', () => {
  it('has no point without a row that may be answered', () => {
    expect(coverageCurve([], 'sum', 0)).toEqual([])
    expect(coverageCurve([heldOutRow(0, { deferred: 'length' })], 'sum', 0)).toEqual([])
    expect(coverageCurve([heldOutRow(0, { isTraffic: false })], 'sum', 0)).toEqual([])
  })

  it('has at most 50 points of rising coverage and falling confidence, within their bands, and ends as the gate says of all rows', () => {
    fc.assert(
      fc.property(
        fc.array(anyRow, { maxLength: 250, size: 'max' }),
        fc.constantFrom<'sum' | 'min'>('sum', 'min'),
        (rows, statistic) => {
          const curve = coverageCurve(rows, statistic, 0)
          expect(curve.length).toBeLessThanOrEqual(50)
          for (const [i, { coverage, confidence, lower, agreement, upper }] of curve.entries()) {
            expect(coverage).toBeGreaterThan(curve[i - 1]?.coverage ?? 0)
            expect(confidence).toBeLessThan(curve[i - 1]?.confidence ?? Infinity)
            expect(lower).toBeLessThanOrEqual(agreement + 1e-9)
            expect(upper).toBeGreaterThanOrEqual(agreement - 1e-9)
            expect([lower >= 0, upper <= 1]).toEqual([true, true])
          }
          const last = curve.at(-1)
          const gate = armFigures({ arm: 'query-only', statistic, rows }, OPTIONS)
          const deferred = Object.values(gate.deferred).reduce((sum, count) => sum + count, 0)
          expect(last === undefined).toBe(gate.rows === deferred)
          if (last === undefined) return
          expect(last.coverage).toBeCloseTo((gate.rows - deferred) / gate.rows, 12)
          expect(last.agreement).toBeCloseTo(gate.agreement, 12)
        }
      )
    )
  })

  it('has the band of Clopper and Pearson, with the turns of a conversation counted together', () => {
    const rows = Array.from({ length: 40 }, (_, i) =>
      heldOutRow(0, { logprobSum: -1, conversation: String(i), agrees: i >= 4 })
    )
    const [alone] = coverageCurve(rows, 'sum', 0)
    expect(alone!.lower).toBeCloseTo(proportionLowerBound(36, 40, 0.025), 12)
    expect(1 - alone!.upper).toBeCloseTo(proportionLowerBound(4, 40, 0.025), 12)
    const pairs = rows.map((one, i) => ({ ...one, conversation: String(i >> 1) }))
    const [together] = coverageCurve(pairs, 'sum', 0)
    expect(together!.agreement).toBe(alone!.agreement)
    expect(together!.lower).toBeCloseTo(proportionLowerBound(18, 20, 0.025), 12)
  })
})
