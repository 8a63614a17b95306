/**
 * Does the promise about people hold, whatever the judge misses, and how often does a good route get it? Computed for
 * samples with a known share of bad answers, of which the judge flags a known part.
 */
import { levelOfTry } from '../../src/core/gate/gate.ts'
import { binomialLowerTail } from '../../src/core/gate/statistics.ts'
import { peoplePValue, RATINGS_NEEDED } from '../../src/core/judge/people.ts'
import { withBar, type Figures } from '../../test/kit/report.ts'
import { percent, print } from '../gate/lines.ts'
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
type Plan = (typeof PLANS)[number]

/** Shares of all answers that are bad, and flagged or not. */
const splitOf = ({ bad, sensitivity }: { bad: number; sensitivity: number }) => ({
  flagged: bad * sensitivity,
  passed: bad * (1 - sensitivity),
})

/** By flagged bad answers: most other bad ones with which the margin is proved, and −1 where none is. */
const bordersOf = ({ sampled, rate }: Plan, level: number): number[] => {
  const isProved = (flaggedBad: number, passedBad: number): boolean =>
    peoplePValue({ sampled, rate, flaggedBad, passedBad }, MARGIN) <= level
  let most = 0
  while (isProved(0, most)) most++
  const borders: number[] = []
  for (let flaggedBad = 0; most >= 0; flaggedBad++) {
    // a further bad answer never makes the p-value smaller
    while (most >= 0 && !isProved(flaggedBad, most)) most--
    borders.push(most)
  }
  return borders
}

/** Chance that the margin is proved: the sum over all counts, without a draw. */
const chanceToProve = (
  { sampled, rate }: Plan,
  { flagged, passed }: ReturnType<typeof splitOf>,
  borders: number[]
): number =>
  borders.reduce((sum, most, count) => {
    const exactly =
      binomialLowerTail(count, sampled, flagged) - binomialLowerTail(count - 1, sampled, flagged)
    return sum + exactly * binomialLowerTail(most, sampled - count, (rate * passed) / (1 - flagged))
  }, 0)

/** Mean number of ratings. */
const ratingsOf = (
  { sampled, rate }: Plan,
  { flagged, passed }: ReturnType<typeof splitOf>
): number => {
  const allFlagged = flagged + FALSE_ALARMS * (1 - flagged - passed)
  return sampled * (allFlagged + rate * (1 - allFlagged))
}

export const measurePeople = (): Figures => {
  const figures: Figures = {}
  const broken: number[] = []
  const unit = 'share, computed'
  print('\nsample, rate, flagged of the bad ones: proved at 5 % bad, at 2 % bad (%), ratings')
  for (const plan of PLANS) {
    // the whole level, so that errors are the largest, and that of a first try
    const [whole, first] = [ALPHA, levelOfTry(0)].map((level) => bordersOf(plan, level))
    for (const sensitivity of SENSITIVITIES) {
      const good = splitOf({ bad: GOOD, sensitivity })
      const atBorder = chanceToProve(plan, splitOf({ bad: MARGIN, sensitivity }), whole ?? [])
      const power = chanceToProve(plan, good, first ?? [])
      const ratings = ratingsOf(plan, good)
      broken.push(atBorder)
      print(
        `${plan.sampled} ${plan.rate} ${sensitivity}: ${percent(atBorder)} ${percent(power)} ${ratings.toFixed(0)}`
      )
      const place = `rate_${100 * plan.rate}_flags_${100 * sensitivity}`
      figures[`promise_broken_people_${place}`] = { value: atBorder, unit }
      figures[`power_people_${place}`] = { value: power, unit }
      figures[`ratings_${place}`] = { value: ratings, unit: 'ratings' }
    }
  }
  const worst = {
    value: Math.max(...broken),
    unit: `${unit}, worst of ${broken.length} plans and judges`,
  }
  // of a plain sample it is the same for every judge
  const power = { value: figures.power_people_rate_100_flags_0?.value ?? 0, unit }
  return {
    ...figures,
    promise_broken_people: withBar(worst, '<=', ALPHA),
    power_people_300: withBar(power, '>=', POWER),
  }
}
