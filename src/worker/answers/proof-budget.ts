/**
 * The money of one internalization for answers of other models, and for its judge. What was paid is stored, so a
 * restart does not forget it.
 */
import { createBudget } from '../../core/move/budget.ts'
import { judgeUsd, proofUsd } from '../../savings/model-proof.ts'
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
 * @param spentUsd before @param saveSpent stores what is spent
 */
const openBudget = (
  limitUsd: number,
  spentUsd: number,
  saveSpent: (usd: number) => Promise<void>
): Pay => {
  const budget = createBudget(limitUsd, spentUsd)
  const waiting: (() => void)[] = []
  let underway = 0
  let expectedUsd = 0
  const save = (): Promise<void> => saveSpent(budget.spentUsd + expectedUsd)

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
      underway--
      budget.end(most, paid)
      for (const goOn of waiting.splice(0)) goOn()
      await save()
    }
  }

  return async (usd, send) => {
    while (!budget.mayStart(usd.most)) {
      if (budget.isSpent || underway === 0) return null
      await new Promise<void>((goOn) => waiting.push(goOn))
    }
    budget.start(usd.most)
    underway++
    return buy(usd, send)
  }
}

const openKept =
  (kept: typeof proofUsd) =>
  async (store: Pick<Store, 'snapshots'>, id: string, limitUsd: number | null): Promise<Pay> =>
    openBudget(limitUsd ?? 0, await kept.read(store, id), (usd) => kept.save(store, id, usd))

/** Of an internalization, for answers of other models; a limit of null: nothing may be paid. */
export const openProofBudget = openKept(proofUsd)

/** Of an internalization, for its judge. */
export const openJudgeBudget = openKept(judgeUsd)
