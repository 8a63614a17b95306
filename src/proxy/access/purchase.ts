/** Further answers of other models that are bought for a call of an issued key. They count for its money alone. */
import type { ChatReading } from '../../core/request/chat-reading.ts'
import { boundTokens, boundUsd } from '../../core/cost/cost-bound.ts'
import { requestCost, type Price } from '../../core/cost/prices.ts'
import { estimateRequest } from '../../core/cost/token-estimate.ts'
import { allowsModel, type IssuedKey } from '../../core/keys/issued-key.ts'
import type { Reservation } from '../../core/keys/slice.ts'
import type { Usage } from '../../openai/chat.ts'
import type { Slices } from './slices.ts'

export interface LimitsOptions {
  /** null for a model without a price */
  priceOf: (model: string) => Price | null
  slices: Pick<Slices, 'take' | 'settle'>
}

export interface Purchase {
  /** Only the first call counts. @param billed `unknown` costs all that was reserved */
  settle(billed: Usage | 'unknown' | 'nothing'): void
}

/** Buys further answers for one call. */
export interface Purchases {
  /** Whether the key may use the model. */
  allows(model: string): boolean
  /** Reserves the money of an answer. @returns null where the key has not so much, or its cost has no bound */
  buy(model: string): Purchase | null | Promise<Purchase | null>
}

/** @param reading null for a body that was not read: then the key has no limits */
export const purchasesOf = (
  key: IssuedKey,
  reading: ChatReading | null,
  { priceOf, slices }: LimitsOptions
): Purchases => {
  const hasBudget = key.limits.budget !== null

  const purchase = (
    model: string,
    reservation: Reservation | null,
    reservedUsd: number
  ): Purchase => {
    let isSettled = false
    return {
      settle: (billed) => {
        if (isSettled) return
        isSettled = true
        const price = priceOf(model)
        const paid = typeof billed === 'string' ? null : price && requestCost(price, billed)
        const usd = billed === 'nothing' ? 0 : (paid ?? reservedUsd)
        slices.settle(key, reservation, { requests: 0, tokens: 0, usd })
      },
    }
  }

  return {
    allows: (model) => allowsModel(key.limits, model),
    buy: (model) => {
      const price = priceOf(model)
      if (!hasBudget) {
        const estimate = reading && price && requestCost(price, estimateRequest(reading))
        return purchase(model, null, estimate ?? 0)
      }
      if (price === null || reading === null) return null
      try {
        const usd = boundUsd(price, boundTokens(reading, price))
        const taken = slices.take(key, { requests: 0, tokens: 0, usd })
        if (!(taken instanceof Promise)) return purchase(model, taken, usd)
        return taken.then(
          (reservation) => purchase(model, reservation, usd),
          () => null
        )
      } catch {
        // the request itself was admitted: it goes to its own model
        return null
      }
    },
  }
}
