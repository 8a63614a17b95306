/**
 * Evidence about a loss from a stream of pairs, valid at any time (Waudby-Smith and Ramdas 2024,
 * arXiv 2010.09686). The capital of a gambler who bets that the loss is above a bound cannot grow,
 * on average, while it is not; so it reaches c with probability 1/c at most, however often one looks
 * (Ville's inequality).
 *
 * The capital is computed from the number of pairs and the sums of their losses alone. For losses that
 * are −1, 0 or 1 this is the capital itself; for others it is less, because the logarithm is concave, so
 * the guarantee holds. Knows nothing of answers, routes or stages.
 */

/** Pairs, and the sums of their losses. A pair's loss is in [−1, 1]. A conversation counts as one pair. */
export interface LossCounts {
  pairs: number
  /** sum of the losses above 0 */
  losses: number
  /** sum of the losses below 0, without their sign */
  credits: number
}

export const NO_PAIRS: LossCounts = { pairs: 0, losses: 0, credits: 0 }

/** @param loss in [−1, 1] */
export const onePair = (loss: number): LossCounts => ({
  pairs: 1,
  losses: Math.max(0, loss),
  credits: Math.max(0, -loss),
})

export const addCounts = (one: LossCounts, other: LossCounts): LossCounts => ({
  pairs: one.pairs + other.pairs,
  losses: one.losses + other.losses,
  credits: one.credits + other.credits,
})

/** The pairs of `all` that are not in `first`, its beginning. */
export const pairsSince = (all: LossCounts, first: LossCounts): LossCounts => ({
  pairs: all.pairs - first.pairs,
  losses: all.losses - first.losses,
  credits: all.credits - first.credits,
})

/** Mean loss of the pairs, in [−1, 1]; 0 without pairs. */
export const meanLoss = ({ pairs, losses, credits }: LossCounts): number =>
  pairs === 0 ? 0 : (losses - credits) / pairs

/** Stakes of the mixture. */
const STAKES = 12
/**
 * The smallest difference from the bound that a stake is made for, as a share of the bound. Less than half of
 * it is never found, however many pairs there are. A fifth would find a loss of 13 points 8 pairs earlier
 * where 5 are allowed, but none of less than 5.5.
 */
const LEAST_DIFFERENCE = 0.05

/** Evenly spaced in the logarithm, both ends included. */
const geometric = (from: number, to: number): number[] =>
  Array.from({ length: STAKES }, (_, i) => from * (to / from) ** (i / (STAKES - 1)))

/** What one stake makes of the capital: natural logarithms of the factors of a pair. */
export interface Bet {
  /** loss 1 */
  lost: number
  /** loss 0 */
  kept: number
  /** loss −1 */
  credited: number
}

/**
 * A stake of d / (bound (1 − bound)) grows fastest where losses are 0 or 1 and their mean is d beyond the bound.
 * Of a bound above a half, d is a share of what is left.
 */
const leastStake = (bound: number): number =>
  LEAST_DIFFERENCE / Math.max(Math.abs(bound), 1 - Math.abs(bound))

/** The least loss that a pair can have: 0 where the upstream is not asked again, so that there are no credits. */
export type LeastLoss = 0 | -1

/** The largest stake keeps a half of the capital at each pair without a loss, a twentieth at each credit. */
const KEPT: Record<LeastLoss, number> = { 0: 0.5, [-1]: 0.05 }

/**
 * Bets on "the loss is above `bound`", with equal shares of the capital: a pair with loss x multiplies it by
 * 1 + stake (x − bound). Credits limit the stakes, which makes a rollback at a loss of 13 points take a third more
 * pairs. @param bound in (least, 1)
 */
export const betsAbove = (bound: number, least: LeastLoss): Bet[] =>
  geometric(leastStake(bound), (1 - KEPT[least]) / (bound - least)).map((stake) => ({
    lost: Math.log1p(stake * (1 - bound)),
    kept: Math.log1p(-stake * bound),
    credited: least === 0 ? Math.log1p(-stake * bound) : Math.log1p(-stake * (1 + bound)),
  }))

const LARGEST_STAKE = 0.999

/** Bets on "the loss is below `bound`": the factor is 1 − stake (x − bound). @param bound in (−1, 1) */
const betsBelow = (bound: number): Bet[] =>
  geometric(leastStake(bound), LARGEST_STAKE / (1 - bound)).map((stake) => ({
    lost: Math.log1p(-stake * (1 - bound)),
    kept: Math.log1p(stake * bound),
    credited: Math.log1p(stake * (1 + bound)),
  }))

/** log of the sum of exp(values). */
const logSum = (values: readonly number[]): number => {
  let most = -Infinity
  for (const value of values) most = Math.max(most, value)
  let sum = 0
  for (const value of values) sum += Math.exp(value - most)
  return most + Math.log(sum)
}

/** Natural logarithm of the capital that 1 has become. */
const evidenceOf = (counts: LossCounts, bets: readonly Bet[]): number => {
  const { pairs, losses, credits } = counts
  const capitals = bets.map(
    ({ lost, kept, credited }) =>
      losses * lost + credits * credited + (pairs - losses - credits) * kept
  )
  return logSum(capitals) - Math.log(bets.length)
}

