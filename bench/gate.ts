/**
 * Does the gate keep its promise, and what does it let through? Simulates held-out exchanges whose
 * truth is known: the validation loss favours an arm, the product's own gate judges both. False
 * promotions come with their upper 95 % limit, so that few draws prove little; where nothing but
 * chance is left to simulate they are computed. `npm run bench:gate -- --out file.json`
 */
import { FAVOURED_SHARE } from '../src/core/gate/gate.ts'
import { chanceToPromote, chanceToPromotePaired } from './gate/exact.ts'
import { HEAD, key, line, percent, print, type Run } from './gate/lines.ts'
import { measure, type Measured } from './gate/measure.ts'
import { mixParts } from './gate/mix-parts.ts'
import { promiseParts } from './gate/promises/parts.ts'
import { longRandom } from './gate/random.ts'
import { worstOf } from './gate/worst.ts'
import {
  ALPHA,
  favouredByLoss,
  firstTry,
  drawOutcome,
  MIN_COVERAGE,
  type Rule,
  type Setting,
} from './gate/rules.ts'
import { borderWorld, measuredWorld, pairedBorder, pairedWorld, worldsAt } from './gate/worlds.ts'
import { formatFigures, withBar, type Figure, type Figures } from '../test/kit/report.ts'
import { runParts } from './harness/measure.ts'
import { optional, partsOf, readOptions } from './harness/options.ts'

const SIZES = [200, 600, 1000, 2000]
const MARGINS = [0.05, 0.03]
const DISCORDANCES = [0.05, 0.1, 0.2]
/** Fresh upstream answers that the product buys unless configured. */
const REPLAYS = 200

const placeOf = (name: string, size: number, margin: number): string =>
  `${key(name)}_${size}_margin_${100 * margin}`

/** Figures of one setting; its limit has a bar unless the error is computed elsewhere. */
const figuresOf = (place: string, measured: Measured, isBarred = true): Figures => {
  const { draws, promoted, broken, brokenUpper, coverage } = measured
  const unit = `share of ${draws} draws`
  const upper = { value: brokenUpper, unit: `upper 95 % limit, ${draws} draws` }
  return {
    [`false_promotion_${place}`]: { value: broken, unit },
    [`false_promotion_upper_95_${place}`]: isBarred ? withBar(upper, '<=', ALPHA) : upper,
    [`power_${place}`]: { value: promoted, unit },
    [`coverage_${place}`]: { value: coverage, unit },
  }
}

const simulate = (
  setting: Setting,
  { draws, maxDraws, random }: Run,
  rule: Rule = favouredByLoss
): Measured => measure(() => drawOutcome(setting, rule, random), { draws, maxDraws, bar: ALPHA })

const exactFigure = (value: number): Figure =>
  withBar({ value, unit: 'share, computed, summed over the arms' }, '<=', ALPHA)

/** Share of alpha for each of two arms. */
const ARM_ALPHAS = [ALPHA * FAVOURED_SHARE, ALPHA * (1 - FAVOURED_SHARE)]

const sumOverArms = (chance: (alpha: number) => number): number =>
  ARM_ALPHAS.reduce((sum, alpha) => sum + chance(alpha), 0)

/** Computed: arms that are just too bad at every confidence, the worst there is for the gate. */
const computeBorder = (): Figures => {
  const figures: Figures = {}
  print('\nfalse promotion where every answer is just too bad, computed (%)')
  print('margin, held out: no fresh answers; all fresh, by discordance (upper bounds)')
  for (const margin of MARGINS) {
    for (const size of SIZES) {
      const options = { margin, minAnswered: Math.ceil(MIN_COVERAGE * size) }
      const alone = sumOverArms((alpha) => chanceToPromote(size, 1 - margin, { ...options, alpha }))
      figures[`false_promotion_exact_${placeOf('border', size, margin)}`] = exactFigure(alone)
      const paired = DISCORDANCES.map((discordance) => {
        const truth = { discordance: Math.max(discordance, margin), difference: -margin }
        const error = sumOverArms((alpha) =>
          chanceToPromotePaired(size, truth, { ...options, alpha })
        )
        const name = placeOf(`paired ${100 * discordance} discordant`, size, margin)
        figures[`false_promotion_exact_${name}`] = exactFigure(error)
        return percent(error)
      })
      print(`${100 * margin}, ${String(size).padStart(4)}: ${percent(alone)}; ${paired.join(' ')}`)
    }
  }
  return figures
}

