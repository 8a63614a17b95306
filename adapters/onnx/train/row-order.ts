/** Rows by the beginnings that they share, and the size of a batch that fits in memory. Pure. */
import type { LlamaConfig } from '../../model/llama-config.ts'
import { rowLength, sharedPrefixTokens, targetWidth, type TokenizedRow } from '../../text/rows.ts'
import type { TokenBlocks } from './token-blocks.ts'

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
