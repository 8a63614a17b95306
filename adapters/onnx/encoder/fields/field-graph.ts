/**
 * The two graphs of a field model: one trains its theta, with the backward pass written out, the other
 * serves it with onnxruntime's fused operators. `field-batch.ts` makes their inputs.
 *
 * Both read embedded tokens, because the embeddings of words, positions and types are frozen: so all
 * models of an encoder share one table, and a graph holds none.
 */
import type { FormSizes } from '../../../../src/core/form/targets.ts'
import { GraphBuilder } from '../../graph.ts'
import { GraphWeights } from '../../generate/graph-weights.ts'
import type { WeightSource } from '../../../model/llama-config.ts'
import { GraphOps, type FloatType } from '../../gradient/graph-ops.ts'
import type { EncoderConfig } from '../encoder-config.ts'
import { transformerLayers } from '../encoder-graph.ts'
import {
  CHOICE_HEAD,
  choiceClasses,
  tagClasses,
  TAG_HEAD,
  type FieldLayout,
} from './field-layout.ts'
import {
  EncoderLayer,
  linearBackward,
  linearForward,
  normBackward,
  normForward,
  type LayerContext,
} from './layer-gradients.ts'

/** Numbers under which ONNX knows types. */
const TYPE_NUMBER: Record<FloatType, number> = { float32: 1, float64: 11 }
const INT32 = 6

const EMBEDDING_NORM = 'embeddings.LayerNorm'
/** Added to the scores of padding, which then have the probability 0. */
const NEVER = -1e9

interface Inputs {
  /** sums of the embeddings of word, position and type, `[windows, tokens, hidden]` */
  embedded: string
  /** 1, or 0 for padding, int64 `[windows, tokens]` */
  mask: string
  /** place of each word's first token in the list of all windows' tokens, int64 `[words]` */
  wordTokens: string
  /** share of each token in a row's embedding, `[rows, windows · tokens]` */
  pool: string
}

const inputsOf = (graph: GraphBuilder, { hiddenSize }: EncoderConfig, type: FloatType): Inputs => ({
  embedded: graph.input('embedded', type, ['windows', 'tokens', hiddenSize]),
  mask: graph.input('mask', 'int64', ['windows', 'tokens']),
  wordTokens: graph.input('word_tokens', 'int64', ['words']),
  pool: graph.input('pool', type, ['rows', 'list']),
})

/** Log probabilities of each choice's classes side by side, `[rows, Σ classes]`. */
const logProbabilities = (graph: GraphBuilder, logits: string, classes: number[]): string => {
  const parts =
    classes.length === 1
      ? [logits]
      : graph.multi('', 'Split', [logits, graph.int64(classes)], { axis: 1 }, classes.length)
  const logs = parts.map((part) => graph.op('LogSoftmax', [part], { axis: -1 }))
  return logs.length === 1 ? logs[0]! : graph.op('Concat', logs, { axis: 1 })
}

const outputScores = (
  graph: GraphBuilder,
  type: FloatType,
  sizes: FormSizes,
  { tags, choices }: { tags: string; choices: string | null }
): void => {
  graph.output('tags', tags, type, ['words', tagClasses(sizes)])
  if (choices !== null) graph.output('choices', choices, type, ['rows', choiceClasses(sizes)])
}

export interface FieldTrainingOptions {
  config: EncoderConfig
  layout: FieldLayout
  /** without them the graph computes the loss alone */
  gradients: boolean
  /** float64 is the plain variant for gradient checks */
  type: FloatType
}

/**
 * Theta's tensors are inputs of their own, and so are their gradients: one vector would be copied into
 * pieces and back in every step, which takes a tenth of its time.
 */
const thetaInputs = ({ graph, type }: GraphOps, { entries }: FieldLayout): Map<string, string> =>
  new Map(entries.map(({ name, dims }) => [name, graph.input(name, type, dims)]))

/** Name of the output with the gradient of a tensor. */
export const gradientOf = (name: string): string => `gradient.${name}`

interface Head {
  name: string
  /** `[items, hidden]` */
  states: string
  /** log probabilities, `[items, classes]` */
  logs: string
  /** input names */
  targets: string
  weights: string
}

/** Weighted cross-entropy with targets that sum to 1 in each softmax. */
const crossEntropy = ({ graph, mul, sub }: GraphOps, { logs, targets, weights }: Head) => {
  const weighted = mul(mul(logs, targets), weights)
  const loss = graph.op('Neg', [graph.op('ReduceSum', [weighted], { keepdims: 0 })])
  // d loss / d logits = p − target, times the weight
  const gradient = (): string => mul(sub(graph.op('Exp', [logs]), targets), weights)
  return { loss, gradient }
}

const headOf = (
  context: LayerContext,
  input: 'tag' | 'choice',
  states: string,
  classes: number[]
): Head => {
  const { graph, type } = context.ops
  const name = input === 'tag' ? TAG_HEAD : CHOICE_HEAD
  const items = input === 'tag' ? 'words' : 'rows'
  const width = classes.reduce((sum, count) => sum + count, 0)
  return {
    name,
    states,
    logs: logProbabilities(graph, linearForward(context, states, name), classes),
    targets: graph.input(`${input}_targets`, type, [items, width]),
    weights: graph.input(`${input}_weights`, type, [items, 1]),
  }
}

