/**
 * How many training rows the gate would need for more coverage. Loras that were trained on parts of the rows
 * answer the same held-out rows; the loss among their most confident answers falls with the rows by a power
 * law (Hestness et al. 2017, arXiv 1712.00409), which is carried on until the gate would pass.
 * Knows nothing of engines, or of how the loras were trained.
 */
import { seededRandom } from '../../random.ts'
import { itemAt } from '../lists.ts'
import type { ConfidenceStatistic } from '../route/confidence.ts'
import { judge, type HeldOutRow, type JudgedRow } from './figures.ts'
import { allowedLoss, cutsOf, type Cut } from './samples.ts'
import { startLevel } from './selective.ts'
import { binomialLowerTail, bisectFalling } from './statistics.ts'

/** The answers of a lora that was trained on so many rows. */
export interface CurveFit {
  rows: number
  heldOut: HeldOutRow[]
}

export interface CurveOptions {
  statistic: ConfidenceStatistic
  /** see `createEffectiveRows` */
  burstMs: number
  margin: number
  /** level at which the gate tests the arm */
  alpha: number
  minCoverage: number
  seed: number
}

/** The rows that a coverage needs. Null: more than eight times as many as there were, or never. */
export interface CurveTarget {
  /** share of the traffic that is answered */
  coverage: number
  /** the gate then passes in half of the cases */
  rows: number | null
  /** of `rows`, 90 % */
  interval: [number | null, number | null]
  /** the gate then passes in four of five cases, the uncertainty of the curve included */
  likelyRows: number | null
}

export interface LearningCurve {
  points: {
    rows: number
    /** share of agreement, as if all that may be answered were answered */
    agreement: number
    /** loss among the most confident answers, by target; null: so many may not be answered */
    losses: (number | null)[]
  }[]
  /** least coverage first; none without two points */
  targets: CurveTarget[]
}

const DRAWS = 400
const INTERVAL = 0.9
const LIKELY = 0.8
/** As far as the law is carried on. */
const MOST_GROWTH = 8
const GRID_STEP = 1.1
/**
 * Standard deviation of the logarithm of a loss between two trainings on other rows of the same number:
 * in docs/experiments.md#paper 0.15 (0.12 to 0.17) of the surest 80 % of the answers, 0.22 of the
 * surest half.
 */
const RUN_DEVIATION = 0.15

interface Tally {
  wrong: number
  answered: number
}

/** A fit whose answers are compared and ordered. */
interface JudgedFit {
  rows: number
  /** rows of traffic, deferred ones included */
  traffic: number
  answerable: JudgedRow[]
  cuts: Cut[]
}

const judgeFit = (
  { rows, heldOut }: CurveFit,
  { statistic, burstMs }: Pick<CurveOptions, 'statistic' | 'burstMs'>
): JudgedFit => {
  const judged = heldOut.map((row) => judge(row, statistic))
  const answerable = judged.filter(({ deferred }) => deferred === null)
  const traffic = judged.filter(({ isTraffic }) => isTraffic).length
  return { rows, traffic, answerable, cuts: cutsOf(answerable, burstMs) }
}

const cutAt = ({ cuts, traffic }: JudgedFit, coverage: number): Cut | null =>
  cuts.find((cut) => cut.traffic.rows >= coverage * traffic) ?? null

/** Answers above a threshold to questions that training has not seen, by conversation. */
const talliesOf = ({ answerable }: JudgedFit, { threshold }: Cut): Map<string, Tally> => {
  const tallies = new Map<string, Tally>()
  for (const { isUnseen, confidence, conversation, agrees } of answerable) {
    if (!isUnseen || confidence < threshold) continue
    const tally = tallies.get(conversation) ?? { wrong: 0, answered: 0 }
    tally.answered++
    if (!agrees) tally.wrong++
    tallies.set(conversation, tally)
  }
  return tallies
}

/** Loss at g times the rows: exp(height − slope · ln g), slope ≥ 0. */
interface PowerLaw {
  height: number
  slope: number
}

/** A point of the curve. @property growth rows over those of the last point, at most 1 */
interface Point extends Tally {
  growth: number
}

