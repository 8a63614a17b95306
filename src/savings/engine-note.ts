/** What the engine last said of itself, which the worker keeps for all that cannot ask it. */
import { findPrice, type Price } from '../core/cost/prices.ts'
import { priceOfProvider, type ProviderPrices } from '../core/cost/provider-prices.ts'
import type { EconomicsSettings } from '../core/cost/template-economics.ts'
import { dayText } from '../core/days.ts'
import { MAX_RECEIPTS, type DeletionReceipt, type EngineState } from '../openai/engine-state.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

type Snapshots = Pick<Store, 'snapshots'>

const BASE_MODEL = 'base-model'
/** Names of snapshots. */
export const ENGINE_STATE = 'engine-state'
export const RECEIPTS = 'deletion-receipts'

/** Stores the engine's base model: before the first training only the worker can ask the engine. */
export const rememberBaseModel = (store: Snapshots, baseModel: string): Promise<void> =>
  store.snapshots.put(BASE_MODEL, new TextEncoder().encode(baseModel))

const readBaseModel = async ({ snapshots }: Snapshots): Promise<string | null> => {
  const bytes = await snapshots.get(BASE_MODEL)
  return bytes === null ? null : new TextDecoder().decode(bytes)
}

export interface EngineNote {
  /** when the engine said it, milliseconds since the epoch */
  at: number
  /** when it was last asked; later than `at` while it does not answer */
  askedAt: number
  state: EngineState
}

/** @returns null before an engine was asked */
export const readEngineNote = (store: Snapshots): Promise<EngineNote | null> =>
  readJsonSnapshot(store, ENGINE_STATE)

export const saveEngineNote = (store: Snapshots, note: EngineNote): Promise<void> =>
  saveJsonSnapshot(store, ENGINE_STATE, note)

/** Newest first; of engines that are gone as well. */
export const readReceipts = async (store: Snapshots): Promise<DeletionReceipt[]> =>
  (await readJsonSnapshot<DeletionReceipt[]>(store, RECEIPTS)) ?? []

const nameOf = ({ provider, object }: DeletionReceipt): string => JSON.stringify([provider, object])

/** Adds receipts to those that are kept, and confirms those. */
export const keepReceipts = async (
  store: Snapshots,
  receipts: readonly DeletionReceipt[]
): Promise<void> => {
  if (receipts.length === 0) return
  const kept = await readReceipts(store)
  const all = new Map([...kept, ...receipts].map((receipt) => [nameOf(receipt), receipt]))
  const newest = [...all.values()]
    .toSorted((a, b) => b.requested_at - a.requested_at)
    .slice(0, MAX_RECEIPTS)
  if (JSON.stringify(newest) !== JSON.stringify(kept))
    await saveJsonSnapshot(store, RECEIPTS, newest)
}

/** Prices of the engine's provider. @returns null: none computes for it, or it says no prices */
export const providerPricesOf = async (
  store: Snapshots,
  note: EngineNote | null
): Promise<ProviderPrices | null> => {
  if (note === null || note.state.prices === null) return null
  const { provider, prices } = note.state
  const model = (await readBaseModel(store)) ?? 'base model'
  return { ...prices, provider: provider ?? 'the engine', model, asOf: dayText(note.at) }
}

/**
 * Price of an engine's model: the provider's, else that of the price file.
 * @param planned base model of an internalization, where the engine's is not known
 * @returns null: unknown, or the model has no price per token
 */
export const adaptedPriceOf = async (
  store: Snapshots,
  { prices, provider }: Pick<EconomicsSettings, 'prices' | 'provider'>,
  planned: string | undefined
): Promise<Price | null> => {
  if (provider !== undefined) return priceOfProvider(provider)
  const model = (await readBaseModel(store)) ?? planned
  return model === undefined ? null : findPrice(prices, model)
}
