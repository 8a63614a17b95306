/** False alarms: a loss exactly at the bound, over the whole life of a route. */
import { evidenceAbove, evidenceBelow, type LeastLoss } from '../../src/core/rollout/evidence.ts'
import { withBar, type Figure, type Figures } from '../../test/kit/report.ts'
import { productAlarm, quickAlarm } from './alarms.ts'
import { ALARM_CAPITAL, Capital, PRODUCT_RULE } from './capital.ts'
import { decidedBy } from './exact.ts'
import { ALARM_SHARE, alarmFigures, LIFE, MARGIN, repeat, type Run } from './run.ts'
import { drawLosses, type Loss } from './streams.ts'

/** Capital at which the next stage may begin. */
export const STEP_CAPITAL = 20

/**
 * Whether the product raises an alarm. Its capital is at most the quick one, so only the streams in which
 * the quick one raises an alarm are read by the product.
 */
export const hasAlarm = (
  losses: readonly Loss[],
  bound: number,
  quick: Capital,
  least: LeastLoss = 0
): boolean => quickAlarm(losses, quick) !== null && productAlarm(losses, bound, { least }) !== null

/** Loss exactly at a bound. */
const falseAlarms = async (name: string, bound: number, run: Run): Promise<Figures> => {
  const quick = new Capital(bound, PRODUCT_RULE)
  const alarms = await repeat(name, 10 * run.draws, run, () =>
    hasAlarm(drawLosses(LIFE, bound, run.random), bound, quick)
  )
  return alarmFigures(name, alarms, ALARM_SHARE)
}

const exactShare = (value: number, bar: number): Figure =>
  withBar({ value, unit: `share, computed, ${LIFE} pairs` }, '<=', bar)

/** One start and one stage are functions of the counts, so their chances are computed. */
const exactAlarms = (): Figures => {
  const [alarm, step] = [Math.log(ALARM_CAPITAL), Math.log(STEP_CAPITAL)]
  const oneStart = decidedBy(MARGIN, LIFE, (counts) => evidenceAbove(counts, MARGIN, 0) >= alarm)
  const falseStep = decidedBy(MARGIN, LIFE, (counts) => evidenceBelow(counts, MARGIN) >= step)
  return {
    false_rollback_one_start: exactShare(oneStart.at(-1)!, ALARM_SHARE),
    false_step: exactShare(falseStep.at(-1)!, 1 / STEP_CAPITAL),
  }
}

export const measureFalseAlarms = async (run: Run): Promise<Figures> => ({
  ...(await falseAlarms('false_rollback', MARGIN, run)),
  ...(await falseAlarms('false_drift', 0.039, run)),
  ...(await falseAlarms('false_drift_34', 0.034, run)),
  ...exactAlarms(),
})
