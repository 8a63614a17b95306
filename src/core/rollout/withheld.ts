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

interface Bet {
  /** share of wrong answers, 0 to 1 */
  most: number
  isLoss(pair: PartPair): boolean
}

/**
 * What each part has a bet on: with more wrong answers it is not worth giving, whatever the loss of the whole route;
 * and where the upstream gives a label that the lora does not know, it is wrong until a successor has learned it.
 */
const BETS: readonly Bet[] = [
  { most: 0.25, isLoss: () => true },
  { most: 0.1, isLoss: ({ isNewLabel }) => isNewLabel === true },
]

/** A part that is withheld, and why. */
export interface WithheldPart extends PartName, LossCounts {
  /** natural logarithm of the capital of its bet */
  capital: number
}

/** What a pair says of its parts. */
export type PartPair = Pick<WatchedPair, 'parts' | 'outcome' | 'rating' | 'isNewLabel'>

/** Sums the pairs of each part. They depend on the pairs alone. */
export class PartReader {
  private readonly parts: readonly (PartName & { bets: (Bet & { stream: LossStream })[] })[]

  /** @param parts of the plan, which pairs name by their numbers */
  constructor(parts: readonly RoutePart[]) {
    this.parts = parts.map(({ kind, name }) => ({
      kind,
      name,
      bets: BETS.map((bet) => ({ ...bet, stream: NO_STREAM })),
    }))
  }

  /** @param turns of one conversation that the lora would have answered: they are one pair of each of their parts */
  read(turns: readonly PartPair[]): void {
    for (const part of new Set(turns.flatMap(({ parts }) => parts))) {
      const own = turns.filter(({ parts }) => parts.includes(part))
      for (const bet of this.parts[part]?.bets ?? []) {
        const losses = own.map((pair) => (bet.isLoss(pair) ? lossOf(pair) : 0))
        bet.stream = addLosses(bet.stream, oneOf(losses))
      }
    }
  }

  /** Parts with a bet whose capital is enough. @param capital at which a route is rolled back */
  wrong(capital: number, least: LeastLoss): WithheldPart[] {
    const needed = Math.log(capital * this.parts.length * BETS.length)
    return this.parts.flatMap(({ kind, name, bets }) => {
      const figures = bets.map(({ most, stream }) => {
        const { pairs, losses, credits } = stream
        const evidence = losses > 0 ? evidenceOfRise(stream, most, least) : -Infinity
        return { kind, name, pairs, losses, credits, capital: evidence }
      })
      return figures.filter((one) => one.capital >= needed).slice(0, 1)
    })
  }
}
