/**
 * Evidence about the mean of differences in [−1, 1] that come one by one, valid at any time (Waudby-Smith and
 * Ramdas 2024, arXiv 2010.09686): a stake s multiplies the capital by 1 + s (d − bound). While the mean of each
 * difference, given those before it, is at most the bound, the capital cannot grow on average, so it reaches c
 * with probability 1/c at most (Ville). `core/rollout/evidence.ts` does the same from sums, which is exact
 * for −1, 0 and 1 alone: here most differences are fractions, for which that takes half as many blocks again.
 */
import { putAside, START_EVERY } from '../rollout/evidence.ts'

/** Stakes of the mixture, from the least one on evenly spaced in the logarithm. */
const STAKES = 12
/** It grows fastest for a mean that is 0.02 times the variance beyond the bound. */
const LEAST_STAKE = 0.02
/** Of the stake that loses everything at the worst difference. */
const LARGEST_SHARE = 0.95

/** @param bound in (−1, 1) */
export const stakesAbove = (bound: number): number[] => {
  const largest = LARGEST_SHARE / (1 + bound)
  return Array.from(
    { length: STAKES },
    (_, i) => LEAST_STAKE * (largest / LEAST_STAKE) ** (i / (STAKES - 1))
  )
}

/** log of the mean of exp(values), weighted. */
const logSum = (values: readonly number[]): number => {
  const most = values.reduce((one, other) => Math.max(one, other))
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0))
}

const logMean = (values: readonly number[]): number => logSum(values) - Math.log(values.length)

const FIRST_SHARE = 1 - putAside(0)
/** Starts that are kept; then every second one is dropped, with its capital. */
const MAX_STARTS = 256

interface Start {
  /** of the capital */
  share: number
  /** what each stake had made of its part before, natural logarithms */
  before: readonly number[]
}

/**
 * The capital that bets on "the mean is above the bound". Bets begin anew after every hundred differences, as
 * in `LossStream`, so that a harm that begins after a long good time is found as well. Immutable.
 */
export class Capital {
  private readonly logs: readonly number[]
  private readonly starts: readonly Start[]
  private readonly started: number
  private readonly count: number

  /** @param bound in (−1, 1) */
  constructor(
    private readonly bound: number,
    from?: Omit<CapitalParts, 'bound'>
  ) {
    this.logs = from?.logs ?? stakesAbove(bound).map(() => 0)
    this.starts = from?.starts ?? []
    this.started = from?.started ?? 0
    this.count = from?.count ?? 0
  }

  /** @param differences in [−1, 1] */
  after(differences: readonly number[]): Capital {
    const stakes = stakesAbove(this.bound)
    const logs = [...this.logs]
    let { starts, started, count } = this
    for (const difference of differences) {
      for (let i = 0; i < STAKES; i++)
        logs[i]! += Math.log1p(stakes[i]! * (difference - this.bound))
      if (++count % START_EVERY !== 0) continue
      const share = putAside(started) - putAside(++started)
      const kept = starts.length < MAX_STARTS ? starts : starts.filter((_, i) => i % 2 === 1)
      starts = [...kept, { share, before: [...logs] }]
    }
    return new Capital(this.bound, { logs, starts, started, count })
  }

  /** Natural logarithm of the capital of all starts and of the part that is put aside. */
  get evidence(): number {
    const { logs } = this
    return logSum([
      Math.log(putAside(this.started)),
      Math.log(FIRST_SHARE) + logMean(logs),
      ...this.starts.map(
        ({ share, before }) => Math.log(share) + logMean(logs.map((log, i) => log - before[i]!))
      ),
    ])
  }
}

interface CapitalParts {
  bound: number
  logs: readonly number[]
  starts: readonly Start[]
  started: number
  count: number
}

/** Differences and how often each came: a hundred thousand blocks have few different ones. */
export type DifferenceCounts = ReadonlyMap<number, number>

/** Natural logarithm of the capital against "the mean is at most the bound", from one start. */
const evidenceAbove = (counts: DifferenceCounts, bound: number): number => {
  const stakes = stakesAbove(bound)
  return logMean(
    stakes.map((stake) => {
      let log = 0
      for (const [difference, count] of counts)
        log += count * Math.log1p(stake * (difference - bound))
      return log
    })
  )
}

/** Halvings of the interval in which a bound lies: to 1e-5. */
const HALVINGS = 18

const lowerLimit = (counts: DifferenceCounts, alpha: number): number => {
  let [low, high] = [-1, 1]
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2
    if (evidenceAbove(counts, middle) >= Math.log(1 / alpha)) low = middle
    else high = middle
  }
  return low
}

const mirrored = (counts: DifferenceCounts): DifferenceCounts =>
  new Map([...counts].map(([difference, count]) => [-difference, count]))

/**
 * Confidence sequence of the mean, if it stays as it is: at every time at once, it is within the interval with
 * probability 1 − alpha. @param alpha in (0, 1)
 */
export const differenceInterval = (
  counts: DifferenceCounts,
  alpha: number
): [lower: number, upper: number] =>
  counts.size === 0
    ? [-1, 1]
    : [lowerLimit(counts, alpha / 2), -lowerLimit(mirrored(counts), alpha / 2)]
