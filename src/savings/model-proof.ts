/** What the answers of other models, and a judge, have cost each internalization so far. */
import { jsonSnapshotsOf } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

type Snapshots = Pick<Store, 'snapshots'>

/** Prefixes of the snapshots. */
export const MODEL_PROOF = 'model-proof:'
export const JUDGE_PROOF = 'judge-proof:'

const usdOf = (prefix: string) => {
  const { read, ...kept } = jsonSnapshotsOf<number>(prefix)
  return { ...kept, read: async (store: Snapshots, id: string) => (await read(store, id)) ?? 0 }
}

/** US dollars by internalization; 0 where nothing was paid. */
export const modelsUsd = usdOf(MODEL_PROOF)
export const judgeUsd = usdOf(JUDGE_PROOF)

/** @returns US dollars of both by internalization, of those that something was paid for */
export const readProofsUsd = async (store: Snapshots): Promise<Map<string, number>> => {
  const sums = new Map(await modelsUsd.readAll(store))
  for (const [id, usd] of await judgeUsd.readAll(store)) sums.set(id, (sums.get(id) ?? 0) + usd)
  return sums
}
