/**
 * The outcome test of a live route: whether users rate the conversations on the lora's side worse than the
 * audited ones, by more than the margin. The figures are a function of the stored feedback
 * (docs/decisions.md#feedback-is-an-ab-test).
 */
import { DRAWN_SIDES, type DrawnFeedback, type DrawnSide } from '../log/feedback.ts'
import { OutcomeReader, type ConversationOutcome } from './conversation-outcomes.ts'
import { SHARE_OF_FEEDBACK } from '../rollout/stages.ts'
import { Capital, differenceInterval } from './difference-test.ts'

export interface SideSum {
  conversations: number
  /** sum of the conversations' shares of bad turns */
  bad: number
}

/**
 * Rated conversations of both sides that are neighbours in time. Only the two means of one block are compared, so
 * neither a drift of the rates nor a change of the shares is taken for a difference of the sides.
 */
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
const badShare = (block: OutcomeBlock, side: DrawnSide): number =>
  block[side].bad / block[side].conversations

/** How much more of the lora's side is bad, in [−1, 1]. */
export const differenceOf = (block: OutcomeBlock): number =>
  badShare(block, 'lora') - badShare(block, 'audit')

/** What the closed blocks say. */
export interface BlockFigures {
  blocks: number
  /** share of bad turns, mean over the blocks, 0 to 1; null before the first block */
  bad: Record<DrawnSide, number> | null
  /** 95 % confidence sequence of how much more of the lora's side is bad, in [−1, 1] */
  interval: [lower: number, upper: number]
  /** the difference that is allowed */
  margin: number
  /** natural logarithm of the capital against "the difference is at most the margin", from its share of 1 */
  rollback: number
  /** the same against "there is no difference", from 1 */
  harm: number
}

const INTERVAL_ALPHA = 0.05
/** Half a width that tells a difference of one point. */
const POINT = 0.01
/**
 * Half the width of the interval of n blocks with variance v is about √(2 v w / n), where w is the logarithm
 * that decides, ln(2 / alpha), and 1.6 for the mixture of stakes (measured from 200 blocks on).
 */
const WIDTH_LOG = Math.log(2 / INTERVAL_ALPHA) + 1.6
/** With fewer blocks the variance is not known. */
const FEWEST_BLOCKS = 30

/** Blocks, summed. */
class BlockSums {
  private overMargin: Capital
  private overZero = new Capital(0)
  private counts = new Map<number, number>()
  private sums = { lora: 0, audit: 0, square: 0 }
  private blocks = 0

  /** @param margin in (0, 1) */
  constructor(private readonly margin: number) {
    this.overMargin = new Capital(margin)
  }

  add(blocks: readonly OutcomeBlock[]): void {
    const differences = blocks.map(differenceOf)
    this.overMargin = this.overMargin.after(differences)
    this.overZero = this.overZero.after(differences)
    for (const difference of differences) {
      this.counts.set(difference, (this.counts.get(difference) ?? 0) + 1)
      this.sums.square += difference ** 2
    }
    for (const side of DRAWN_SIDES)
      for (const block of blocks) this.sums[side] += badShare(block, side)
    this.blocks += blocks.length
  }

  figures(): BlockFigures {
    const { blocks, sums } = this
    return {
      blocks,
      bad: blocks === 0 ? null : { lora: sums.lora / blocks, audit: sums.audit / blocks },
      interval: differenceInterval(this.counts, INTERVAL_ALPHA),
      margin: this.margin,
      rollback: Math.log(SHARE_OF_FEEDBACK) + this.overMargin.evidence,
      harm: this.overZero.evidence,
    }
  }

  /** To be continued apart from these. */
  copy(): BlockSums {
    const copy = new BlockSums(this.margin)
    copy.overMargin = this.overMargin
    copy.overZero = this.overZero
    copy.counts = new Map(this.counts)
    copy.sums = { ...this.sums }
    copy.blocks = this.blocks
    return copy
  }

