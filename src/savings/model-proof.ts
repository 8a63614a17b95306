/** What the answers of other models have cost each internalization so far. */
import { readJsonSnapshot, readJsonSnapshots, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

/** Prefix of the snapshots. */
export const MODEL_PROOF = 'model-proof:'

type Snapshots = Pick<Store, 'snapshots'>

const nameOf = (internalizationId: string): string => MODEL_PROOF + internalizationId

/** @returns US dollars; 0 where nothing was paid */
export const readProofUsd = async (store: Snapshots, internalizationId: string): Promise<number> =>
  (await readJsonSnapshot<number>(store, nameOf(internalizationId))) ?? 0

/** @returns US dollars by internalization, of those that something was paid for */
export const readProofsUsd = async (store: Snapshots): Promise<Map<string, number>> =>
  new Map(await readJsonSnapshots<number>(store, MODEL_PROOF))

export const saveProofUsd = (
  store: Snapshots,
  internalizationId: string,
  usd: number
): Promise<void> => saveJsonSnapshot(store, nameOf(internalizationId), usd)
