/**
 * Does the gate keep its promise, and what does it let through? Simulates held-out exchanges whose
 * truth is known: false promotions and coverage by confidence shape and held-out size, for the
 * chosen strategy and its rivals; exact error and power of the paired test; the bootstrap of graded
 * answers. `npm run bench:gate -- --out file.json`
 */
import { parseArgs } from 'node:util'
import { bootstrapLowerBound } from '../src/core/statistics-bootstrap.ts'
import { seededRandom } from '../src/random.ts'
import { chanceToPass, pairsForPower } from './gate/paired.ts'
import {
  chosenStrategy,
  labelStrategy,
  sampleOf,
  strategies,
  type Choice,
  type Strategy,
} from './gate/strategies.ts'
import { drawExchange, shapes, truthsOf, type Shape } from './gate/worlds.ts'
import { formatFigures, writeReport, withBar, type Figure } from './report.ts'

const ALPHA = 0.05
const MIN_COVERAGE = 0.2
const SIZES = [200, 600, 1000, 2000]
const MARGINS = [0.05, 0.03]
const DISCORDANCES = [0.05, 0.1, 0.2]
/** The shape of the real model that the product must let through. */
const MEASURED = 'banking77 as measured'

interface Outcome {
  promoted: number
  false: number
  /** mean true coverage, 0 for a rejection */
  coverage: number
  /** mean true agreement of what was promoted */
  agreement: number
  /** share of draws with true coverage ≥ 55 % and agreement ≥ 96 % */
  wide: number
  sure: number
}

type Truths = ReturnType<typeof truthsOf>

const mean = (values: number[], count: number): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, count)

const summarize = (choices: (Choice | null)[], truths: Truths, margin: number): Outcome => {
  const reached = choices.flatMap((choice) =>
    choice === null ? [] : truths[choice.arm]![choice.statistic].at(choice.threshold)
  )
  const share = (test: (one: (typeof reached)[number]) => boolean): number =>
    reached.filter(test).length / choices.length
  return {
    promoted: reached.length / choices.length,
    false: share(({ agreement }) => agreement < 1 - margin),
    coverage: mean(
      reached.map(({ coverage }) => coverage),
      choices.length
    ),
    agreement: mean(
      reached.map(({ agreement }) => agreement),
      reached.length
    ),
    wide: share(({ coverage }) => coverage >= 0.55),
    sure: share(({ agreement }) => agreement >= 0.96),
  }
}

interface Setting {
  shape: Shape
  truths: Truths
  margin: number
  size: number
}

/** The same draws for every strategy. */
const simulate = (
  { shape, truths, margin, size }: Setting,
  rivals: Record<string, Strategy>,
  draws: number,
  random: () => number
): Record<string, Outcome> => {
  const options = { margin, alpha: ALPHA, minCoverage: MIN_COVERAGE }
  const choices: Record<string, (Choice | null)[]> = {}
  for (let draw = 0; draw < draws; draw++) {
    const sample = sampleOf(Array.from({ length: size }, () => drawExchange(shape, random)))
    for (const [name, strategy] of Object.entries(rivals))
      (choices[name] ??= []).push(strategy(sample, options))
  }
  return Object.fromEntries(
    Object.entries(choices).map(([name, made]) => [name, summarize(made, truths, margin)])
  )
}

const percent = (value: number): string => `${(100 * value).toFixed(1)}`.padStart(6)

const HEAD = 'promoted  false  coverage  agreement  cov≥55  agr≥96 (%)'

const line = (name: string, outcome: Outcome): string =>
  [
    name.padEnd(34),
    percent(outcome.promoted),
    percent(outcome.false),
    percent(outcome.coverage),
    '  ',
    outcome.promoted === 0 ? '     –' : percent(outcome.agreement),
    '  ',
    percent(outcome.wide),
    percent(outcome.sure),
  ].join(' ')

const print = (text: string): void => void process.stdout.write(`${text}\n`)