  /**
   * How many times as many blocks it takes until the interval is a point to either side, at most 1 where it is;
   * null: not known yet.
   */
  get neededShare(): number | null {
    const { blocks, sums } = this
    const mean = (sums.lora - sums.audit) / blocks
    const variance = sums.square / blocks - mean ** 2
    if (blocks < FEWEST_BLOCKS || variance <= 0) return null
    return (2 * variance * WIDTH_LOG) / POINT ** 2 / blocks
  }
}

/** The figures of blocks that are known, in their order. */
export const blockFigures = (blocks: readonly OutcomeBlock[], margin: number): BlockFigures => {
  const sums = new BlockSums(margin)
  sums.add(blocks)
  return sums.figures()
}

export interface OutcomeFigures extends BlockFigures {
  /** rated conversations that are over */
  conversations: Record<DrawnSide, number>
  /**
   * estimate of the further ones until the interval is a point to either side; null: not known yet, because
   * there are few blocks, or all ratings are the same
   */
  missing: number | null
  /** of the feedback that was replaced or deleted, when it was read (`FeedbackStore.revision`) */
  revision: number
}

/** Blocks and the conversations that they are made of. */
interface Summed {
  blocks: BlockSums
  open: OutcomeBlock
  conversations: Record<DrawnSide, number>
}

const withOutcomes = (
  { blocks, open, conversations }: Summed,
  outcomes: readonly ConversationOutcome[]
): Summed => {
  const added = addOutcomes(open, outcomes)
  blocks.add(added.closed)
  const counts = { ...conversations }
  for (const { side } of outcomes) counts[side]++
  return { blocks, open: added.open, conversations: counts }
}

const missingIn = ({ blocks, conversations: { lora, audit } }: Summed): number | null => {
  const { neededShare } = blocks
  return neededShare === null ? null : Math.max(0, Math.ceil((neededShare - 1) * (lora + audit)))
}

/**
 * Sums the feedback on one route. The figures depend on the feedback and the time alone: not on the pages in
 * which it was read. Feedback that is replaced or taken back changes what was summed: then all is read again.
 */
export class OutcomeSums {
  private readonly outcomes: OutcomeReader
  private readonly revision: number
  private summed: Summed
  private last: { of: string; figures: OutcomeFigures } | null = null

  /** @param options.isSingle see `OutcomeReader` @param options.margin in (0, 1) */
  constructor(options: { isSingle: boolean; margin: number; revision: number }) {
    this.outcomes = new OutcomeReader(options.isSingle)
    this.revision = options.revision
    this.summed = {
      blocks: new BlockSums(options.margin),
      open: NO_BLOCK,
      conversations: { lora: 0, audit: 0 },
    }
  }

  /** of the last feedback that was read; 0 before the first */
  get lastPlace(): number {
    return this.outcomes.lastPlace
  }

  /** @param feedback in the order of its places, behind what was read before */
  read(feedback: readonly DrawnFeedback[]): void {
    this.summed = withOutcomes(this.summed, this.outcomes.read(feedback))
  }

  /** @param now milliseconds since the epoch; conversations that are over by then count */
  figures(now: number): OutcomeFigures {
    const over = this.outcomes.overBy(now)
    const of = `${this.lastPlace} ${over.length}`
    if (this.last?.of !== of) this.last = { of, figures: this.figuresWith(over) }
    return this.last.figures
  }

  private figuresWith(over: readonly ConversationOutcome[]): OutcomeFigures {
    const { summed, revision } = this
    const all = withOutcomes({ ...summed, blocks: summed.blocks.copy() }, over)
    const { conversations } = all
    return { ...all.blocks.figures(), conversations, missing: missingIn(all), revision }
  }
}

/** Whether the test has the capital at which a route is rolled back. */
export const isHarmful = (
  { rollback }: Pick<OutcomeFigures, 'rollback'>,
  rollbackCapital: number
): boolean => rollback >= Math.log(rollbackCapital)
