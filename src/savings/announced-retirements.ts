/**
 * What the upstreams' lists of models say, which the worker reads: the days on which they retire models, and which
 * models may train others.
 */
import { withoutDate, type Price } from '../core/cost/prices.ts'
import { retiresByPrice, type RetiresOn } from '../core/cost/retirements.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

/** Name of the snapshot. */
export const RETIREMENTS = 'retirements'

export interface AnnouncedRetirements {
  /** when the lists were read, milliseconds since the epoch */
  at: number
  /** YYYY-MM-DD by the name of a model */
  on: Record<string, string>
  /** names of models that are marked as distillable */
  marked: string[]
}

/** @returns null before the lists were read */
export const readAnnounced = (
  store: Pick<Store, 'snapshots'>
): Promise<AnnouncedRetirements | null> => readJsonSnapshot(store, RETIREMENTS)

export const saveAnnounced = (
  store: Pick<Store, 'snapshots'>,
  announced: AnnouncedRetirements
): Promise<void> => saveJsonSnapshot(store, RETIREMENTS, announced)

/** Models that an upstream's list marks as distillable. */
export const readMarked = async (store: Pick<Store, 'snapshots'>): Promise<ReadonlySet<string>> =>
  new Set((await readAnnounced(store))?.marked)

/** What an upstream announces counts before what a price says. */
export const withAnnounced = (
  announced: AnnouncedRetirements | null,
  priced: RetiresOn
): RetiresOn => {
  const days = new Map(Object.entries(announced?.on ?? {}))
  return (model) => days.get(model) ?? days.get(withoutDate(model)) ?? priced(model)
}

/** By what the worker has last read, and by the prices. */
export const readRetiresOn = async (
  store: Pick<Store, 'snapshots'>,
  prices: readonly Price[]
): Promise<RetiresOn> => withAnnounced(await readAnnounced(store), retiresByPrice(prices))
