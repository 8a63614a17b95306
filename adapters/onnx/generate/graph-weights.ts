/**
 * The model's constants in a graph under construction: 4-bit, 8-bit and float32 matrices, norms and
 * rotation tables, and the products with them. Knows nothing of attention or loras.
 */
import type { ElementType, GraphBuilder, TensorData } from '../graph.ts'
import type { LlamaConfig, WeightSource } from '../llama-config.ts'
import {
  BLOCK,
  blocksOf,
  quantize4,
  quantize8,
  stackAffine,
  widthOf,
  zeroBytesOf,
} from './quantize.ts'
import type { QuantizedMatrix } from './quantize.ts'

export type Precision = 'q4' | 'float32'

/** ONNX's number of the type float32 */
const FLOAT = 1

export class GraphWeights {
  /** the large constants, to be passed beside the model */
  readonly externalData: { path: string; data: Uint8Array }[] = []
  private readonly graph: GraphBuilder
  private readonly config: LlamaConfig
  private readonly weights: WeightSource
  private readonly precision: Precision
  private readonly widened = new Map<string, string>()
  private readonly zeroColumns = new Map<number, string>()
  private nibbles: [four: string, mask: string] | null = null
  private readonly floatTables = new Set<string>()
  private readonly tables = new Map<string, QuantizedMatrix>()

  constructor(
    graph: GraphBuilder,
    source: { config: LlamaConfig; weights: WeightSource; precision: Precision }
  ) {
    this.graph = graph
    this.config = source.config
    this.weights = source.weights
    this.precision = source.precision
  }

  norm(name: string): string {
    const values = this.weights.float32(name)
    return this.graph.initializer(name, 'float32', [this.config.hiddenSize], values)
  }

  /** @returns names of cosines and sines, `[positions, headDim / 2]` (RoFormer, arXiv 2104.09864) */
  rotation(positions: number): [cosines: string, sines: string] {
    const { headDim, ropeTheta } = this.config
    const half = headDim / 2
    const cosines = new Float32Array(positions * half)
    const sines = new Float32Array(positions * half)
    for (let position = 0; position < positions; position++)
      for (let i = 0; i < half; i++) {
        const angle = position / ropeTheta ** ((2 * i) / headDim)
        cosines[position * half + i] = Math.cos(angle)
        sines[position * half + i] = Math.sin(angle)
      }
    return [
      this.constant('rotation.cos', 'float32', [positions, half], cosines),
      this.constant('rotation.sin', 'float32', [positions, half], sines),
    ]
  }

  /**
   * Rows of a `[vocab, hidden]` table, as float32; a quantized table is never held in float32.
   * @param ids `[tokens]`
   */
  rows(name: string, ids: string): string {
    if (this.precision === 'float32')
      return this.graph.op('Gather', [this.floatTable(name), ids], { axis: 0 })
    return this.dequantizeRows(name, this.table(name), ids)
  }

  /** `x · tableᵀ`, `[tokens, hidden]` to `[tokens, vocab]` */
  tableProduct(x: string, name: string): string {
    if (this.precision === 'float32')
      return this.graph.op('Gemm', [x, this.floatTable(name)], { transB: 1 })
    return this.quantizedProduct(x, name, this.table(name))
  }