/**
 * Evidence against "the loss is at most `bound`": the natural logarithm of the capital, with a start of 1,
 * over a mixture of stakes. @param bound in (−1, 1)
 */
export const evidenceAbove = (counts: LossCounts, bound: number, least: LeastLoss): number =>
  evidenceOf(counts, betsAbove(bound, least))

/** Evidence against "the loss is at least `bound`", in the same unit. @param bound in (−1, 1) */
export const evidenceBelow = (counts: LossCounts, bound: number): number =>
  evidenceOf(counts, betsBelow(bound))

/** Share of the capital that is bet from the first pair on. The rest is put aside for later starts. */
const FIRST_SHARE = 0.75
/** Pairs between two starts. */
export const START_EVERY = 100
/** Starts that are kept; then every second one is dropped, with its capital. */
const MAX_STARTS = 256

interface Start {
  /** the pairs before it */
  before: LossCounts
  /** of the capital */
  share: number
}

/**
 * A stream of pairs, and the starts of bets within it. A gambler who has bet for thousands of good pairs
 * has little capital left when the loss rises, so a part of the capital is put aside, and some of it is
 * bet anew from every hundredth pair on. The starts are fixed before a pair is seen and never take more
 * than was put aside, so the guarantee holds (docs/decisions.md#evidence-starts-anew).
 */
export interface LossStream extends LossCounts {
  starts: Start[]
  /** of all starts so far, also of those that were dropped */
  started: number
}

export const NO_STREAM: LossStream = { ...NO_PAIRS, starts: [], started: 0 }

/**
 * Share of the capital that is still put aside after so many starts. It falls so slowly that a start after
 * 50,000 pairs has a hundred-thousandth of the capital.
 */
export const putAside = (started: number): number => (1 - FIRST_SHARE) / Math.log(started + Math.E)

const withStart = (stream: LossStream): LossStream => {
  const { pairs, losses, credits, starts } = stream
  const started = stream.started + 1
  const share = putAside(stream.started) - putAside(started)
  const kept = starts.length < MAX_STARTS ? starts : starts.filter((_, i) => i % 2 === 1)
  return { ...stream, started, starts: [...kept, { before: { pairs, losses, credits }, share }] }
}

/** The stream after further pairs, which must not reach beyond the next multiple of `START_EVERY`. */
export const addLosses = (stream: LossStream, counts: LossCounts): LossStream => {
  const added = { ...stream, ...addCounts(stream, counts) }
  return added.pairs % START_EVERY === 0 ? withStart(added) : added
}

/** The stream after one more pair. @param loss of the pair, in [−1, 1] */
export const addLoss = (stream: LossStream, loss: number): LossStream =>
  addLosses(stream, onePair(loss))

/** Natural logarithms of the capitals of the starts, that of the first pair first. */
const capitals = (stream: LossStream, bound: number, least: LeastLoss): number[] => {
  const bets = betsAbove(bound, least)
  return [
    Math.log(FIRST_SHARE) + evidenceOf(stream, bets),
    ...stream.starts.map(
      ({ before, share }) => Math.log(share) + evidenceOf(pairsSince(stream, before), bets)
    ),
  ]
}

/**
 * Evidence against "the loss is at most `bound`, always": natural logarithm of the capital of all starts
 * together, and of the part that is put aside. 0 before the first pair. @param bound in (−1, 1)
 */
export const evidenceOfRise = (stream: LossStream, bound: number, least: LeastLoss): number =>
  logSum([Math.log(putAside(stream.started)), ...capitals(stream, bound, least)])

/** The pairs before the loss rose above the bound, if it did: before the start that has won most. */
export const beforeRise = (stream: LossStream, bound: number, least: LeastLoss): LossCounts => {
  const all = capitals(stream, bound, least)
  const best = all.indexOf(all.reduce((most, one) => Math.max(most, one)))
  return stream.starts[best - 1]?.before ?? NO_PAIRS
}

/** Halvings of the interval in which a bound lies: to 1e-5. */
const HALVINGS = 18

/** Encloses the least bound for which `isLow` is false, which is true below it and false above it. */
const borderOf = (
  least: LeastLoss,
  isLow: (bound: number) => boolean
): [low: number, high: number] => {
  let [low, high]: [number, number] = [least, 1]
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2
    if (isLow(middle)) low = middle
    else high = middle
  }
  return [low, high]
}

/**
 * Confidence sequence of the loss, if the loss stays as it is: at every time at once, it is within the
 * interval with probability 1 − alpha. @param alpha in (0, 1) @returns [least, 1] before the first pair
 */
export const lossInterval = (
  counts: LossCounts,
  alpha: number,
  least: LeastLoss
): [lower: number, upper: number] => {
  if (counts.pairs === 0) return [least, 1]
  const limit = Math.log(2 / alpha)
  const [lower] = borderOf(least, (bound) => evidenceAbove(counts, bound, least) >= limit)
  const [, upper] = borderOf(least, (bound) => evidenceBelow(counts, bound) < limit)
  return [lower, upper]
}
