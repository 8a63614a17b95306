/**
 * Causal attention of a token list, forward and backward, where many continuations share one
 * prefix. The list is cut into tiles: blocks of the prefix, then blocks of all continuations
 * together, padded to one length. A tile's queries attend to the keys of the whole prefix before it in
 * one matrix product per key head, and those of their own block and continuation causally; the two
 * softmaxes are merged by their normalizers. So nothing is quadratic in the packed length and the
 * prefix is computed once.
 *
 * Rows: queries, keys and values of the list are tables of heads, `[tokens · heads, headDim]`.
 * Tiles pick from them by row number, which moves between the ragged list and the padded
 * batch, and between token-major and head-major order, in one gather.
 */
import type { LlamaConfig } from '../../model/llama-config.ts'
import type { GraphOps } from '../gradient/graph-ops.ts'

export interface Tile {
  /** row of each query, `[kvHeads, continuations, group · tokens]` */
  queryRows: string
  /** row of each key, `[kvHeads, continuations, keys]`: the block's own, and a continuation's before it */
  keyRows: string
  /** 0 where a query attends to a key of its continuation, else very negative, `[group · tokens, keys]` */
  causalMask: string
  /** amounts for `Pad` to extend `[kvHeads, continuations, keys, headDim]` to all keys; null if not needed */
  keyPads: string | null
  /** 1 for queries, 0 for padding, `[1, continuations, group · tokens, 1]`; null where nothing is padded */
  queryMask: string | null
  /** rows of the prefix's keys before the tile, `[kvHeads, tokens]`; null for the first tile */
  contextRows: string | null
  contextTokens: number
}

export interface AttentionPlan {
  /** blocks in order; the last of the continuations' has all of their keys */
  prefix: Tile[]
  continuations: Tile[]
  prefixTokens: number
  /** where each head of each token lies among all tiles' queries, `[tokens, heads]` */
  outputRows: string
  /** the same for keys: the prefix, then the continuations, `[tokens, kvHeads]` */
  keyGradientRows: string
}

interface Part {
  keys: string
  values: string
  probabilities: string
  scores: string
  output: string
}

interface TileState {
  tile: Tile
  queries: string
  own: Part
  context: Part | null
  /** the tile's output `[kvHeads, continuations, group · tokens, headDim]` */
  output: string
  /** share of each part in the joint softmax (0 at padding); null means all */
  ownShare: string | null
  contextShare: string | null
}

export interface AttentionState {
  /** `[tokens, heads · headDim]` */
  output: string
  tiles: TileState[]
}

/** The causal mask of a tile, in which the queries are the last keys, `[group · queries, keys]`. */
export const causalMask = (group: number, queries: number, keys: number): Float32Array =>
  Float32Array.from({ length: group * queries * keys }, (_, i) =>
    i % keys <= (Math.floor(i / keys) % queries) + keys - queries ? 0 : -1e9
  )

export class Attention {
  private readonly scale: number

  constructor(
    private readonly ops: GraphOps,
    private readonly plan: AttentionPlan,
    private readonly config: LlamaConfig
  ) {
    this.scale = 1 / Math.sqrt(config.headDim)
  }

  /** @param q rotated, `[tokens, heads · headDim]` @param k, v `[tokens, kvHeads · headDim]` */
  forward(q: string, k: string, v: string): AttentionState {
    const { ops, config } = this
    const rows = (x: string) => ops.reshape(x, [-1, config.headDim])
    const tables = { q: rows(q), k: rows(k), v: rows(v) }
    const tiles = [...this.plan.prefix, ...this.plan.continuations].map((tile) =>
      this.tileForward(tile, tables)
    )
    const outputs = ops.concat(
      tiles.map(({ output }) => rows(output)),
      0
    )
    const output = ops.reshape(ops.gather(outputs, this.plan.outputRows), [
      -1,
      config.heads * config.headDim,
    ])
    return { output, tiles }
  }

  private tileForward(tile: Tile, tables: { q: string; k: string; v: string }): TileState {
    const { ops } = this
    const { kvHeads, headDim } = this.config
    const queries = ops.gather(tables.q, tile.queryRows)
    const pick = (rows: string) => ({
      keys: ops.gather(tables.k, rows),
      values: ops.gather(tables.v, rows),
    })
    const own = this.part(queries, pick(tile.keyRows), 4, tile.causalMask)
    if (tile.contextRows === null) {
      const ownShare = tile.queryMask
      return {
        tile,
        queries,
        own,
        context: null,
        output: own.output,
        ownShare,
        contextShare: null,
      }
    }
    const flat = ops.reshape(queries, [kvHeads, -1, headDim])
    const context = this.part(flat, pick(tile.contextRows), 3, null)
    const likeOwn = (x: string, width: number) => this.likeQueries(x, tile.queryRows, width)
    // share of the context = e^c / (e^c + e^o) with the logarithms of both normalizers
    const contextNormalizer = likeOwn(this.logNormalizer(context, 3), 1)
    const difference = ops.sub(contextNormalizer, this.logNormalizer(own, 4))
    const contextShare = ops.graph.op('Sigmoid', [difference])
    const ownShare = ops.graph.op('Sigmoid', [ops.graph.op('Neg', [difference])])
    const output = ops.add(
      ops.mul(likeOwn(context.output, headDim), contextShare),
      ops.mul(own.output, ownShare)
    )
    const masked = (share: string) =>
      tile.queryMask === null ? share : ops.mul(share, tile.queryMask)
    return {
      tile,
      queries,
      own,
      context,
      output,
      ownShare: masked(ownShare),
      contextShare: masked(contextShare),
    }
  }

