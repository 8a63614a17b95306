/** The optimizer's state beside a lora, with which a later stage continues the learning-rate curve. */
import { join } from 'node:path'
import type { WriteBeside } from '../../lora/lora-file.ts'
import type { LoraLayout } from '../../lora/lora-layout.ts'
import type { AdamWState } from '../gradient/adamw.ts'
import { readStateFile, writeStateFile } from '../gradient/state-file.ts'

const OPTIMIZER = 'optimizer.bin'

export const writeOptimizer =
  ({ step, m, v }: AdamWState): WriteBeside =>
  (draft) =>
    writeStateFile(join(draft, OPTIMIZER), { header: { step }, vectors: [m, v] })

/** Null when there is none, or it does not fit. */
export const readOptimizer = async (
  folder: string,
  layout: LoraLayout
): Promise<AdamWState | null> => {
  const state = await readStateFile(join(folder, OPTIMIZER))
  const [m, v] = state?.vectors ?? []
  const step = Number(state?.header.step)
  if (m?.length !== layout.length || v?.length !== layout.length || !Number.isInteger(step))
    return null
  return { step, m, v }
}
