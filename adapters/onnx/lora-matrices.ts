/** Loras in the form for serving. */
import type { StoredLora } from '../lora/lora-file.ts'
import type { LoraMatrices } from './generate/fused-lora.ts'

/** The flat vector of training as the matrices of serving. */
export const matricesOf = ({ layout, theta }: StoredLora): LoraMatrices => {
  const modules = new Map<string, { a: Float32Array; b: Float32Array }>()
  for (const { module, matrix, offset, length } of layout.entries) {
    const pair = modules.get(module) ?? { a: new Float32Array(), b: new Float32Array() }
    pair[matrix === 'A' ? 'a' : 'b'] = theta.subarray(offset, offset + length)
    modules.set(module, pair)
  }
  return { rank: layout.rank, alpha: layout.alpha, modules }
}
