/**
 * Blocks: rated conversations of both sides that are neighbours in time. Only the two means of one block are
 * compared, so neither a drift of the rates nor a change of the shares is taken for a difference of the sides.
 */
import type { DrawnSide } from '../log/feedback.ts'
import type { ConversationOutcome } from './conversation-outcomes.ts'

export interface SideSum {
  conversations: number
  /** sum of the conversations' shares of bad turns */
  bad: number
}

export interface OutcomeBlock {
  /** when the last one of its conversations was rated last, milliseconds since the epoch */
  at: number
  lora: SideSum
  audit: SideSum
}

const NONE: SideSum = { conversations: 0, bad: 0 }

export const NO_BLOCK: OutcomeBlock = { at: 0, lora: NONE, audit: NONE }

const withOutcome = (block: OutcomeBlock, { side, bad, at }: ConversationOutcome): OutcomeBlock => {
  const sum = block[side]
  return {
    ...block,
    at,
    [side]: { conversations: sum.conversations + 1, bad: sum.bad + bad },
  }
}

/** Whether both sides are in it. It depends on the sides alone, never on the outcomes. */
export const isClosed = ({ lora, audit }: OutcomeBlock): boolean =>
  lora.conversations > 0 && audit.conversations > 0

/**
 * Adds conversations to the open block, which closes with the first one of its second side.
 * @returns the blocks that have closed, and the one that is open then
 */
export const addOutcomes = (
  open: OutcomeBlock,
  outcomes: readonly ConversationOutcome[]
): { closed: OutcomeBlock[]; open: OutcomeBlock } => {
  const closed: OutcomeBlock[] = []
  let block = open
  for (const outcome of outcomes) {
    block = withOutcome(block, outcome)
    if (!isClosed(block)) continue
    closed.push(block)
    block = NO_BLOCK
  }
  return { closed, open: block }
}

/** Share of bad turns of a closed block's side, 0 to 1. */
export const badShare = (block: OutcomeBlock, side: DrawnSide): number =>
  block[side].bad / block[side].conversations

/** How much more of the lora's side is bad, in [−1, 1]. */
export const differenceOf = (block: OutcomeBlock): number =>
  badShare(block, 'lora') - badShare(block, 'audit')
