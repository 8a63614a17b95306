/**
 * The operators that the training graph is made of, in two variants: float32 with onnxruntime's
 * fused operators for speed, float64 in plain ONNX to check gradients against finite differences.
 */
import type { AttributeValue, GraphBuilder } from '../graph.ts'

export type FloatType = 'float32' | 'float64'

interface MatMulOptions {
  transA?: boolean
  transB?: boolean
  /** scales the product */
  alpha?: number
}

export interface Norm {
  /** normalized and scaled, `[tokens, hidden]` */
  y: string
  /** 1 / rms, `[tokens, 1]` */
  inverse: string
}

/** A layer norm's result and what its gradient needs. */
export interface LayerNorm {
  /** `[tokens, hidden]` */
  y: string
  /** `[tokens, 1]` */
  mean: string
  /** 1 / standard deviation, `[tokens, 1]` */
  inverse: string
}

export interface Gelu {
  y: string
  /** Φ(x), the share of a normal distribution below x */
  cdf: string
}

export interface RotaryTables {
  cos: string
  sin: string
  /** −sin: the inverse rotation, which is also the transposed one */
  negativeSin: string
}

const ERF_TERMS = 60

const fusedAttributes = ({ transA, transB, alpha }: MatMulOptions) => {
  const attributes: Record<string, AttributeValue> = {}
  if (transA) attributes.transA = 1
  if (transB) attributes.transB = 1
  if (alpha !== undefined) attributes.alpha = { float: alpha }
  return attributes
}

export class GraphOps {
  private constants = 0

  constructor(
    readonly graph: GraphBuilder,
    readonly type: FloatType
  ) {}

  floats(values: ArrayLike<number>): Float32Array | Float64Array {
    return this.type === 'float64' ? Float64Array.from(values) : Float32Array.from(values)
  }

  constant(values: ArrayLike<number>, dims: number[]): string {
    return this.graph.initializer(
      `constant_${this.constants++}`,
      this.type,
      dims,
      this.floats(values)
    )
  }

  indices(values: number[], dims: number[]): string {
    const data = BigInt64Array.from(values, BigInt)
    return this.graph.initializer(`indices_${this.constants++}`, 'int64', dims, data)
  }

  add = (a: string, b: string): string => this.graph.op('Add', [a, b])
  sub = (a: string, b: string): string => this.graph.op('Sub', [a, b])
  mul = (a: string, b: string): string => this.graph.op('Mul', [a, b])

  reshape(x: string, dims: number[]): string {
    return this.graph.op('Reshape', [x, this.graph.int64(dims)])
  }

  concat = (values: string[], axis: number): string =>
    values.length === 1 ? values[0]! : this.graph.op('Concat', values, { axis })

  splitEqually(x: string, parts: number, axis: number): string[] {
    if (parts === 1) return [x]
    return this.graph.multi('', 'Split', [x], { axis, num_outputs: parts }, parts)
  }

  /** Rows of `x`: `[rows, …]` and indices `[…shape]` give `[…shape, …]`. */
  gather = (x: string, rows: string): string => this.graph.op('Gather', [x, rows], { axis: 0 })

  /** Sum over the last axis of a tensor of `rank` axes, which stays as 1. */
  sumLast(x: string, rank: number): string {
    return this.graph.op('ReduceSum', [x, this.graph.int64([rank - 1])], { keepdims: 1 })
  }

  maxLast(x: string, rank: number): string {
    return this.graph.op('ReduceMax', [x, this.graph.int64([rank - 1])], { keepdims: 1 })
  }

  /** `alpha · a·b` of matrices. */
  gemm = (a: string, b: string, options: MatMulOptions = {}): string =>
    this.graph.op('Gemm', [a, b], fusedAttributes(options))

  /** `x · Wᵀ + bias`, `[rows, inputs]` to `[rows, out]`. */
  linear = (x: string, weight: string, bias: string): string =>
    this.graph.op('Gemm', [x, weight, bias], { transB: 1 })