/** Every strategy, averaged over the shapes that deserve promotion and those that do not. */
const compareStrategies = (draws: number, random: () => number): void => {
  const margin = 0.05
  const worlds = Object.entries(shapes(margin)).map(([name, shape]) => ({
    name,
    shape,
    truths: truthsOf(shape, random),
  }))
  for (const size of SIZES) {
    const outcomes = worlds.map(({ shape, truths }) =>
      simulate({ shape, truths, margin, size }, strategies, draws, random)
    )
    print(`\nstrategies, ${size} held out, margin 5 points, ${draws} draws of each shape`)
    print(`${''.padEnd(34)} mean coverage  worst false  coverage on "${MEASURED}" (%)`)
    for (const name of Object.keys(strategies)) {
      const own = outcomes.map((outcome) => outcome[name]!)
      const coverage = own.reduce((sum, outcome) => sum + outcome.coverage, 0) / own.length
      const worst = Math.max(...own.map((outcome) => outcome.false))
      const measured = own[worlds.findIndex((world) => world.name === MEASURED)]!
      const columns = [percent(coverage), percent(worst), percent(measured.coverage)]
      print(`${name.padEnd(34)} ${columns.join('        ')}`)
    }
  }
}

const key = (name: string): string => name.replace(/\W+/g, '_').replace(/_$/, '')

/** Times as many draws where the first ones come near the bar. */
const CLOSER_LOOK = 5

/** The chosen strategy in one setting; a suspicious share of false promotions is measured anew. */
const measureSetting = (setting: Setting, draws: number, random: () => number): Outcome => {
  const measure = (count: number): Outcome =>
    simulate(setting, { chosen: chosenStrategy }, count, random)['chosen']!
  const first = measure(draws)
  return first.false > ALPHA / 2 ? measure(CLOSER_LOOK * draws) : first
}

/** The chosen strategy by shape, size and margin. */
const measureChosen = (draws: number, random: () => number): Record<string, Figure> => {
  const figures: Record<string, Figure> = {}
  let worst = 0
  for (const margin of MARGINS) {
    for (const [name, shape] of Object.entries(shapes(margin))) {
      const truths = truthsOf(shape, random)
      print(`\n${name}, margin ${100 * margin} points, ${draws} draws\n${''.padEnd(34)} ${HEAD}`)
      for (const size of SIZES) {
        const setting = { shape, truths, margin, size }
        const chosen = measureSetting(setting, draws, random)
        print(line(`${size} held out`, chosen))
        worst = Math.max(worst, chosen.false)
        const place = `${key(name)}_${size}_margin_${100 * margin}`
        figures[`false_promotion_${place}`] = {
          value: chosen.false,
          unit: `share of ${draws} draws`,
        }
        figures[`power_${place}`] = { value: chosen.promoted, unit: `share of ${draws} draws` }
        figures[`coverage_${place}`] = { value: chosen.coverage, unit: `share of ${draws} draws` }
      }
    }
  }
  figures['false_promotion_worst'] = withBar({ value: worst, unit: 'share' }, '<=', ALPHA)
  return figures
}

/** The label model that the product must let through: 1,000 held out, margin 5 points. */
const measureTarget = (draws: number, random: () => number): Record<string, Figure> => {
  const shape = shapes(0.05)[MEASURED]!
  const setting = { shape, truths: truthsOf(shape, random), margin: 0.05, size: 1000 }
  const { labels } = simulate(setting, { labels: labelStrategy }, draws, random)
  const { agreement, coverage, wide, sure, false: broken } = labels!
  print(`\n${MEASURED}, as labels, margin 5 points, ${draws} draws\n${''.padEnd(34)} ${HEAD}`)
  print(line('1000 held out', labels!))
  const share = (value: number): Figure => ({ value, unit: `share of ${draws} draws` })
  return {
    target_agreement: withBar(share(agreement), '>=', 0.96),
    target_coverage: withBar(share(coverage), '>=', 0.55),
    target_draws_with_coverage_55: withBar(share(wide), '>=', 0.5),
    target_draws_with_agreement_96: withBar(share(sure), '>=', 0.5),
    target_false_promotion: withBar(share(broken), '<=', ALPHA),
  }
}

