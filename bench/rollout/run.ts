/** What all parts need: draws with their progress, and figures with limits and bars. */
import { setImmediate } from 'node:timers/promises'
import type { Progress } from '../../src/cli/output.ts'
import { upperLimit } from '../gate/measure.ts'
import { withBar, type Figure, type Figures } from '../../test/kit/report.ts'

export interface Run {
  /** streams of each setting; shares near 1 in 300 take ten times as many */
  draws: number
  random: () => number
  progress: Progress
}

/** Pairs of a route's whole life. */
export const LIFE = 100_000
/** Loss that the operator allows, unless configured. */
export const MARGIN = 0.05
/** Share of routes that may be rolled back, or warned of, by chance. */
export const ALARM_SHARE = 1 / 300

/** Calls `draw` so many times, with a bar of this name. The bar is only drawn while the event loop runs. */
export const repeat = async <Result>(
  name: string,
  draws: number,
  { progress }: Pick<Run, 'progress'>,
  draw: () => Result
): Promise<Result[]> => {
  const results: Result[] = []
  while (results.length < draws) {
    results.push(draw())
    if (results.length % 16 !== 0 && results.length < draws) continue
    progress.update(name, results.length, draws)
    await setImmediate()
  }
  return results
}

const LIMIT_ALPHA = 0.05

/** A share of alarms with its bar, and its upper 95 % limit, which shows how much the draws say. */
export const alarmFigures = (name: string, alarms: boolean[], bar: number): Figures => {
  const [hits, draws] = [alarms.filter(Boolean).length, alarms.length]
  const unit = `share of ${draws} streams`
  const upper = { value: upperLimit(hits, draws, LIMIT_ALPHA), unit: `upper 95 % limit, ${unit}` }
  return {
    [name]: withBar({ value: hits / draws, unit }, '<=', bar),
    [`${name}_upper_95`]: upper,
  }
}

/** A share without a bar. */
export const shareFigure = (hits: boolean[]): Figure => ({
  value: hits.filter(Boolean).length / hits.length,
  unit: `share of ${hits.length} streams`,
})
