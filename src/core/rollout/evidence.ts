/**
 * Evidence about a loss from a stream of pairs, valid at any time (Waudby-Smith and Ramdas 2024,
 * arXiv 2010.09686). The capital of a gambler who bets that the loss is above a bound cannot grow,
 * on average, while it is not; so it reaches c with probability 1/c at most, however often one looks
 * (Ville's inequality).
 *
 * The capital is computed from the number of pairs and the sum of their losses alone. For losses that
 * are 0 or 1 this is the capital itself; for others it is less, because the logarithm is concave, so
 * the guarantee holds. Knows nothing of answers, routes or stages.
 */

/** Pairs and the sum of their losses, each in [0, 1]. A conversation counts as one pair. */
export interface LossCounts {
  pairs: number
  losses: number
}

export const NO_PAIRS: LossCounts = { pairs: 0, losses: 0 }

/** The pairs of `all` that are not in `first`, its beginning, whose losses a rating may have lowered. */
export const pairsSince = (all: LossCounts, first: LossCounts): LossCounts => ({
  pairs: Math.max(0, all.pairs - first.pairs),
  losses: Math.max(0, all.losses - first.losses),
})

const BETS = 12
/** The smallest difference from the bound that a bet is made for, as a share of the bound. */
const LEAST_DIFFERENCE = 0.2

/** Evenly spaced in the logarithm, both ends included. */
const geometric = (from: number, to: number): number[] =>
  Array.from({ length: BETS }, (_, i) => from * (to / from) ** (i / (BETS - 1)))

/**
 * Stakes against "the loss is at most `bound`". A stake of d / (bound (1 − bound)) grows fastest where
 * the loss is bound + d; d goes from a fifth of the bound to half of what is possible.
 */
const stakesAbove = (bound: number): number[] =>
  geometric(LEAST_DIFFERENCE / (1 - bound), 0.5 / bound)

/** The largest stake keeps a thousandth of the capital at each loss. */
const LARGEST_STAKE = 0.999

/** Stakes against "the loss is at least `bound`": d goes from a fifth of the bound to the bound. */
const stakesBelow = (bound: number): number[] =>
  geometric(LEAST_DIFFERENCE / (1 - bound), LARGEST_STAKE / (1 - bound))

/** log of the mean of exp(values). */
const logMean = (values: readonly number[]): number => {
  const most = Math.max(...values)
  const sum = values.reduce((total, value) => total + Math.exp(value - most), 0)
  return most + Math.log(sum / values.length)
}

/**
 * Evidence against "the loss is at most `bound`": the natural logarithm of the capital, with a start of 1,
 * over a mixture of stakes. @param bound in (0, 1)
 */
export const evidenceAbove = ({ pairs, losses }: LossCounts, bound: number): number =>
  logMean(
    stakesAbove(bound).map(
      (stake) =>
        losses * Math.log1p(stake * (1 - bound)) + (pairs - losses) * Math.log1p(-stake * bound)
    )
  )

/** Evidence against "the loss is at least `bound`", in the same unit. @param bound in (0, 1) */
export const evidenceBelow = ({ pairs, losses }: LossCounts, bound: number): number =>
  logMean(
    stakesBelow(bound).map(
      (stake) =>
        losses * Math.log1p(-stake * (1 - bound)) + (pairs - losses) * Math.log1p(stake * bound)
    )
  )

/** Share of the capital that is bet from the first pair on. The rest is for later starts. */
const FIRST_SHARE = 0.75
/** Pairs between two starts. */
const START_EVERY = 100
/** Starts that are kept; then every second one is dropped, with its capital. */
const MAX_STARTS = 256

interface Start {
  /** the pairs before it */
  before: LossCounts
  /** of the capital */
  share: number
  /** of the pair before it, milliseconds since the epoch */
  at: number
}

/**
 * A stream of pairs, and the starts of bets within it. A gambler who has bet for thousands of good pairs
 * has little capital left when the loss rises, so a part of the capital is put aside for starts at every
 * hundredth pair. Start k gets 1 / (k (k + 1)) of that part; all of them together get no more than all of
 * it, so the guarantee holds (docs/decisions/2026-11-28-evidence-starts-anew.md).
 */
export interface LossStream extends LossCounts {
  starts: Start[]
  /** of all starts so far, also of those that were dropped */
  started: number
}

export const NO_STREAM: LossStream = { ...NO_PAIRS, starts: [], started: 0 }

const withStart = (stream: LossStream, at: number): LossStream => {
  const { pairs, losses, starts } = stream
  const started = stream.started + 1
  const share = (1 - FIRST_SHARE) / (started * (started + 1))
  const kept = starts.length < MAX_STARTS ? starts : starts.filter((_, i) => i % 2 === 1)
  return { ...stream, started, starts: [...kept, { before: { pairs, losses }, share, at }] }
}

/** The stream after one more pair. @param loss in [0, 1] @param at milliseconds since the epoch */
export const addLoss = (stream: LossStream, loss: number, at: number): LossStream => {
  const { pairs, losses } = stream
  const added = { ...stream, pairs: pairs + 1, losses: losses + loss }
  return added.pairs % START_EVERY === 0 ? withStart(added, at) : added
}

/** Natural logarithms of the capital of each start, the beginning of the stream first. */
const capitals = (stream: LossStream, bound: number): number[] => [
  Math.log(FIRST_SHARE) + evidenceAbove(stream, bound),
  ...stream.starts.map(
    ({ before, share }) => Math.log(share) + evidenceAbove(pairsSince(stream, before), bound)
  ),
]

/**
 * Evidence against "the loss is at most `bound`, always": natural logarithm of the capital of all starts
 * together. @param bound in (0, 1)
 */
export const evidenceOfRise = (stream: LossStream, bound: number): number => {
  const all = capitals(stream, bound)
  return logMean(all) + Math.log(all.length)
}

/**
 * When the loss rose above the bound, if it did: the start that has won most.
 * @returns milliseconds since the epoch; null: it was above the bound from the beginning
 */
export const timeOfRise = (stream: LossStream, bound: number): number | null => {
  const all = capitals(stream, bound)
  return stream.starts[all.indexOf(Math.max(...all)) - 1]?.at ?? null
}

/** Halvings of the interval in which a bound lies: to 1e-5. */
const HALVINGS = 17

/** The least bound in (0, 1) for which `isLow` is false, which is true below it and false above it. */
const borderOf = (isLow: (bound: number) => boolean): number => {
  let [low, high] = [0, 1]
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2
    if (isLow(middle)) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/**
 * Confidence sequence of the loss: at every time at once, the loss is within it with probability
 * 1 − alpha. @param alpha in (0, 1) @returns [0, 1] before the first pair
 */
export const lossInterval = (counts: LossCounts, alpha: number): [lower: number, upper: number] => {
  if (counts.pairs === 0) return [0, 1]
  const limit = Math.log(2 / alpha)
  const lower = counts.losses === 0 ? 0 : borderOf((bound) => evidenceAbove(counts, bound) >= limit)
  const upper =
    counts.losses === counts.pairs ? 1 : borderOf((bound) => evidenceBelow(counts, bound) < limit)
  return [lower, upper]
}
