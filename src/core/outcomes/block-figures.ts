/**
 * What blocks say of the difference between the sides: the evidence that the lora's side is rated worse, and by
 * how much. Knows nothing of feedback.
 */
import { DRAWN_SIDES, type DrawnSide } from '../log/feedback.ts'
import { SHARE_OF_FEEDBACK } from '../rollout/stages.ts'
import { badShare, differenceOf, type OutcomeBlock } from './blocks.ts'
import { Capital, differenceInterval } from './difference-test.ts'

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
export class BlockSums {
  private readonly margin: number
  private overMargin: Capital
  private overZero = new Capital(0)
  private counts = new Map<number, number>()
  private sums = { lora: 0, audit: 0, square: 0 }
  private blocks = 0

  /** @param margin in (0, 1) */
  constructor(margin: number) {
    this.margin = margin
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
