/**
 * Where each lora matrix lies in one flat vector: the optimizer sees the vector, the graph and the
 * file format see the matrices. Knows nothing of files or of onnxruntime.
 */
import { LINEAR_LAYERS, linearShape, moduleName, type LlamaConfig } from '../model/llama-config.ts'

export interface LoraEntry {
  /** `model.layers.3.mlp.up_proj` */
  module: string
  matrix: 'A' | 'B'
  /** A `[rank, in]`, B `[out, rank]`, row-major */
  dims: [number, number]
  /** in elements of the flat vector */
  offset: number
  length: number
}

export interface LoraLayout {
  rank: number
  alpha: number
  entries: LoraEntry[]
  /** elements of the flat vector */
  length: number
}

/** A and B of all seven linear layers of every decoder layer, in a fixed order. */
export const createLoraLayout = (config: LlamaConfig, rank: number, alpha: number): LoraLayout => {
  const entries: LoraEntry[] = []
  let offset = 0
  const add = (module: string, matrix: 'A' | 'B', dims: [number, number]) => {
    const length = dims[0] * dims[1]
    entries.push({ module, matrix, dims, offset, length })
    offset += length
  }
  for (let layer = 0; layer < config.layers; layer++) {
    for (const linear of LINEAR_LAYERS) {
      const shape = linearShape(config, linear)
      add(moduleName(layer, linear), 'A', [rank, shape.in])
      add(moduleName(layer, linear), 'B', [shape.out, rank])
    }
  }
  return { rank, alpha, entries, length: offset }
}

/**
 * A uniform in ±1/√in (Kaiming with a = √5, PEFT's default), B zero: the new lora changes nothing.
 * @param random uniform in [0, 1)
 */
export const initLora = (layout: LoraLayout, random: () => number): Float32Array => {
  const theta = new Float32Array(layout.length)
  for (const { matrix, dims, offset, length } of layout.entries) {
    if (matrix === 'B') continue
    const bound = 1 / Math.sqrt(dims[1])
    for (let i = offset; i < offset + length; i++) theta[i] = (2 * random() - 1) * bound
  }
  return theta
}
