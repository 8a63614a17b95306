/**
 * Tokenized rows as the training graph's inputs: the shared prefix once, then every row's own
 * tokens without padding. Knows nothing of tokenizers or of onnxruntime.
 */
import type { PackedInput } from '../gradient/packed-input.ts'
import type { LlamaConfig } from '../../model/llama-config.ts'
import { causalMask } from './attention.ts'
import { targetWidth, totalLabelWeight, type TokenizedRow } from '../../text/rows.ts'
import {
  headRows,
  prefixSpans,
  range,
  rowSpans,
  type Span,
  type TokenBlocks,
} from './token-blocks.ts'
import { rowInput } from './training-graph.ts'

export interface PackedBatch {
  inputs: Record<string, PackedInput>
  /** tokens the graph computes, the prefix counted once */
  tokens: number
  /** completion tokens, in the order of the rows */
  labels: number
}

const int64 = (values: number[], dims: number[]): PackedInput => ({
  type: 'int64',
  data: BigInt64Array.from(values, BigInt),
  dims,
})

const float = (values: ArrayLike<number>, dims: number[]): PackedInput => ({
  type: 'float',
  data: Float32Array.from(values),
  dims,
})

interface TokenList {
  ids: number[]
  positions: number[]
  /** list indices of each row's own tokens */
  rows: number[][]
  labelRows: number[]
  /** of each label */
  targets: { ids: number[]; probabilities: number[] }[]
  labelWeights: number[]
}

/** Targets of the completion's token at `index`. */
const targetAt = (
  { completionIds, targets }: TokenizedRow,
  index: number
): TokenList['targets'][number] => {
  if (targets === undefined) return { ids: [completionIds[index]!], probabilities: [1] }
  const places = Array.from({ length: targets.width }, (_, i) => index * targets.width + i)
  return {
    ids: places.map((place) => targets.ids[place]!),
    probabilities: places.map((place) => targets.probabilities[place]!),
  }
}

/** A token alone has probability 1, so that its padding (id 0) has no effect. */
const restOf = ({ probabilities }: TokenList['targets'][number]): number =>
  Math.max(0, 1 - probabilities.reduce((sum, probability) => sum + probability, 0))

/** The last token of a row is only a label, so it is not computed. */
const layOut = (rows: TokenizedRow[], prefixTokens: number, weightSum: number): TokenList => {
  const ids = rows[0]!.promptIds.slice(0, prefixTokens)
  const list: TokenList = {
    ids,
    positions: ids.map((_, i) => i),
    rows: [],
    labelRows: [],
    targets: [],
    labelWeights: [],
  }
  for (const row of rows) {
    const { promptIds, completionIds, weight } = row
    const all = [...promptIds, ...completionIds]
    const own: number[] = []
    for (let position = prefixTokens; position < all.length - 1; position++) {
      if (position + 1 >= promptIds.length) {
        list.labelRows.push(ids.length)
        list.targets.push(targetAt(row, position + 1 - promptIds.length))
        list.labelWeights.push(weightSum === 0 ? 0 : weight / weightSum)
      }
      own.push(ids.length)
      ids.push(all[position]!)
      list.positions.push(position)
    }
    list.rows.push(own)
  }
  return list
}

/** Tokens of one tile: those of each continuation, and the padded number. */
interface TileTokens {
  tokens: number[][]
  width: number
}

const prefixTile = ({ from, to }: Span): TileTokens => ({
  tokens: [range(from, to)],
  width: to - from,
})

/** The rows' tokens in a span. */
const rowTile = (rows: number[][], { from, to }: Span): TileTokens => ({
  tokens: rows.map((own) => own.slice(from, to)),
  width: to - from,
})

/** Where each head of each token of the list lies in the tiles' order. */
const tileRows = (
  listTokens: number,
  tiles: TileTokens[],
  kvHeads: number,
  headsPerKey: number
): number[] => {
  const heads = kvHeads * headsPerKey
  const rows = Array<number>(listTokens * heads)
  let start = 0
  for (const { tokens, width } of tiles) {
    for (let key = 0; key < kvHeads; key++)
      tokens.forEach((own, continuation) => {
        for (let member = 0; member < headsPerKey; member++)
          own.forEach((token, t) => {
            const outer = (key * tokens.length + continuation) * headsPerKey + member
            rows[token * heads + key * headsPerKey + member] = start + outer * width + t
          })
      })
    start += heads * tokens.length * width
  }
  return rows
}

/** Additional inputs of a graph with a dynamic prefix: the prefix as one block. */
const dynamicPrefixInputs = (
  { kvHeads, heads }: LlamaConfig,
  prefixTokens: number
): Record<string, PackedInput> => {
  const group = heads / kvHeads
  const tokens = range(0, prefixTokens)
  const keyRows = headRows(kvHeads, 1, [tokens])
  return {
    prefix_query_rows: int64(headRows(kvHeads, group, [tokens]), [
      kvHeads,
      1,
      group * prefixTokens,
    ]),
    prefix_key_rows: int64(keyRows, [kvHeads, 1, prefixTokens]),
    prefix_mask: float(causalMask(group, prefixTokens, prefixTokens), [
      group * prefixTokens,
      prefixTokens,
    ]),
    context_rows: int64(keyRows, [kvHeads, prefixTokens]),
  }
}