const NEWTON_STEPS = 25
const CONVERGED = 1e-6

/**
 * The law that makes the counts most likely: a Poisson regression with a logarithmic link (Newton's method;
 * its likelihood is concave). A quarter of a loss is added to each point, so that none has no loss at all.
 */
const fitLaw = (points: readonly Point[]): PowerLaw => {
  const counts = points.map(({ wrong, answered, growth }) => ({
    wrong: wrong + 0.25,
    answered: answered + 0.5,
    x: Math.log(growth),
  }))
  const sum = (of: (count: (typeof counts)[number]) => number): number =>
    counts.reduce((total, count) => total + of(count), 0)
  const flat = Math.log(sum(({ wrong }) => wrong) / sum(({ answered }) => answered))
  let law: PowerLaw = { height: flat, slope: 0 }
  for (let step = 0; step < NEWTON_STEPS; step++) {
    const { height, slope } = law
    const expected = ({ answered, x }: (typeof counts)[number]): number =>
      answered * Math.exp(height - slope * x)
    const [byHeight, bySlope] = [
      sum((count) => count.wrong - expected(count)),
      sum((count) => -count.x * (count.wrong - expected(count))),
    ]
    const [hh, hs, ss] = [
      sum(expected),
      sum((count) => -count.x * expected(count)),
      sum((count) => count.x ** 2 * expected(count)),
    ]
    const determinant = hh * ss - hs * hs
    if (!(determinant > 0)) break
    const [up, steeper] = [
      (ss * byHeight - hs * bySlope) / determinant,
      (hh * bySlope - hs * byHeight) / determinant,
    ]
    law = { height: height + up, slope: slope + steeper }
    if (Math.abs(up) + Math.abs(steeper) < CONVERGED) break
  }
  return law.slope > 0 ? law : { height: flat, slope: 0 }
}

const lossAt = ({ height, slope }: PowerLaw, growth: number): number =>
  Math.min(1, Math.exp(height - slope * Math.log(growth)))

/** Growth at which the loss has fallen to `loss`; at least 1. Infinite where it never does. */
const growthTo = (law: PowerLaw, loss: number): number => {
  if (lossAt(law, 1) <= loss) return 1
  return law.slope === 0 ? Infinity : Math.exp((law.height - Math.log(loss)) / law.slope)
}

/** Standard normal (Box and Muller 1958). */
const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/**
 * Laws of data that might as well have been seen: conversations are drawn anew (cluster bootstrap), and each
 * training is repeated with its own luck.
 */
const drawLaws = (
  fits: readonly { growth: number; tallies: ReadonlyMap<string, Tally> }[],
  random: () => number
): PowerLaw[] => {
  const conversations = [...new Set(fits.flatMap(({ tallies }) => [...tallies.keys()]))]
  const columns = fits.map(({ growth, tallies }) => ({
    growth,
    column: conversations.map((key) => tallies.get(key) ?? null),
  }))
  return Array.from({ length: DRAWS }, () => {
    const picks = conversations.map(() => Math.floor(random() * conversations.length))
    return fitLaw(
      columns.map(({ growth, column }) => {
        const luck = Math.exp(RUN_DEVIATION * normal(random))
        const sums = { wrong: 0, answered: 0 }
        for (const pick of picks) {
          sums.wrong += column[pick]?.wrong ?? 0
          sums.answered += column[pick]?.answered ?? 0
        }
        return { growth, answered: sums.answered, wrong: luck * sums.wrong }
      })
    )
  })
}

/** The law at a coverage, and laws of data that might as well have been seen. @returns null without two points */
const lawsAt = (
  fits: JudgedFit[],
  full: JudgedFit,
  coverage: number,
  seed: number
): { law: PowerLaw; laws: PowerLaw[] } | null => {
  const counted = fits.flatMap((fit) => {
    const cut = cutAt(fit, coverage)
    const growth = fit.rows / full.rows
    return cut === null ? [] : { growth, tallies: talliesOf(fit, cut), cut }
  })
  if (counted.length < 2) return null
  const law = fitLaw(
    counted.map(({ growth, cut: { unseen } }) => ({
      growth,
      wrong: unseen.disagreements,
      answered: unseen.rows,
    }))
  )
  return { law, laws: drawLaws(counted, seededRandom(seed)) }
}

