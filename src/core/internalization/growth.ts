/**
 * What more exchanges were worth to a template: the proven coverage of its tries, which come as the requests of the
 * log double. Measured at each, and not carried on to more.
 */
import { percent, whole } from '../figure-text.ts'
import { winningFigures, type Internalization } from './internalization.ts'

export interface Try {
  /** of the log, when it was planned */
  exchanges: number
  /** share of the requests; 0 where the gate refused */
  coverage: number
}

/** Null before a verdict. */
export const tryOf = ({ plan, verdict }: Internalization): Try | null =>
  plan === null || verdict === null
    ? null
    : {
        exchanges: plan.population.exchanges,
        coverage: verdict.verdict === 'promote' ? winningFigures(verdict).coverage : 0,
      }

/**
 * The newest try beside the newest one that had fewer exchanges.
 * @param rows of one template, oldest first @returns null where no two tries can be compared
 */
export const growthText = (rows: readonly Internalization[]): string | null => {
  const tries = rows.flatMap((row) => tryOf(row) ?? [])
  const last = tries.at(-1)
  const before = last && tries.findLast(({ exchanges }) => exchanges < last.exchanges)
  if (last === undefined || before === undefined) return null
  const points = Math.abs(100 * (last.coverage - before.coverage)).toFixed(1)
  return (
    `${whole(last.exchanges)} exchanges proved ${percent(last.coverage)} coverage, ${points} points ` +
    `${last.coverage < before.coverage ? 'less' : 'more'} than ${whole(before.exchanges)} did`
  )
}
