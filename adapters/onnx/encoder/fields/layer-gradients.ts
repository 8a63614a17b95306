/**
 * One layer of BERT in the training graph: forward with what the gradient needs, then backward. Tokens
 * are a list of padded windows, `[windows · tokens, hidden]`; dropout is left out.
 */
import type { GraphOps, Gelu, LayerNorm } from '../../gradient/graph-ops.ts'
import { layerName, type EncoderConfig } from '../encoder-config.ts'
import { QKV } from './field-layout.ts'

export interface LayerContext {
  ops: GraphOps
  config: EncoderConfig
  /** names in the graph of theta's tensors */
  parameters: ReadonlyMap<string, string>
  /** what layers have found, by the tensors' names */
  gradients: Map<string, string>
  /** 0 for tokens, very negative for padding, `[windows, 1, 1, tokens]` */
  padding: string
  /** windows and tokens, int64 `[2]` */
  shape: string
}

interface Normed {
  name: string
  input: string
  norm: LayerNorm
}

interface Attended {
  query: string
  key: string
  value: string
  probabilities: string
  /** `[windows · tokens, hidden]` */
  output: string
}

interface State {
  input: string
  attended: Attended
  mixed: Normed
  widened: string
  gelu: Gelu
  output: Normed
}

const parameter = ({ parameters }: LayerContext, name: string): string => {
  const found = parameters.get(name)
  if (found === undefined) throw new RangeError(`theta has no tensor ${name}`)
  return found
}

/** `x · Wᵀ + bias` with the tensors of that name. */
export const linearForward = (context: LayerContext, x: string, name: string): string =>
  context.ops.linear(x, parameter(context, `${name}.weight`), parameter(context, `${name}.bias`))

/** Notes the gradients of weight and bias. @returns that of `x` */
export const linearBackward = (
  context: LayerContext,
  x: string,
  dy: string,
  name: string
): string => {
  const { ops, gradients } = context
  gradients.set(`${name}.weight`, ops.gemm(dy, x, { transA: true }))
  gradients.set(`${name}.bias`, ops.sumRows(dy))
  return ops.gemm(dy, parameter(context, `${name}.weight`))
}

export const normForward = (context: LayerContext, input: string, name: string): Normed => {
  const [weight, bias] = ['weight', 'bias'].map((part) => parameter(context, `${name}.${part}`))
  const norm = context.ops.layerNorm(input, weight!, bias!, context.config.layerNormEps)
  return { name, input, norm }
}

/** Notes the gradients of weight and bias. @returns that of the norm's input */
export const normBackward = (
  context: LayerContext,
  { name, input, norm }: Normed,
  dy: string
): string => {
  const { ops, gradients } = context
  const weight = parameter(context, `${name}.weight`)
  const { dx, dWeight, dBias } = ops.layerNormBackward(dy, input, weight, norm)
  gradients.set(`${name}.weight`, dWeight)
  gradients.set(`${name}.bias`, dBias)
  return dx
}

export class EncoderLayer {
  private state: State | null = null

  constructor(
    private readonly context: LayerContext,
    private readonly number: number
  ) {}

  /** @param x `[windows · tokens, hidden]` @returns the same shape */
  forward(x: string): string {
    const { context } = this
    const { ops } = context
    const attended = this.attend(linearForward(context, x, this.name(QKV)))
    const dense = linearForward(context, attended.output, this.name('attention.output.dense'))
    const mixed = normForward(context, ops.add(dense, x), this.name('attention.output.LayerNorm'))
    const widened = linearForward(context, mixed.norm.y, this.name('intermediate.dense'))
    const gelu = ops.gelu(widened)
    const narrowed = linearForward(context, gelu.y, this.name('output.dense'))
    const output = normForward(
      context,
      ops.add(narrowed, mixed.norm.y),
      this.name('output.LayerNorm')
    )
    this.state = { input: x, attended, mixed, widened, gelu, output }
    return output.norm.y
  }

  /** @returns the gradient of the layer's input */
  backward(dy: string): string {
    const { context, state } = this
    if (state === null) throw new RangeError('backward without forward')
    const { ops } = context
    const { input, attended, mixed, widened, gelu, output } = state
    const dSum = normBackward(context, output, dy)
    const dGelu = linearBackward(context, gelu.y, dSum, this.name('output.dense'))
    const dWidened = ops.geluBackward(dGelu, widened, gelu)
    const dInner = linearBackward(context, mixed.norm.y, dWidened, this.name('intermediate.dense'))
    const dMixed = normBackward(context, mixed, ops.add(dInner, dSum))
    const dense = this.name('attention.output.dense')
    const dAttended = linearBackward(context, attended.output, dMixed, dense)
    const dQkv = this.attendBackward(attended, dAttended)
    return ops.add(linearBackward(context, input, dQkv, this.name(QKV)), dMixed)
  }

  private name(part: string): string {
    return layerName(this.number, part)
  }

  private get headDim(): number {
    const { hiddenSize, heads } = this.context.config
    return hiddenSize / heads
  }

  /** `x` with the axes windows, tokens and those given. */
  private inWindows(x: string, dims: number[]): string {
    const { graph } = this.context.ops
    const shape = graph.op('Concat', [this.context.shape, graph.int64(dims)], { axis: 0 })
    return graph.op('Reshape', [x, shape])
  }

  /** @param qkv `[windows · tokens, 3 · hidden]` */
  private attend(qkv: string): Attended {
    const { ops, config, padding } = this.context
    const { graph } = ops
    const whole = this.inWindows(qkv, [3, config.heads, this.headDim])
    const apart = graph.op('Transpose', [whole], { perm: [2, 0, 3, 1, 4] })
    const [query, key, value] = ops
      .splitEqually(apart, 3, 0)
      .map((part) => graph.op('Squeeze', [part, graph.int64([0])])) as [string, string, string]
    const alpha = 1 / Math.sqrt(this.headDim)
    const scores = ops.matmul(query, key, 4, { transB: true, alpha })
    const probabilities = graph.op('Softmax', [ops.add(scores, padding)], { axis: -1 })
    const mixed = ops.matmul(probabilities, value, 4)
    const tokens = graph.op('Transpose', [mixed], { perm: [0, 2, 1, 3] })
    const output = ops.reshape(tokens, [-1, config.hiddenSize])
    return { query, key, value, probabilities, output }
  }

  /** @returns the gradient of queries, keys and values, `[windows · tokens, 3 · hidden]` */
  private attendBackward({ query, key, value, probabilities }: Attended, dOutput: string): string {
    const { ops, config } = this.context
    const { graph } = ops
    const tokens = this.inWindows(dOutput, [config.heads, this.headDim])
    const dMixed = graph.op('Transpose', [tokens], { perm: [0, 2, 1, 3] })
    const dValue = ops.matmul(probabilities, dMixed, 4, { transA: true })
    const dProbabilities = ops.matmul(dMixed, value, 4, { transB: true })
    const along = ops.sumLast(ops.mul(dProbabilities, probabilities), 4)
    const dScores = ops.mul(probabilities, ops.sub(dProbabilities, along))
    const alpha = 1 / Math.sqrt(this.headDim)
    const dQuery = ops.matmul(dScores, key, 4, { alpha })
    const dKey = ops.matmul(dScores, query, 4, { transA: true, alpha })
    const parts = [dQuery, dKey, dValue].map((part) =>
      graph.op('Unsqueeze', [part, graph.int64([0])])
    )
    const together = graph.op('Transpose', [ops.concat(parts, 0)], { perm: [1, 3, 0, 2, 4] })
    return ops.reshape(together, [-1, 3 * config.hiddenSize])
  }
}