/** Gradient of the last hidden states: each word's at its first token, each row's at all of its tokens. */
const headsBackward = (
  context: LayerContext,
  { pool }: Inputs,
  tags: { head: Head; gradient: string },
  choices: { head: Head; gradient: string } | null
): string => {
  const { ops, config } = context
  const { graph } = ops
  const dWords = linearBackward(context, tags.head.states, tags.gradient, TAG_HEAD)
  // tokens that begin no word point at a row of zeros behind the words
  const zero = ops.constant(new Float32Array(config.hiddenSize), [1, config.hiddenSize])
  const wordOfToken = graph.input('word_of_token', 'int64', ['list'])
  const dStates = ops.gather(ops.concat([dWords, zero], 0), wordOfToken)
  if (choices === null) return dStates
  const dPooled = linearBackward(context, choices.head.states, choices.gradient, CHOICE_HEAD)
  return ops.add(dStates, ops.gemm(pool, dPooled, { transA: true }))
}

/**
 * From embedded tokens and theta's tensors to the loss, their gradients, and the scores of all words and
 * choices. The loss is the weighted sum of the cross-entropies of all tags and of all choices.
 */
export const buildFieldTrainingGraph = (options: FieldTrainingOptions): Uint8Array => {
  const { config, layout, gradients: wantsGradients, type } = options
  const { sizes } = layout
  const ops = new GraphOps(new GraphBuilder('field_training'), type)
  const { graph } = ops
  const inputs = inputsOf(graph, config, type)
  const real = graph.op('Cast', [inputs.mask], { to: TYPE_NUMBER[type] })
  const absent = ops.mul(ops.sub(ops.constant([1], []), real), ops.constant([NEVER], []))
  const context: LayerContext = {
    ops,
    config,
    parameters: thetaInputs(ops, layout),
    gradients: new Map(),
    padding: graph.op('Unsqueeze', [absent, graph.int64([1, 2])]),
    shape: graph.op('Shape', [inputs.mask]),
  }
  const list = ops.reshape(inputs.embedded, [-1, config.hiddenSize])
  const embedded = normForward(context, list, EMBEDDING_NORM)
  const layers = Array.from({ length: config.layers }, (_, at) => new EncoderLayer(context, at))
  const last = layers.reduce((x, layer) => layer.forward(x), embedded.norm.y)
  const words = ops.gather(last, inputs.wordTokens)
  const tags = headOf(context, 'tag', words, [tagClasses(sizes)])
  const choices =
    sizes.choices.length === 0
      ? null
      : headOf(context, 'choice', ops.gemm(inputs.pool, last), sizes.choices)
  outputScores(graph, type, sizes, { tags: tags.logs, choices: choices && choices.logs })
  const tagLoss = crossEntropy(ops, tags)
  const choiceLoss = choices && crossEntropy(ops, choices)
  const loss = choiceLoss === null ? tagLoss.loss : ops.add(tagLoss.loss, choiceLoss.loss)
  graph.output('loss', loss, type, [])
  if (!wantsGradients) return graph.build()
  const dLast = headsBackward(
    context,
    inputs,
    { head: tags, gradient: tagLoss.gradient() },
    choices && choiceLoss && { head: choices, gradient: choiceLoss.gradient() }
  )
  const dEmbedded = layers.reduceRight((dy, layer) => layer.backward(dy), dLast)
  normBackward(context, embedded, dEmbedded)
  outputGradients(ops, layout, context.gradients)
  return graph.build()
}

const outputGradients = (
  { graph, type }: GraphOps,
  { entries }: FieldLayout,
  gradients: ReadonlyMap<string, string>
): void => {
  for (const { name, dims } of entries) {
    const gradient = gradients.get(name)
    if (gradient === undefined) throw new RangeError(`${name} has no gradient`)
    graph.output(gradientOf(name), gradient, type, dims)
  }
}

/**
 * The serving graph: outputs `tags` and, where there are choices, `choices`, as in training, and `embedding`, the mean
 * of a row's last states, `[rows, hidden]`.
 */
export const buildFieldGraph = (
  config: EncoderConfig,
  sizes: FormSizes,
  source: WeightSource
): { model: Uint8Array; externalData: { path: string; data: Uint8Array }[] } => {
  const graph = new GraphBuilder('field_model')
  const weights = new GraphWeights(graph, config, source)
  const { embedded, mask, wordTokens, pool } = inputsOf(graph, config, 'float32')
  const vector = (name: string): string => {
    const values = source.float32(name)
    return graph.initializer(name, 'float32', [values.length], values)
  }
  const normed = graph.op(
    'LayerNormalization',
    [embedded, vector(`${EMBEDDING_NORM}.weight`), vector(`${EMBEDDING_NORM}.bias`)],
    { axis: -1, epsilon: { float: config.layerNormEps } }
  )
  const last = transformerLayers(
    { graph, config, source, weights },
    graph.op('Reshape', [normed, graph.int64([-1, config.hiddenSize])]),
    { shape: graph.op('Shape', [embedded]), mask: graph.op('Cast', [mask], { to: INT32 }) }
  )
  const head = (states: string, name: string, classes: number[]): string => {
    const width = classes.reduce((sum, count) => sum + count, 0)
    const values = source.float32(`${name}.weight`)
    const dims = [width, config.hiddenSize]
    const matrix = graph.initializer(`${name}.weight`, 'float32', dims, values)
    const logits = graph.op('Gemm', [states, matrix, vector(`${name}.bias`)], { transB: 1 })
    return logProbabilities(graph, logits, classes)
  }
  const words = graph.op('Gather', [last, wordTokens], { axis: 0 })
  const embedding = graph.op('Gemm', [pool, last])
  const choices = sizes.choices.length === 0 ? null : head(embedding, CHOICE_HEAD, sizes.choices)
  const tags = head(words, TAG_HEAD, [tagClasses(sizes)])
  outputScores(graph, 'float32', sizes, { tags, choices })
  graph.output('embedding', embedding, 'float32', ['rows', config.hiddenSize])
  return { model: graph.build(), externalData: weights.externalData }
}
