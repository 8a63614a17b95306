/**
 * A lora in the form for the decode graph: the matrices of a linear group side by side, scaled.
 * Pure.
 */
import { Tensor } from 'onnxruntime-node'
import { AppError } from '../../../src/errors.ts'
import { moduleName, type LlamaConfig } from '../../model/llama-config.ts'
import {
  groupShape,
  LINEAR_GROUPS,
  loraInput,
  maskInput,
  type LinearGroup,
} from './decode-graph.ts'
import type { StoredLora } from '../../lora/lora-file.ts'

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

/** A lora as it is trained and stored: `W + alpha/rank · B · A`. */
export interface LoraMatrices {
  rank: number
  alpha: number
  /**
   * By module (`model.layers.0.mlp.up_proj`): `a` `[rank, in]`, `b` `[out, rank]`, row-major. A
   * module without a lora is absent.
   */
  modules: ReadonlyMap<string, { a: Float32Array; b: Float32Array }>
}

/** One input pair of the decode graph: `a` `[parts · rank, in]`, `b` `[parts · rank, out]`, scaled. */
export interface FusedPair {
  a: Float32Array
  b: Float32Array
}

export interface FusedLora {
  id: string
  rank: number
  bytes: number
  /** by layer, then by linear group */
  pairs: FusedPair[]
}

/** A step's lora inputs of the graph. */
export interface LoraFeeds {
  feeds: Record<string, Tensor>
  rank: number
  /** first column of each lora, in ranks */
  columns: ReadonlyMap<string, { first: number; rank: number }>
}

interface Place {
  layer: number
  group: LinearGroup
}

const places = (config: LlamaConfig): Place[] =>
  Array.from({ length: config.layers }, (_, layer) =>
    LINEAR_GROUPS.map((group) => ({ layer, group }))
  ).flat()

/** Room for a lora of this rank. */
export const emptyPairs = (config: LlamaConfig, rank: number): FusedPair[] =>
  places(config).map(({ group }) => {
    const shape = groupShape(config, group)
    const rows = group.layers.length * rank
    return { a: new Float32Array(rows * shape.in), b: new Float32Array(rows * shape.out) }
  })

/** Writes the lora's matrices of this group into their pair; the rest stays 0. */
const fill = (
  { a, b }: FusedPair,
  config: LlamaConfig,
  lora: LoraMatrices,
  { layer, group }: Place
): void => {
  const { rank } = lora
  const shape = groupShape(config, group)
  const scale = lora.alpha / rank
  let column = 0
  group.layers.forEach((part, index) => {
    const outs = shape.outs[index]!
    const own = lora.modules.get(moduleName(layer, part))
    if (own) {
      if (own.a.length !== rank * shape.in || own.b.length !== outs * rank)
        throw new AppError('invalid-model', `lora of layer ${layer} ${part} has another shape`)
      a.set(own.a, index * rank * shape.in)
      for (let out = 0; out < outs; out++)
        for (let r = 0; r < rank; r++)
          b[(index * rank + r) * shape.out + column + out] = own.b[out * rank + r]! * scale
    }
    column += outs
  })
}

/** @throws AppError `invalid-model` when a matrix has another shape than the model's */
export const fuseLora = (config: LlamaConfig, id: string, lora: LoraMatrices): FusedLora => {
  const pairs = emptyPairs(config, lora.rank)
  places(config).forEach((place, index) => fill(pairs[index]!, config, lora, place))
  return { id, rank: lora.rank, bytes: bytesOf(pairs), pairs }
}

export const bytesOf = (pairs: FusedPair[]): number =>
  pairs.reduce((sum, { a, b }) => sum + a.byteLength + b.byteLength, 0)

/** The graph's inputs; they share the pairs' memory. */
export const pairFeeds = (
  config: LlamaConfig,
  pairs: FusedPair[],
  rank: number
): Record<string, Tensor> => {
  const feeds: Record<string, Tensor> = {}
  places(config).forEach(({ layer, group }, index) => {
    const shape = groupShape(config, group)
    const rows = group.layers.length * rank
    const { a, b } = pairs[index]!
    feeds[loraInput(layer, group, 'a')] = new Tensor('float32', a, [rows, shape.in])
    feeds[loraInput(layer, group, 'b')] = new Tensor('float32', b, [rows, shape.out])
  })
  return feeds
}

/**
 * The masks of one step: 1 where a token may use a lora column.
 * @param tokens each token's lora or null for the base model
 */
export const loraMasks = (loras: LoraFeeds, tokens: (string | null)[]): Record<string, Tensor> => {
  const masks: Record<string, Tensor> = {}
  for (const parts of new Set(LINEAR_GROUPS.map((group) => group.layers.length))) {
    const width = parts * loras.rank
    const mask = new Float32Array(tokens.length * width)
    tokens.forEach((id, token) => {
      const own = id === null ? undefined : loras.columns.get(id)
      if (!own) return
      const start = token * width + parts * own.first
      mask.fill(1, start, start + parts * own.rank)
    })
    masks[maskInput(parts)] = new Tensor('float32', mask, [tokens.length, width])
  }
  return masks
}
