/**
 * The learning curve on trainings with a known outcome: the prediction of the product's law for more rows,
 * and the difference between two trainings on other rows of the same number. Pure.
 */
import { groupBy } from '../../../src/core/group-by.ts'
import { simulatedRow } from '../../gate/row.ts'
import { predictLoss, RUN_DEVIATION, type CurveFit } from '../../../src/core/gate/learning-curve.ts'
import { deriveSeed, seededRandom } from '../../../src/random.ts'
import type { Figure } from '../../report.ts'
import type { CellResult } from '../cells.ts'

/** The loss of the most confident questions is predicted, for these shares of them. */
const COVERAGES = [0.5, 0.8, 1]
/** Of the intervals, as in the product. */
const INTERVAL = 0.9

type CurveCell = CellResult & { confidences: number[] }

const curveCells = (results: readonly CellResult[]): CurveCell[] =>
  results.flatMap((result) =>
    result.matching === 'curve' && result.confidences !== undefined
      ? [{ ...result, confidences: result.confidences }]
      : []
  )

const rightOf = ({ right }: CellResult): string => Object.values(right)[0]!

/** For each question whether it is among the most confident ones and answered wrong. */
export const wrongAmong = (
  right: string,
  confidences: readonly number[],
  coverage: number
): boolean[] => {
  const order = [...confidences.keys()].sort((a, b) => confidences[b]! - confidences[a]! || a - b)
  const answered = new Set(order.slice(0, Math.round(coverage * order.length)))
  return confidences.map((_, at) => answered.has(at) && right[at] === '0')
}

const fitOf = (cell: CurveCell): CurveFit => {
  const right = rightOf(cell)
  return {
    rows: cell.exchanges,
    heldOut: cell.confidences.map((confidence, at) =>
      simulatedRow(at, { agrees: right[at] === '1', confidence })
    ),
  }
}

/** Standard normal (Box and Muller 1958). */
const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

const binomial = (trials: number, chance: number, random: () => number): number => {
  let count = 0
  for (let trial = 0; trial < trials; trial++) if (random() < chance) count++
  return count
}

export interface Prediction {
  coverage: number
  /** wrong answers: expected, the interval of the count, and the count that came */
  expected: number
  low: number
  high: number
  observed: number
}

/**
 * The interval of a count has the uncertainty of the law, the luck of one more training, and the chance of
 * a finite number of questions.
 */
const predict = (
  fits: CurveCell[],
  truth: CurveCell,
  coverage: number,
  seed: number
): Prediction | null => {
  const growth = truth.exchanges / fits.at(-1)!.exchanges
  const options = { statistic: 'sum' as const, burstMs: 0, seed }
  const predicted = predictLoss(fits.map(fitOf), { coverage, growth }, options)
  if (predicted === null) return null
  const answered = Math.round(coverage * truth.confidences.length)
  const random = seededRandom(deriveSeed(seed, 1))
  const counts = predicted.draws
    .map((loss) => binomial(answered, loss * Math.exp(RUN_DEVIATION * normal(random)), random))
    .toSorted((a, b) => a - b)
  const quantile = (share: number): number => counts[Math.round(share * (counts.length - 1))]!
  return {
    coverage,
    expected: answered * predicted.loss,
    low: quantile((1 - INTERVAL) / 2),
    high: quantile((1 + INTERVAL) / 2),
    observed: wrongAmong(rightOf(truth), truth.confidences, coverage).filter(Boolean).length,
  }
}

/** @param rows the largest fit has; the prediction is for more */
const predictions = (cells: readonly CurveCell[], rows: number, seed: number): Prediction[] =>
  [...groupBy(cells, (cell) => `${cell.subject}/${cell.seed}`).values()].flatMap((group) => {
    const inOrder = group.toSorted((a, b) => a.exchanges - b.exchanges)
    const fits = inOrder.filter(({ exchanges }) => exchanges <= rows)
    const truth = inOrder.find(({ exchanges }) => exchanges > rows)
    if (truth === undefined || fits.length < 2) return []
    return COVERAGES.flatMap((coverage) => predict(fits, truth, coverage, seed) ?? [])
  })

/** Variance with the divisor n − 1. */
const variance = (values: readonly number[]): number => {
  const center = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1)
}

