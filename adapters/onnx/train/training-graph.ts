/**
 * The training step as an ordinary inference graph: from tokens and the flat lora vector to loss and
 * gradient, with the backward pass written out. Without gradients the graph computes the loss of rows.
 * `batch.ts` makes its inputs.
 */
import { GraphBuilder, type ExternalData, type TensorData } from '../graph.ts'
import { type LlamaConfig, modelTensors } from '../../model/llama-config.ts'
import { Attention, causalMask, type AttentionPlan, type Tile } from './attention.ts'
import { DecoderLayer, type DecoderContext, type LoraGradients } from './decoder.ts'
import { GraphOps, type FloatType } from '../gradient/graph-ops.ts'
import type { LoraLayout } from '../../lora/lora-layout.ts'
import { headRows, prefixSpans, range, type Span } from './token-blocks.ts'

export interface TrainingGraphOptions {
  config: LlamaConfig
  /** null: the base model alone, only without gradients */
  layout: LoraLayout | null
  /** where a frozen tensor's values come from */
  frozen: (name: string) => ExternalData | TensorData
  /**
   * tokens that all rows of a batch share, 0 for separate rows; 'dynamic' takes any number but 0
   * from each batch, only without gradients
   */
  prefixTokens: number | 'dynamic'
  /** into how many blocks the rows' own tokens are cut (`token-blocks.ts`) */
  rowBlocks: number
  /** length of the longest row, for the rotary tables */
  maxPositions: number
  gradients: boolean
  /** number of most probable tokens in the output, with their probabilities, at every label */
  topTokens?: number
  /** float64 is the plain variant for gradient checks */
  type: FloatType
}

const contextRows = (ops: GraphOps, { kvHeads }: LlamaConfig, tokens: number): string | null =>
  tokens === 0 ? null : ops.indices(headRows(kvHeads, 1, [range(0, tokens)]), [kvHeads, tokens])

const prefixTile = (ops: GraphOps, config: LlamaConfig, { from, to }: Span): Tile => {
  const { kvHeads, heads } = config
  const group = heads / kvHeads
  const tokens = to - from
  return {
    queryRows: ops.indices(headRows(kvHeads, group, [range(from, to)]), [
      kvHeads,
      1,
      group * tokens,
    ]),
    keyRows: ops.indices(headRows(kvHeads, 1, [range(from, to)]), [kvHeads, 1, tokens]),
    causalMask: ops.constant(causalMask(group, tokens, tokens), [group * tokens, tokens]),
    keyPads: null,
    queryMask: null,
    contextRows: contextRows(ops, config, from),
    contextTokens: from,
  }
}

/** The whole prefix as one block, of a length that differs between batches. */
const dynamicPrefix = ({ graph, type }: GraphOps, { kvHeads }: LlamaConfig): Tile => ({
  queryRows: graph.input('prefix_query_rows', 'int64', [kvHeads, 1, 'prefix_group_tokens']),
  keyRows: graph.input('prefix_key_rows', 'int64', [kvHeads, 1, 'prefix']),
  causalMask: graph.input('prefix_mask', type, ['prefix_group_tokens', 'prefix']),
  keyPads: null,
  queryMask: null,
  contextRows: null,
  contextTokens: 0,
})

/** Names of a block's inputs. */
export const rowInput = (
  name: 'query_rows' | 'key_rows' | 'causal_mask' | 'query_mask' | 'key_pads',
  block: number
): string => `${name}.${block}`

/** A block of the rows' own tokens, of lengths that differ between batches. */
const rowTile = (
  { graph, type }: GraphOps,
  { kvHeads }: LlamaConfig,
  { block, isLast }: { block: number; isLast: boolean }
): Omit<Tile, 'contextRows' | 'contextTokens'> => {
  const [queries, keys] = [`group_tokens.${block}`, `keys.${block}`]
  const rows = 'continuations'
  return {
    queryRows: graph.input(rowInput('query_rows', block), 'int64', [kvHeads, rows, queries]),
    keyRows: graph.input(rowInput('key_rows', block), 'int64', [kvHeads, rows, keys]),
    causalMask: graph.input(rowInput('causal_mask', block), type, [queries, keys]),
    queryMask: graph.input(rowInput('query_mask', block), type, [1, rows, queries, 1]),
    keyPads: isLast ? null : graph.input(rowInput('key_pads', block), 'int64', [8]),
  }
}