  /** `alpha · a·b` over the last two axes of tensors of `rank` axes. */
  matmul(a: string, b: string, rank: number, options: MatMulOptions = {}): string {
    if (this.type === 'float32')
      return this.graph.contrib('FusedMatMul', [a, b], fusedAttributes(options))
    const perm = Array.from({ length: rank }, (_, axis) => axis)
    perm.push(...perm.splice(rank - 2, 2).reverse())
    const transposed = (x: string) => this.graph.op('Transpose', [x], { perm })
    const product = this.graph.op('MatMul', [
      options.transA ? transposed(a) : a,
      options.transB ? transposed(b) : b,
    ])
    return options.alpha === undefined
      ? product
      : this.mul(product, this.constant([options.alpha], []))
  }

  /** RMSNorm of `[tokens, hidden]` (Zhang and Sennrich 2019). */
  rmsNorm(x: string, weight: string, epsilon: number): Norm {
    if (this.type === 'float32') {
      const attributes = { axis: -1, epsilon: { float: epsilon } }
      const names = this.graph.multi('', 'SimplifiedLayerNormalization', [x, weight], attributes, 2)
      return { y: names[0]!, inverse: names[1]! }
    }
    const square = this.graph.op('ReduceMean', [this.mul(x, x), this.graph.int64([1])], {
      keepdims: 1,
    })
    const shifted = this.add(square, this.constant([epsilon], []))
    const inverse = this.graph.op('Reciprocal', [this.graph.op('Sqrt', [shifted])])
    return { y: this.mul(this.mul(x, inverse), weight), inverse }
  }

  /** With n = x · inverse and g = dy · weight: dx = (g − n · mean(g · n)) · inverse. */
  rmsNormBackward(dy: string, x: string, weight: string, inverse: string): string {
    const normalized = this.mul(x, inverse)
    const scaled = this.mul(dy, weight)
    const mean = this.graph.op(
      'ReduceMean',
      [this.mul(scaled, normalized), this.graph.int64([1])],
      { keepdims: 1 }
    )
    return this.mul(this.sub(scaled, this.mul(normalized, mean)), inverse)
  }

  /** Layer norm of `[tokens, hidden]` (Ba, Kiros and Hinton 2016). */
  layerNorm(x: string, weight: string, bias: string, epsilon: number): LayerNorm {
    if (this.type === 'float32') {
      const attributes = { axis: -1, epsilon: { float: epsilon } }
      const inputs = [x, weight, bias]
      const names = this.graph.multi('', 'LayerNormalization', inputs, attributes, 3)
      return { y: names[0]!, mean: names[1]!, inverse: names[2]! }
    }
    const mean = this.meanLast(x)
    const centred = this.sub(x, mean)
    const variance = this.add(
      this.meanLast(this.mul(centred, centred)),
      this.constant([epsilon], [])
    )
    const inverse = this.graph.op('Reciprocal', [this.graph.op('Sqrt', [variance])])
    const y = this.add(this.mul(this.mul(centred, inverse), weight), bias)
    return { y, mean, inverse }
  }

  /** With n = (x − mean) · inverse and g = dy · weight: dx = (g − mean(g) − n · mean(g · n)) · inverse. */
  layerNormBackward(
    dy: string,
    x: string,
    weight: string,
    { mean, inverse }: LayerNorm
  ): { dx: string; dWeight: string; dBias: string } {
    const normalized = this.mul(this.sub(x, mean), inverse)
    const scaled = this.mul(dy, weight)
    const along = this.mul(normalized, this.meanLast(this.mul(scaled, normalized)))
    const rest = this.sub(this.sub(scaled, this.meanLast(scaled)), along)
    return {
      dx: this.mul(rest, inverse),
      dWeight: this.sumRows(this.mul(dy, normalized)),
      dBias: this.sumRows(dy),
    }
  }

