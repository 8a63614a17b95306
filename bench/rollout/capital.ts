/**
 * The capital of all starts at one bound, with one number a stake: starts with the same stake grow by the
 * same factor, so their sum is enough. That makes 100,000 pairs a matter of a millisecond. The product keeps
 * the starts themselves, because it needs them at any bound; it drops some after 25,600 pairs, so its capital
 * is the same until then and at most the same later. Rival rules differ in what a start bets.
 */
import { SHARE_OF_PAIRS } from '../../src/core/rollout/stages.ts'
import {
  betsAbove,
  putAside,
  START_EVERY,
  type Bet,
  type LeastLoss,
} from '../../src/core/rollout/evidence.ts'

/** Capital at which a route is rolled back, and drift is reported. */
export const ALARM_CAPITAL = 300
/** The same for a rollback: pairs begin with a part of the capital. */
export const ROLLBACK_CAPITAL = ALARM_CAPITAL / SHARE_OF_PAIRS

export interface StartRule {
  /** of the capital, from the first pair on */
  first: number
  /** of the capital, put aside after so many starts */
  putAside(started: number): number
  /** bet at the next start */
  share(started: number): number
  /** pairs between two starts */
  every: number
  /** the capital of a stake never falls below its initial share */
  hasFloor: boolean
  /** capital at which the alarm is raised */
  limit: number
}

/** Shares that are put aside and fall, with what is left of them. */
const savingRule = (first: number, left: (started: number) => number): StartRule => ({
  first,
  putAside: (started) => (1 - first) * left(started),
  share: (started) => (1 - first) * (left(started) - left(started + 1)),
  every: START_EVERY,
  hasFloor: false,
  limit: ALARM_CAPITAL,
})

const FIRST_SHARE = 1 - putAside(0)

const leftOfProduct = (started: number): number => putAside(started) / putAside(0)

export const PRODUCT_RULE = savingRule(FIRST_SHARE, leftOfProduct)

const ONE_START = savingRule(1, () => 0)

/** Alternatives that were not taken. */
export const RIVALS: Record<string, StartRule> = {
  'one start': ONE_START,
  'half of the capital first': savingRule(0.5, leftOfProduct),
  'shares of 1 by k k+1': savingRule(FIRST_SHARE, (started) => 1 / (started + 1)),
  'starts at every 50th pair': { ...PRODUCT_RULE, every: 50 },
  'starts at every 200th pair': { ...PRODUCT_RULE, every: 200 },
  'whole capital at every start': { ...ONE_START, share: () => 1 },
  'whole capital at every start, at 300000': {
    ...ONE_START,
    share: () => 1,
    limit: 1000 * ALARM_CAPITAL,
  },
  'capital never below 1': { ...ONE_START, hasFloor: true },
}

/** Of a limit: below it by more than rounding can add up to. */
const SURELY_BELOW = 1 - 1e-6

export class Capital {
  private readonly bets: Bet[]
  private readonly byStake: Float64Array
  /** factors of 0 to `every` pairs without a loss, stake by stake */
  private readonly kept: Float64Array[]
  /** factors of one pair, by its loss */
  private readonly lost = new Map<number, Float64Array>()
  private pairs = 0
  private started = 0

  constructor(
    bound: number,
    private readonly rule: StartRule,
    least: LeastLoss = 0
  ) {
    this.bets = betsAbove(bound, least)
    this.byStake = new Float64Array(this.bets.length)
    this.kept = Array.from({ length: rule.every + 1 }, (_, count) => this.factors(count, 0))
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
      const step = Math.min(left, this.rule.every - (this.pairs % this.rule.every))
      this.grow(this.kept[step]!, step)
      left -= step
    }
  }

  /** One pair. @param loss in [−1, 1], one of a few values */
  lose(loss: number): void {
    const factors = this.lost.get(loss) ?? this.factors(1, loss)
    this.lost.set(loss, factors)
    this.grow(factors, 1)
  }

  /** Whether the alarm is raised; by rounding it may be so a little early. */
  get isAlarm(): boolean {
    return this.value() >= SURELY_BELOW * this.rule.limit
  }

  /** Of all stakes and starts, and of the part that is put aside. */
  value(): number {
    let sum = this.rule.putAside(this.started)
    for (let i = 0; i < this.byStake.length; i++) sum += this.byStake[i]!
    return sum
  }

  /** @param loss of all pairs together, where there is more than one: 0 */
  private factors(pairs: number, loss: number): Float64Array {
    const share = Math.abs(loss)
    return Float64Array.from(this.bets, ({ lost, kept, credited }) =>
      Math.exp(share * (loss > 0 ? lost : credited) + (pairs - share) * kept)
    )
  }

  private grow(factors: Float64Array, pairs: number): void {
    const { byStake, rule } = this
    for (let i = 0; i < byStake.length; i++) byStake[i]! *= factors[i]!
    if (rule.hasFloor) this.lift()
    this.pairs += pairs
    if (this.pairs % rule.every !== 0) return
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
