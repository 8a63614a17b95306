/**
 * Rows that differ from epoch to epoch, so that a tagger does not learn them by heart: other values of the same
 * shape in some rows, and unknown tokens here and there. Random numbers come from outside.
 */
import { ValueSwaps } from '../../../../src/core/form/swap-values.ts'
import type { FieldExample } from './field-batch.ts'
import type { FieldTrainingRow } from './field-job.ts'
import type { FieldTokenizer } from './field-tokens.ts'

export interface RowVariety {
  /** share of the rows with other values */
  swapShare: number
  /** share of the tokens that are unknown */
  unknownShare: number
}

export class VariedRows {
  private readonly swaps: ValueSwaps

  /** @param examples of the rows, in their order */
  constructor(
    private readonly rows: readonly FieldTrainingRow[],
    private readonly examples: readonly FieldExample[],
    private readonly tokenizer: FieldTokenizer,
    private readonly variety: RowVariety
  ) {
    this.swaps = new ValueSwaps(rows)
  }

  /** The row as it is learned this time. */
  example(row: number, random: () => number): FieldExample {
    const { swapShare, unknownShare } = this.variety
    const example = random() < swapShare ? this.swapped(row, random) : this.examples[row]!
    if (unknownShare === 0) return example
    const tokens = this.tokenizer.forget(example.tokens, () => random() < unknownShare)
    return { ...example, tokens }
  }

  /** A choice may depend on a value, so it is not learned from a row with others. */
  private swapped(row: number, random: () => number): FieldExample {
    const example = this.examples[row]!
    const sources = this.swaps.swapped(this.rows[row]!, random)
    const tokens = sources && this.tokenizer.read(sources)
    // longer values may not fit the encoder
    if (tokens === null || tokens.words !== example.tokens.words || tokens.cut) return example
    return { ...example, tokens, choiceWeight: 0 }
  }
}