const attentionPlan = (
  ops: GraphOps,
  config: LlamaConfig,
  { prefixTokens, rowBlocks }: Pick<TrainingGraphOptions, 'prefixTokens' | 'rowBlocks'>
): AttentionPlan => {
  const { graph } = ops
  const { heads, kvHeads } = config
  const dynamic = prefixTokens === 'dynamic'
  const contextTokens = dynamic ? 0 : prefixTokens
  const context = {
    contextRows: dynamic
      ? graph.input('context_rows', 'int64', [kvHeads, 'prefix'])
      : contextRows(ops, config, prefixTokens),
    contextTokens,
  }
  return {
    prefixTokens: contextTokens,
    prefix: dynamic
      ? [dynamicPrefix(ops, config)]
      : prefixSpans(prefixTokens).map((span) => prefixTile(ops, config, span)),
    continuations: Array.from({ length: rowBlocks }, (_, block) => ({
      ...rowTile(ops, config, { block, isLast: block === rowBlocks - 1 }),
      ...context,
    })),
    outputRows: graph.input('output_rows', 'int64', ['list', heads]),
    keyGradientRows: graph.input('key_gradient_rows', 'int64', ['list', kvHeads]),
  }
}

/** The flat vector's pieces as matrices, by module name. */
const splitLoras = (ops: GraphOps, layout: LoraLayout): DecoderContext['loras'] => {
  const theta = ops.graph.input('theta', ops.type, [layout.length])
  const lengths = ops.graph.int64(layout.entries.map(({ length }) => length))
  const pieces = ops.graph.multi('', 'Split', [theta, lengths], { axis: 0 }, layout.entries.length)
  const loras: DecoderContext['loras'] = new Map()
  layout.entries.forEach(({ module, matrix, dims }, i) => {
    const value = ops.reshape(pieces[i]!, dims)
    const lora = loras.get(module) ?? { a: '', b: '' }
    loras.set(module, matrix === 'A' ? { ...lora, a: value } : { ...lora, b: value })
  })
  return loras
}

/** Keeps logarithms and quotients of probabilities finite: the smallest normal float32 (87 nats). */
const LEAST_PROBABILITY = 1.2e-38
/** The same for the rest to 1, which float32 has to seven digits. */
const LEAST_REST = 1e-6

/**
 * The output head at label positions only: loss, the most probable tokens if requested, and the gradient
 * of its normalized input. The loss is the cross-entropy with the targets, in which all other tokens
 * count as one: without them, a lora would be trained to be more certain than its teacher.
 */
