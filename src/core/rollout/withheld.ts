/**
 * Parts of a route that the lora is mostly wrong with, and that the upstream answers from then on: a label that has
 * changed its meaning, or requests with one value of a slot. The rest of the route stays. Knows nothing of stores or
 * engines.
 *
 * Each part has a bet of its own on "it is wrong too often". All parts are fixed with the plan, and share one capital,
 * so that any of them is withheld by chance as seldom as a route is rolled back.
 */
import type { PartName, RoutePart } from '../route/parts.ts'
import {
  addLosses,
  evidenceOfRise,
  NO_STREAM,
  type LeastLoss,
  type LossCounts,
  type LossStream,
} from './evidence.ts'
import { oneOf } from './pair-reader.ts'
import { lossOf, type WatchedPair } from './pair.ts'

/** A part with more wrong answers is not worth giving, whatever the loss of the whole route. */
const MOST_WRONG = 0.25

/** A part that is withheld, and why. */
export interface WithheldPart extends PartName, LossCounts {
  /** natural logarithm of the capital against "at most a quarter of these answers are wrong" */
  capital: number
}

/** What a pair says of its parts. */
export type PartPair = Pick<WatchedPair, 'parts' | 'outcome' | 'rating'>

/** Sums the pairs of each part. They depend on the pairs alone. */
export class PartReader {
  private readonly parts: readonly RoutePart[]
  private readonly streams: LossStream[]

  /** @param parts of the plan, which pairs name by their numbers */
  constructor(parts: readonly RoutePart[]) {
    this.parts = parts
    this.streams = parts.map(() => NO_STREAM)
  }

  /** @param turns of one conversation that the lora would have answered: they are one pair of each of their parts */
  read(turns: readonly PartPair[]): void {
    for (const part of new Set(turns.flatMap(({ parts }) => parts))) {
      const losses = turns.filter(({ parts }) => parts.includes(part)).map(lossOf)
      const stream = this.streams[part]
      if (stream !== undefined) this.streams[part] = addLosses(stream, oneOf(losses))
    }
  }

  /** Parts whose capital is enough. @param capital at which a route is rolled back */
  wrong(capital: number, least: LeastLoss): WithheldPart[] {
    const needed = Math.log(capital * this.parts.length)
    return this.parts
      .map(({ kind, name }, part) => {
        const { pairs, losses, credits } = this.streams[part]!
        const evidence =
          losses > 0 ? evidenceOfRise(this.streams[part]!, MOST_WRONG, least) : -Infinity
        return { kind, name, pairs, losses, credits, capital: evidence }
      })
      .filter((one) => one.capital >= needed)
  }
}
