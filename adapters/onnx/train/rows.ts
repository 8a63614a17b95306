/** Tokenized rows: what training and loss need of them, and what they have in common. Pure. */
import { AppError } from '../../../src/errors.ts'
import type { LlamaConfig } from '../llama-config.ts'

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

/** Most targets that a token of the rows has. */
export const targetWidth = (rows: TokenizedRow[]): number =>
  rows.reduce((width, { targets }) => Math.max(width, targets?.width ?? 1), 1)
