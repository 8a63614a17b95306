/**
 * The money of one internalization (PROOF_USD) for answers of other models and for its judge. What was paid is stored, so a
 * restart does not forget it.
 */
import { createBudget } from '../../core/move/budget.ts'
import { judgeUsd, modelsUsd } from '../../savings/model-proof.ts'
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

/** Of one internalization: what the one pays is not there for the other. */
export interface ProofBudget {
  /** for answers of other models */
  models: Pay
  judge: Pay
}

/**
 * At most one request goes beyond the limit. After a crash, requests that were under way count as paid.
 * @param limitUsd null: nothing may be paid
 */
export const openProofBudget = async (
  store: Pick<Store, 'snapshots'>,
  id: string,
  limitUsd: number | null
): Promise<ProofBudget> => {
  const spent = { models: await modelsUsd.read(store, id), judge: await judgeUsd.read(store, id) }
  const budget = createBudget(limitUsd ?? 0, spent.models + spent.judge)
  const waiting: (() => void)[] = []
  let underway = 0

  const payAs = (name: keyof ProofBudget, kept: typeof modelsUsd): Pay => {
    let expectedUsd = 0
    const save = (): Promise<void> => kept.save(store, id, spent[name] + expectedUsd)

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
        spent[name] += paid
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
  return { models: payAs('models', modelsUsd), judge: payAs('judge', judgeUsd) }
}