/** @param trainings for each training, for each question: answered wrong */
const luckSums = (trainings: readonly boolean[][]): { luck: number; squared: number } => {
  const counts = trainings.map((wrong) => wrong.filter(Boolean).length)
  const questions = trainings[0]!.map((_, at) => variance(trainings.map((w) => Number(w[at]))))
  const ofCounts = variance(counts)
  const center = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return {
    luck: ofCounts - questions.reduce((sum, value) => sum + value, 0),
    squared: center ** 2 - ofCounts / counts.length,
  }
}

/**
 * Standard deviation of ln(loss) between two trainings on other rows of the same number. The variance of
 * the counts has the binomial noise of each question in it; the covariances between questions have not,
 * and they are what is left when the variances of the questions are taken off. Divided by the squared
 * mean and summed over the groups, which keeps both sums unbiased, they are the variance of the factor by
 * which a training's loss differs; it is taken as log-normal.
 * @param groups trainings that answered the same questions, at least two in a group
 */
export const runDeviation = (groups: readonly (readonly boolean[][])[]): number => {
  const sums = groups.map(luckSums)
  const luck = sums.reduce((sum, group) => sum + group.luck, 0)
  const squared = sums.reduce((sum, group) => sum + group.squared, 0)
  return squared > 0 ? Math.sqrt(Math.log1p(Math.max(0, luck / squared))) : 0
}

interface Group {
  subject: string
  trainings: boolean[][]
}

/**
 * Of the rows of the largest fit. Rows are drawn from some 500: two larger trainings have too many of
 * them in common to differ as two trainings on other rows do.
 */
const MOST_ROWS = 1 / 2

const groupsAt = (cells: readonly CurveCell[], coverage: number, rows: number): Group[] =>
  [...groupBy(cells, (cell) => `${cell.subject}/${cell.exchanges}`).values()]
    .filter((group) => group.length > 1 && group[0]!.exchanges <= MOST_ROWS * rows)
    .map((group) => ({
      subject: group[0]!.subject,
      trainings: group.map((cell) => wrongAmong(rightOf(cell), cell.confidences, coverage)),
    }))

const DRAWS = 1000

/** Subjects are drawn with replacement; 5th and 95th percentile. */
const deviationFigure = (groups: Group[], seed: number): Figure => {
  const bySubject = [...groupBy(groups, ({ subject }) => subject).values()]
  const random = seededRandom(deriveSeed(seed, 2))
  const draws = Array.from({ length: DRAWS }, () => {
    const drawn = bySubject.flatMap(() => bySubject[Math.floor(random() * bySubject.length)]!)
    return runDeviation(drawn.map(({ trainings }) => trainings))
  }).toSorted((a, b) => a - b)
  return {
    value: runDeviation(groups.map(({ trainings }) => trainings)),
    unit: 'of ln(loss)',
    min: draws[Math.floor(0.05 * DRAWS)]!,
    max: draws[Math.ceil(0.95 * DRAWS) - 1]!,
    runs: groups.length,
  }
}

/** @param rows of the largest fit */
export const curveFigures = (
  results: readonly CellResult[],
  rows: number,
  seed: number
): Record<string, Figure> => {
  const cells = curveCells(results)
  const figures: Record<string, Figure> = {}
  const all = predictions(cells, rows, seed)
  for (const coverage of COVERAGES) {
    const name = String(100 * coverage)
    const made = all.filter((prediction) => prediction.coverage === coverage)
    if (made.length > 0) {
      const inside = made.filter(({ low, high, observed }) => low <= observed && observed <= high)
      figures[`curve_contained_${name}`] = {
        value: inside.length / made.length,
        unit: `share of ${made.length} predictions`,
      }
      const sum = (of: (prediction: Prediction) => number): number =>
        made.reduce((total, prediction) => total + of(prediction), 0)
      figures[`curve_predicted_wrong_${name}`] = {
        value: sum((one) => one.expected),
        unit: 'answers',
      }
      figures[`curve_observed_wrong_${name}`] = {
        value: sum((one) => one.observed),
        unit: 'answers',
      }
    }
    const groups = groupsAt(cells, coverage, rows)
    if (groups.length > 0) figures[`run_deviation_${name}`] = deviationFigure(groups, seed)
  }
  return figures
}
