/**
 * Tokenized rows as the training graph's inputs: the shared prefix once, then every row's own
 * tokens without padding. Knows nothing of tokenizers or of onnxruntime.
 */
import { AppError } from '../../../src/errors.ts'
import type { LlamaConfig } from '../llama-config.ts'
import { causalMask } from './attention.ts'
import { headRows, prefixBlocks } from './training-graph.ts'

/** What a teacher says at each completion token: `width` tokens a position, most probable first. */
export interface SoftTargets {
  width: number
  /** `[completionIds.length × width]` */
  ids: ArrayLike<number>
  /** as many; what those of a position leave of 1 belongs to all other tokens together */
  probabilities: ArrayLike<number>
}

export interface TokenizedRow {
  /** at least one token; no loss on them */
  promptIds: number[]
  /** at least one token */
  completionIds: number[]
  /** multiplies the row's loss */
  weight: number
  /** what the completion's tokens are learned as; absent: as themselves */
  targets?: SoftTargets
}

export interface PackedInput {
  type: 'int64' | 'float'
  data: BigInt64Array | Float32Array
  dims: number[]
}

export interface PackedBatch {
  inputs: Record<string, PackedInput>
  /** tokens the graph computes, the prefix counted once */
  tokens: number
  /** completion tokens, in the order of the rows */
  labels: number
}

export const rowLength = (row: TokenizedRow): number =>
  row.promptIds.length + row.completionIds.length

/**
 * Checks what training and loss need of every row.
 * @throws AppError `context-length-exceeded`, `invalid-request`
 */
export const checkRows = (rows: TokenizedRow[], config: LlamaConfig): void => {
  rows.forEach((row, i) => {
    const length = rowLength(row)
    if (length > config.maxPositions)
      throw new AppError(
        'context-length-exceeded',
        `row ${i + 1} has ${length} tokens; the model's context is ${config.maxPositions}`
      )
    if (row.promptIds.length === 0 || row.completionIds.length === 0)
      throw new AppError('invalid-request', `row ${i + 1} has an empty prompt or completion`)
    if (!Number.isFinite(row.weight) || row.weight < 0)
      throw new AppError('invalid-request', `row ${i + 1} has weight ${row.weight}`)
  })
}

/** Tokens that all prompts begin with; every row keeps at least one prompt token of its own. */
export const sharedPrefixTokens = (rows: TokenizedRow[]): number => {
  const first = rows[0]
  if (first === undefined) return 0
  let shared = first.promptIds.length - 1
  for (const { promptIds } of rows) {
    shared = Math.min(shared, promptIds.length - 1)
    for (let i = 0; i < shared; i++) if (promptIds[i] !== first.promptIds[i]) shared = i
  }
  return shared
}

/** Weighted completion tokens: what the loss of a batch is divided by. */
export const totalLabelWeight = (rows: TokenizedRow[]): number =>
  rows.reduce((sum, { weight, completionIds }) => sum + weight * completionIds.length, 0)

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

/** What the completion's token at `index` is learned as. */
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

/** A token itself leaves nothing, so that its padding (id 0) is of no consequence. */
const restOf = ({ probabilities }: TokenList['targets'][number]): number =>
  Math.max(0, 1 - probabilities.reduce((sum, probability) => sum + probability, 0))

/** Most targets that a token of the rows has. */
export const targetWidth = (rows: TokenizedRow[]): number =>
  rows.reduce((width, { targets }) => Math.max(width, targets?.width ?? 1), 1)

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

/** Where each head of each token lies in the segments' order: prefix blocks, then the batch. */
const segmentRows = (
  list: TokenList,
  blocks: { from: number; to: number }[],
  kvHeads: number,
  headsPerKey: number,
  longest: number
): number[] => {
  const heads = kvHeads * headsPerKey
  const rows = Array<number>(list.ids.length * heads)
  let start = 0
  const place = (segment: number[][], width: number) => {
    for (let key = 0; key < kvHeads; key++)
      segment.forEach((tokens, continuation) => {
        for (let member = 0; member < headsPerKey; member++)
          tokens.forEach((token, t) => {
            const outer = (key * segment.length + continuation) * headsPerKey + member
            rows[token * heads + key * headsPerKey + member] = start + outer * width + t
          })
      })
    start += heads * segment.length * width
  }
  for (const { from, to } of blocks)
    place([Array.from({ length: to - from }, (_, i) => from + i)], to - from)
  place(list.rows, longest)
  return rows
}