/** Labels: every world by size at one margin. */
const measureWorlds = (margin: number, run: Run): Figures => {
  const figures: Figures = {}
  for (const [name, world] of Object.entries(worldsAt(margin))) {
    const isBorder = name === 'border everywhere'
    print(`\n${name}, margin ${100 * margin} points\n${HEAD}`)
    for (const size of SIZES) {
      const setting = { world, margin, size }
      const measured = simulate(setting, isBorder ? { ...run, maxDraws: run.draws } : run)
      print(line(`${size} held out`, measured))
      Object.assign(figures, figuresOf(placeOf(name, size, margin), measured, !isBorder))
    }
  }
  return figures
}

/** As many fresh upstream answers as the product buys: at the border, and as good as that. */
const measureSomeFresh = (run: Run): Figures => {
  const [margin, discordance, figures] = [0.05, 0.1, {} as Figures]
  const worlds = {
    'some fresh, at the border': pairedBorder(discordance, margin),
    'some fresh, as good as the upstream': pairedWorld(discordance, 0),
  }
  for (const [name, world] of Object.entries(worlds)) {
    print(`\n${name}, 10 discordant, margin 5 points\n${HEAD}`)
    for (const size of SIZES.filter((rows) => rows > REPLAYS)) {
      const measured = simulate({ world, margin, size, replays: REPLAYS }, run)
      print(line(`${size} held out`, measured))
      Object.assign(figures, figuresOf(placeOf(name, size, margin), measured))
    }
  }
  return figures
}

/** JSON answers: their statistic is chosen by rows that are not held out. */
const measureTwoStatistics = (run: Run): Figures => {
  const [margin, figures] = [0.05, {} as Figures]
  const worlds = { 'border as json': borderWorld(margin), 'banking77 as json': measuredWorld }
  for (const [name, world] of Object.entries(worlds)) {
    print(`\n${name}, margin 5 points\n${HEAD}`)
    for (const size of SIZES) {
      const measured = simulate({ world, margin, size, responseType: 'json' }, run)
      print(line(`${size} held out`, measured))
      Object.assign(figures, figuresOf(placeOf(name, size, margin), measured))
    }
  }
  return figures
}

const TARGET_SIZE = 1000

/** The label model that the product must let through, at its first try: 1,000 held out, margin 5 points. */
const measureTarget = (run: Run): Figures => {
  print(`\nthe target: banking77 as measured, first try, margin 5 points\n${HEAD}`)
  const share = (value: number): Figure => ({ value, unit: `share of ${run.draws} draws` })
  const measured = SIZES.map((size) => {
    const ofSize = simulate({ world: measuredWorld, margin: 0.05, size }, run, firstTry)
    print(line(`${size} held out`, ofSize))
    return ofSize
  })
  const target = measured[SIZES.indexOf(TARGET_SIZE)]!
  return {
    ...Object.fromEntries(
      SIZES.map((size, i) => [`target_promoted_${size}`, share(measured[i]!.promoted)])
    ),
    target_agreement: withBar(share(target.agreement), '>=', 0.96),
    target_coverage: withBar(share(target.coverage), '>=', 0.55),
    target_draws_with_coverage_55: withBar(share(target.wide), '>=', 0.5),
    target_draws_with_agreement_96: withBar(share(target.sure), '>=', 0.5),
  }
}

const allParts = (run: Run): Record<string, () => Figures> => ({
  exact: computeBorder,
  target: () => measureTarget(run),
  'worlds-5': () => measureWorlds(0.05, run),
  'worlds-3': () => measureWorlds(0.03, run),
  'some-fresh': () => measureSomeFresh(run),
  'two-statistics': () => measureTwoStatistics(run),
  ...mixParts(run),
  ...promiseParts(run),
})

const args = readOptions({
  parts: optional,
  // of each setting; ten, a hundred times as many where its limit is above the bar
  draws: 400,
  maxDraws: 10_000,
  seed: 20261125,
})
const { draws, maxDraws } = args
const parts = allParts({ draws, maxDraws, random: longRandom(args.seed) })
const all: Figures = {}
await runParts(partsOf(args.parts, parts), args.out, (name, save) => {
  Object.assign(all, parts[name]!())
  save({ ...all, ...worstOf(all) })
})
const named = Object.entries(all).filter(
  ([name]) => name.startsWith('target') || name.startsWith('ties_all')
)
print(`\n${formatFigures({ ...Object.fromEntries(named), ...worstOf(all) })}`)
