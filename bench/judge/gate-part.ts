/**
 * Does a judged route keep its promise? Candidates that lose exactly the margin by the judge's own rejections, at every
 * confidence, are judged by the product's gate; a bound of the chance that one passes is computed beside the draws. And
 * how often a good candidate passes, by rows and requests to the judge.
 */
import { decide, levelOfTry } from '../../src/core/gate/gate.ts'
import {
  LEAST_UPSTREAM_AGREEMENT,
  type FreshAnswers,
  type HeldOutRow,
} from '../../src/core/gate/figures.ts'
import { REQUESTS_PER_COMPARISON } from '../../src/core/judge/judge-prompt.ts'
import { asJudged } from '../../src/core/judge/verdict.ts'
import { withBar, type Figures } from '../../test/kit/report.ts'
import { chanceToPromotePaired } from '../gate/exact.ts'
import { HEAD, key, line, percent, print, type Run } from '../gate/lines.ts'
import { measure, type Measured } from '../gate/measure.ts'
import { ALPHA, MIN_COVERAGE } from '../gate/rules.ts'
import {
  askJudge,
  judgeWith,
  rejectionRate,
  shareWithRate,
  type SimulatedJudge,
} from './simulated-judge.ts'

const MARGIN = 0.05
/** Share of second answers of the upstream that differ from the first one. */
const NOISE = 0.03
/** Shares of answers that are longer than the upstream's first one. */
const LONGER = { adapted: 0.7, second: 0.5 }
const SIZES = [300, 600, 1200]
/** Second answer, adapted answer. */
const COMPARISONS = 2

/** Each row is judged by either, at random: a version that changes unseen. */
type Judges = [SimulatedJudge, SimulatedJudge]

const steady = (judge: SimulatedJudge): Judges => [judge, judge]

const JUDGES: Record<string, Judges> = {
  'nearly perfect': steady(judgeWith(0.99, 0.99)),
  good: steady(judgeWith(0.95, 0.97)),
  'of 0.9 and 0.9': steady(judgeWith(0.9, 0.9)),
  'of 0.8 and 0.85': steady(judgeWith(0.8, 0.85)),
  'of 0.6 and 0.99': steady(judgeWith(0.6, 0.99)),
  'of 0.6 and 0.7': steady(judgeWith(0.6, 0.7)),
  'that follows the order': steady(judgeWith(0.95, 0.97, { orderBias: 0.1 })),
  'that likes length': steady(judgeWith(0.95, 0.97, { lengthBias: 0.2 })),
  'that is silent at times': steady(judgeWith(0.95, 0.99, { silence: 0.02 })),
  'that changes unseen': [judgeWith(0.99, 0.99), judgeWith(0.7, 0.95)],
}

interface World {
  judges: Judges
  /** an odd first answer of the upstream makes both others different; else their faults are independent */
  isShared: boolean
  /** share of adapted answers that differ in the rows of each */
  different: [number, number]
  size: number
  isBroken: boolean
}

/** Loss by rejections is the margin with each judge. @returns null where no share of different answers has it */
const borderOf = (judges: Judges): [number, number] | null => {
  const shares = judges.flatMap((judge) => {
    const upstream = rejectionRate(judge, { different: NOISE, longer: LONGER.second })
    const { silence } = judge
    // a missing verdict rejects the adapted answer and accepts the second one
    const rate = upstream + (MARGIN - silence) / (1 - silence)
    return shareWithRate(judge, rate, LONGER.adapted) ?? []
  })
  const [first, second] = shares
  return first === undefined || second === undefined ? null : [first, second]
}

/** Faults of its own, where odd first answers make a share of the adapted ones different already. */
const ownShare = (different: number): number => 1 - (1 - different) / (1 - NOISE)

const drawRow = (
  { judges, isShared, different }: World,
  i: number,
  random: () => number
): HeldOutRow => {
  const half = random() < 0.5 ? 0 : 1
  const isOdd = random() < NOISE
  const own = isShared ? ownShare(different[half]) : different[half]
  const truth = (isDifferent: boolean, longer: number) => ({
    isDifferent,
    isLonger: random() < longer,
  })
  const adapted = truth(random() < own || (isShared && isOdd), LONGER.adapted)
  const second = truth(isOdd, LONGER.second)
  const confidence = -random()
  const row: HeldOutRow & { fresh: FreshAnswers } = {
    agrees: false,
    agreesToday: false,
    logprobSum: confidence,
    logprobMin: confidence,
    deferred: null,
    fresh: { repeats: false, asLogged: [false, false] },
    at: i,
    conversation: String(i),
    isTraffic: true,
    isUnseen: true,
    slices: [],
  }
  const judged = {
    adapted: { verdict: askJudge(judges[half], adapted, random), isFactWrong: false },
    second: { verdict: askJudge(judges[half], second, random), isFactWrong: false },
  }
  return asJudged({ ...row, judged })
}

const simulate = (world: World, { draws, maxDraws, random }: Run): Measured =>
  measure(
    () => {
      const rows = Array.from({ length: world.size }, (_, i) => drawRow(world, i, random))
      const { verdict, arms } = decide({
        arms: [{ arm: 'query-only', statistic: 'sum', rows }],
        responseType: 'free-text',
        isJudged: true,
        margin: MARGIN,
        minCoverage: MIN_COVERAGE,
        burstMs: 0,
        // the whole level, so that errors are the largest
        alpha: ALPHA,
      })
      const [figures] = arms
      if (verdict === 'reject' || figures === undefined) return { arm: 0, promoted: null }
      const { coverage, agreementAnswered: agreement } = figures
      return { arm: 0, promoted: { coverage, agreement, broken: world.isBroken } }
    },
    { draws, maxDraws, bar: ALPHA }
  )

