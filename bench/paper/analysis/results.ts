/** Accuracies, differences and verdicts of the finished cells. Pure. */
import { groupBy } from '../../../src/core/group-by.ts'
import { deriveSeed, seededRandom } from '../../../src/random.ts'
import { BASE_ARMS, REFERENCE } from '../arms.ts'
import type { CellResult, Matching } from '../cells.ts'
import { claimsFor, LEVEL, verdictOf, type Claim, type Verdict } from './claims.ts'
import { pairedDifference, type Accuracy, type Difference } from './intervals.ts'

/** One arm in one matching on so many rows. */
export interface Series {
  arm: string
  matching: Exclude<Matching, 'curve'>
  exchanges: number
  accuracies: Accuracy[]
  /** means over the cells, see `CellResult` */
  plannedSeconds: number
  promptTokensRead: number
  /** against the reference arm in the same matching on the same rows; null for the reference itself */
  difference: Difference | null
}

export interface JudgedClaim extends Claim {
  verdicts: { matching: Series['matching']; verdict: Verdict; difference: Difference | null }[]
}

export interface ResultOptions {
  matchings: readonly Series['matching'][]
  /** rows on which every training is compared, and those of the main ones only */
  exchanges: number
  mainExchanges: readonly number[]
  seed: number
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)

const shareRight = (right: string): number =>
  [...right].filter((mark) => mark === '1').length / Math.max(1, right.length)

const seriesKey = (arm: string, matching: string, exchanges: number): string =>
  `${arm}/${matching}/${exchanges}`

type Measured = Omit<Series, 'difference'>

const measuredSeries = (results: readonly CellResult[]): Measured[] => {
  const cells = results.flatMap((result) =>
    result.matching === 'curve'
      ? []
      : Object.entries(result.right).map(([arm, right]) => ({
          ...result,
          arm,
          matching: result.matching as Series['matching'],
          accuracy: shareRight(right),
        }))
  )
  const groups = groupBy(cells, (cell) => seriesKey(cell.arm, cell.matching, cell.exchanges))
  return [...groups.values()].map((group) => {
    const { arm, matching, exchanges } = group[0]!
    return {
      arm,
      matching,
      exchanges,
      accuracies: group.map(({ subject, seed, accuracy }) => ({ subject, seed, accuracy })),
      plannedSeconds: mean(group.map((cell) => cell.plannedSeconds)),
      promptTokensRead: mean(group.map((cell) => cell.promptTokensRead)),
    }
  })
}

/** The same draws for the same journal. */
const createCompare = (series: readonly Measured[], seed: number) => {
  const byKey = new Map(
    series.map((one) => [seriesKey(one.arm, one.matching, one.exchanges), one.accuracies])
  )
  return (arm: string, other: string, matching: string, exchanges: number): Difference | null =>
    pairedDifference(
      byKey.get(seriesKey(arm, matching, exchanges)) ?? [],
      byKey.get(seriesKey(other, matching, exchanges)) ?? [],
      { level: LEVEL, random: seededRandom(deriveSeed(seed, 0)) }
    )
}

const BASE = new Set(Object.values(BASE_ARMS))

export const analyse = (
  results: readonly CellResult[],
  options: ResultOptions
): { series: Series[]; claims: JudgedClaim[] } => {
  const measured = measuredSeries(results)
  const compare = createCompare(measured, options.seed)
  const series = measured.map((one): Series => {
    const isCompared = one.arm !== REFERENCE && !BASE.has(one.arm)
    const difference = isCompared ? compare(one.arm, REFERENCE, one.matching, one.exchanges) : null
    return { ...one, difference }
  })
  const claims = claimsFor(options.mainExchanges).map((claim) => ({
    ...claim,
    verdicts: options.matchings.map((matching) => {
      const rows = claim.exchanges ?? options.exchanges
      const difference = compare(claim.arm, claim.other, matching, rows)
      return { matching, difference, verdict: verdictOf(claim.kind, difference?.interval ?? null) }
    }),
  }))
  // a claim about arms that were not trained has no row
  return {
    series,
    claims: claims.filter(({ verdicts }) => verdicts.some(({ difference }) => difference !== null)),
  }
}

/** Mean accuracy of each seed over its subjects. */
export const accuracyBySeed = ({ accuracies }: Pick<Series, 'accuracies'>): number[] =>
  [...groupBy(accuracies, ({ seed }) => seed).values()].map((group) =>
    mean(group.map(({ accuracy }) => accuracy))
  )