/** What the gate accepts at a coverage: at most `most` losses in `rows` independent answers. */
interface Acceptance {
  rows: number
  most: number
}

/** @returns null when no number of losses passes */
const acceptanceOf = (
  cut: Cut,
  widest: Cut,
  { margin, alpha }: CurveOptions
): Acceptance | null => {
  const rows = cut.unseen.effectiveRows
  const allowed = allowedLoss(cut.unseen, margin)
  const level = startLevel(widest, alpha)
  let most = -1
  while (most < rows && binomialLowerTail(most + 1, rows, allowed) <= level) most++
  return most < 0 ? null : { rows, most }
}

const passes = ({ rows, most }: Acceptance, loss: number): number =>
  binomialLowerTail(most, rows, loss)

const atMost = (rows: number, growth: number): number | null =>
  growth <= MOST_GROWTH ? Math.ceil(rows * growth) : null

/** Fewest rows with which the gate passes in `LIKELY` of the cases. */
const likelyRows = (rows: number, laws: PowerLaw[], acceptance: Acceptance): number | null => {
  for (let growth = 1; growth <= MOST_GROWTH; growth *= GRID_STEP) {
    const chance = laws.reduce((sum, law) => sum + passes(acceptance, lossAt(law, growth)), 0)
    if (chance >= LIKELY * laws.length) return Math.ceil(rows * growth)
  }
  return null
}

const targetAt = (
  fits: JudgedFit[],
  coverage: number,
  options: CurveOptions
): CurveTarget | null => {
  const full = fits.at(-1)
  if (full === undefined) return null
  const cut = cutAt(full, coverage)
  const widest = full.cuts.at(-1)
  if (cut === null || widest === undefined) return null
  const acceptance = acceptanceOf(cut, widest, options)
  if (acceptance === null) return null
  const fitted = lawsAt(fits, full, coverage, options.seed)
  if (fitted === null) return null
  const { law, laws } = fitted
  const needed = bisectFalling((loss) => passes(acceptance, loss), 0.5, 0, 1)
  const growths = laws.map((drawn) => growthTo(drawn, needed)).toSorted((a, b) => a - b)
  const quantile = (share: number) => itemAt(growths, Math.round(share * (DRAWS - 1)))
  return {
    coverage,
    rows: atMost(full.rows, growthTo(law, needed)),
    interval: [
      atMost(full.rows, quantile((1 - INTERVAL) / 2)),
      atMost(full.rows, quantile((1 + INTERVAL) / 2)),
    ],
    likelyRows: likelyRows(full.rows, laws, acceptance),
  }
}

/** The least coverage of a route, and every ten percent above it. */
const coveragesFrom = (minCoverage: number): number[] => {
  const tens = Array.from({ length: 10 }, (_, i) => (i + 1) / 10)
  return [minCoverage, ...tens.filter((coverage) => coverage > minCoverage)]
}

const agreementOf = ({ answerable }: JudgedFit): number => {
  const traffic = answerable.filter(({ isTraffic }) => isTraffic)
  return traffic.filter(({ agrees }) => agrees).length / Math.max(1, traffic.length)
}

const lossOfCut = (cut: Cut | null): number | null =>
  cut === null || cut.unseen.rows === 0 ? null : cut.unseen.disagreements / cut.unseen.rows

/**
 * @param given fewest rows first; the last one was trained on all of them, and may have answered more held-out
 * rows than the others, and fresh answers of the upstream beside them
 */
export const learningCurve = (given: readonly CurveFit[], options: CurveOptions): LearningCurve => {
  const fits = given.map((fit) => judgeFit(fit, options))
  const targets = coveragesFrom(options.minCoverage).flatMap(
    (coverage) => targetAt(fits, coverage, options) ?? []
  )
  return {
    points: fits.map((fit) => ({
      rows: fit.rows,
      agreement: agreementOf(fit),
      losses: targets.map(({ coverage }) => lossOfCut(cutAt(fit, coverage))),
    })),
    targets,
  }
}
