/** Losses of rows by a server that scores given tokens. */
import { AppError } from '../../src/errors.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import type { RowLosses } from '../lora/lora-backend.ts'
import type { BaseModel } from '../model/open-model.ts'
import { scoredRow } from '../text/render-rows.ts'
import { checkRows, type TokenizedRow } from '../text/rows.ts'

/** What a server is asked to score at a time. */
const SCORED_AT_A_TIME = 16

/** @returns the scores, in the order of the items */
export const scoreInParts = async <Item, Score>(
  items: readonly Item[],
  score: (item: Item) => Promise<Score>
): Promise<Score[]> => {
  const scores: Score[] = []
  for (let at = 0; at < items.length; at += SCORED_AT_A_TIME)
    scores.push(...(await Promise.all(items.slice(at, at + SCORED_AT_A_TIME).map(score))))
  return scores
}

/**
 * @param nats log-probability of every completion token
 * @throws AppError `invalid-request`, `context-length-exceeded`, and what `nats` throws
 */
export const lossesOf = async (
  { base, lora }: { base: BaseModel; lora: string | null },
  rows: TrainingRow[],
  nats: (row: TokenizedRow) => Promise<number[]>
): Promise<RowLosses> => {
  if (rows.length === 0)
    throw new AppError('invalid-request', 'there are no rows', { param: 'rows' })
  const read = rows.map((row) => scoredRow(base.chat, row, lora === null))
  checkRows(read, base.config)
  const scored = await scoreInParts(read, nats)
  const losses = scored.map((own) => -own.reduce((sum, value) => sum + value, 0) / own.length)
  return { losses, tokens: read.map(({ completionIds }) => completionIds.length) }
}

/**
 * Tokens that an answer may have.
 * @throws AppError `context-length-exceeded` for a prompt that fills the context
 */
export const fittedTokens = (
  { promptIds, maxTokens }: { promptIds: readonly number[]; maxTokens: number },
  maxPositions: number
): number => {
  const free = maxPositions - promptIds.length
  if (free < 1)
    throw new AppError(
      'context-length-exceeded',
      `the prompt has ${promptIds.length} tokens, the model takes ${maxPositions} together with the answer`,
      { param: 'messages' }
    )
  return Math.min(maxTokens, free)
}
