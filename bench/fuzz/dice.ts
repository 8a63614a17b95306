/** Draws from one seeded generator; the same seed gives the same cases. */
import { seededRandom } from '../../src/random.ts'

export class Dice {
  private readonly random: () => number

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.random() * limit)
  }

  chance(share: number): boolean {
    return this.random() < share
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  /** Different ones, in the order of the list. */
  some<T>(values: readonly T[], count: number): T[] {
    const left = [...values]
    while (left.length > count) left.splice(this.below(left.length), 1)
    return left
  }

  /** A length of any magnitude up to a limit: as many from 1 to 10 as from 1,000 to 10,000. */
  size(limit: number): number {
    return Math.floor(limit ** this.random())
  }
}
