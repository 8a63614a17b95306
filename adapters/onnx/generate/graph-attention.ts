/**
 * Grouped-query attention over a cache that is an input of the graph and never an output: only the new
 * keys and values are outputs, and the caller appends them. (`GroupQueryAttention` writes its cache in
 * place, but onnxruntime-node copies every output, here the whole cache at every step.)
 */
import type { GraphBuilder } from '../graph.ts'
import type { LlamaConfig } from '../../model/llama-config.ts'

/** Added to masked scores; finite, so that a difference of two of them is not NaN. */
const MASKED = -1e9

export class GraphAttention {
  private readonly rotation: [cosines: string, sines: string]
  private readonly shapes: Record<'heads' | 'query' | 'group', string>
  /** `[B, 1, 1, T, P + T]`, added to the scores: 0, or very negative for masked places */
  private readonly mask: string
  /** numbers of past and new tokens, to split the scores again */
  private readonly spans: string

  /**
   * Declares the inputs `positions` int64 `[B, T]` and `past_lengths` int64 `[B]`.
   * @param past a cache input, `[B, kvHeads, 1, P, headDim]`
   */
  constructor(
    private readonly graph: GraphBuilder,
    private readonly config: LlamaConfig,
    inputs: { ids: string; past: string; rotation: [cosines: string, sines: string] }
  ) {
    this.rotation = inputs.rotation
    graph.input('positions', 'int64', ['B', 'T'])
    graph.input('past_lengths', 'int64', ['B'])
    const shape = graph.op('Shape', [inputs.ids])
    const tokens = this.slice(shape, 1)
    const pastSize = this.slice(graph.op('Shape', [inputs.past]), 3)
    this.shapes = this.reshapes(shape)
    this.spans = this.join(pastSize, tokens)
    this.mask = this.buildMask(shape, tokens, pastSize)
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
    const { heads, kvHeads } = this.config
    // one transposition for all three, because every node costs as much as a small product
    const byHead = this.transpose(graph.op('Reshape', [qkv, shapes.heads]), [0, 2, 1, 3])
    const [unrotated, value] = this.split(byHead, [heads + kvHeads, kvHeads])
    const rotated = graph.contrib('RotaryEmbedding', [unrotated, 'positions', ...this.rotation], {
      interleaved: 0,
    })
    const [query, key] = this.split(rotated, [heads, kvHeads])
    const grouped = graph.op('Reshape', [query, shapes.query])
    const [ownKey, ownValue] = [key, value].map((x) => graph.op('Reshape', [x, shapes.group]))
    return { output: this.weigh(grouped, { key: ownKey!, value: ownValue! }, past), key, value }
  }

  /**
   * softmax(query · keysᵀ) · values, with past and new tokens separate except in the softmax.
   *
   * Keys and values are broadcast over the heads of a group. While one token is decoded these are
   * products of a vector and a matrix, which onnxruntime computes without copying the matrix first;
   * the heads of a group as rows of one product would need the copy, and so would a factor beside it.
   * @param query `[B, kvHeads, groups, T, headDim]`, scaled
   */
  private weigh(
    query: string,
    present: { key: string; value: string },
    past: { key: string; value: string }
  ): string {
    const { graph } = this
    const { heads, headDim } = this.config
    const scores = graph.op(
      'Concat',
      [this.scores(query, past.key), this.scores(query, present.key)],
      { axis: 4 }
    )
    const [ofPast, ofNew] = graph.multi(
      '',
      'Split',
      [graph.op('Softmax', [graph.op('Add', [scores, this.mask])], { axis: -1 }), this.spans],
      { axis: 4 },
      2
    )
    const sum = graph.op('Add', [
      graph.op('MatMul', [ofPast!, past.value]),
      graph.op('MatMul', [ofNew!, present.value]),
    ])
    const byToken = this.transpose(sum, [0, 3, 1, 2, 4])
    return graph.op('Reshape', [byToken, graph.int64([-1, heads * headDim])])
  }

  private scores(query: string, key: string): string {
    return this.graph.contrib('FusedMatMul', [query, key], { transB: 1 })
  }

  private reshapes(shape: string): typeof this.shapes {
    const { graph } = this
    const { heads, kvHeads, headDim } = this.config
    return {
      heads: this.join(shape, graph.int64([heads + 2 * kvHeads, headDim])),
      query: graph.int64([0, kvHeads, heads / kvHeads, -1, headDim]),
      group: graph.int64([0, kvHeads, 1, -1, headDim]),
    }
  }

  private buildMask(shape: string, tokens: string, pastSize: string): string {
    const { graph } = this
    const zero = graph.initializer('score.zero', 'float32', [], Float32Array.of(0))
    const masked = graph.initializer('score.masked', 'float32', [], Float32Array.of(MASKED))
    const places = graph.op('Unsqueeze', [this.range(pastSize), graph.int64([0])])
    const lengths = graph.op('Unsqueeze', ['past_lengths', graph.int64([1])])
    const held = graph.op('Where', [graph.op('Less', [places, lengths]), zero, masked])
    const order = this.range(tokens)
    const seen = graph.op('GreaterOrEqual', [
      graph.op('Unsqueeze', [order, graph.int64([1])]),
      graph.op('Unsqueeze', [order, graph.int64([0])]),
    ])
    const causal = graph.op('Where', [seen, zero, masked])
    const rows = this.join(this.slice(shape, 0), graph.int64([1, 1]), tokens)
    const parts = [
      [graph.op('Unsqueeze', [held, graph.int64([1, 2, 3])]), pastSize],
      [graph.op('Unsqueeze', [causal, graph.int64([0, 1, 2])]), tokens],
    ].map(([part, size]) => graph.op('Expand', [part!, this.join(rows, size!)]))
    return graph.op('Concat', parts, { axis: 4 })
  }

  /** Two parts along the heads. */
  private split(value: string, sizes: [number, number]): [string, string] {
    const { graph } = this
    const parts = graph.multi('', 'Split', [value, graph.int64(sizes)], { axis: 1 }, 2)
    return [parts[0]!, parts[1]!]
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
