/** The engine's base model, which the worker keeps for all that cannot ask the engine, and its price. */
import { findPrice, type Price } from '../core/cost/prices.ts'
import type { Store } from '../store/store.ts'

type Snapshots = Pick<Store, 'snapshots'>

const BASE_MODEL = 'base-model'

/** Before the first training only the worker can ask the engine. */
export const rememberBaseModel = (store: Snapshots, baseModel: string): Promise<void> =>
  store.snapshots.put(BASE_MODEL, new TextEncoder().encode(baseModel))

/**
 * Price of an engine's model, by the price file.
 * @param planned base model of an internalization, where the engine's is not known
 * @returns null: unknown, or the model has no price per token
 */
export const adaptedPriceOf = async (
  { snapshots }: Snapshots,
  prices: readonly Price[],
  planned: string | undefined
): Promise<Price | null> => {
  const bytes = await snapshots.get(BASE_MODEL)
  const model = bytes === null ? planned : new TextDecoder().decode(bytes)
  return model === undefined ? null : findPrice(prices, model)
}
