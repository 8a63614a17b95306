/**
 * The outcome test: false harm where both sides are rated alike, or differ by exactly the margin, while the
 * rates drift and the shares change; and how many rated conversations find a harm.
 */
import { addOutcomes, differenceOf, NO_BLOCK } from '../../src/core/outcomes/outcome-figures.ts'
import type { ConversationOutcome } from '../../src/core/outcomes/conversation-outcomes.ts'
import {
  Capital,
  differenceInterval,
  stakesAbove,
} from '../../src/core/outcomes/difference-test.ts'
import { START_EVERY } from '../../src/core/rollout/evidence.ts'
import { SHARE_OF_FEEDBACK } from '../../src/core/rollout/stages.ts'
import { spread, withBar, type Figures } from '../../test/kit/report.ts'
import { ALARM_CAPITAL, PRODUCT_RULE } from './capital.ts'
import { ALARM_SHARE, alarmFigures, LIFE, MARGIN, repeat, shareFigure, type Run } from './run.ts'

/** Shares of the lora's side, one after another, each for an equal part of the life; all others are audited. */
const STAGES = [0.05, 0.25, 0.97]
/** Of the conversations. */
const FEEDBACK_RATES = [0.02, 0.5]
/** Share of bad ratings, which goes up and down so often over the life. */
const [LEAST_BAD, MOST_BAD, WAVES] = [0.02, 0.2, 10]

/** One world: at each time of the life, from 0 to 1, the share of the lora's side and the rates of bad ratings. */
interface World {
  shareAt(time: number): number
  badAt(time: number): number
  /** how much more of the lora's side is bad */
  difference: number
}

const drifting = (difference: number): World => ({
  shareAt: (time) => STAGES[Math.min(STAGES.length - 1, Math.floor(time * STAGES.length))]!,
  badAt: (time) =>
    LEAST_BAD + ((MOST_BAD - LEAST_BAD) * (1 - Math.cos(2 * Math.PI * WAVES * time))) / 2,
  difference,
})

const steady = (share: number, bad: number, difference: number): World => ({
  shareAt: () => share,
  badAt: () => bad,
  difference,
})

/** The differences of the blocks of so many rated conversations, each of one turn. */
const drawBlocks = (rated: number, world: World, random: () => number): number[] => {
  const outcomes = Array.from({ length: rated }, (_, at): ConversationOutcome => {
    const time = at / rated
    const isLora = random() < world.shareAt(time)
    const bad = world.badAt(time) + (isLora ? world.difference : 0)
    return { side: isLora ? 'lora' : 'audit', bad: Number(random() < bad), at }
  })
  return addOutcomes(NO_BLOCK, outcomes).closed.map(differenceOf)
}

const LIMIT = ALARM_CAPITAL / SHARE_OF_FEEDBACK

/** @returns the block at which the product has the deciding capital; null: it never has */
export const productHarm = (differences: readonly number[]): number | null => {
  let capital = new Capital(MARGIN)
  for (const [i, difference] of differences.entries()) {
    capital = capital.after([difference])
    if (capital.evidence >= Math.log(LIMIT)) return i + 1
  }
  return null
}

/** The same with one number a stake, as in `capital.ts`; it may be early after starts were dropped. */
export const quickHarm = (differences: readonly number[]): number | null => {
  const { first, putAside, share } = PRODUCT_RULE
  const stakes = stakesAbove(MARGIN)
  const byStake = stakes.map(() => first / stakes.length)
  let started = 0
  for (const [i, difference] of differences.entries()) {
    let sum = putAside(started)
    for (let k = 0; k < stakes.length; k++) {
      byStake[k]! *= 1 + stakes[k]! * (difference - MARGIN)
      sum += byStake[k]!
    }
    if (sum >= (1 - 1e-9) * LIMIT) return i + 1
    if ((i + 1) % START_EVERY !== 0) continue
    for (let k = 0; k < stakes.length; k++) byStake[k]! += share(started) / stakes.length
    started++
  }
  return null
}

const measureFalseHarm = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  for (const rate of FEEDBACK_RATES)
    for (const [name, difference] of [
      ['false_harm', 0],
      ['false_harm_at_margin', MARGIN],
    ] as const) {
      // prettier-ignore
      const key = `${name}_${100 * rate}`
      // a life of 50,000 ratings takes long, and at 1 in 3,000 fewer streams tell it from the bar
      const alarms = await repeat(key, run.draws, run, () => {
        const blocks = drawBlocks(LIFE * rate, drifting(difference), run.random)
        return quickHarm(blocks) !== null && productHarm(blocks) !== null
      })
      Object.assign(figures, alarmFigures(key, alarms, ALARM_SHARE))
    }
  return figures
}

/** The fewest rated conversations that have so many blocks. */
const conversationsOf = (blocks: number, share: number): number =>
  Math.round(blocks * (1 / share + 1 / (1 - share) - 1))

const [HARM, USUAL_BAD, MOST_RATED] = [0.1, 0.1, 150_000]

const measureHarm = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  for (const share of STAGES) {
    const key = `harm_found_10_share_${100 * share}`
    const found = await repeat(key, Math.ceil(run.draws / 10), run, () => {
      const blocks = drawBlocks(MOST_RATED, steady(share, USUAL_BAD, HARM), run.random)
      return conversationsOf(quickHarm(blocks) ?? blocks.length, share)
    })
    figures[key] = spread(found, 'rated conversations')
  }
  return figures
}

const [INTERVAL_ALPHA, INTERVAL_RATED] = [0.05, 3_000]
/** Blocks between two looks at the interval. */
const LOOK_EVERY = 50

/** Whether the interval has the true difference at every look. */
const holdsDifference = (differences: readonly number[], difference: number): boolean => {
  const counts = new Map<number, number>()
  for (const [i, one] of differences.entries()) {
    counts.set(one, (counts.get(one) ?? 0) + 1)
    if ((i + 1) % LOOK_EVERY !== 0) continue
    const [lower, upper] = differenceInterval(counts, INTERVAL_ALPHA)
    if (difference < lower || difference > upper) return false
  }
  return true
}

const measureInterval = async (run: Run): Promise<Figures> => {
  const world = steady(0.5, USUAL_BAD, MARGIN)
  const holds = await repeat('interval_covers', run.draws, run, () =>
    holdsDifference(drawBlocks(INTERVAL_RATED, world, run.random), MARGIN)
  )
  return { interval_covers: withBar(shareFigure(holds), '>=', 1 - INTERVAL_ALPHA) }
}

export const measureOutcomes = async (run: Run): Promise<Figures> => ({
  ...(await measureHarm(run)),
  ...(await measureInterval(run)),
  ...(await measureFalseHarm(run)),
})