const lossHead = (ops: GraphOps, config: LlamaConfig, normalized: string, topTokens: number) => {
  const { graph } = ops
  const labelRows = graph.input('label_rows', 'int64', ['labels'])
  const ids = graph.input('target_ids', 'int64', ['labels', 'width'])
  const targets = graph.input('target_probabilities', ops.type, ['labels', 'width'])
  const targetRest = graph.input('target_rest', ops.type, ['labels', 1])
  const weights = graph.input('label_weights', ops.type, ['labels', 1])
  const head = config.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight'
  const atLeast = (value: string, least: number): string =>
    graph.op('Max', [value, ops.constant([least], [])])
  const sumOf = (value: string): string =>
    graph.op('ReduceSum', [value, graph.int64([1])], { keepdims: 1 })
  const logits = ops.gemm(ops.gather(normalized, labelRows), head, { transB: true })
  const probabilities = graph.op('Softmax', [logits], { axis: 1 })
  const named = graph.op('GatherElements', [probabilities, ids], { axis: 1 })
  const rest = atLeast(ops.sub(ops.constant([1], []), sumOf(named)), LEAST_REST)
  const nats = (probability: string): string => graph.op('Neg', [graph.op('Log', [probability])])
  const losses = ops.add(
    sumOf(ops.mul(nats(atLeast(named, LEAST_PROBABILITY)), targets)),
    ops.mul(nats(rest), targetRest)
  )
  graph.output('losses', losses, ops.type, ['labels', 1])
  const weighted = ops.mul(losses, weights)
  graph.output('loss', graph.op('ReduceSum', [weighted], { keepdims: 0 }), ops.type, [])
  if (topTokens > 0) {
    const count = graph.int64([topTokens])
    const [top, topIds] = graph.multi('', 'TopK', [probabilities, count], { axis: 1 }, 2)
    graph.output('top_probabilities', top!, ops.type, ['labels', topTokens])
    graph.output('top_ids', topIds!, 'int64', ['labels', topTokens])
  }
  return () => {
    // d loss / d logits = p − target, where the rest's target is distributed like p; so p is the only
    // matrix of the vocabulary's size that the head's transpose needs
    const spread = graph.op('Div', [targetRest, rest])
    const own = ops.sub(targets, ops.mul(named, spread))
    const rows = ops.mul(ops.gather(head, ids), graph.op('Unsqueeze', [own, graph.int64([2])]))
    const wanted = graph.op('ReduceSum', [rows, graph.int64([1])], { keepdims: 0 })
    const expected = ops.gemm(probabilities, head)
    const unspread = ops.sub(expected, ops.mul(expected, spread))
    const difference = ops.mul(ops.sub(unspread, wanted), weights)
    // rows without a label point at a row of zeros behind the labels
    const zero = ops.constant(new Float32Array(config.hiddenSize), [1, config.hiddenSize])
    const labelOfRow = graph.input('label_of_row', 'int64', ['list'])
    return ops.gather(ops.concat([difference, zero], 0), labelOfRow)
  }
}

/** @throws RangeError for gradients without a lora or with a dynamic prefix */
export const buildTrainingGraph = (options: TrainingGraphOptions): Uint8Array => {
  const { config, layout, prefixTokens, gradients: wantsGradients } = options
  if (wantsGradients && (layout === null || prefixTokens === 'dynamic'))
    throw new RangeError('gradients need a lora layout and a fixed prefix')
  const ops = new GraphOps(new GraphBuilder('lora_training'), options.type)
  const { graph } = ops
  for (const { name, dims } of modelTensors(config))
    graph.initializer(name, options.type, dims, options.frozen(name))
  const ids = graph.input('ids', 'int64', ['list'])
  const context: DecoderContext = {
    ops,
    config,
    attention: new Attention(ops, attentionPlan(ops, config, options), config),
    rotary: ops.rotaryTables(options.maxPositions, config.headDim, config.ropeTheta),
    positions: graph.input('positions', 'int64', ['list', 1]),
    loras: layout === null ? new Map() : splitLoras(ops, layout),
    loraScale: layout === null ? 0 : layout.alpha / layout.rank,
  }
  const layers = Array.from({ length: config.layers }, (_, i) => new DecoderLayer(context, i))
  let x = ops.gather('model.embed_tokens.weight', ids)
  for (const layer of layers) x = layer.forward(x)
  const norm = ops.rmsNorm(x, 'model.norm.weight', config.rmsNormEps)
  const headBackward = lossHead(ops, config, norm.y, options.topTokens ?? 0)
  if (layout !== null && wantsGradients) {
    const dNorm = headBackward()
    const dx = ops.rmsNormBackward(dNorm, x, 'model.norm.weight', norm.inverse)
    outputGradient(ops, layout, backwardLayers(layers, dx))
  }
  return graph.build()
}

const backwardLayers = (layers: DecoderLayer[], dLast: string): LoraGradients => {
  const gradients: LoraGradients = new Map()
  let dx = dLast
  for (const [i, layer] of [...layers.entries()].reverse())
    dx = layer.backward(dx, gradients, i > 0) ?? ''
  return gradients
}

const outputGradient = (ops: GraphOps, layout: LoraLayout, gradients: LoraGradients): void => {
  const pieces = layout.entries.map(({ module, matrix }) => {
    const gradient = gradients.get(module)!
    return ops.reshape(matrix === 'A' ? gradient.a : gradient.b, [-1])
  })
  ops.graph.output('gradient', ops.concat(pieces, 0), ops.type, [layout.length])
}
