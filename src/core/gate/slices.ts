/**
 * Agreement of each slice of the traffic. A good average must not hide a bad slice, so a slice with
 * enough answered rows may lose ten points at most. Knows nothing of thresholds or arms.
 */
import { groupBy } from '../group-by.ts'
import { proportionLowerBound } from './statistics.ts'
import { effectiveRows, type ClusteredRow } from './effective-rows.ts'

const MIN_SLICE_ROWS = 50
const SLICE_MARGIN = 0.1
const ROUNDING = 1e-9
/** One-sided, of the lower bound in the figures. */
const BOUND_ALPHA = 0.05

export interface SliceFigures {
  /** 'turn 1', 'plan=pro' */
  slice: string
  /** answered traffic rows */
  rows: number
  agreement: number
  /** one-sided 95 % lower bound on the agreement */
  lowerBound: number
  /** upstream's agreement with itself on the slice; 1 without fresh answers */
  upstreamAgreement: number
  /** the observed loss is at most ten points */
  holds: boolean
}

export interface SliceRow extends ClusteredRow {
  agrees: boolean
  upstreamAgrees: boolean | null
  slices: string[]
}

const shareOf = (values: boolean[]): number => values.filter(Boolean).length / values.length

const bySlice = (rows: SliceRow[]): [string, SliceRow[]][] => {
  const pairs = rows.flatMap((row) => row.slices.map((slice) => ({ slice, row })))
  return [...groupBy(pairs, ({ slice }) => slice)]
    .map(([slice, group]): [string, SliceRow[]] => [slice, group.map(({ row }) => row)])
    .filter(([, group]) => group.length >= MIN_SLICE_ROWS)
}

/**
 * Figures of every slice with at least 50 answered rows. A slice fails when its rows show a loss of
 * more than ten points, significant or not: docs/decisions.md#slices-narrow-the-route.
 * One more agreement never makes a slice fail.
 */
export const sliceFigures = (answered: SliceRow[], burstMs: number): SliceFigures[] =>
  bySlice(answered).map(([slice, rows]) => {
    const upstreamAgreement = shareOf(rows.map((row) => row.upstreamAgrees ?? true))
    const agreement = shareOf(rows.map((row) => row.agrees))
    const trials = effectiveRows(rows, burstMs)
    return {
      slice,
      rows: rows.length,
      agreement,
      lowerBound: proportionLowerBound(agreement * trials, trials, BOUND_ALPHA),
      upstreamAgreement,
      holds: agreement >= upstreamAgreement - SLICE_MARGIN - ROUNDING,
    }
  })

export const failingSlices = (slices: SliceFigures[]): SliceFigures[] =>
  slices.filter((slice) => !slice.holds)
