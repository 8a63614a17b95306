/**
 * Whether the upstream answers today as it did when the log was written. Two fresh answers tell a change from its
 * own noise. Knows nothing of adapted answers.
 */
import type { SharedRow } from './figures.ts'
import { effectiveRows } from './effective-rows.ts'
import { incompleteBeta } from './statistics.ts'

export interface UpstreamChange {
  /** held-out requests with two fresh answers */
  rows: number
  /** both fresh answers agree, and not with the logged one */
  changed: number
  /** the logged answer agrees with one of two fresh answers that do not agree */
  noisy: number
  /** H0: the logged answer and both fresh ones come from one distribution */
  pValue: number
  isChanged: boolean
}

/** Chance that an upstream that did not change is said to have changed. */
const LEVEL = 0.01

/**
 * If nothing changed, the logged answer and both fresh ones are exchangeable given the request. So of the
 * requests on which two of the three agree and the third does not, each of the three is the odd one equally
 * often: the number in which the logged answer is the odd one is binomial with a share of one third. The test is
 * exact and one-sided, and conditions on the number of such requests, so noise of any size is no change.
 * @returns null without fresh answers
 */
export const upstreamChange = (
  held: readonly SharedRow[],
  burstMs: number
): UpstreamChange | null => {
  const rows = held.flatMap((row) => (row.fresh === null ? [] : { ...row, fresh: row.fresh }))
  if (rows.length === 0) return null
  const worth = effectiveRows(rows, burstMs) / rows.length
  const changed = rows.filter(({ fresh }) => fresh.repeats && !fresh.asLogged[0]).length
  const noisy = rows.filter(({ fresh: { asLogged } }) => asLogged[0] !== asLogged[1]).length
  const [odd, all] = [worth * changed, worth * (changed + noisy)]
  const pValue = odd === 0 ? 1 : incompleteBeta(1 / 3, odd, all - odd + 1)
  return { rows: rows.length, changed, noisy, pValue, isChanged: pValue <= LEVEL }
}
