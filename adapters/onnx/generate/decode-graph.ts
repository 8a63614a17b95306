/**
 * The decoder as one ONNX graph for prefill and decoding: T new tokens in each of B rows, the rows'
 * past in a cache that the caller owns and that is written in place, log-probabilities only at the
 * places asked for. Knows nothing of requests, loras' names or memory limits.
 *
 * `GroupQueryAttention` does rotation, attention and the cache; on CPU it visits only the tokens a
 * row really has, so that spare capacity costs no time.
 */
import { GraphBuilder } from '../graph.ts'
import { linearShape } from '../llama-config.ts'
import type { LinearLayer, LlamaConfig, WeightSource } from '../llama-config.ts'
import { GraphWeights } from './graph-weights.ts'
import type { Precision } from './graph-weights.ts'

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
  /** the outputs to be bound to the same tensors */
  presentNames: string[]
}

interface GraphOptions {
  precision: Precision
  /** positions the rotation tables cover */
  maxPositions: number
}

class DecodeGraphBuilder {
  private readonly graph = new GraphBuilder('decode')
  private readonly config: LlamaConfig
  private readonly weights: GraphWeights
  private readonly rotation: [cosines: string, sines: string]
  private readonly presentNames: string[] = []

  constructor(config: LlamaConfig, weights: WeightSource, options: GraphOptions) {
    const { precision, maxPositions } = options
    this.config = config
    this.weights = new GraphWeights(this.graph, { config, weights, precision })
    this.rotation = this.weights.rotation(maxPositions)
  }

  build(): DecodeGraph {
    const { graph, config } = this
    graph.input('ids', 'int64', ['B', 'T'])
    graph.input('rows', 'int64', ['R'])
    graph.input('lengths', 'int32', ['B'])
    graph.input('total', 'int32', [])
    for (const parts of [1, 2, 3]) graph.input(maskInput(parts), 'float32', ['N', `M${parts}`])
    let residual = this.embed()
    let normed = graph.op(
      'SimplifiedLayerNormalization',
      [residual, this.weights.norm('model.layers.0.input_layernorm.weight')],
      { axis: -1, epsilon: { float: config.rmsNormEps } }
    )
    for (let layer = 0; layer < config.layers; layer++) {
      const attended = this.attention(layer, normed)
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
    const layers = Array.from({ length: config.layers }, (_, layer) => layer)
    return {
      model: graph.build(),
      externalData: this.weights.externalData,
      pastNames: layers.flatMap(pastNames),
      presentNames: this.presentNames,
    }
  }

  /** @returns `[tokens, hidden]` */
  private embed(): string {
    const flat = this.graph.op('Reshape', ['ids', this.graph.int64([-1])])
    return this.weights.rows(EMBEDDING, flat)
  }

  private linear(layer: number, group: LinearGroup, x: string): string {
    const { graph } = this
    const base = this.baseProduct(layer, group, x)
    const a = graph.input(loraInput(layer, group, 'a'), 'float32', [
      `M${group.layers.length}`,
      groupShape(this.config, group).in,
    ])
    const b = graph.input(loraInput(layer, group, 'b'), 'float32', [
      `M${group.layers.length}`,
      groupShape(this.config, group).out,
    ])
    const inner = graph.op('Gemm', [x, a], { transB: 1 })
    const own = graph.op('Mul', [inner, maskInput(group.layers.length)])
    return graph.op('Gemm', [own, b, base])
  }

  private baseProduct(layer: number, group: LinearGroup, x: string): string {
    const { outs, in: inputs } = groupShape(this.config, group)
    const parts = group.layers.map((part, index) => ({
      name: `model.layers.${layer}.${part}.weight`,
      out: outs[index]!,
    }))
    return this.weights.product(x, `layers.${layer}.${group.name}`, parts, inputs)
  }

  /** @returns `[tokens, heads · headDim]` behind the output projection */
  private attention(layer: number, normed: string): string {
    const { graph, config } = this
    const { heads, kvHeads, headDim } = config
    const qkv = this.linear(layer, LINEAR_GROUPS[0], normed)
    const width = (heads + 2 * kvHeads) * headDim
    const shaped = graph.op('Reshape', [
      qkv,
      graph.op('Concat', [graph.op('Shape', ['ids']), graph.int64([width])], { axis: 0 }),
    ])
    const cache = ['B', kvHeads, 'P', headDim]
    const [attended, key, value] = graph.multi(
      'com.microsoft',
      'GroupQueryAttention',
      [
        shaped,
        '',
        '',
        ...pastNames(layer).map((name) => graph.input(name, 'float32', cache)),
        'lengths',
        'total',
        ...this.rotation,
      ],
      { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1, rotary_interleaved: 0 },
      3
    )
    for (const present of [key!, value!]) {
      // a copy into an output of another name would cost more than the whole step
      graph.directOutput(present, 'float32', cache)
      this.presentNames.push(present)
    }
    const flat = graph.op('Reshape', [attended!, graph.int64([-1, heads * headDim])])
    return this.linear(layer, LINEAR_GROUPS[1], flat)
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

  private head(normed: string): void {
    const { graph, config } = this
    const wanted = graph.op('Gather', [normed, 'rows'], { axis: 0 })
    const table = config.tiedEmbeddings ? EMBEDDING : 'lm_head.weight'
    const logits = this.weights.tableProduct(wanted, table)
    const logprobs = graph.op('LogSoftmax', [logits], { axis: 1 })
    graph.output('logprobs', logprobs, 'float32', ['R', config.vocabSize])
  }
}

/**
 * Inputs: `ids` int64 `[B, T]`; `rows` int64 `[R]`, indices into the B·T tokens; `lengths` int32
 * `[B]`, each row's tokens after this step less one; `total` int32, their maximum plus one;
 * under `pastNames` the cache, float32
 * `[B, kvHeads, capacity, headDim]`; lora inputs and masks.
 * Outputs: `logprobs` float32 `[R, vocab]`; and under `presentNames` the cache, which the caller
 * binds to the tensors of `past`. T > 1 behind a past is possible with B = 1 only (a limit of the operator).
 */
export const buildDecodeGraph = (
  config: LlamaConfig,
  weights: WeightSource,
  options: GraphOptions
): DecodeGraph => new DecodeGraphBuilder(config, weights, options).build()
