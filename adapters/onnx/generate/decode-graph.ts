/**
 * The decoder as one ONNX graph for prefill and decoding: T new tokens in each of B rows, the rows'
 * past in a cache that the caller owns and that is written in place, log-probabilities only at the
 * places asked for. Knows nothing of requests, loras' names or memory limits.
 *
 * `GroupQueryAttention` does rotation, attention and the cache; on CPU it visits only the tokens a
 * row really has, so that spare capacity costs no time.
 */
import { GraphBuilder } from '../graph.ts'
import type { ElementType, TensorData } from '../graph.ts'
import { linearShape } from '../llama-config.ts'
import type { LinearLayer, LlamaConfig, WeightSource } from '../llama-config.ts'
import { BLOCK, quantize4, quantize8, stackAffine } from './quantize.ts'
import type { QuantizedMatrix } from './quantize.ts'

export type Precision = 'q4' | 'float32'

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

export interface DecodeGraph {
  model: Uint8Array
  /** the large constants, to be passed beside the model */
  externalData: { path: string; data: Uint8Array }[]
}

interface GraphOptions {
  precision: Precision
  /** positions the rotation tables cover */
  maxPositions: number
}

class DecodeGraphBuilder {
  private readonly graph = new GraphBuilder('decode')
  private readonly externalData: DecodeGraph['externalData'] = []
  private readonly config: LlamaConfig
  private readonly weights: WeightSource
  private readonly options: GraphOptions
  private readonly blockSums = new Map<string, string>()
  private readonly tables = new Map<string, QuantizedMatrix>()

  constructor(config: LlamaConfig, weights: WeightSource, options: GraphOptions) {
    this.config = config
    this.weights = weights
    this.options = options
  }

  build(): DecodeGraph {
    const { graph, config } = this
    graph.input('ids', 'int64', ['B', 'T'])
    graph.input('rows', 'int64', ['R'])
    graph.input('lengths', 'int32', ['B'])
    graph.input('total', 'int32', [])
    for (const parts of [1, 2, 3]) graph.input(maskInput(parts), 'float32', ['N', `M${parts}`])
    this.rotationTables()
    let residual = this.embed()
    let normed = graph.op(
      'SimplifiedLayerNormalization',
      [residual, this.norm('model.layers.0.input_layernorm.weight')],
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
    return { model: graph.build(), externalData: this.externalData }
  }

  private constant(name: string, type: ElementType, dims: number[], data: TensorData): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    this.externalData.push({ path: name, data: bytes })
    return this.graph.initializer(name, type, dims, {
      location: name,
      offset: 0,
      length: bytes.byteLength,
    })
  }

  private norm(name: string): string {
    return this.graph.initializer(
      name,
      'float32',
      [this.config.hiddenSize],
      this.weights.float32(name)
    )
  }

  private rotationTables(): void {
    const { headDim, ropeTheta } = this.config
    const { maxPositions } = this.options
    const half = headDim / 2
    const cosines = new Float32Array(maxPositions * half)
    const sines = new Float32Array(maxPositions * half)
    for (let position = 0; position < maxPositions; position++)
      for (let i = 0; i < half; i++) {
        const angle = position / ropeTheta ** ((2 * i) / headDim)
        cosines[position * half + i] = Math.cos(angle)
        sines[position * half + i] = Math.sin(angle)
      }
    this.constant('rotation.cos', 'float32', [maxPositions, half], cosines)
    this.constant('rotation.sin', 'float32', [maxPositions, half], sines)
  }

  /** @returns `[tokens, hidden]` */
  private embed(): string {
    const { graph, config } = this
    const name = 'model.embed_tokens.weight'
    const flat = graph.op('Reshape', ['ids', graph.int64([-1])])
    if (this.options.precision === 'float32') {
      this.constant(
        name,
        'float32',
        [config.vocabSize, config.hiddenSize],
        this.weights.float32(name)
      )
      return graph.op('Gather', [name, flat], { axis: 0 })
    }
    return this.dequantizeRows(name, this.table(name), flat)
  }

  /** Rows of a quantized table as float32, so that no float32 table need be held. */
  private dequantizeRows(name: string, matrix: QuantizedMatrix, ids: string): string {
    const { graph } = this
    const perRow = matrix.in / BLOCK
    const bytes = graph.op('Gather', [`${name}.blocks`, ids], { axis: 0 })
    const codes = matrix.bits === 8 ? bytes : this.unpackNibbles(bytes, perRow)
    const zero = this.scalar(matrix.bits === 8 ? 128 : 8)
    const centred = graph.op('Sub', [this.cast(codes), zero])
    const table = graph.op('Reshape', [`${name}.scales`, graph.int64([matrix.out, perRow, 1])])
    const scaled = graph.op('Mul', [centred, graph.op('Gather', [table, ids], { axis: 0 })])
    let values = scaled
    if (matrix.offsets) {
      const offsets = graph.op('Gather', [`${name}.offsets`, ids], { axis: 1 })
      const perToken = graph.op('Transpose', [offsets], { perm: [1, 0] })
      values = graph.op('Add', [scaled, graph.op('Unsqueeze', [perToken, graph.int64([2])])])
    }
    return graph.op('Reshape', [values, graph.int64([-1, matrix.in])])
  }

  private unpackNibbles(bytes: string, perRow: number): string {
    const { graph } = this
    const four = graph.initializer('four', 'uint8', [], Uint8Array.of(4))
    const high = graph.op('BitShift', [bytes, four], { direction: 'RIGHT' })
    const low = graph.op('BitwiseAnd', [
      bytes,
      graph.initializer('low-nibble', 'uint8', [], Uint8Array.of(15)),
    ])
    const axis = graph.int64([3])
    const pairs = graph.op(
      'Concat',
      [graph.op('Unsqueeze', [low, axis]), graph.op('Unsqueeze', [high, axis])],
      { axis: 3 }
    )
    return graph.op('Reshape', [pairs, graph.int64([-1, perRow, BLOCK])])
  }

