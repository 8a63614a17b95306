/** In which order rows are trained, which of them share a batch, and how much fits in memory. Pure. */
import type { LlamaConfig } from '../llama-config.ts'
import { rowLength, sharedPrefixTokens, targetWidth, type TokenizedRow } from './rows.ts'
import type { TokenBlocks } from './token-blocks.ts'
import { deriveSeed, seededRandom, shuffle } from '../../../src/random.ts'

/** Batches whose rows are drawn together and sorted by length among themselves. */
const CHUNK_BATCHES = 4

/**
 * One epoch's batches as row numbers: shuffled, then bucketed by length inside chunks of a few
 * batches, so that rows of a batch are about equally long, and the chunk's batches shuffled. A
 * function of seed and epoch alone, so a resumed job needs no generator state.
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
 * About the bytes of activations that a step keeps. The factors are those of the graph's tensors;
 * resident memory at the 135M shape grew by 6 % more.
 * @param gradients with a backward pass every layer's activations stay, else one layer's
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
  // of n blocks one sees itself alone, one all n
  const seen = longest * ((rowBlocks + 1) / (2 * rowBlocks))
  const scores =
    heads * (rows.length * longest * (prefixTokens + seen) + (prefixTokens * prefixTokens) / 2)
  const layer = tokens * (9 * hiddenSize + 4 * intermediateSize) + scores
  const kept = gradients ? config.layers * layer + 2 * layer : 2 * layer + scores
  const head = labels * (3 * vocabSize + 2 * targetWidth(rows) * hiddenSize)
  return FLOAT_BYTES * (kept + head)
}

/** Cuts rows, in order, into parts that fit the memory; a row that does not fit stands alone. */
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
 * Groups rows whose prompts begin alike, so that each group's prefix is computed once. Rows are
 * compared with their neighbours in sorted order: one joins the group before it unless it has
 * clearly more in common with the row behind it.
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
