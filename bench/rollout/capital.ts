/**
 * The capital of all starts at one bound, with one number a stake: starts with the same stake grow by the
 * same factor, so their sum is enough. That makes 100,000 pairs a matter of a millisecond. The product keeps
 * the starts themselves, because it needs them at any bound; it drops some after 25,600 pairs, so its capital
 * is the same until then and at most the same later. Rival rules differ in what a start bets.
 */
import { betsAbove, putAside, START_EVERY, type Bet } from '../../src/core/rollout/evidence.ts'

export interface StartRule {
  /** of the capital, from the first pair on */
  first: number
  /** of the capital, put aside after so many starts */
  putAside(started: number): number
  /** bet at the next start */
  share(started: number): number
  /** the capital of a stake never falls below what it was given first */
  hasFloor: boolean
}

export const PRODUCT_RULE: StartRule = {
  first: 1 - putAside(0),
  putAside,
  share: (started) => putAside(started) - putAside(started + 1),
  hasFloor: false,
}

const NOTHING = (): number => 0

/** Alternatives that were not taken. */
export const RIVALS = {
  'one start': { first: 1, putAside: NOTHING, share: NOTHING, hasFloor: false },
  'a whole capital at every hundredth pair': {
    first: 1,
    putAside: NOTHING,
    share: () => 1,
    hasFloor: false,
  },
  'capital never below 1': { first: 1, putAside: NOTHING, share: NOTHING, hasFloor: true },
} satisfies Record<string, StartRule>

export class Capital {
  private readonly bets: Bet[]
  private readonly rule: StartRule
  private readonly byStake: Float64Array
  /** factors of 0 to START_EVERY pairs without a loss, stake by stake */
  private readonly kept: Float64Array[]
  /** factors of one pair, by its loss */
  private readonly lost = new Map<number, Float64Array>()
  private pairs = 0
  private started = 0

  constructor(bound: number, rule: StartRule) {
    this.bets = betsAbove(bound)
    this.rule = rule
    this.byStake = new Float64Array(this.bets.length)
    this.kept = Array.from({ length: START_EVERY + 1 }, (_, count) => this.factors(count, 0))
    this.reset()
  }

  reset(): void {
    this.byStake.fill(this.rule.first / this.bets.length)
    this.pairs = 0
    this.started = 0
  }

  /** Pairs without a loss. */
  keep(count: number): void {
    for (let left = count; left > 0;) {
      const step = Math.min(left, START_EVERY - (this.pairs % START_EVERY))
      this.grow(this.kept[step]!, step)
      left -= step
    }
  }

  /** One pair. @param loss in [0, 1], one of a few values */
  lose(loss: number): void {
    const factors = this.lost.get(loss) ?? this.factors(1, loss)
    this.lost.set(loss, factors)
    this.grow(factors, 1)
  }

  /** Of all stakes and starts, and of the part that is put aside. */
  value(): number {
    let sum = this.rule.putAside(this.started)
    for (let i = 0; i < this.byStake.length; i++) sum += this.byStake[i]!
    return sum
  }

  private factors(pairs: number, losses: number): Float64Array {
    return Float64Array.from(this.bets, ({ lost, kept }) =>
      Math.exp(losses * lost + (pairs - losses) * kept)
    )
  }

  private grow(factors: Float64Array, pairs: number): void {
    const { byStake, rule } = this
    for (let i = 0; i < byStake.length; i++) byStake[i]! *= factors[i]!
    if (rule.hasFloor) this.lift()
    this.pairs += pairs
    if (this.pairs % START_EVERY !== 0) return
    const share = rule.share(this.started) / byStake.length
    for (let i = 0; i < byStake.length; i++) byStake[i]! += share
    this.started++
  }

  private lift(): void {
    const floor = this.rule.first / this.byStake.length
    for (let i = 0; i < this.byStake.length; i++)
      this.byStake[i] = Math.max(floor, this.byStake[i]!)
  }
}