  private cast(value: string): string {
    return this.graph.op('Cast', [value], { to: 1 })
  }

  private scalar(value: number): string {
    return this.graph.initializer(`scalar.${value}`, 'float32', [], Float32Array.of(value))
  }

  /** A table in the file's own 4 bits, else in 8, which lose next to nothing. */
  private table(name: string): QuantizedMatrix {
    const known = this.tables.get(name)
    if (known) return known
    const { vocabSize, hiddenSize } = this.config
    const blocks = this.weights.q4?.(name)
    const matrix = blocks
      ? stackAffine([{ ...blocks, out: vocabSize }], hiddenSize)
      : quantize8(this.weights.float32(name), vocabSize, hiddenSize)
    this.quantizedConstants(name, matrix)
    this.tables.set(name, matrix)
    return matrix
  }

  private quantizedConstants(name: string, matrix: QuantizedMatrix): void {
    const perRow = matrix.in / BLOCK
    const bytes = (BLOCK * matrix.bits) / 8
    this.constant(`${name}.blocks`, 'uint8', [matrix.out, perRow, bytes], matrix.blocks)
    this.constant(`${name}.scales`, 'float32', [matrix.out * perRow], matrix.scales)
    if (matrix.offsets)
      this.constant(`${name}.offsets`, 'float32', [perRow, matrix.out], matrix.offsets)
  }

  /** `x · matrixᵀ`, `[tokens, in]` to `[tokens, out]` */
  private quantizedProduct(x: string, name: string, matrix: QuantizedMatrix): string {
    const product = this.graph.contrib('MatMulNBits', [x, `${name}.blocks`, `${name}.scales`], {
      N: matrix.out,
      K: matrix.in,
      bits: matrix.bits,
      block_size: BLOCK,
      accuracy_level: 4,
    })
    if (!matrix.offsets) return product
    return this.graph.op('Gemm', [this.sumBlocks(x), `${name}.offsets`, product])
  }

  private sumBlocks(x: string): string {
    const { graph } = this
    let sums = this.blockSums.get(x)
    if (sums === undefined) {
      const blocks = graph.op('Reshape', [x, graph.int64([0, -1, BLOCK])])
      sums = graph.op('ReduceSum', [blocks, graph.int64([2])], { keepdims: 0 })
      this.blockSums.set(x, sums)
    }
    return sums
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
    const shape = groupShape(this.config, group)
    const name = `layers.${layer}.${group.name}`
    const names = group.layers.map((part) => `model.layers.${layer}.${part}.weight`)
    if (this.options.precision === 'float32') {
      const stacked = new Float32Array(shape.out * shape.in)
      let row = 0
      names.forEach((part, index) => {
        stacked.set(this.weights.float32(part), row * shape.in)
        row += shape.outs[index]!
      })
      this.constant(name, 'float32', [shape.out, shape.in], stacked)
      return this.graph.op('Gemm', [x, name], { transB: 1 })
    }
    const parts = names.map((part, index) => ({
      ...(this.weights.q4?.(part) ?? quantize4(this.weights.float32(part))),
      out: shape.outs[index]!,
    }))
    const matrix = stackAffine(parts, shape.in)
    this.quantizedConstants(name, matrix)
    return this.quantizedProduct(x, name, matrix)
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
        graph.input(`past.${layer}.key`, 'float32', cache),
        graph.input(`past.${layer}.value`, 'float32', cache),
        'lengths',
        'total',
        'rotation.cos',
        'rotation.sin',
      ],
      { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1, rotary_interleaved: 0 },
      3
    )
    graph.output(`present.${layer}.key`, key!, 'float32', cache)
    graph.output(`present.${layer}.value`, value!, 'float32', cache)
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
      [residual, update, this.norm(weight)],
      { epsilon: { float: this.config.rmsNormEps } },
      [true, false, false, true]
    )
    return [normed!, sum!]
  }

  private head(normed: string): void {
    const { graph, config } = this
    const wanted = graph.op('Gather', [normed, 'rows'], { axis: 0 })
    const tied = config.tiedEmbeddings
    const name = tied ? 'model.embed_tokens.weight' : 'lm_head.weight'
    const shape = [config.vocabSize, config.hiddenSize]
    let logits: string
    if (this.options.precision === 'float32') {
      if (!tied) this.constant(name, 'float32', shape, this.weights.float32(name))
      logits = graph.op('Gemm', [wanted, name], { transB: 1 })
    } else {
      logits = this.quantizedProduct(wanted, name, this.table(name))
    }
    const logprobs = graph.op('LogSoftmax', [logits], { axis: 1 })
    graph.output('logprobs', logprobs, 'float32', ['R', config.vocabSize])
  }
}

/**
 * Inputs: `ids` int64 `[B, T]`; `rows` int64 `[R]`, indices into the B·T tokens; `lengths` int32
 * `[B]`, each row's tokens after this step less one; `total` int32, their maximum plus one;
 * `past.<layer>.key|value` float32 `[B, kvHeads, capacity, headDim]`; lora inputs and masks.
 * Outputs: `logprobs` float32 `[R, vocab]`; `present.<layer>.key|value`, which the caller binds to
 * the tensors of `past`. T > 1 behind a past is possible with B = 1 only (a limit of the operator).
 */
export const buildDecodeGraph = (
  config: LlamaConfig,
  weights: WeightSource,
  options: GraphOptions
): DecodeGraph => new DecodeGraphBuilder(config, weights, options).build()
