/**
 * The ONNX graph of a sentence encoder: BERT (Devlin et al. 2019, arXiv 1810.04805) with mean or cls
 * pooling (Reimers and Gurevych 2019, arXiv 1908.10084).
 */
import { GraphWeights } from '../generate/graph-weights.ts'
import { GraphBuilder } from '../graph.ts'
import type { WeightSource } from '../../model/llama-config.ts'
import { layerName, type EncoderConfig } from './encoder-config.ts'

interface Parts {
  graph: GraphBuilder
  config: EncoderConfig
  source: WeightSource
  weights: GraphWeights
}

/** Numbers under which ONNX knows types. */
const FLOAT = 1
const INT32 = 6

const vector = ({ graph, source }: Parts, name: string): string => {
  const values = source.float32(name)
  return graph.initializer(name, 'float32', [values.length], values)
}

/** `x · Wᵀ` without the bias, `[tokens, inputs]` to `[tokens, out]`. */
const linear = (
  { weights }: Parts,
  x: string,
  name: string,
  shape: { out: number; inputs: number }
): string => weights.product(x, name, [{ name: `${name}.weight`, out: shape.out }], shape.inputs)

/** Position embeddings with that of the first token type, which all tokens have. */
const positionTable = ({ graph, config, source }: Parts): string => {
  const { positions, hiddenSize } = config
  const table = source.float32('embeddings.position_embeddings.weight')
  const types = source.float32('embeddings.token_type_embeddings.weight')
  for (let i = 0; i < table.length; i++) table[i]! += types[i % hiddenSize]!
  return graph.initializer('positions', 'float32', [positions, hiddenSize], table)
}

/** @returns `[batch · tokens, hidden]` */
const embed = (parts: Parts, ids: string): string => {
  const { graph, config, weights } = parts
  const flat = graph.op('Reshape', [ids, graph.int64([-1])])
  const words = weights.rows('embeddings.word_embeddings.weight', flat)
  const shape = graph.op('Shape', [ids])
  const whole = graph.op('Concat', [shape, graph.int64([config.hiddenSize])], { axis: 0 })
  const tokens = graph.op('Gather', [shape, graph.int64([1])], { axis: 0 })
  const positions = graph.op('Slice', [
    positionTable(parts),
    graph.int64([0]),
    tokens,
    graph.int64([0]),
  ])
  const sum = graph.op('Add', [graph.op('Reshape', [words, whole]), positions])
  const normed = graph.op(
    'LayerNormalization',
    [sum, vector(parts, 'embeddings.LayerNorm.weight'), vector(parts, 'embeddings.LayerNorm.bias')],
    { axis: -1, epsilon: { float: config.layerNormEps } }
  )
  return graph.op('Reshape', [normed, graph.int64([-1, config.hiddenSize])])
}

/** `LayerNorm(x + residual + bias)`, all `[batch · tokens, hidden]`. */
const addAndNorm = (
  parts: Parts,
  x: string,
  residual: string,
  { bias, norm }: { bias: string; norm: string }
): string =>
  parts.graph.contrib(
    'SkipLayerNormalization',
    [
      x,
      residual,
      vector(parts, `${norm}.weight`),
      vector(parts, `${norm}.bias`),
      vector(parts, `${bias}.bias`),
    ],
    { epsilon: { float: parts.config.layerNormEps } }
  )

/** @param shape `[batch, tokens, hidden]`; @param mask int32 `[batch, tokens]`, 0 for padding */
const attention = (parts: Parts, layer: number, x: string, shape: string, mask: string) => {
  const { graph, config, source, weights } = parts
  const { hiddenSize: hidden, heads } = config
  const names = ['query', 'key', 'value'].map((part) => layerName(layer, `attention.self.${part}`))
  const matrices = names.map((name) => ({ name: `${name}.weight`, out: hidden }))
  const product = weights.product(x, layerName(layer, 'qkv'), matrices, hidden)
  const split = graph.multi('', 'Split', [product], { axis: 1, num_outputs: 3 }, 3)
  const [query, key, value] = split.map((part) => graph.op('Reshape', [part, shape]))
  const biases = new Float32Array(3 * hidden)
  for (const [at, name] of names.entries()) biases.set(source.float32(`${name}.bias`), at * hidden)
  const bias = graph.initializer(layerName(layer, 'qkv.bias'), 'float32', [3 * hidden], biases)
  const attended = graph.contrib('MultiHeadAttention', [query!, key!, value!, bias, mask], {
    num_heads: heads,
  })
  return graph.op('Reshape', [attended, graph.int64([-1, hidden])])
}

