/** The pair at which a rule raises an alarm, by the product's own functions and by rival rules. */
import {
  addLoss,
  evidenceOfRise,
  NO_STREAM,
  type LeastLoss,
} from '../../src/core/rollout/evidence.ts'
import { ALARM_CAPITAL, type Capital } from './capital.ts'
import type { Loss } from './streams.ts'

/**
 * @param options.quiet pairs before which it is not looked @param options.capital that raises the alarm
 * @returns the pair at which the product raises the alarm; null when it never does
 */
export const productAlarm = (
  losses: readonly Loss[],
  bound: number,
  {
    quiet = 0,
    least = 0,
    capital = ALARM_CAPITAL,
  }: { quiet?: number; least?: LeastLoss; capital?: number } = {}
): number | null => {
  const limit = Math.log(capital)
  let stream = NO_STREAM
  for (const { gap, loss } of losses) {
    for (let i = 0; i < gap; i++) stream = addLoss(stream, 0)
    stream = addLoss(stream, loss)
    if (stream.pairs > quiet && evidenceOfRise(stream, bound, least) >= limit) return stream.pairs
  }
  return null
}

/** The same by a quick capital, whose rule may be a rival's. It may be a pair early by rounding. */
export const quickAlarm = (losses: readonly Loss[], capital: Capital, quiet = 0): number | null => {
  capital.reset()
  let pair = 0
  for (const { gap, loss } of losses) {
    capital.keep(gap)
    capital.lose(loss)
    pair += gap + 1
    if (pair > quiet && capital.isAlarm) return pair
  }
  return null
}