  /**
   * `x · Wᵀ` with matrices `[out, in]` stacked along their outputs, `[tokens, in]` to `[tokens, Σ out]`
   * @param name of the stack in the graph
   */
  product(
    x: string,
    name: string,
    parts: readonly { name: string; out: number }[],
    inputs: number
  ): string {
    if (this.precision === 'float32') {
      const out = parts.reduce((sum, part) => sum + part.out, 0)
      const stacked = new Float32Array(out * inputs)
      let offset = 0
      for (const part of parts) {
        stacked.set(this.weights.float32(part.name), offset)
        offset += part.out * inputs
      }
      this.constant(name, 'float32', [out, inputs], stacked)
      return this.graph.op('Gemm', [x, name], { transB: 1 })
    }
    const blocks = parts.map((part) => ({
      ...(this.weights.q4?.(part.name) ?? quantize4(this.weights.float32(part.name))),
      out: part.out,
    }))
    const matrix = stackAffine(blocks, inputs)
    this.quantizedConstants(name, matrix)
    return this.quantizedProduct(x, name, matrix)
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

  private floatTable(name: string): string {
    if (!this.floatTables.has(name)) {
      const { vocabSize, hiddenSize } = this.config
      this.constant(name, 'float32', [vocabSize, hiddenSize], this.weights.float32(name))
      this.floatTables.add(name)
    }
    return name
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
    const perRow = blocksOf(matrix)
    const bytes = (BLOCK * matrix.bits) / 8
    this.constant(`${name}.blocks`, 'uint8', [matrix.out, perRow, bytes], matrix.blocks)
    this.constant(`${name}.scales`, 'float32', [matrix.out * perRow], matrix.scales)
    if (matrix.zeroPoints) {
      const dims = [matrix.out, zeroBytesOf(matrix)]
      this.constant(`${name}.zeros`, 'uint8', dims, matrix.zeroPoints)
    }
  }

  private quantizedProduct(x: string, name: string, matrix: QuantizedMatrix): string {
    const inputs = matrix.sums === 0 ? x : this.withSums(x, matrix)
    const zeros = matrix.zeroPoints === null ? [] : [`${name}.zeros`]
    const constants = [`${name}.blocks`, `${name}.scales`, ...zeros]
    return this.graph.contrib('MatMulNBits', [inputs, ...constants], {
      N: matrix.out,
      K: widthOf(matrix),
      bits: matrix.bits,
      block_size: BLOCK,
      // activations in 8 bits; anything less multiplies in float32, 80 times slower
      accuracy_level: 4,
    })
  }

  /** @returns `[tokens, in + 2 · sums]`: the inputs and twice the sums of their blocks */
  private withSums(x: string, matrix: QuantizedMatrix): string {
    const { graph } = this
    let widened = this.widened.get(x)
    if (widened === undefined) {
      const blocks = graph.op('Reshape', [x, graph.int64([0, -1, BLOCK])])
      const sums = graph.op('ReduceSum', [blocks, graph.int64([2])], { keepdims: 0 })
      const spare = matrix.sums - matrix.in / BLOCK
      const padded = spare === 0 ? [sums] : [sums, this.zeros(x, spare)]
      widened = graph.op('Concat', [x, ...padded, ...padded], { axis: 1 })
      this.widened.set(x, widened)
    }
    return widened
  }

  /** `[tokens, columns]`, made once for the whole graph. @param x any `[tokens, …]` */
  private zeros(x: string, columns: number): string {
    const { graph } = this
    let zeros = this.zeroColumns.get(columns)
    if (zeros === undefined) {
      const shape = graph.op('Shape', [x])
      const tokens = graph.op('Slice', [shape, graph.int64([0]), graph.int64([1])])
      const dims = graph.op('Concat', [tokens, graph.int64([columns])], { axis: 0 })
      zeros = graph.op('ConstantOfShape', [dims])
      this.zeroColumns.set(columns, zeros)
    }
    return zeros
  }

  private dequantizeRows(name: string, matrix: QuantizedMatrix, ids: string): string {
    const { graph } = this
    const perRow = blocksOf(matrix)
    const bytes = graph.op('Gather', [`${name}.blocks`, ids], { axis: 0 })
    const codes = matrix.bits === 8 ? bytes : this.unpackNibbles(bytes, [-1, perRow, BLOCK])
    const centred = graph.op('Sub', [
      graph.op('Cast', [codes], { to: FLOAT }),
      this.zeroPoints(name, matrix, ids),
    ])
    const table = graph.op('Reshape', [`${name}.scales`, graph.int64([matrix.out, perRow, 1])])
    const scaled = graph.op('Mul', [centred, graph.op('Gather', [table, ids], { axis: 0 })])
    const values = graph.op('Reshape', [scaled, graph.int64([-1, widthOf(matrix)])])
    return matrix.sums === 0 ? values : this.addOffsets(values, matrix)
  }

  /** @returns `[tokens, perRow, 1]`, or one for all */
  private zeroPoints(name: string, matrix: QuantizedMatrix, ids: string): string {
    const { graph } = this
    if (matrix.zeroPoints === null) {
      const zero = Float32Array.of(matrix.bits === 8 ? 128 : 8)
      return graph.initializer(`${name}.zero`, 'float32', [], zero)
    }
    const perRow = blocksOf(matrix)
    const bytes = graph.op('Gather', [`${name}.zeros`, ids], { axis: 0 })
    const nibbles = this.unpackNibbles(bytes, [-1, 2 * zeroBytesOf(matrix), 1])
    const range = [graph.int64([0]), graph.int64([perRow]), graph.int64([1])]
    return graph.op('Cast', [graph.op('Slice', [nibbles, ...range])], { to: FLOAT })
  }

  /** @param values `[tokens, in + 2 · sums]`, the offsets of blocks in two parts behind */
  private addOffsets(values: string, matrix: QuantizedMatrix): string {
    const { graph } = this
    const { in: inputs, sums } = matrix
    const sizes = graph.int64([inputs, sums, sums])
    const [own, coarse, fine] = graph.multi('', 'Split', [values, sizes], { axis: 1 }, 3)
    const all = graph.op('Add', [coarse!, fine!])
    const blocks = [graph.int64([0]), graph.int64([inputs / BLOCK]), graph.int64([1])]
    const offsets = graph.op('Unsqueeze', [graph.op('Slice', [all, ...blocks]), graph.int64([2])])
    const byBlock = graph.op('Reshape', [own!, graph.int64([0, -1, BLOCK])])
    return graph.op('Reshape', [graph.op('Add', [byBlock, offsets]), graph.int64([-1, inputs])])
  }

  /** Two numbers a byte, low nibble first. @returns of the given shape */
  private unpackNibbles(bytes: string, shape: number[]): string {
    const { graph } = this
    const [four, mask] = this.nibbleConstants()
    const axis = graph.int64([-1])
    const halves = [
      graph.op('BitwiseAnd', [bytes, mask]),
      graph.op('BitShift', [bytes, four], { direction: 'RIGHT' }),
    ].map((half) => graph.op('Unsqueeze', [half, axis]))
    const pairs = graph.op('Concat', halves, { axis: -1 })
    return graph.op('Reshape', [pairs, graph.int64(shape)])
  }

  private nibbleConstants(): [four: string, mask: string] {
    this.nibbles ??= [
      this.graph.initializer('nibble.bits', 'uint8', [], Uint8Array.of(4)),
      this.graph.initializer('nibble.mask', 'uint8', [], Uint8Array.of(15)),
    ]
    return this.nibbles
  }
}