  /** x · Φ(x) (Hendrycks and Gimpel 2016), with the error function, as BERT has it. */
  gelu(x: string): Gelu {
    const erf = this.erf(this.mul(x, this.constant([Math.SQRT1_2], [])))
    const half = this.constant([0.5], [])
    const cdf = this.add(this.mul(erf, half), half)
    return { y: this.mul(x, cdf), cdf }
  }

  /** d gelu / dx = Φ(x) + x · φ(x) with φ(x) = e^(−x²/2) / √(2π). */
  geluBackward(dy: string, x: string, { cdf }: Gelu): string {
    const exponent = this.mul(this.mul(x, x), this.constant([-0.5], []))
    const density = this.mul(
      this.graph.op('Exp', [exponent]),
      this.constant([1 / Math.sqrt(2 * Math.PI)], [])
    )
    return this.mul(dy, this.add(cdf, this.mul(x, density)))
  }

  /** Sum over the rows of a matrix, `[rows, columns]` to `[columns]`. */
  sumRows(x: string): string {
    return this.graph.op('ReduceSum', [x, this.graph.int64([0])], { keepdims: 0 })
  }

  /**
   * onnxruntime has `Erf` in float32 only. In float64 the series of Abramowitz and Stegun 7.1.6, whose
   * terms are all positive: 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!, to 1e-15 for |x| below 3.
   */
  private erf(x: string): string {
    if (this.type === 'float32') return this.graph.op('Erf', [x])
    const square = this.mul(x, x)
    let term = x
    let sum = x
    for (let n = 1; n <= ERF_TERMS; n++) {
      term = this.mul(this.mul(term, square), this.constant([2 / (2 * n + 1)], []))
      sum = this.add(sum, term)
    }
    const bell = this.graph.op('Exp', [this.graph.op('Neg', [square])])
    return this.mul(this.mul(sum, bell), this.constant([2 / Math.sqrt(Math.PI)], []))
  }

  private meanLast(x: string): string {
    return this.graph.op('ReduceMean', [x, this.graph.int64([-1])], { keepdims: 1 })
  }

  /** cos and sin of every position's angles, `[positions, headDim / 2]` (Su et al. 2021). */
  rotaryTables(positions: number, headDim: number, theta: number): RotaryTables {
    const half = headDim / 2
    const angles = Float64Array.from({ length: positions * half }, (_, i) => {
      const frequency = theta ** ((-2 * (i % half)) / headDim)
      return Math.floor(i / half) * frequency
    })
    const dims = [positions, half]
    return {
      cos: this.constant(angles.map(Math.cos), dims),
      sin: this.constant(angles.map(Math.sin), dims),
      negativeSin: this.constant(
        angles.map((angle) => -Math.sin(angle)),
        dims
      ),
    }
  }

  /** Rotates every head of `[tokens, heads · headDim]`; `positions` is `[tokens, 1]`. */
  rotate(
    x: string,
    heads: number,
    headDim: number,
    positions: string,
    cos: string,
    sin: string
  ): string {
    const width = heads * headDim
    if (this.type === 'float32') {
      // every token is a batch entry of its own: the list may be longer than the tables
      const batched = this.reshape(x, [-1, 1, width])
      const inputs = [batched, positions, cos, sin]
      const rotated = this.graph.contrib('RotaryEmbedding', inputs, { interleaved: 0 })
      return this.reshape(rotated, [-1, width])
    }
    const half = headDim / 2
    const rows = this.graph.int64([-1, 1, half])
    const angle = (table: string) => this.graph.op('Reshape', [this.gather(table, positions), rows])
    const [c, s] = [angle(cos), angle(sin)]
    const split = this.graph.int64([half, half])
    const split3 = [this.reshape(x, [-1, heads, headDim]), split]
    const [a, b] = this.graph.multi('', 'Split', split3, { axis: 2 }, 2) as [string, string]
    const first = this.sub(this.mul(a, c), this.mul(b, s))
    const second = this.add(this.mul(b, c), this.mul(a, s))
    return this.reshape(this.concat([first, second], 2), [-1, width])
  }
}
