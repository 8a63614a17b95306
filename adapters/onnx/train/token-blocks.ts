/**
 * Cuts tokens into blocks for attention, which then costs half a square instead of a whole one: the
 * shared prefix first, then each row's own tokens. Smaller blocks save more and need more operators.
 * Graph and batch must be cut in the same way. Pure.
 */

const BLOCK_TOKENS = 256
/** a shorter prefix costs more operators than it saves */
const MIN_PREFIX_TOKENS = 8

/** Number of shared tokens that are worth a prefix of their own: all or none. */
export const worthwhilePrefix = (shared: number): number =>
  shared >= MIN_PREFIX_TOKENS ? shared : 0

export interface TokenBlocks {
  /** tokens that all rows of a batch share; 0 for separate rows */
  prefixTokens: number
  /** into how many blocks the rows' own tokens are cut */
  rowBlocks: number
}

/** A range of tokens, without `to`. */
export interface Span {
  from: number
  to: number
}

/** `from` … `to` − 1 */
export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i)

/**
 * The cut for rows that share `prefixTokens`.
 * @param longest tokens of the longest row, the prefix included
 */
export const tokenBlocks = (prefixTokens: number, longest: number): TokenBlocks => ({
  prefixTokens,
  rowBlocks: Math.max(1, Math.ceil((longest - prefixTokens) / BLOCK_TOKENS)),
})

export const prefixSpans = (prefixTokens: number): Span[] =>
  Array.from({ length: Math.ceil(prefixTokens / BLOCK_TOKENS) }, (_, block) => ({
    from: block * BLOCK_TOKENS,
    to: Math.min(prefixTokens, (block + 1) * BLOCK_TOKENS),
  }))

/** Cuts `tokens` into parts that differ by at most one token. */
export const rowSpans = (tokens: number, rowBlocks: number): Span[] =>
  Array.from({ length: rowBlocks }, (_, block) => ({
    from: Math.floor((block * tokens) / rowBlocks),
    to: Math.floor(((block + 1) * tokens) / rowBlocks),
  }))

/** Head rows of the token list: row `token · heads + head`, in the order of a tile's axes. */
export const headRows = (kvHeads: number, headsPerKey: number, tokens: number[][]): number[] => {
  const rows: number[] = []
  for (let key = 0; key < kvHeads; key++)
    for (const continuation of tokens)
      for (let member = 0; member < headsPerKey; member++)
        for (const token of continuation)
          rows.push(token * kvHeads * headsPerKey + key * headsPerKey + member)
  return rows
}
