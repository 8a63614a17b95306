/** Paint orders, 130 a day, counted by an upstream with a cache, and what its model costs. */
import type { Price } from '../../../src/core/cost/prices.ts'
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import { orderRecord, ORDERS } from './paint-orders.ts'

const PER_DAY = 130
const DAY_MS = 86_400_000

export const pricedOrder = (number: number): ExchangeRecord => ({
  ...orderRecord(number),
  at: 1_700_000_000_000 + Math.round((number * DAY_MS) / PER_DAY),
  usage: {
    prompt_tokens: 1000,
    completion_tokens: 10,
    total_tokens: 1010,
    prompt_tokens_details: { cached_tokens: 500 },
  },
})

/** Two days. */
export const PRICED_ORDERS = ORDERS.map((_order, number) => pricedOrder(number))

/** A call costs 500 × 2 + 500 × 1 + 10 × 10 = 1,600 millionths of a dollar. */
export const ORDER_PRICE: Price = {
  model: 'gpt-4o-mini',
  asOf: '2026-11-01',
  input: 2,
  cachedInput: 1,
  output: 10,
}
export const ORDER_USD = 0.0016
export const ORDERS_PER_MONTH = (ORDERS.length / ((ORDERS.length - 1) / PER_DAY)) * (365 / 12)
