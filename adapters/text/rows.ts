/** Tokenized rows for training and loss, and their common prefix. Pure. */
import { createHash } from 'node:crypto'
import { AppError } from '../../src/errors.ts'

/** A teacher's `width` most probable tokens at each completion token, most probable first. */
export interface SoftTargets {
  width: number
  /** `[completionIds.length × width]` */
  ids: ArrayLike<number>
  /** of the same length; the rest to 1 at a position belongs to all other tokens together */
  probabilities: ArrayLike<number>
}

export interface TokenizedRow {
  /** at least one token; no loss on them */
  promptIds: number[]
  /** at least one token */
  completionIds: number[]
  /** multiplies the row's loss */
  weight: number
  /** targets of the completion's tokens; absent: the tokens themselves */
  targets?: SoftTargets
}

export const rowLength = (row: TokenizedRow): number =>
  row.promptIds.length + row.completionIds.length

/**
 * Checks every row for training and loss.
 * @throws AppError `context-length-exceeded`, `invalid-request`
 */
export const checkRows = (rows: TokenizedRow[], config: { maxPositions: number }): void => {
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

/** Number of tokens that all prompts begin with. Every row keeps at least one prompt token of its own. */
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

/** Weighted number of completion tokens, by which the loss of a batch is divided. */
export const totalLabelWeight = (rows: TokenizedRow[]): number =>
  rows.reduce((sum, { weight, completionIds }) => sum + weight * completionIds.length, 0)

/** Largest number of targets of a token in the rows. */
export const targetWidth = (rows: TokenizedRow[]): number =>
  rows.reduce((width, { targets }) => Math.max(width, targets?.width ?? 1), 1)

/** Hash of tokens, targets and weights: the data a lora was trained on. */
export const hashRows = (rows: TokenizedRow[]): string => {
  const hash = createHash('sha256')
  for (const { promptIds, completionIds, weight, targets } of rows) {
    hash.update(`${promptIds.join()};${completionIds.join()};${weight}\n`)
    if (targets !== undefined)
      hash.update(`${Array.from(targets.ids).join()};${Array.from(targets.probabilities).join()}\n`)
  }
  return hash.digest('hex')
}
