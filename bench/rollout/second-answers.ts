/**
 * An upstream that disagrees with itself, asked again where the lora disagrees with it: is a lora that is as good
 * kept, and is one that breaks the promise rolled back? The chances of a loss and of a credit are sums over all
 * that a request and its answers can be, with the losses of the product.
 */
import type { Verdict } from '../../src/core/gate/gate.ts'
import { lossBoundsOf } from '../../src/core/internalization/live-route.ts'
import {
  addLoss,
  evidenceBelow,
  evidenceOfRise,
  NO_STREAM,
} from '../../src/core/rollout/evidence.ts'
import { lossOf, type PairOutcome } from '../../src/core/rollout/pair.ts'
import type { LossBounds } from '../../src/core/rollout/stages.ts'
import { withBar, type Figures } from '../../test/kit/report.ts'
import { quickAlarm } from './alarms.ts'
import { Capital, PRODUCT_RULE, ROLLBACK_CAPITAL } from './capital.ts'
import { hasAlarm, STEP_CAPITAL } from './false-alarms.ts'
import { ALARM_SHARE, alarmFigures, LIFE, MARGIN, repeat, shareFigure, type Run } from './run.ts'
import { drawLosses, type Loss } from './streams.ts'

/** On ambiguous requests the upstream gives either of two answers, each as often. */
interface World {
  /** share of the ambiguous ones among the requests that the route answers */
  ambiguous: number
  /** the lora's answer to these: one of the two, or a third one */
  lora: 'a' | 'c'
  /** share of the others on which the lora is wrong */
  wrong: number
  /** agreement of the upstream with itself over all held-out requests, which the route need not answer */
  upstreamAgreement: number
}

/** As good as the upstream, by the promise: it agrees with an answer as often as a second answer does. */
export const AS_GOOD: World = { ambiguous: 0.2, lora: 'a', wrong: 0, upstreamAgreement: 0.9 }
export const AT_MARGIN: World = { ...AS_GOOD, wrong: MARGIN / (1 - AS_GOOD.ambiguous) }

/** A loss of 10 and of 8 points by the promise. */
export const BROKEN: Record<string, World> = {
  coin: { ambiguous: 0.2, lora: 'c', wrong: 0, upstreamAgreement: 0.9 },
  noise: { ambiguous: 0.02, lora: 'a', wrong: 0.08 / 0.98, upstreamAgreement: 0.76 },
}

const outcomeOf = (first: string, second: string, lora: string): PairOutcome => {
  if (lora === first) return 'agreed'
  if (second === first) return 'disagreed'
  return second === lora ? 'second-agrees' : 'upstream-differs'
}

interface Chances {
  loss: number
  credit: number
}

/** @param asksAgain whether the upstream is asked again; else a disagreement counts as it is */
export const chancesOf = ({ ambiguous, lora, wrong }: World, asksAgain: boolean): Chances => {
  const chances = { loss: 0, credit: 0 }
  const add = (chance: number, first: string, second: string, answer: string): void => {
    const outcome = outcomeOf(first, asksAgain ? second : first, answer)
    const loss = lossOf({ outcome, rating: null })
    if (loss > 0) chances.loss += chance
    if (loss < 0) chances.credit += chance
  }
  for (const first of ['a', 'b'])
    for (const second of ['a', 'b']) add(ambiguous / 4, first, second, lora)
  add((1 - ambiguous) * wrong, 'a', 'a', 'c')
  return chances
}

const drawStream = (pairs: number, { loss, credit }: Chances, random: () => number): Loss[] =>
  drawLosses(pairs, loss + credit, random, () => (random() * (loss + credit) < loss ? 1 : -1))

const boundsOf = ({ upstreamAgreement }: World, asksAgain: boolean): LossBounds => {
  const arm = { agreementAnsweredBound: 0 } as Verdict['arms'][number]
  const verdict = { margin: MARGIN, arm: 0, upstreamAgreement, arms: [arm] } as Verdict
  return lossBoundsOf({ id: 'simulated', verdict }, asksAgain)
}

const measureKept = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  for (const [name, world] of [
    ['false_rollback_noise', AS_GOOD],
    ['false_rollback_noise_at_margin', AT_MARGIN],
  ] as const) {
    const { margin, least } = boundsOf(world, true)
    const chances = chancesOf(world, true)
    const quick = new Capital(margin, PRODUCT_RULE, least)
    const alarms = await repeat(name, 10 * run.draws, run, () =>
      hasAlarm(drawStream(LIFE, chances, run.random), margin, quick, least)
    )
    Object.assign(figures, alarmFigures(name, alarms, ALARM_SHARE))
  }
  const bounds = boundsOf(AS_GOOD, false)
  const chances = chancesOf(AS_GOOD, false)
  const quick = new Capital(bounds.margin, PRODUCT_RULE, bounds.least)
  const name = 'false_rollback_noise_without_key'
  const alarms = await repeat(name, run.draws, run, () =>
    quickAlarm(drawStream(LIFE, chances, run.random), quick)
  )
  return { ...figures, [name]: shareFigure(alarms.map((pair) => pair !== null)) }
}

/** Pairs within which a broken promise must be found, and share of the routes in which it may not be. */
const FOUND_WITHIN = 6_000
const MISSED_SHARE = 0.05

/** Whether a route in its first stage is rolled back in time, and has not stepped up before. */
const isFound = (losses: readonly Loss[], { margin, least }: LossBounds): boolean => {
  let stream = NO_STREAM
  for (const { gap, loss } of losses) {
    for (let i = 0; i < gap; i++) {
      stream = addLoss(stream, 0)
      if (evidenceBelow(stream, margin) >= Math.log(STEP_CAPITAL)) return false
    }
    stream = addLoss(stream, loss)
    if (evidenceOfRise(stream, margin, least) >= Math.log(ROLLBACK_CAPITAL)) return true
  }
  return false
}

const measureBroken = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  for (const [world, broken] of Object.entries(BROKEN)) {
    const name = `promise_broken_${world}_audits`
    const chances = chancesOf(broken, true)
    const found = await repeat(name, run.draws, run, () =>
      isFound(drawStream(FOUND_WITHIN, chances, run.random), boundsOf(broken, true))
    )
    figures[name] = withBar(shareFigure(found.map((one) => !one)), '<=', MISSED_SHARE)
  }
  return figures
}

export const measureSecondAnswers = async (run: Run): Promise<Figures> => ({
  ...(await measureKept(run)),
  ...(await measureBroken(run)),
})
