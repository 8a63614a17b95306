/**
 * Is the held-out sample what the route will meet? Populations with known truth, judged by the
 * product's own gate at 5 points: the promise is broken where a promoted route agrees less than that
 * with its traffic or with unseen questions.
 */
import { decide } from '../../src/core/gate/gate.ts'
import { withBar, type Figures } from '../../test/kit/report.ts'
import { HEAD, key, line, percent, print, type Run } from './lines.ts'
import { measure, type Measured } from './measure.ts'
import {
  conversations,
  MIX_MARGIN,
  models,
  refusals,
  repeats,
  tiedAndRight,
  ties,
  tools,
} from './mixes.ts'
import { drawPopulation, truthOfPopulation, type Population } from './populations.ts'
import { ALPHA, MIN_COVERAGE, type Outcome } from './rules.ts'

const REQUIRED = 1 - MIX_MARGIN
/** Of integrating the truth. */
const ROUNDING = 1e-9

/**
 * One draw. Neither arm is better, so that chance favours one of them.
 */
const drawOutcome = (population: Population, size: number, random: () => number): Outcome => {
  const [queryOnly, schedule] = drawPopulation(population, size, random)
  const { verdict, arm, arms } = decide({
    arms: [
      { arm: 'query-only', statistic: 'sum', rows: queryOnly },
      { arm: 'schedule', statistic: 'sum', rows: schedule },
    ],
    favouredArm: random() < 0.5 ? 0 : 1,
    responseType: 'label',
    margin: MIX_MARGIN,
    minCoverage: MIN_COVERAGE,
    burstMs: 0,
  })
  const { threshold } = arms[arm]!
  if (verdict === 'reject' || threshold === null) return { arm, promoted: null }
  const { coverage, traffic, unseen } = truthOfPopulation(population, threshold)
  const broken = Math.min(traffic, unseen) < REQUIRED - ROUNDING
  return {
    arm,
    promoted: { coverage, agreement: traffic, broken },
  }
}

/** Most of these worlds lie at the border, where few draws prove nothing. */
const MORE_DRAWS = 2.5

const simulate = (population: Population, size: number, { draws, maxDraws, random }: Run) =>
  measure(() => drawOutcome(population, size, random), { draws, maxDraws, bar: ALPHA })

/** Begins the names of the limits on how often the promise is broken. */
export const BROKEN = 'promise_broken_upper_95_'

const figuresOf = (
  place: string,
  { draws, brokenUpper, promoted, coverage }: Measured
): Figures => ({
  [`${BROKEN}${place}`]: withBar(
    { value: brokenUpper, unit: `upper 95 % limit, ${draws} draws` },
    '<=',
    ALPHA
  ),
  [`promoted_${place}`]: { value: promoted, unit: `share of ${draws} draws` },
  [`coverage_${place}`]: { value: coverage, unit: `share of ${draws} draws` },
})

const measureAll = (
  name: string,
  worlds: Record<string, Population>,
  sizes: number[],
  run: Run
): Figures => {
  const figures: Figures = {}
  for (const size of sizes) {
    print(`\n${name}, ${size} rows of traffic, margin 5 points\n${HEAD}`)
    for (const [world, population] of Object.entries(worlds)) {
      const measured = simulate(population, size, { ...run, draws: MORE_DRAWS * run.draws })
      print(line(world, measured))
      Object.assign(figures, figuresOf(`${name}_${key(world)}_${size}`, measured))
    }
  }
  return figures
}

/** Flawless arms with equal confidences: each must be promoted. */
const measureTiedAndRight = ({ draws, random }: Run): Figures => {
  const sizes = [300, 500, 1000]
  const shares = Object.values(tiedAndRight).flatMap((population) =>
    sizes.map((size) => {
      const few = { draws: Math.ceil(draws / 10), maxDraws: Math.ceil(draws / 10), random }
      return simulate(population, size, few).promoted
    })
  )
  const value = Math.min(...shares)
  print(`\nall answers right, many equally confident: promoted in at least ${percent(value)} %`)
  const unit = `share of draws, least of ${shares.length} settings`
  return { ties_all_right_promoted: withBar({ value, unit }, '>=', 1) }
}

const MODEL_SIZES = [300, 600]

/** A model that agrees on 99 % must be promoted where the rows suffice, one that agrees on 90 % never. */
const measureModels = (run: Run): Figures => {
  const figures = measureAll('models', models, MODEL_SIZES, run)
  const most = `promoted_models_agrees_on_99_${MODEL_SIZES.at(-1)}`
  figures[most] = withBar(figures[most]!, '>=', 0.95)
  for (const size of MODEL_SIZES) {
    const refused = `promoted_models_agrees_on_90_${size}`
    figures[refused] = withBar(figures[refused]!, '<=', 0.001)
  }
  return figures
}

export const mixParts = (run: Run): Record<string, () => Figures> => ({
  repeats: () => measureAll('repeats', repeats, [600, 1000], run),
  tools: () => measureAll('tools', tools, [600], run),
  refusals: () => measureAll('refusals', refusals, [600, 1000], run),
  conversations: () => measureAll('conversations', conversations, [1200], run),
  models: () => measureModels(run),
  ties: () => ({ ...measureAll('ties', ties, [600], run), ...measureTiedAndRight(run) }),
})
