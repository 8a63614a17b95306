/** What the answers of other models have cost each internalization so far. */
import type { Store } from '../store/store.ts'

/** Prefix of the snapshots. */
export const MODEL_PROOF = 'model-proof:'

type Snapshots = Pick<Store, 'snapshots'>

const nameOf = (internalizationId: string): string => MODEL_PROOF + internalizationId

const usdOf = (bytes: Uint8Array): number => Number(new TextDecoder().decode(bytes))

/** @returns US dollars; 0 where nothing was paid */
export const readProofUsd = async (
  { snapshots }: Snapshots,
  internalizationId: string
): Promise<number> => {
  const bytes = await snapshots.get(nameOf(internalizationId))
  return bytes === null ? 0 : usdOf(bytes)
}

/** @returns US dollars by internalization, of those that something was paid for */
export const readProofsUsd = async ({ snapshots }: Snapshots): Promise<Map<string, number>> =>
  new Map(
    [...(await snapshots.all(MODEL_PROOF))].map(([name, bytes]) => [
      name.slice(MODEL_PROOF.length),
      usdOf(bytes),
    ])
  )

export const saveProofUsd = (
  { snapshots }: Snapshots,
  internalizationId: string,
  usd: number
): Promise<void> => snapshots.put(nameOf(internalizationId), new TextEncoder().encode(String(usd)))