/** Exact: the paired test at the border, at equality, and how many pairs it needs. */
const measurePaired = (): Record<string, Figure> => {
  const figures: Record<string, Figure> = {}
  print('\npaired test (Tango): false promotion at the border, power at equality (%), exact')
  for (const margin of MARGINS) {
    const options = { margin, alpha: ALPHA }
    for (const discordance of DISCORDANCES) {
      const needed = pairsForPower(0.8, discordance, options)
      const cells = SIZES.map((size) => {
        const border = { discordance: Math.max(discordance, margin), difference: -margin }
        const error = chanceToPass(size, border, options)
        const power = chanceToPass(size, { discordance, difference: 0 }, options)
        const place = `${100 * discordance}_discordant_${size}_margin_${100 * margin}`
        figures[`paired_false_promotion_${place}`] = { value: error, unit: 'share' }
        figures[`paired_power_${place}`] = { value: power, unit: 'share' }
        return `${size}: ${percent(error)} ${percent(power)}`
      })
      figures[`paired_pairs_for_power_80_${100 * discordance}_discordant_margin_${100 * margin}`] =
        {
          value: needed,
          unit: 'pairs',
        }
      const title = `margin ${100 * margin}, ${100 * discordance} % discordant`
      print(`${title.padEnd(26)} ${cells.join('   ')}   power 80 % from ${needed}`)
    }
  }
  return figures
}

/** Graded answers at the border: mean difference −margin, rows in sessions of one or of four. */
const measureBootstrap = (draws: number, random: () => number): Record<string, Figure> => {
  const [margin, size] = [0.05, 600]
  const shares = [1, 4].map((perSession) => {
    const clusters = Array.from({ length: size }, (_, i) => String(Math.floor(i / perSession)))
    let passed = 0
    for (let draw = 0; draw < draws; draw++) {
      let loss = 0
      const differences = clusters.map((_, i) => {
        // a quarter of the sessions loses 0.2 on average; the mean is −margin
        if (i % perSession === 0) loss = random() < 0.25 ? 0.4 * random() : 0
        return -loss
      })
      const bound = bootstrapLowerBound(differences, clusters, {
        alpha: ALPHA,
        random,
        draws: 1000,
      })
      if (bound > -margin) passed++
    }
    return passed / draws
  })
  print(`\nbootstrap of graded answers at the border, 600 rows: false promotion (%)`)
  print(`sessions of one ${percent(shares[0]!)}, sessions of four ${percent(shares[1]!)}`)
  return {
    bootstrap_false_promotion_sessions_of_1: { value: shares[0]!, unit: `share of ${draws} draws` },
    bootstrap_false_promotion_sessions_of_4: { value: shares[1]!, unit: `share of ${draws} draws` },
  }
}

const main = (): void => {
  const { values } = parseArgs({
    options: {
      out: { type: 'string' },
      /** draws of each setting for the chosen strategy; its rivals get a fifth */
      draws: { type: 'string', default: '200' },
      seed: { type: 'string', default: '20261125' },
    },
  })
  const draws = Number(values.draws)
  const random = seededRandom(Number(values.seed))
  compareStrategies(Math.max(2, Math.round(draws / 5)), random)
  const figures = {
    ...measureChosen(draws, random),
    ...measureTarget(draws, random),
    ...measurePaired(),
    ...measureBootstrap(draws, random),
  }
  const named = Object.entries(figures).filter(([name]) =>
    /^(?:target|false_promotion_worst)/.test(name)
  )
  print(`\n${formatFigures(Object.fromEntries(named))}`)
  if (values.out !== undefined) writeReport(values.out, figures)
}

main()
