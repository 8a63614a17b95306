/** The money of one internalization for answers of other models. What was paid is stored, so a restart does not forget it. */
import { createBudget } from '../../core/move/budget.ts'
import { readProofUsd, saveProofUsd } from '../../savings/model-proof.ts'
import type { Store } from '../../store/store.ts'

/** US dollars of one request. */
export interface RequestUsd {
  /** at most; Infinity: there is no bound */
  most: number
  expected: number
}

/**
 * Sends a request while there is money for it. It waits for others that are under way where these may use the money up.
 * @returns null where there is none left; then nothing was sent
 */
export type Pay = <T>(
  usd: RequestUsd,
  send: () => Promise<{ answer: T; usd: number }>
) => Promise<T | null>

/** Of what has another limit. */
export const payAlways: Pay = async (_usd, send) => (await send()).answer

/**
 * At most one request goes beyond the limit. After a crash, requests that were under way count as paid.
 * @param limitUsd null: nothing may be paid
 */
export const openProofBudget = async (
  store: Pick<Store, 'snapshots'>,
  internalizationId: string,
  limitUsd: number | null
): Promise<Pay> => {
  const budget = createBudget(limitUsd ?? 0, await readProofUsd(store, internalizationId))
  const underway = new Set<Promise<unknown>>()
  let expectedUsd = 0
  const save = (): Promise<void> =>
    saveProofUsd(store, internalizationId, budget.spentUsd + expectedUsd)

  const buy: Pay = async ({ most, expected }, send) => {
    expectedUsd += expected
    let paid = expected
    try {
      await save()
      const { answer, usd } = await send()
      paid = usd
      return answer
    } finally {
      expectedUsd -= expected
      budget.end(most, paid)
      await save()
    }
  }

  return async (usd, send) => {
    while (!budget.mayStart(usd.most)) {
      if (budget.isSpent || underway.size === 0) return null
      await Promise.race(underway)
    }
    budget.start(usd.most)
    const buying = buy(usd, send)
    const ended: Promise<void> = buying
      .then(
        () => {},
        () => {}
      )
      .then(() => void underway.delete(ended))
    underway.add(ended)
    return buying
  }
}