  /** `[kvHeads, continuations · group · tokens, width]` in the four axes of the tile's queries. */
  private likeQueries(x: string, queryRows: string, width: number): string {
    const { graph } = this.ops
    const shape = graph.op('Concat', [graph.op('Shape', [queryRows]), graph.int64([width])], {
      axis: 0,
    })
    return graph.op('Reshape', [x, shape])
  }

  private part(
    queries: string,
    { keys, values }: { keys: string; values: string },
    rank: number,
    mask: string | null
  ): Part {
    const { ops, scale } = this
    const products = ops.matmul(queries, keys, rank, { transB: true, alpha: scale })
    const scores = mask === null ? products : ops.add(products, mask)
    const probabilities = ops.graph.op('Softmax', [scores], { axis: -1 })
    const output = ops.matmul(probabilities, values, rank)
    return { keys, values, probabilities, scores, output }
  }

  /** log Σ e^score, computed from the softmax: score − log probability at its largest entry. */
  private logNormalizer({ scores, probabilities }: Part, rank: number): string {
    const { ops } = this
    const largest = ops.graph.op('Log', [ops.maxLast(probabilities, rank)])
    return ops.sub(ops.maxLast(scores, rank), largest)
  }

  /**
   * @param dOutput `[tokens, heads · headDim]`
   * @returns gradients of the rotated queries and keys and of the values, in the list's order
   */
  backward(state: AttentionState, dOutput: string): { dq: string; dk: string; dv: string } {
    const { ops, plan } = this
    const { headDim, heads, kvHeads } = this.config
    const table = ops.reshape(dOutput, [-1, headDim])
    const gradients = state.tiles.map((tile) => this.tileBackward(tile, table))
    const rows = (x: string) => ops.reshape(x, [-1, headDim])
    const list = (values: string[], index: string, width: number) =>
      ops.reshape(ops.gather(ops.concat(values.map(rows), 0), index), [-1, width * headDim])
    const keyLike = (own: 'dk' | 'dv', context: 'dkContext' | 'dvContext') => {
      const self = gradients.map((gradient) => gradient[own])
      const prefix = self.slice(0, plan.prefix.length)
      const sums = prefix.length === 0 ? [] : [this.prefixSum(prefix, gradients, context)]
      const ofRows = this.rowSum(self.slice(plan.prefix.length))
      return list([...sums, ofRows], plan.keyGradientRows, kvHeads)
    }
    return {
      dq: list(
        gradients.map(({ dq }) => dq),
        plan.outputRows,
        heads
      ),
      dk: keyLike('dk', 'dkContext'),
      dv: keyLike('dv', 'dvContext'),
    }
  }

  /** Gradients of the prefix's keys, from their own blocks and all later queries. */
  private prefixSum(
    own: string[],
    gradients: ReturnType<Attention['tileBackward']>[],
    context: 'dkContext' | 'dvContext'
  ): string {
    const { ops, plan } = this
    const { kvHeads, headDim } = this.config
    let sum = ops.concat(
      own.map((block) => ops.reshape(block, [kvHeads, -1, headDim])),
      1
    )
    for (const gradient of gradients) {
      const value = gradient[context]
      if (value === null) continue
      const missing = plan.prefixTokens - gradient.contextTokens
      const pads = ops.graph.int64([0, 0, 0, 0, missing, 0])
      sum = ops.add(sum, missing === 0 ? value : ops.graph.op('Pad', [value, pads]))
    }
    return sum
  }

  /** Gradients of the continuations' keys, from their own and all later blocks. */
  private rowSum(blocks: string[]): string {
    const { ops, plan } = this
    const whole = blocks.map((block, i) => {
      const { keyPads } = plan.continuations[i]!
      return keyPads === null ? block : ops.graph.op('Pad', [block, keyPads])
    })
    return whole.reduce((sum, block) => ops.add(sum, block))
  }

  private tileBackward(state: TileState, table: string) {
    const { ops } = this
    const { kvHeads, headDim } = this.config
    const { tile, queries, own, context } = state
    const dOutput = ops.gather(table, tile.queryRows)
    // Σ_k p_k dp_k of the joint softmax equals output · dOutput
    const inner = ops.sumLast(ops.mul(dOutput, state.output), 4)
    const shared = (x: string, share: string | null) => (share === null ? x : ops.mul(x, share))
    const ownGradient = this.partBackward(
      own,
      queries,
      shared(dOutput, state.ownShare),
      shared(inner, state.ownShare),
      4
    )
    if (context === null)
      return { ...ownGradient, dkContext: null, dvContext: null, contextTokens: 0 }
    const flat = (x: string, width: number) => ops.reshape(x, [kvHeads, -1, width])
    const contextGradient = this.partBackward(
      context,
      flat(queries, headDim),
      flat(ops.mul(dOutput, state.contextShare!), headDim),
      flat(ops.mul(inner, state.contextShare!), 1),
      3
    )
    const dq = this.likeQueries(contextGradient.dq, tile.queryRows, headDim)
    return {
      dq: ops.add(ownGradient.dq, dq),
      dk: ownGradient.dk,
      dv: ownGradient.dv,
      dkContext: contextGradient.dk,
      dvContext: contextGradient.dv,
      contextTokens: tile.contextTokens,
    }
  }

  private partBackward(part: Part, queries: string, dOutput: string, inner: string, rank: number) {
    const { ops, scale } = this
    const dProbabilities = ops.matmul(dOutput, part.values, rank, { transB: true })
    const dScores = ops.mul(part.probabilities, ops.sub(dProbabilities, inner))
    return {
      dq: ops.matmul(dScores, part.keys, rank, { alpha: scale }),
      dk: ops.matmul(dScores, queries, rank, { transA: true, alpha: scale }),
      dv: ops.matmul(part.probabilities, dOutput, rank, { transA: true }),
    }
  }
}
