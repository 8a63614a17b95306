/** What the answers of other models, and a judge, have cost each internalization so far. */
import { readJsonSnapshot, readJsonSnapshots, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

/** Prefixes of the snapshots. */
export const MODEL_PROOF = 'model-proof:'
export const JUDGE_PROOF = 'judge-proof:'

type Snapshots = Pick<Store, 'snapshots'>

const readUsd = async (store: Snapshots, name: string): Promise<number> =>
  (await readJsonSnapshot<number>(store, name)) ?? 0

/** @returns US dollars; 0 where nothing was paid */
export const readProofUsd = (store: Snapshots, internalizationId: string): Promise<number> =>
  readUsd(store, MODEL_PROOF + internalizationId)

/** @returns US dollars; 0 where nothing was paid */
export const readJudgeUsd = (store: Snapshots, internalizationId: string): Promise<number> =>
  readUsd(store, JUDGE_PROOF + internalizationId)

/** @returns US dollars of both by internalization, of those that something was paid for */
export const readProofsUsd = async (store: Snapshots): Promise<Map<string, number>> => {
  const sums = new Map(await readJsonSnapshots<number>(store, MODEL_PROOF))
  for (const [id, usd] of await readJsonSnapshots<number>(store, JUDGE_PROOF))
    sums.set(id, (sums.get(id) ?? 0) + usd)
  return sums
}

export const saveProofUsd = (
  store: Snapshots,
  internalizationId: string,
  usd: number
): Promise<void> => saveJsonSnapshot(store, MODEL_PROOF + internalizationId, usd)

export const saveJudgeUsd = (
  store: Snapshots,
  internalizationId: string,
  usd: number
): Promise<void> => saveJsonSnapshot(store, JUDGE_PROOF + internalizationId, usd)
