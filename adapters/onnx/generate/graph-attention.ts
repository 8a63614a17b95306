/**
 * Grouped-query attention over a cache that is an input of the graph and never an output: the new
 * keys and values come out alone, and the caller appends them. (`GroupQueryAttention` writes its
 * cache in place, but onnxruntime-node copies every output, here the whole cache at every step.)
 * Knows nothing of projections or loras.
 */
import type { GraphBuilder } from '../graph.ts'
import type { LlamaConfig } from '../llama-config.ts'

/** Added to scores that must not count; finite, so that no difference of two is NaN. */
const MASKED = -1e9

export class GraphAttention {
  private readonly graph: GraphBuilder
  private readonly config: LlamaConfig
  private readonly rotation: [cosines: string, sines: string]
  private readonly shapes: Record<'tokens' | 'query' | 'queryHeads' | 'keys' | 'output', string>
  /** `[B, 1, 1, P]`: places of the cache behind a row's end */
  private readonly pastMask: string
  /** `[1, 1, groups · T, T]`: new tokens that come later */
  private readonly newMask: string
  /** sizes of past and new tokens, to take the scores apart again */
  private readonly spans: string

  /**
   * Declares the inputs `positions` int64 `[B, T]` and `past_lengths` int64 `[B]`.
   * @param past a cache input, `[B, kvHeads, P, headDim]`
   */
  constructor(
    graph: GraphBuilder,
    config: LlamaConfig,
    inputs: { ids: string; past: string; rotation: [cosines: string, sines: string] }
  ) {
    this.graph = graph
    this.config = config
    this.rotation = inputs.rotation
    graph.input('positions', 'int64', ['B', 'T'])
    graph.input('past_lengths', 'int64', ['B'])
    const shape = graph.op('Shape', [inputs.ids])
    const batch = this.slice(shape, 0)
    const tokens = this.slice(shape, 1)
    this.shapes = this.reshapes(shape, batch, tokens)
    const pastSize = this.slice(graph.op('Shape', [inputs.past]), 2)
    this.spans = this.join(pastSize, tokens)
    const zero = graph.initializer('score.zero', 'float32', [], Float32Array.of(0))
    const masked = graph.initializer('score.masked', 'float32', [], Float32Array.of(MASKED))
    const places = graph.op('Unsqueeze', [this.range(pastSize), graph.int64([0])])
    const lengths = graph.op('Unsqueeze', ['past_lengths', graph.int64([1])])
    const held = graph.op('Where', [graph.op('Less', [places, lengths]), zero, masked])
    this.pastMask = graph.op('Unsqueeze', [held, graph.int64([1, 2])])
    const order = this.range(tokens)
    const seen = graph.op('GreaterOrEqual', [
      graph.op('Unsqueeze', [order, graph.int64([1])]),
      graph.op('Unsqueeze', [order, graph.int64([0])]),
    ])
    const causal = graph.op('Where', [seen, zero, masked])
    const groups = Array<string>(config.heads / config.kvHeads).fill(causal)
    const stacked = graph.op('Concat', groups, { axis: 0 })
    this.newMask = graph.op('Unsqueeze', [stacked, graph.int64([0, 1])])
  }

  /**
   * @param qkv `[B·T, (heads + 2·kvHeads) · headDim]`
   * @returns `output` `[B·T, heads · headDim]`; `key` (rotated) and `value` `[B, kvHeads, T, headDim]`
   */
  attend(
    qkv: string,
    past: { key: string; value: string }
  ): { output: string; key: string; value: string } {
    const { graph, shapes } = this
    const { heads, kvHeads, headDim } = this.config
    const width = { query: heads * headDim, key: kvHeads * headDim }
    const [unrotated, flatValue] = graph.multi(
      '',
      'Split',
      [qkv, graph.int64([width.query + width.key, width.key])],
      { axis: 1 },
      2
    )
    const rotated = graph.contrib(
      'RotaryEmbedding',
      [graph.op('Reshape', [unrotated!, shapes.tokens]), 'positions', ...this.rotation],
      { interleaved: 0 }
    )
    const [flatQuery, flatKey] = graph.multi(
      '',
      'Split',
      [rotated, graph.int64([width.query, width.key])],
      { axis: 2 },
      2
    )
    const byHead = this.transpose(graph.op('Reshape', [flatQuery!, shapes.query]), [0, 2, 3, 1, 4])
    const query = graph.op('Reshape', [byHead, shapes.queryHeads])
    const key = this.transpose(graph.op('Reshape', [flatKey!, shapes.keys]), [0, 2, 1, 3])
    const value = this.transpose(graph.op('Reshape', [flatValue!, shapes.keys]), [0, 2, 1, 3])
    return { output: this.weigh(query, { key, value }, past), key, value }
  }

  /** softmax(query · keysᵀ / √headDim) · values, past and new tokens apart but for the softmax */
  private weigh(
    query: string,
    present: { key: string; value: string },
    past: { key: string; value: string }
  ): string {
    const { graph, shapes } = this
    const { heads, headDim } = this.config
    const scores = graph.op(
      'Concat',
      [
        graph.op('Add', [this.scores(query, past.key), this.pastMask]),
        graph.op('Add', [this.scores(query, present.key), this.newMask]),
      ],
      { axis: 3 }
    )
    const [ofPast, ofNew] = graph.multi(
      '',
      'Split',
      [graph.op('Softmax', [scores], { axis: -1 }), this.spans],
      { axis: 3 },
      2
    )
    const sum = graph.op('Add', [
      graph.op('MatMul', [ofPast!, past.value]),
      graph.op('MatMul', [ofNew!, present.value]),
    ])
    const byToken = this.transpose(graph.op('Reshape', [sum, shapes.output]), [0, 3, 1, 2, 4])
    return graph.op('Reshape', [byToken, graph.int64([-1, heads * headDim])])
  }

  private scores(query: string, key: string): string {
    const scale = 1 / Math.sqrt(this.config.headDim)
    return this.graph.contrib('FusedMatMul', [query, key], { transB: 1, alpha: { float: scale } })
  }

  private reshapes(shape: string, batch: string, tokens: string): typeof this.shapes {
    const { graph } = this
    const { heads, kvHeads, headDim } = this.config
    const groups = heads / kvHeads
    return {
      tokens: this.join(shape, graph.int64([-1])),
      query: this.join(shape, graph.int64([kvHeads, groups, headDim])),
      queryHeads: this.join(batch, graph.int64([kvHeads, -1, headDim])),
      keys: this.join(shape, graph.int64([kvHeads, headDim])),
      output: this.join(batch, graph.int64([kvHeads, groups]), tokens, graph.int64([headDim])),
    }
  }

  private transpose(value: string, perm: number[]): string {
    return this.graph.op('Transpose', [value], { perm })
  }

  /** One entry of a shape, as a vector. */
  private slice(shape: string, index: number): string {
    const { graph } = this
    return graph.op('Slice', [shape, graph.int64([index]), graph.int64([index + 1])])
  }

  private join(...vectors: string[]): string {
    return this.graph.op('Concat', vectors, { axis: 0 })
  }

  /** 0 … size−1 */
  private range(size: string): string {
    const { graph } = this
    const end = graph.op('Squeeze', [size, graph.int64([0])])
    return graph.op('Range', [graph.int64([0], []), end, graph.int64([1], [])])
  }
}