/** What a graph with a dynamic prefix takes besides: the prefix as one block. */
const dynamicPrefixInputs = (
  { kvHeads, heads }: LlamaConfig,
  prefixTokens: number
): Record<string, PackedInput> => {
  const group = heads / kvHeads
  const tokens = Array.from({ length: prefixTokens }, (_, i) => i)
  const keyRows = headRows(kvHeads, 1, [tokens])
  return {
    prefix_query_rows: int64(headRows(kvHeads, group, [tokens]), [
      kvHeads,
      1,
      group * prefixTokens,
    ]),
    prefix_key_rows: int64(keyRows, [kvHeads, 1, prefixTokens]),
    prefix_mask: float(causalMask(group, prefixTokens), [group * prefixTokens, prefixTokens]),
    context_rows: int64(keyRows, [kvHeads, prefixTokens]),
  }
}

/** A batch for a graph with a dynamic prefix; `prefixTokens` is at least 1. */
export const packDynamicBatch = (
  rows: TokenizedRow[],
  config: LlamaConfig,
  prefixTokens: number
): PackedBatch => {
  const whole = [{ from: 0, to: prefixTokens }]
  const batch = pack(rows, config, prefixTokens, totalLabelWeight(rows), whole)
  return { ...batch, inputs: { ...batch.inputs, ...dynamicPrefixInputs(config, prefixTokens) } }
}

/**
 * @param prefixTokens as the graph was built; all rows must share them
 * @param weightSum what label weights are divided by: `totalLabelWeight` of the whole batch, of
 * which these rows may be a part
 */
export const packBatch = (
  rows: TokenizedRow[],
  config: LlamaConfig,
  prefixTokens: number,
  weightSum = totalLabelWeight(rows)
): PackedBatch => pack(rows, config, prefixTokens, weightSum, prefixBlocks(prefixTokens))

const pack = (
  rows: TokenizedRow[],
  config: LlamaConfig,
  prefixTokens: number,
  weightSum: number,
  blocks: { from: number; to: number }[]
): PackedBatch => {
  const { heads, kvHeads } = config
  const group = heads / kvHeads
  const list = layOut(rows, prefixTokens, weightSum)
  const count = rows.length
  const longest = Math.max(...list.rows.map((own) => own.length))
  // padding repeats a row's first token: finite values that no mask lets through
  const padded = list.rows.map((own) =>
    Array.from({ length: longest }, (_, t) => own[t] ?? own[0]!)
  )
  const present = list.rows.flatMap((own) =>
    Array.from({ length: group * longest }, (_, i) => (i % longest < own.length ? 1 : 0))
  )
  const tokens = list.ids.length
  const labels = list.targets.length
  const width = targetWidth(rows)
  const padding = (length: number): number[] => Array<number>(width - length).fill(0)
  const labelOfRow = Array<number>(tokens).fill(labels)
  list.labelRows.forEach((row, label) => (labelOfRow[row] = label))
  // keys lie in one stretch for the whole prefix, queries block by block
  const whole = prefixTokens === 0 ? [] : [{ from: 0, to: prefixTokens }]
  const outputRows = segmentRows(list, blocks, kvHeads, group, longest)
  return {
    tokens,
    labels,
    inputs: {
      ids: int64(list.ids, [tokens]),
      positions: int64(list.positions, [tokens, 1]),
      query_rows: int64(headRows(kvHeads, group, padded), [kvHeads, count, group * longest]),
      key_rows: int64(headRows(kvHeads, 1, padded), [kvHeads, count, longest]),
      causal_mask: float(causalMask(group, longest), [group * longest, longest]),
      query_mask: float(present, [1, count, group * longest, 1]),
      output_rows: int64(outputRows, [tokens, heads]),
      key_gradient_rows: int64(segmentRows(list, whole, kvHeads, 1, longest), [tokens, kvHeads]),
      label_rows: int64(list.labelRows, [labels]),
      target_ids: int64(
        list.targets.flatMap(({ ids }) => [...ids, ...padding(ids.length)]),
        [labels, width]
      ),
      target_rest: float(list.targets.map(restOf), [labels, 1]),
      target_probabilities: float(
        list.targets.flatMap(({ probabilities }) => [
          ...probabilities,
          ...padding(probabilities.length),
        ]),
        [labels, width]
      ),
      label_weights: float(list.labelWeights, [labels, 1]),
      label_of_row: int64(labelOfRow, [tokens]),
    },
  }
}
