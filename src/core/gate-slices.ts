/**
 * No part of the traffic may pay for the average: each slice with enough answered rows is tested
 * for a loss of more than ten points. Knows nothing of thresholds or arms.
 */
import { groupBy } from './group-by.ts'
import { binomialLowerTail, holm } from './statistics.ts'

const MIN_SLICE_ROWS = 50
const SLICE_MARGIN = 0.1

export interface SliceFigures {
  slice: string
  rows: number
  agreement: number
  /** upstream's agreement with itself on the slice; 1 without fresh answers */
  upstreamAgreement: number
  /** Holm-adjusted, H0: the loss is at most ten points */
  pValue: number
  holds: boolean
}

interface SliceRow {
  similarity: number
  upstreamSimilarity: number | null
  slice?: string
}

const shareOf = (values: boolean[]): number => values.filter(Boolean).length / values.length

const groupBySlice = (rows: SliceRow[]): [string, SliceRow[]][] => {
  const sliced = rows.filter((row) => row.slice !== undefined)
  const groups = groupBy(sliced, (row) => row.slice!)
  return [...groups].filter(([, group]) => group.length >= MIN_SLICE_ROWS)
}

/**
 * Figures of every slice with at least 50 answered rows. A slice fails when its rows show, after
 * Holm's adjustment, a loss of more than ten points; fifty rows could not prove the contrary.
 */
export const sliceFigures = (
  answered: SliceRow[],
  { cut, alpha }: { cut: number; alpha: number }
): SliceFigures[] => {
  const figures = groupBySlice(answered).map(([slice, rows]) => {
    const fresh = rows.filter((row) => row.upstreamSimilarity !== null)
    const upstreamAgreement =
      fresh.length === 0 ? 1 : shareOf(fresh.map((row) => row.upstreamSimilarity! >= cut))
    const agreement = shareOf(rows.map((row) => row.similarity >= cut))
    const least = Math.max(0, upstreamAgreement - SLICE_MARGIN)
    const pValue = binomialLowerTail(Math.round(agreement * rows.length), rows.length, least)
    return { slice, rows: rows.length, agreement, upstreamAgreement, pValue }
  })
  const adjusted = holm(figures.map((figure) => figure.pValue))
  return figures.map((figure, i) => ({
    ...figure,
    pValue: adjusted[i]!,
    holds: adjusted[i]! > alpha,
  }))
}

export const failingSlices = (slices: SliceFigures[]): SliceFigures[] =>
  slices.filter((slice) => !slice.holds)