const transformerLayer = (
  parts: Parts,
  layer: number,
  x: string,
  shape: string,
  mask: string
): string => {
  const { hiddenSize: hidden, intermediateSize: inner } = parts.config
  const attended = attention(parts, layer, x, shape, mask)
  const dense = layerName(layer, 'attention.output.dense')
  const mixed = addAndNorm(
    parts,
    linear(parts, attended, dense, { out: hidden, inputs: hidden }),
    x,
    { bias: dense, norm: layerName(layer, 'attention.output.LayerNorm') }
  )
  const up = layerName(layer, 'intermediate.dense')
  const widened = linear(parts, mixed, up, { out: inner, inputs: hidden })
  const activated = parts.graph.contrib('BiasGelu', [widened, vector(parts, `${up}.bias`)])
  const down = layerName(layer, 'output.dense')
  return addAndNorm(parts, linear(parts, activated, down, { out: hidden, inputs: inner }), mixed, {
    bias: down,
    norm: layerName(layer, 'output.LayerNorm'),
  })
}

/**
 * All layers, `[batch · tokens, hidden]` to the same shape.
 * @param shape `[batch, tokens, hidden]`; @param mask int32 `[batch, tokens]`, 0 for padding
 */
export const transformerLayers = (
  parts: Parts,
  x: string,
  { shape, mask }: { shape: string; mask: string }
): string => {
  let last = x
  for (let layer = 0; layer < parts.config.layers; layer++)
    last = transformerLayer(parts, layer, last, shape, mask)
  return last
}

/** `[batch, tokens, hidden]` to `[batch, hidden]`. */
const pool = ({ graph, config }: Parts, x: string, mask: string): string => {
  if (config.pooling === 'cls') return graph.op('Gather', [x, graph.int64([0], [])], { axis: 1 })
  const weights = graph.op('Unsqueeze', [graph.op('Cast', [mask], { to: FLOAT }), graph.int64([2])])
  const sum = graph.op('ReduceSum', [graph.op('Mul', [x, weights]), graph.int64([1])], {
    keepdims: 0,
  })
  const count = graph.op('ReduceSum', [weights, graph.int64([1])], { keepdims: 0 })
  return graph.op('Div', [sum, count])
}

/**
 * Inputs `ids` and `mask` (1, or 0 for padding), int64 `[batch, tokens]`; output `embeddings`, float32
 * `[batch, hidden]`.
 */
export const buildEncoderGraph = (config: EncoderConfig, source: WeightSource) => {
  const graph = new GraphBuilder('encoder')
  const weights = new GraphWeights(graph, config, source)
  const parts: Parts = { graph, config, source, weights }
  const ids = graph.input('ids', 'int64', ['batch', 'tokens'])
  const mask = graph.op('Cast', [graph.input('mask', 'int64', ['batch', 'tokens'])], { to: INT32 })
  const shape = graph.op('Concat', [graph.op('Shape', [ids]), graph.int64([config.hiddenSize])], {
    axis: 0,
  })
  const last = transformerLayers(parts, embed(parts, ids), { shape, mask })
  const pooled = pool(parts, graph.op('Reshape', [last, shape]), mask)
  const result = config.normalize
    ? graph.op('LpNormalization', [pooled], { axis: -1, p: 2 })
    : pooled
  graph.output('embeddings', result, 'float32', ['batch', config.hiddenSize])
  return { model: graph.build(), externalData: weights.externalData }
}
