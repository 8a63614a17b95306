/**
 * Single answers that a route no longer gives, because the lora is mostly wrong with them: a label that has changed
 * its meaning, say. The rest of the route stays. Knows nothing of stores or engines.
 *
 * Each answer has a bet of its own on "it is wrong too often". All answers that are possible are fixed with the plan,
 * and share one capital, so that any of them is withheld by chance as seldom as a route is rolled back.
 */
import {
  addLoss,
  evidenceOfRise,
  NO_STREAM,
  type LeastLoss,
  type LossCounts,
  type LossStream,
} from './evidence.ts'
import { isAnswered, lossOf, type WatchedPair } from './pair.ts'

/** An answer with more wrong ones is not worth giving, whatever the loss of the whole route. */
const MOST_WRONG = 0.25

/** An answer that is withheld, and why. */
export interface WithheldAnswer extends LossCounts {
  answer: string
  /** natural logarithm of the capital against "at most a quarter of these answers are wrong" */
  capital: number
}

/** Sums the pairs of each answer. They depend on the pairs alone. */
export class AnswerReader {
  private readonly streams: Map<string, LossStream>

  /** @param answers that are possible; null: they are no closed set, and none is withheld */
  constructor(answers: readonly string[] | null) {
    this.streams = new Map((answers ?? []).map((answer) => [answer, NO_STREAM]))
  }

  read(pair: Pick<WatchedPair, 'answer' | 'outcome' | 'rating'>): void {
    const stream = this.streams.get(pair.answer)
    if (stream !== undefined && isAnswered(pair))
      this.streams.set(pair.answer, addLoss(stream, lossOf(pair)))
  }

  /** Answers whose capital is enough. @param capital at which a route is rolled back */
  wrong(capital: number, least: LeastLoss): WithheldAnswer[] {
    const needed = Math.log(capital * this.streams.size)
    return [...this.streams]
      .filter(([, { losses }]) => losses > 0)
      .map(([answer, stream]) => {
        const { pairs, losses, credits } = stream
        return {
          answer,
          pairs,
          losses,
          credits,
          capital: evidenceOfRise(stream, MOST_WRONG, least),
        }
      })
      .filter((one) => one.capital >= needed)
  }
}
