/**
 * Does the promise about people hold, whatever the judge misses, and how often does a good route get it? Samples with a
 * known share of bad answers, of which the judge flags a known part.
 */
import { levelOfTry } from '../../src/core/gate/gate.ts'
import {
  chooseForRating,
  peoplePValue,
  RATINGS_NEEDED,
  type RatedCounts,
} from '../../src/core/judge/people.ts'
import { withBar, type Figures } from '../../test/kit/report.ts'
import { percent, print, type Run } from '../gate/lines.ts'
import { upperLimit } from '../gate/measure.ts'
import { ALPHA } from '../gate/rules.ts'

const MARGIN = 0.05
/** Truly bad answers of a route that should get the promise, and how often. */
const [GOOD, POWER] = [0.02, 0.84]
/** Sound answers that the judge flags. */
const FALSE_ALARMS = 0.05
/** Answers in the sample and rate of the others, with about 300 ratings each. */
const PLANS = [
  { sampled: RATINGS_NEEDED, rate: 1 },
  { sampled: 540, rate: 0.5 },
  { sampled: 940, rate: 0.25 },
]
const SENSITIVITIES = [0, 0.6, 0.9, 0.99]
/** Draws for each of the gate's: a sample costs little. */
const TIMES = 10

type Plan = (typeof PLANS)[number]

interface Sampled extends RatedCounts {
  ratings: number
}

const drawSample = (
  { sampled, rate }: Plan,
  { bad, sensitivity }: { bad: number; sensitivity: number },
  random: () => number
): Sampled => {
  const answers = Array.from({ length: sampled }, () => {
    const isBad = random() < bad
    return { isBad, isFlagged: random() < (isBad ? sensitivity : FALSE_ALARMS) }
  })
  const chosen = chooseForRating(answers, rate, random).filter(({ isChosen }) => isChosen)
  const flaggedBad = chosen.filter(({ isBad, isFlagged }) => isBad && isFlagged).length
  const passedBad = chosen.filter(({ isBad, isFlagged }) => isBad && !isFlagged).length
  return { sampled, rate, flaggedBad, passedBad, ratings: chosen.length }
}

/** p-values by counts: many samples have the same. */
const createKnown = () => {
  const known = new Map<string, number>()
  return (counts: RatedCounts): number => {
    const name = Object.values(counts).join(' ')
    const pValue = known.get(name) ?? peoplePValue(counts, MARGIN)
    known.set(name, pValue)
    return pValue
  }
}

/** @returns share of draws that pass at the level, and the mean number of ratings */
const simulate = (
  plan: Plan,
  truth: { bad: number; sensitivity: number },
  level: number,
  { draws, random }: Run
): { passed: number; ratings: number } => {
  const pValueOf = createKnown()
  let [passed, ratings] = [0, 0]
  for (let i = 0; i < TIMES * draws; i++) {
    const { ratings: ofDraw, ...counts } = drawSample(plan, truth, random)
    ratings += ofDraw
    if (pValueOf(counts) <= level) passed++
  }
  return { passed: passed / (TIMES * draws), ratings: ratings / (TIMES * draws) }
}

export const measurePeople = (run: Run): Figures => {
  const figures: Figures = {}
  const draws = TIMES * run.draws
  const unit = `share of ${draws} draws`
  const broken: number[] = []
  print('\nsample, rate, flagged of the bad ones: proved at 5 % bad, at 2 % bad (%), ratings')
  for (const plan of PLANS)
    for (const sensitivity of SENSITIVITIES) {
      const atBorder = simulate(plan, { bad: MARGIN, sensitivity }, ALPHA, run)
      const good = simulate(plan, { bad: GOOD, sensitivity }, levelOfTry(0), run)
      broken.push(atBorder.passed)
      print(
        `${plan.sampled} ${plan.rate} ${sensitivity}: ${percent(atBorder.passed)} ${percent(good.passed)} ` +
          good.ratings.toFixed(0)
      )
      const place = `rate_${100 * plan.rate}_flags_${100 * sensitivity}`
      figures[`promise_broken_people_${place}`] = { value: atBorder.passed, unit }
      figures[`power_people_${place}`] = { value: good.passed, unit }
      figures[`ratings_${place}`] = { value: good.ratings, unit: 'ratings' }
    }
  const plain = SENSITIVITIES.map((sensitivity) =>
    Number(figures[`power_people_rate_100_flags_${100 * sensitivity}`]?.value)
  )
  const worst = Math.max(...broken)
  return {
    ...figures,
    promise_broken_people_upper_95: {
      value: upperLimit(Math.round(worst * draws), draws, ALPHA),
      unit: `upper 95 % limit of the worst`,
    },
    promise_broken_people: withBar(
      { value: worst, unit: `${unit}, worst of ${broken.length} plans and judges` },
      '<=',
      ALPHA
    ),
    power_people_300: withBar(
      {
        value: plain.reduce((sum, value) => sum + value, 0) / plain.length,
        unit: `share of ${4 * draws} draws`,
      },
      '>=',
      POWER
    ),
  }
}