/** Inputs of one block of the rows' own tokens: its queries, and the keys up to its end. */
const rowBlockInputs = (
  { kvHeads, heads }: LlamaConfig,
  rows: number[][],
  { block, span, longest }: { block: number; span: Span; longest: number }
): Record<string, PackedInput> => {
  const group = heads / kvHeads
  const { from, to } = span
  const queries = to - from
  // padding repeats a row's first token: its values are finite, and the mask excludes them
  const padded = (start: number): number[][] =>
    rows.map((own) => range(start, to).map((t) => own[t] ?? own[0]!))
  const present = rows.flatMap((own) =>
    Array.from({ length: group * queries }, (_, i) => (from + (i % queries) < own.length ? 1 : 0))
  )
  return {
    [rowInput('query_rows', block)]: int64(headRows(kvHeads, group, padded(from)), [
      kvHeads,
      rows.length,
      group * queries,
    ]),
    [rowInput('key_rows', block)]: int64(headRows(kvHeads, 1, padded(0)), [
      kvHeads,
      rows.length,
      to,
    ]),
    [rowInput('causal_mask', block)]: float(causalMask(group, queries, to), [group * queries, to]),
    [rowInput('query_mask', block)]: float(present, [1, rows.length, group * queries, 1]),
    [rowInput('key_pads', block)]: int64([0, 0, 0, 0, 0, 0, longest - to, 0], [8]),
  }
}

/** Inputs of the head: the rows of the list that have a label, and their targets. */
const headInputs = (list: TokenList, width: number): Record<string, PackedInput> => {
  const { labelRows, targets, labelWeights } = list
  const labels = targets.length
  const padding = (length: number): number[] => Array<number>(width - length).fill(0)
  const labelOfRow = Array<number>(list.ids.length).fill(labels)
  labelRows.forEach((row, label) => (labelOfRow[row] = label))
  return {
    label_rows: int64(labelRows, [labels]),
    target_ids: int64(
      targets.flatMap(({ ids }) => [...ids, ...padding(ids.length)]),
      [labels, width]
    ),
    target_rest: float(targets.map(restOf), [labels, 1]),
    target_probabilities: float(
      targets.flatMap(({ probabilities }) => [...probabilities, ...padding(probabilities.length)]),
      [labels, width]
    ),
    label_weights: float(labelWeights, [labels, 1]),
    label_of_row: int64(labelOfRow, [list.ids.length]),
  }
}

/** A batch for a graph with a dynamic prefix; `prefixTokens` is at least 1. */
export const packDynamicBatch = (
  rows: TokenizedRow[],
  config: LlamaConfig,
  prefixTokens: number
): PackedBatch => {
  const batch = pack(rows, config, { prefixTokens, rowBlocks: 1 }, totalLabelWeight(rows), [
    { from: 0, to: prefixTokens },
  ])
  return { ...batch, inputs: { ...batch.inputs, ...dynamicPrefixInputs(config, prefixTokens) } }
}

/**
 * @param blocks as the graph was built; all rows must share the prefix
 * @param weightSum divisor of the label weights: `totalLabelWeight` of the whole batch, of which these
 * rows may be a part
 */
export const packBatch = (
  rows: TokenizedRow[],
  config: LlamaConfig,
  blocks: TokenBlocks,
  weightSum = totalLabelWeight(rows)
): PackedBatch => pack(rows, config, blocks, weightSum, prefixSpans(blocks.prefixTokens))

const pack = (
  rows: TokenizedRow[],
  config: LlamaConfig,
  { prefixTokens, rowBlocks }: TokenBlocks,
  weightSum: number,
  prefix: Span[]
): PackedBatch => {
  const { heads, kvHeads } = config
  const list = layOut(rows, prefixTokens, weightSum)
  // no block may be empty, even for short rows
  const longest = Math.max(rowBlocks, ...list.rows.map((own) => own.length))
  const spans = rowSpans(longest, rowBlocks)
  const queries = [...prefix.map(prefixTile), ...spans.map((span) => rowTile(list.rows, span))]
  // the keys of the prefix are contiguous, and those of each row
  const keys = [
    prefixTile({ from: 0, to: prefixTokens }),
    rowTile(list.rows, { from: 0, to: longest }),
  ]
  const tokens = list.ids.length
  const outputRows = tileRows(tokens, queries, kvHeads, heads / kvHeads)
  const keyGradientRows = tileRows(tokens, keys, kvHeads, 1)
  const blocks = spans.map((span, block) =>
    rowBlockInputs(config, list.rows, { block, span, longest })
  )
  return {
    tokens,
    labels: list.targets.length,
    inputs: Object.assign(
      {
        ids: int64(list.ids, [tokens]),
        positions: int64(list.positions, [tokens, 1]),
        output_rows: int64(outputRows, [tokens, heads]),
        key_gradient_rows: int64(keyGradientRows, [tokens, kvHeads]),
      },
      headInputs(list, targetWidth(rows)),
      ...blocks
    ),
  }
}
