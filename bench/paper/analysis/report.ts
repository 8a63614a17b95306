/** The figures of `--out` and the tables on the screen. Pure. */
import type { Figure } from '../../report.ts'
import { withBar } from '../../report.ts'
import { accuracyBySeed, mean, type JudgedClaim, type Series } from './results.ts'
import { SMALLEST_DIFFERENCE } from './claims.ts'
import type { Difference } from './intervals.ts'

interface Names {
  /** rows on which every training is compared: figures of others end with their number */
  exchanges: number
}

/** `linear_4`, `linear_4_60`, `linear_4_time`, `linear_4_60_time`; the base model was trained on none. */
const figureName = ({ arm, matching, exchanges }: Series, names: Names): string =>
  [
    arm,
    ...(exchanges === 0 || exchanges === names.exchanges ? [] : [exchanges]),
    ...(matching === 'time' ? ['time'] : []),
  ].join('_')

const accuracyFigure = (series: Series): Figure => {
  const seeds = accuracyBySeed(series)
  return {
    value: mean(series.accuracies.map(({ accuracy }) => accuracy)),
    unit: 'share',
    min: Math.min(...seeds),
    max: Math.max(...seeds),
    runs: seeds.length,
  }
}

const differenceFigure = ({ mean: value, interval, pairs }: Difference): Figure => ({
  value,
  unit: 'points',
  ...(interval === null ? {} : { min: interval.low, max: interval.high }),
  ...(interval === null ? {} : { runs: pairs }),
})

const signed = (points: number): string => `${points < 0 ? '−' : '+'}${Math.abs(points).toFixed(1)}`

export const differenceText = (difference: Difference | null): string => {
  if (difference === null) return '–'
  const { mean: value, interval } = difference
  const range = interval === null ? '' : ` (${signed(interval.low)} to ${signed(interval.high)})`
  return `${signed(value)}${range}`
}

export const claimText = ({ verdicts }: JudgedClaim): string =>
  verdicts
    .map(
      ({ matching, verdict, difference }) =>
        `equal ${matching}: ${verdict}, ${differenceText(difference)} points`
    )
    .join('; ')

/** Half the widths of the intervals: which difference from the reference can be told. */
const precision = (series: readonly Series[]): Record<string, Figure> => {
  const widths = series
    .flatMap(({ difference }) => difference?.interval ?? [])
    .map(({ low, high }) => (high - low) / 2)
    .toSorted((a, b) => a - b)
  if (widths.length === 0) return {}
  const median = widths[widths.length >> 1]!
  const figure = {
    value: median,
    unit: 'points',
    min: widths[0]!,
    max: widths.at(-1)!,
    runs: widths.length,
  }
  return { half_width: withBar(figure, '<=', SMALLEST_DIFFERENCE) }
}

export const figuresOf = (
  { series, claims }: { series: Series[]; claims: JudgedClaim[] },
  names: Names
): Record<string, Figure> => {
  const figures: Record<string, Figure> = {}
  for (const one of series) {
    const name = figureName(one, names)
    figures[`accuracy_${name}`] = accuracyFigure(one)
    if (one.difference !== null) figures[`difference_${name}`] = differenceFigure(one.difference)
    if (one.promptTokensRead === 0) continue
    figures[`prompt_tokens_${name}`] = { value: one.promptTokensRead, unit: 'tokens a training' }
    figures[`seconds_${name}`] = { value: one.plannedSeconds, unit: 's a training' }
  }
  const compared = series.filter(({ exchanges }) => exchanges === names.exchanges)
  Object.assign(figures, precision(compared))
  for (const claim of claims) figures[`claim_${claim.name}`] = { value: claimText(claim), unit: '' }
  return figures
}

const share = (value: number): string => (100 * value).toFixed(1)

const thousands = (value: number): string => `${Math.round(value / 1000)}k`

const accuracyText = (series: Series): string => {
  const { value, min, max, runs } = accuracyFigure(series)
  const range = runs! < 2 ? '' : ` (${share(min!)}–${share(max!)})`
  return `${share(Number(value))}${range}`
}

/** The first row is the header. */
export const seriesTable = (series: readonly Series[]): (string | number)[][] => [
  ['arm', 'rows', 'equal', 'right, %', 'points against query only', 'prompt tokens', 'seconds'],
  ...series.map((one) => [
    one.arm,
    one.exchanges,
    one.exchanges === 0 ? '–' : one.matching,
    accuracyText(one),
    differenceText(one.difference),
    one.promptTokensRead === 0 ? '–' : thousands(one.promptTokensRead),
    one.plannedSeconds === 0 ? '–' : one.plannedSeconds.toFixed(1),
  ]),
]

export const claimTable = (claims: readonly JudgedClaim[]): (string | number)[][] => [
  ['claim', 'source', 'equal', 'points', 'verdict'],
  ...claims.flatMap(({ text, source, verdicts }) =>
    verdicts.map(({ matching, difference, verdict }) => [
      text,
      source,
      matching,
      differenceText(difference),
      verdict,
    ])
  ),
]