const share = (value: number, { draws }: Measured) => ({ value, unit: `share of ${draws} draws` })

/** How often a judge rejects only one of both answers. */
const discordanceOf = (judge: SimulatedJudge, different: number, isShared: boolean): number => {
  const own = isShared ? ownShare(different) : different
  const rates = (isOdd: boolean) => {
    const adapted = { different: isShared && isOdd ? 1 : own, longer: LONGER.adapted }
    const second = { different: Number(isOdd), longer: LONGER.second }
    const { silence } = judge
    return {
      rejected: silence + (1 - silence) * rejectionRate(judge, adapted),
      upstreamRejected: (1 - silence) * rejectionRate(judge, second),
    }
  }
  const ofOne = ({ rejected, upstreamRejected }: ReturnType<typeof rates>): number =>
    rejected * (1 - upstreamRejected) + (1 - rejected) * upstreamRejected
  return NOISE * ofOne(rates(true)) + (1 - NOISE) * ofOne(rates(false))
}

/** Tries on the same rows that are counted; all later ones together have a level of 0.008 %. */
const TRIES = 4

/**
 * Upper bound of the chance that a candidate at the border is promoted in any try, each at its level; null where the
 * judge rejects so many second answers that the gate takes no threshold, of which the bound knows nothing.
 */
const computedBound = ({ judges, different, isShared, size }: World): number | null => {
  const mean = (valueOf: (judge: SimulatedJudge, place: 0 | 1) => number): number =>
    (valueOf(judges[0], 0) + valueOf(judges[1], 1)) / 2
  const upstream = mean((judge) =>
    rejectionRate(judge, { different: NOISE, longer: LONGER.second })
  )
  if (upstream > 1 - LEAST_UPSTREAM_AGREEMENT) return null
  const discordance = mean((judge, place) => discordanceOf(judge, different[place], isShared))
  const minAnswered = Math.ceil(MIN_COVERAGE * size)
  const truth = { discordance, difference: -MARGIN }
  return Array.from({ length: TRIES }, (_, earlier) =>
    chanceToPromotePaired(size, truth, { margin: MARGIN, alpha: levelOfTry(earlier), minAnswered })
  ).reduce((sum, chance) => sum + chance, 0)
}

const bordersOf = (judges: Judges): World[] => {
  const different = borderOf(judges)
  if (different === null) return []
  return [true, false]
    .filter((isShared) => !isShared || Math.min(...different) >= NOISE)
    .flatMap((isShared) =>
      SIZES.map((size) => ({ judges, isShared, different, size, isBroken: true }))
    )
}

/** Candidates at the border, by judge and rows: the drawn share, and the computed bound where there is one. */
const measureBorder = (run: Run): Figures => {
  const figures: Figures = {}
  print(`\ncandidates that lose exactly ${100 * MARGIN} points by the judge\n${HEAD}  computed (%)`)
  for (const [name, judges] of Object.entries(JUDGES))
    for (const world of bordersOf(judges)) {
      const place = `${name}, ${world.isShared ? 'shared' : 'own'} faults, ${world.size}`
      const bound = computedBound(world)
      const measured = simulate(world, bound === null ? run : { ...run, maxDraws: run.draws })
      print(`${line(place, measured)}  ${bound === null ? '–' : percent(bound)}`)
      figures[`drawn_${key(place)}`] = share(measured.broken, measured)
      figures[`promise_broken_judge_${key(place)}`] =
        bound === null
          ? share(measured.broken, measured)
          : { value: bound, unit: 'share, upper bound, computed' }
    }
  return figures
}

/** Candidates that differ as often as a second answer of the upstream, or a point more. */
const measurePower = (run: Run): Figures => {
  const figures: Figures = {}
  print(`\ncandidates within the margin\n${HEAD}`)
  for (const name of ['nearly perfect', 'good', 'of 0.9 and 0.9'])
    for (const more of [0, 0.01])
      for (const size of SIZES) {
        const judges = JUDGES[name]!
        const different: [number, number] = [NOISE + more, NOISE + more]
        const world = { judges, isShared: true, different, size, isBroken: false }
        const measured = simulate(world, { ...run, maxDraws: run.draws })
        const requests = size * COMPARISONS * REQUESTS_PER_COMPARISON
        const place = `${name}, ${100 * more} points more, ${size}`
        print(`${line(place, measured)}  ${requests} requests`)
        figures[`power_judge_${key(place)}`] = share(measured.promoted, measured)
        figures[`judge_requests_${size}_rows`] = { value: requests, unit: 'requests' }
      }
  return figures
}

export const measureGate = (run: Run): Figures => {
  const border = measureBorder(run)
  const broken = Object.entries(border).flatMap(([name, { value }]) =>
    name.startsWith('promise_broken_') ? [Number(value)] : []
  )
  const unit = `share, computed bound or drawn, worst of ${broken.length} judges and sizes`
  return {
    ...border,
    ...measurePower(run),
    promise_broken_judge: withBar({ value: Math.max(...broken), unit }, '<=', ALPHA),
  }
}
