/** Pairs until a rollback, until a step, and until a warning of drift. */
import { evidenceAbove, evidenceBelow } from '../../src/core/rollout/evidence.ts'
import { spread, withBar, type Figure, type Figures } from '../../test/kit/report.ts'
import { productAlarm } from './alarms.ts'
import { ROLLBACK_CAPITAL } from './capital.ts'
import { decidedBy, quantile } from './exact.ts'
import { STEP_CAPITAL } from './false-alarms.ts'
import { MARGIN, repeat, shareFigure, type Run } from './run.ts'
import { drawGap, drawLosses } from './streams.ts'

/** Longer than any of the streams below takes. */
const LONG = 20_000

/** True loss in points, and the bar of the median. */
const ROLLBACKS: [points: number, bar: number][] = [
  [13, 150],
  [10, 350],
  [8, 900],
]

const exactMedian = (decided: Float64Array): Figure => ({
  value: quantile(decided, 0.5),
  unit: 'pairs, median, computed',
})

const measureRollbacks = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  const limit = Math.log(ROLLBACK_CAPITAL)
  for (const [points, bar] of ROLLBACKS) {
    const [name, loss] = [`rollback_pairs_${points}`, points / 100]
    const pairs = await repeat(
      name,
      run.draws,
      run,
      () =>
        productAlarm(drawLosses(LONG, loss, run.random), MARGIN, { capital: ROLLBACK_CAPITAL }) ??
        LONG
    )
    figures[name] = withBar(spread(pairs, 'pairs'), '<=', bar)
    const withCredits = `${name}_with_second_answers`
    figures[withCredits] = spread(
      await repeat(withCredits, run.draws, run, () => {
        const losses = drawLosses(LONG, loss, run.random)
        return productAlarm(losses, MARGIN, { least: -1, capital: ROLLBACK_CAPITAL }) ?? LONG
      }),
      'pairs'
    )
    figures[`${name}_one_start`] = exactMedian(
      decidedBy(loss, LONG, (counts) => evidenceAbove(counts, MARGIN, 0) >= limit)
    )
  }
  return figures
}

const STEPS: [points: number, bar: number][] = [
  [1, 180],
  [2, 330],
]

const maySteps = (pairs: number, losses: number): boolean =>
  evidenceBelow({ pairs, losses, credits: 0 }, MARGIN) >= Math.log(STEP_CAPITAL)

/** Its capital grows at each pair without a loss. */
const drawStep = (loss: number, random: () => number): number => {
  let [pairs, losses] = [0, 0]
  while (pairs < LONG) {
    for (let left = drawGap(loss, random); left > 0 && pairs < LONG; left--)
      if (maySteps(++pairs, losses)) return pairs
    pairs++
    losses++
  }
  return LONG
}

const measureSteps = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  for (const [points, bar] of STEPS) {
    const [name, loss] = [`step_pairs_${points}`, points / 100]
    const drawn = await repeat(name, run.draws, run, () => drawStep(loss, run.random))
    const decided = decidedBy(loss, LONG, ({ pairs, losses }) => maySteps(pairs, losses))
    figures[name] = withBar(exactMedian(decided), '<=', bar)
    figures[`${name}_drawn`] = spread(drawn, 'pairs')
  }
  return figures
}

/** A loss of 5.6 points: what promotion proved at most, and audited pairs within which a warning comes. */
const DRIFTS: [name: string, proven: number, pairs: number][] = [
  ['drift_found', 0.039, 3500],
  ['drift_found_34', 0.034, 1900],
]

const measureDrift = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  for (const [name, proven, pairs] of DRIFTS) {
    const alarms = await repeat(name, run.draws, run, () =>
      productAlarm(drawLosses(pairs, 0.056, run.random), proven)
    )
    figures[name] = withBar(shareFigure(alarms.map((pair) => pair !== null)), '>=', 0.8)
    figures[`${name}_pairs`] = spread(
      alarms.map((pair) => pair ?? pairs),
      'pairs, those without a warning count as the limit'
    )
  }
  return figures
}

export const measureSpeed = async (run: Run): Promise<Figures> => ({
  ...(await measureRollbacks(run)),
  ...(await measureSteps(run)),
  ...(await measureDrift(run)),
})
