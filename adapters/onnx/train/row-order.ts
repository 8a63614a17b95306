/** The order of training rows, their batches, and the size that fits in memory. Pure. */
import type { LlamaConfig } from '../llama-config.ts'
import { rowLength, sharedPrefixTokens, targetWidth, type TokenizedRow } from './rows.ts'
import type { TokenBlocks } from './token-blocks.ts'
import { deriveSeed, seededRandom, shuffle } from '../../../src/random.ts'

/** Number of batches in a chunk, within which rows are sorted by length. */
const CHUNK_BATCHES = 4

/**
 * One epoch's batches as row numbers. Rows are shuffled and then sorted by length within chunks of a few
 * batches, so that rows of a batch are about equally long; then the batches of a chunk are shuffled.
 * The result depends only on seed and epoch, so a resumed job needs no generator state.
 */
export const epochBatches = (
  lengths: number[],
  batchSize: number,
  seed: number,
  epoch: number
): number[][] => {
  const random = seededRandom(deriveSeed(seed, epoch))
  const order = shuffle(
    lengths.map((_, row) => row),
    random
  )
  const batches: number[][] = []
  for (let at = 0; at < order.length; at += CHUNK_BATCHES * batchSize) {
    const chunk = order.slice(at, at + CHUNK_BATCHES * batchSize)
    chunk.sort((a, b) => lengths[a]! - lengths[b]!)
    const cut: number[][] = []
    for (let i = 0; i < chunk.length; i += batchSize) cut.push(chunk.slice(i, i + batchSize))
    batches.push(...shuffle(cut, random))
  }
  return batches
}

const FLOAT_BYTES = 4

/**
 * Estimated bytes of the activations that a step keeps. The factors are counted from the graph's
 * tensors; measured resident memory at the 135M shape is 6 % more.
 * @param gradients whether the activations of all layers are kept for the backward pass
 */
export const activationBytes = (
  rows: TokenizedRow[],
  config: LlamaConfig,
  { prefixTokens, rowBlocks }: TokenBlocks,
  gradients: boolean
): number => {
  const { hiddenSize, intermediateSize, heads, vocabSize } = config
  const own = rows.map((row) => rowLength(row) - prefixTokens)
  const longest = Math.max(...own)
  const tokens = prefixTokens + own.reduce((sum, length) => sum + length, 0)
  const labels = rows.reduce((sum, row) => sum + row.completionIds.length, 0)
  // of n blocks, the first attends to one and the last to all n
  const seen = longest * ((rowBlocks + 1) / (2 * rowBlocks))
  const scores =
    heads * (rows.length * longest * (prefixTokens + seen) + (prefixTokens * prefixTokens) / 2)
  const layer = tokens * (9 * hiddenSize + 4 * intermediateSize) + scores
  const kept = gradients ? config.layers * layer + 2 * layer : 2 * layer + scores
  const head = labels * (3 * vocabSize + 2 * targetWidth(rows) * hiddenSize)
  return FLOAT_BYTES * (kept + head)
}

/** Cuts rows, in order, into parts that fit in memory; a row that does not fit is a part of its own. */
export const splitByMemory = (
  rows: TokenizedRow[],
  config: LlamaConfig,
  blocks: TokenBlocks,
  options: { gradients: boolean; maxBytes: number }
): TokenizedRow[][] => {
  const parts: TokenizedRow[][] = []
  let part: TokenizedRow[] = []
  for (const row of rows) {
    const grown = [...part, row]
    const bytes = activationBytes(grown, config, blocks, options.gradients)
    if (part.length > 0 && bytes > options.maxBytes) {
      parts.push(part)
      part = [row]
    } else {
      part = grown
    }
  }
  if (part.length > 0) parts.push(part)
  return parts
}

const compareTokens = (a: number[], b: number[]): number => {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}

/**
 * Groups rows with a common beginning of their prompts, so that each group's prefix is computed once.
 * Rows are compared with their neighbours in sorted order: a row joins the group before it unless it
 * has clearly more in common with the row after it.
 * @returns row numbers
 */
export const groupByPrefix = (rows: TokenizedRow[]): number[][] => {
  const order = rows.map((_, i) => i)
  order.sort((a, b) => compareTokens(rows[a]!.promptIds, rows[b]!.promptIds))
  const groups: number[][] = []
  order.forEach((row, i) => {
    const group = groups.at(-1)
    const next = order[i + 1]
    // sorted, so a group's common prefix is that of its first and last row
    const before = group === undefined ? 0 : sharedPrefixTokens([rows[group[0]!]!, rows[row]!])
    const behind = next === undefined ? 0 : sharedPrefixTokens([rows[row]!, rows[next]!])
    if (group === undefined || before < 0.9 * behind) groups.push([row])
    else group.push(row)
  })
  return groups
}
