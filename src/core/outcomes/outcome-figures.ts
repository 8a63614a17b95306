/**
 * The outcome test of a live route: whether users rate the conversations on the lora's side worse than the
 * audited ones, by more than the margin. The figures are a function of the stored feedback
 * (docs/decisions.md#feedback-is-an-ab-test).
 */
import type { DrawnFeedback, DrawnSide } from '../log/feedback.ts'
import { BlockSums, type BlockFigures } from './block-figures.ts'
import { addOutcomes, NO_BLOCK, type OutcomeBlock } from './blocks.ts'
import { OutcomeReader, type ConversationOutcome } from './conversation-outcomes.ts'

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

/** Whether the test has the capital at which a route is rolled back. @param rollbackCapital ROLLBACK_EVIDENCE */
export const isHarmful = (
  { rollback }: Pick<OutcomeFigures, 'rollback'>,
  rollbackCapital: number
): boolean => rollback >= Math.log(rollbackCapital)
