/**
 * The decoder as one ONNX graph for prefill and decoding: T new tokens in each of B rows, the rows'
 * past in a cache that the caller owns, log-probabilities only at the requested places.
 */
import { GraphBuilder } from '../graph.ts'
import { linearShape, moduleName } from '../../model/llama-config.ts'
import type { LinearLayer, LlamaConfig, WeightSource } from '../../model/llama-config.ts'
import { GraphAttention } from './graph-attention.ts'
import { GraphWeights } from './graph-weights.ts'

/** Linear layers with the same input are one product. Their loras are fused the same way. */
export const LINEAR_GROUPS = [
  { name: 'qkv', layers: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'] },
  { name: 'o', layers: ['self_attn.o_proj'] },
  { name: 'gate_up', layers: ['mlp.gate_proj', 'mlp.up_proj'] },
  { name: 'down', layers: ['mlp.down_proj'] },
] as const satisfies { name: string; layers: LinearLayer[] }[]

export type LinearGroup = (typeof LINEAR_GROUPS)[number]

export const groupShape = (
  config: LlamaConfig,
  group: LinearGroup
): { out: number; in: number; outs: number[] } => {
  const shapes = group.layers.map((layer) => linearShape(config, layer))
  const outs = shapes.map((shape) => shape.out)
  return { out: outs.reduce((sum, out) => sum + out, 0), in: shapes[0]!.in, outs }
}

/** Names of the lora inputs: `a` is `[parts · rank, in]`, `b` is `[parts · rank, out]`. */
export const loraInput = (layer: number, group: LinearGroup, matrix: 'a' | 'b'): string =>
  `lora.${layer}.${group.name}.${matrix}`

/** Name of the mask over the lora dimension for groups of so many layers, `[tokens, parts · rank]`. */
export const maskInput = (parts: number): string => `lora.mask.${parts}`

const EMBEDDING = 'model.embed_tokens.weight'

const pastNames = (layer: number): [keys: string, values: string] => [
  `past.${layer}.key`,
  `past.${layer}.value`,
]

export interface DecodeGraph {
  model: Uint8Array
  /** the large constants, to be passed beside the model */
  externalData: { path: string; data: Uint8Array }[]
  /** inputs with the cache: per layer keys, then values */
  pastNames: string[]
}

/**
 * Which loras the rows of one step use: `none`; `one`, the same in every row; or `mixed`. Inputs of
 * loras cost a sixth of a step even when they are empty, and masks of mixed ones a sixteenth.
 */
export type LoraUse = 'none' | 'one' | 'mixed'

interface GraphOptions {
  /** what the graph has inputs for */
  loras: LoraUse
  /** positions the rotation tables cover */
  maxPositions: number
}

class DecodeGraphBuilder {
  private readonly graph = new GraphBuilder('decode')
  private readonly weights: GraphWeights
  private readonly attention: GraphAttention
  private readonly loras: LoraUse
  /** new keys and values by layer */
  private readonly present: string[] = []

  constructor(
    private readonly config: LlamaConfig,
    weights: WeightSource,
    options: GraphOptions
  ) {
    this.loras = options.loras
    this.weights = new GraphWeights(this.graph, config, weights)
    const ids = this.graph.input('ids', 'int64', ['B', 'T'])
    this.declareInputs()
    const rotation = this.weights.rotation(options.maxPositions, config)
    const past = pastNames(0)[0]
    this.attention = new GraphAttention(this.graph, config, { ids, past, rotation })
  }

  build(): DecodeGraph {
    const { graph, config } = this
    let residual = this.embed()
    let normed = graph.op(
      'SimplifiedLayerNormalization',
      [residual, this.weights.norm('model.layers.0.input_layernorm.weight')],
      { axis: -1, epsilon: { float: config.rmsNormEps } }
    )
    for (let layer = 0; layer < config.layers; layer++) {
      const attended = this.attend(layer, normed)
      const prefix = `model.layers.${layer}`
      const [middle, afterAttention] = this.addAndNorm(
        residual,
        attended,
        `${prefix}.post_attention_layernorm.weight`
      )
      const next =
        layer + 1 < config.layers
          ? `model.layers.${layer + 1}.input_layernorm.weight`
          : 'model.norm.weight'
      ;[normed, residual] = this.addAndNorm(afterAttention, this.mlp(layer, middle), next)
    }
    this.head(normed)
    this.newCache()
    const { externalData } = this.weights
    return { model: graph.build(), externalData, pastNames: this.pastNames() }
  }

  private declareInputs(): void {
    const { kvHeads, headDim } = this.config
    this.graph.input('rows', 'int64', ['R'])
    if (this.loras === 'mixed')
      for (const parts of [1, 2, 3])
        this.graph.input(maskInput(parts), 'float32', ['N', `M${parts}`])
    for (const name of this.pastNames())
      this.graph.input(name, 'float32', ['B', kvHeads, 1, 'P', headDim])
  }

  private pastNames(): string[] {
    return Array.from({ length: this.config.layers }, (_, layer) => pastNames(layer)).flat()
  }

  /** One output for all layers: every output costs a copy. */
  private newCache(): void {
    const { kvHeads, headDim } = this.config
    const all = this.graph.op('Concat', this.present, { axis: 0 })
    this.graph.output('new_cache', all, 'float32', ['LB', kvHeads, 'T', headDim])
  }

  /** @returns `[tokens, hidden]` */
  private embed(): string {
    const flat = this.graph.op('Reshape', ['ids', this.graph.int64([-1])])
    return this.weights.rows(EMBEDDING, flat)
  }

  private linear(layer: number, group: LinearGroup, x: string): string {
    const { graph } = this
    const base = this.baseProduct(layer, group, x)
    if (this.loras === 'none') return base
    const a = graph.input(loraInput(layer, group, 'a'), 'float32', [
      `M${group.layers.length}`,
      groupShape(this.config, group).in,
    ])
    const b = graph.input(loraInput(layer, group, 'b'), 'float32', [
      `M${group.layers.length}`,
      groupShape(this.config, group).out,
    ])
    const inner = graph.op('Gemm', [x, a], { transB: 1 })
    const own =
      this.loras === 'mixed' ? graph.op('Mul', [inner, maskInput(group.layers.length)]) : inner
    return graph.op('Gemm', [own, b, base])
  }

  private baseProduct(layer: number, group: LinearGroup, x: string): string {
    const { outs, in: inputs } = groupShape(this.config, group)
    const parts = group.layers.map((part, index) => ({
      name: `${moduleName(layer, part)}.weight`,
      out: outs[index]!,
    }))
    return this.weights.product(x, `layers.${layer}.${group.name}`, parts, inputs)
  }

  /** @returns `[tokens, hidden]`, behind the output projection */
  private attend(layer: number, normed: string): string {
    const qkv = this.linear(layer, LINEAR_GROUPS[0], normed)
    const [pastKey, pastValue] = pastNames(layer)
    const { output, key, value } = this.attention.attend(qkv, { key: pastKey, value: pastValue })
    this.present.push(key, value)
    return this.linear(layer, LINEAR_GROUPS[1], output)
  }

  /** SiLU(gate) · up, then down */
  private mlp(layer: number, normed: string): string {
    const { graph, config } = this
    const size = config.intermediateSize
    const both = this.linear(layer, LINEAR_GROUPS[2], normed)
    const [gate, up] = graph.multi('', 'Split', [both, graph.int64([size, size])], { axis: 1 }, 2)
    const activated = graph.contrib('QuickGelu', [gate!], { alpha: { float: 1 } })
    return this.linear(layer, LINEAR_GROUPS[3], graph.op('Mul', [activated, up!]))
  }

  /** @returns the norm of the sum, and the sum */
  private addAndNorm(residual: string, update: string, weight: string): [string, string] {
    const [normed, , , sum] = this.graph.multi(
      'com.microsoft',
      'SkipSimplifiedLayerNormalization',
      [residual, update, this.weights.norm(weight)],
      { epsilon: { float: this.config.rmsNormEps } },
      [true, false, false, true]
    )
    return [normed!, sum!]
  }

  /** The best token as an output of its own: greedy decoding then needs no copy of the vocabulary. */
  private head(normed: string): void {
    const { graph, config } = this
    const wanted = graph.op('Gather', [normed, 'rows'], { axis: 0 })
    const table = config.tiedEmbeddings ? EMBEDDING : 'lm_head.weight'
    const logits = this.weights.tableProduct(wanted, table)
    const logprobs = graph.op('LogSoftmax', [logits], { axis: 1 })
    const best = graph.op('ArgMax', [logprobs], { axis: 1, keepdims: 1 })
    const bestLogprob = graph.op('GatherElements', [logprobs, best], { axis: 1 })
    graph.output('best', best, 'int64', ['R', 1])
    graph.output('best_logprob', bestLogprob, 'float32', ['R', 1])
    graph.output('logprobs', logprobs, 'float32', ['R', config.vocabSize])
  }
}

/**
 * Inputs: `ids` and `positions` int64 `[B, T]`; `past_lengths` int64 `[B]`; `rows` int64 `[R]`, indices
 * into the B·T tokens; under `pastNames` the cache, float32 `[B, kvHeads, 1, capacity, headDim]`,
 * the capacity possibly 0; for loras the matrices (`loraInput`), and for mixed ones
 * the masks (`maskInput`).
 * Outputs: `logprobs` float32 `[R, vocab]`, and of them the first of the largest: `best` int64
 * `[R, 1]`, `best_logprob` float32 `[R, 1]`; `new_cache` float32 `[layers·2·B, kvHeads, T, headDim]`.
 */
export const buildDecodeGraph = (
  config: LlamaConfig,
  weights: WeightSource,
  options: GraphOptions
): DecodeGraph => new DecodeGraphBuilder(config, weights, options).build()
