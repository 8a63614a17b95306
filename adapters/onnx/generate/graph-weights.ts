/**
 * The model's constants in a graph under construction: 4-bit, 8-bit and float32 matrices, norms and
 * rotation tables, and the products with them.
 */
import { concatenate, BLOCK, stack } from '../../model/quantize.ts'
import type { ElementType, GraphBuilder, TensorData } from '../graph.ts'
import type { LlamaConfig, WeightSource } from '../../model/llama-config.ts'

/** ONNX's number of the type float32 */
const FLOAT = 1

interface Shape {
  out: number
  in: number
}

/** A matrix in the graph. */
interface Matrix extends Shape {
  name: string
  /** null for float32 */
  bits: 4 | 8 | null
}

/** Shape of the token embeddings. */
type TableShape = Pick<LlamaConfig, 'vocabSize' | 'hiddenSize'>

export class GraphWeights {
  /** the large constants, to be passed beside the model */
  readonly externalData: { path: string; data: Uint8Array }[] = []
  /** matrices in the graph, by name */
  private readonly matrices = new Map<string, Matrix>()

  constructor(
    private readonly graph: GraphBuilder,
    private readonly config: TableShape,
    private readonly weights: WeightSource
  ) {}

  norm(name: string): string {
    const values = this.weights.float32(name)
    return this.graph.initializer(name, 'float32', [this.config.hiddenSize], values)
  }

  /**
   * Rotation of queries and keys (RoFormer, arXiv 2104.09864), which also divides both by the fourth
   * root of `headDim`, so that their products are scores without a further factor.
   * @returns names of cosines and sines, `[positions, headDim / 2]`
   */
  rotation(
    positions: number,
    { headDim, ropeTheta }: Pick<LlamaConfig, 'headDim' | 'ropeTheta'>
  ): [cosines: string, sines: string] {
    const half = headDim / 2
    const factor = headDim ** -0.25
    const cosines = new Float32Array(positions * half)
    const sines = new Float32Array(positions * half)
    for (let position = 0; position < positions; position++)
      for (let i = 0; i < half; i++) {
        const angle = position / ropeTheta ** ((2 * i) / headDim)
        cosines[position * half + i] = factor * Math.cos(angle)
        sines[position * half + i] = factor * Math.sin(angle)
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
    const { graph } = this
    const { vocabSize, hiddenSize } = this.config
    if (this.table(name).bits === null) return graph.op('Gather', [name, ids], { axis: 0 })
    const codes = graph.op('Gather', [`${name}.codes`, ids], { axis: 0 })
    const zero = graph.initializer(`${name}.zero`, 'float32', [], Float32Array.of(128))
    const centred = graph.op('Sub', [graph.op('Cast', [codes], { to: FLOAT }), zero])
    const shape = graph.int64([vocabSize, hiddenSize / BLOCK, 1])
    const scales = graph.op('Reshape', [`${name}.scales`, shape])
    const scaled = graph.op('Mul', [centred, graph.op('Gather', [scales, ids], { axis: 0 })])
    return graph.op('Reshape', [scaled, graph.int64([-1, hiddenSize])])
  }

  /** `x · tableᵀ`, `[tokens, hidden]` to `[tokens, vocab]` */
  tableProduct(x: string, name: string): string {
    return this.multiply(x, this.table(name))
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
    const out = parts.reduce((sum, part) => sum + part.out, 0)
    const names = parts.map((part) => part.name)
    return this.multiply(x, this.matrix(name, names, { out, in: inputs }))
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

  private table(name: string): Matrix {
    return this.matrix(name, [name], { out: this.config.vocabSize, in: this.config.hiddenSize })
  }

  /** Declares the parts' constants as one matrix, once: embedding and head may be the same. */
  private matrix(name: string, parts: string[], shape: Shape): Matrix {
    const known = this.matrices.get(name)
    if (known) return known
    const { weights } = this
    const matrix: Matrix = { name, ...shape, bits: null }
    if (weights.quantized) {
      const quantized = stack(parts.map((part) => weights.quantized!(part)!))
      matrix.bits = quantized.bits
      const perRow = shape.in / BLOCK
      const bytes = (BLOCK * quantized.bits) / 8
      this.constant(`${name}.codes`, 'uint8', [shape.out, perRow, bytes], quantized.codes)
      this.constant(`${name}.scales`, 'float32', [shape.out * perRow], quantized.scales)
    } else {
      const stacked = concatenate(parts.map((part) => weights.float32(part)))
      this.constant(name, 'float32', [shape.out, shape.in], stacked)
    }
    this.matrices.set(name, matrix)
    return matrix
  }

  private multiply(x: string, matrix: Matrix): string {
    const { name, bits } = matrix
    if (bits === null) return this.graph.op('Gemm', [x, name], { transB: 1 })
    return this.graph.contrib('MatMulNBits', [x, `${name}.codes`, `${name}.scales`], {
      N: matrix.out,
      K: matrix.in,
      bits,
      block_size: BLOCK,
      // activations in 8 bits; lower levels multiply in float32, 80 times slower
      accuracy_level: 4,
    })
  }
}
