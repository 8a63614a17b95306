/** Evidence: its capital is a gambler's, on average at most 1 while the loss is within the bound. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addCounts,
  addLoss,
  beforeRise,
  evidenceAbove,
  evidenceBelow,
  evidenceOfRise,
  lossInterval,
  meanLoss,
  NO_PAIRS,
  NO_STREAM,
  onePair,
  pairsSince,
  putAside,
  type LossCounts,
  type LossStream,
} from '../../src/core/rollout/evidence.ts'
import { seededRandom } from '../../src/random.ts'

const STAKES = 12

/** The same grid of stakes, written down a second time. */
const stakesBetween = (least: number, most: number): number[] =>
  Array.from({ length: STAKES }, (_, i) =>
    Math.exp(Math.log(least) + (i / (STAKES - 1)) * (Math.log(most) - Math.log(least)))
  )

const leastStake = (bound: number): number => 0.05 / Math.max(bound, 1 - bound)
const stakesAbove = (bound: number): number[] => stakesBetween(leastStake(bound), 0.5 / bound)
const stakesBelow = (bound: number): number[] =>
  stakesBetween(leastStake(bound), 0.999 / (1 - bound))

const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Capital of a gambler who sees one loss after the other. */
const capitalOf = (
  losses: number[],
  stakes: number[],
  gain: (stake: number, loss: number) => number
): number =>
  mean(
    stakes.map((stake) => losses.reduce((capital, loss) => capital * (1 + gain(stake, loss)), 1))
  )

const capitalAbove = (losses: number[], bound: number): number =>
  capitalOf(losses, stakesAbove(bound), (stake, loss) => stake * (loss - bound))

const capitalBelow = (losses: number[], bound: number): number =>
  capitalOf(losses, stakesBelow(bound), (stake, loss) => stake * (bound - loss))

const countsOf = (losses: number[]): LossCounts => ({
  pairs: losses.length,
  losses: losses.reduce((sum, loss) => sum + Math.max(0, loss), 0),
  credits: losses.reduce((sum, loss) => sum + Math.max(0, -loss), 0),
})

const streamOf = (losses: Iterable<number>, from: LossStream = NO_STREAM): LossStream => {
  let stream = from
  for (const loss of losses) stream = addLoss(stream, loss)
  return stream
}

/** Every n-th pair is a loss. */
function* everyNth(pairs: number, n: number): Generator<number> {
  for (let i = 1; i <= pairs; i++) yield i % n === 0 ? 1 : 0
}

const binomials = (pairs: number, loss: number): number[] => {
  let chances = [1]
  for (let i = 0; i < pairs; i++)
    chances = Array.from(
      { length: i + 2 },
      (_, k) => (chances[k] ?? 0) * (1 - loss) + (chances[k - 1] ?? 0) * loss
    )
  return chances
}

/** Over all that 60 pairs of a true loss can be, at a bound of 5 points. */
const meanCapital = (evidence: typeof evidenceAbove, loss: number): number =>
  binomials(60, loss).reduce(
    (sum, chance, losses) =>
      sum + chance * Math.exp(evidence({ pairs: 60, losses, credits: 0 }, 0.05, 0)),
    0
  )

/** Share of the capital of the k-th later start. */
const shareOf = (k: number): number =>
  0.25 * (1 / Math.log(k - 1 + Math.E) - 1 / Math.log(k + Math.E))

const bounds = fc.double({ min: 0.002, max: 0.998, noNaN: true })

describe('evidence of pairs', () => {
  it.each([0.001, 0.03, 0.05, 0.1, 0.4, 0.6, 0.9, 0.999])(
    'is the capital of twelve stakes on average, at a bound of %d',
    (bound) => {
      const random = seededRandom(7)
      for (const loss of [0, 0.02, 0.1, 0.5, 0.97, 1]) {
        const losses = Array.from({ length: 80 }, () => (random() < loss ? 1 : 0))
        const counts = countsOf(losses)
        expect(evidenceAbove(counts, bound, 0)).toBeCloseTo(
          Math.log(capitalAbove(losses, bound)),
          8
        )
        expect(evidenceBelow(counts, bound)).toBeCloseTo(Math.log(capitalBelow(losses, bound)), 8)
      }
    }
  )

  it('is never above the capital of the single losses, where turns of a conversation lose in part', () => {
    const losses = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 })
    fc.assert(
      fc.property(losses, bounds, (list, bound) => {
        const above = Math.log(capitalAbove(list, bound))
        const below = Math.log(capitalBelow(list, bound))
        expect(evidenceAbove(countsOf(list), bound, 0)).toBeLessThanOrEqual(above + 1e-9)
        expect(evidenceBelow(countsOf(list), bound)).toBeLessThanOrEqual(below + 1e-9)
      })
    )
  })

  it('has a capital of 1 on average at the bound, and of at most 1 within it', () => {
    expect(meanCapital(evidenceAbove, 0.05)).toBeCloseTo(1, 9)
    expect(meanCapital(evidenceBelow, 0.05)).toBeCloseTo(1, 9)
    expect(meanCapital(evidenceAbove, 0.04)).toBeLessThan(1)
    expect(meanCapital(evidenceBelow, 0.06)).toBeLessThan(1)
  })

  it('is the capital of smaller stakes where pairs may be credits', () => {
    const random = seededRandom(9)
    for (const bound of [0.001, 0.05, 0.4, 0.9]) {
      const losses = Array.from({ length: 80 }, () => Math.floor(3 * random()) - 1)
      const counts = countsOf(losses)
      const stakes = stakesBetween(leastStake(bound), 0.95 / (1 + bound))
      const above = capitalOf(losses, stakes, (stake, loss) => stake * (loss - bound))
      expect(evidenceAbove(counts, bound, -1)).toBeCloseTo(Math.log(above), 8)
      expect(evidenceBelow(counts, bound)).toBeCloseTo(Math.log(capitalBelow(losses, bound)), 8)
    }
  })

  it('has a capital of 1 on average at the bound, also of losses and credits', () => {
    // 60 pairs, of which a sixth are losses or credits, with a mean loss of 5 points
    const [event, lost] = [1 / 6, 0.65]
    let [above, below] = [0, 0]
    binomials(60, event).forEach((chance, events) =>
      binomials(events, lost).forEach((share, losses) => {
        const counts = { pairs: 60, losses, credits: events - losses }
        above += chance * share * Math.exp(evidenceAbove(counts, 0.05, -1))
        below += chance * share * Math.exp(evidenceBelow(counts, 0.05))
      })
    )
    expect(above).toBeCloseTo(1, 9)
    expect(below).toBeCloseTo(1, 9)
  })

  it('is never changed to the good by another loss', () => {
    const counts = fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 1, max: 5000 }))
    fc.assert(
      fc.property(counts, bounds, ([losses, others], bound) => {
        const [less, more] = [losses, losses + 1].map((sum) => ({
          pairs: losses + others,
          losses: sum,
          credits: 0,
        }))
        expect(evidenceAbove(more!, bound, 0)).toBeGreaterThan(evidenceAbove(less!, bound, 0))
        expect(evidenceBelow(more!, bound)).toBeLessThan(evidenceBelow(less!, bound))
      })
    )
  })

  it('is a number after ten million pairs, and at the ends of what a bound can be', () => {
    for (const bound of [0.001, 0.05, 0.5, 0.999])
      for (const losses of [0, 1, 499_999.5, 500_000, 9_999_999, 1e7])
        for (const evidence of [evidenceAbove, evidenceBelow])
          expect(evidence({ pairs: 1e7, losses, credits: 0 }, bound, 0)).toSatisfy(Number.isFinite)
    expect(evidenceAbove({ pairs: 1e7, losses: 6e5, credits: 0 }, 0.05, 0)).toBeGreaterThan(5000)
    expect(evidenceAbove({ pairs: 1e7, losses: 5e5, credits: 0 }, 0.05, 0)).toBeLessThan(0)
  })
})

it.each([
  [{ pairs: 0, losses: 0, credits: 0 }, 0],
  [{ pairs: 4, losses: 2, credits: 1 }, 0.25],
  [{ pairs: 4, losses: 0, credits: 1 }, -0.25],
])('the mean loss of %j is %d', (counts, loss) => {
  expect(meanLoss(counts)).toBe(loss)
})

it.each([
  [1, { pairs: 1, losses: 1, credits: 0 }],
  [0.25, { pairs: 1, losses: 0.25, credits: 0 }],
  [0, { pairs: 1, losses: 0, credits: 0 }],
  [-0.5, { pairs: 1, losses: 0, credits: 0.5 }],
])('a pair with a loss of %d counts as %j', (loss, counts) => {
  expect(onePair(loss)).toEqual(counts)
})

it('counts are added, and those of a beginning are taken away again', () => {
  const first = { pairs: 10, losses: 3, credits: 2 }
  const later = { pairs: 5, losses: 1, credits: 0.5 }
  const all = addCounts(first, later)
  expect(all).toEqual({ pairs: 15, losses: 4, credits: 2.5 })
  expect(pairsSince(all, first)).toEqual(later)
})

describe('evidence of a rise', () => {
  it('begins with a capital of 1', () => {
    expect(evidenceOfRise(NO_STREAM, 0.05, 0)).toBeCloseTo(0, 12)
  })

  it('has a capital of 1 on average at the bound, over two starts', () => {
    const [first, second] = [binomials(100, 0.05), binomials(60, 0.05)]
    let capital = 0
    for (let before = 0; before <= 100; before++) {
      // the order of the losses before the second start does not matter
      let stream = streamOf(Array.from({ length: 100 }, (_, i) => (i < before ? 1 : 0)))
      for (let losses = 0; losses <= 60; losses++) {
        const all = streamOf(
          Array.from({ length: 60 }, (_, i) => (i < losses ? 1 : 0)),
          stream
        )
        capital += first[before]! * second[losses]! * Math.exp(evidenceOfRise(all, 0.05, 0))
      }
    }
    expect(capital).toBeCloseTo(1, 6)
  })

  it('never bets more than the capital, and keeps the newest starts', () => {
    let stream = NO_STREAM
    for (let round = 0; round < 8; round++) {
      stream = streamOf(everyNth(10_000, 30), stream)
      const bet = stream.starts.reduce((sum, { share }) => sum + share, 0)
      expect(0.75 + bet + putAside(stream.started)).toBeLessThanOrEqual(1 + 1e-12)
      expect(stream.starts.length).toBeLessThanOrEqual(256)
      expect(stream.starts.at(-1)!.before.pairs).toBe(stream.pairs)
    }
    expect(stream.started).toBe(800)
    expect(streamOf(everyNth(25_600, 30)).starts).toHaveLength(256)
    // every second one goes
    expect(streamOf(everyNth(25_700, 30)).starts).toHaveLength(129)
  })

  it('is the capital of the starts that are kept, also after others were dropped', () => {
    const losses = [...everyNth(30_000, 24), ...everyNth(900, 8)]
    const stream = streamOf(losses)
    expect(stream.started).toBe(309)
    expect(stream.starts.length).toBeLessThan(309)
    const capital = stream.starts.map(({ before: { pairs } }) => {
      const after = countsOf(losses.slice(pairs))
      return shareOf(pairs / 100) * Math.exp(evidenceAbove(after, 0.05, 0))
    })
    const all =
      0.25 / Math.log(309 + Math.E) +
      0.75 * Math.exp(evidenceAbove(stream, 0.05, 0)) +
      capital.reduce((sum, value) => sum + value, 0)
    expect(evidenceOfRise(stream, 0.05, 0)).toBeCloseTo(Math.log(all), 8)
  })

  it('grows soon after a rise that follows many good pairs', () => {
    const good = streamOf(everyNth(20_000, 50))
    const bad = streamOf(everyNth(600, 7), good)
    expect(evidenceAbove(bad, 0.05, 0)).toBeLessThan(-25)
    expect(evidenceOfRise(bad, 0.05, 0)).toBeGreaterThan(Math.log(300))
  })

  it('tells the pairs before the rise, to the hundred', () => {
    const good = streamOf(everyNth(2000, 50))
    const bad = streamOf(everyNth(600, 4), good)
    expect(beforeRise(bad, 0.05, 0)).toEqual({ pairs: 2000, losses: 40, credits: 0 })
    expect(beforeRise(streamOf(everyNth(600, 4)), 0.05, 0)).toEqual(NO_PAIRS)
    expect(beforeRise(NO_STREAM, 0.05, 0)).toEqual(NO_PAIRS)
  })

  it('never falls when a loss takes the place of an agreement', () => {
    const list = fc.array(fc.constantFrom<number>(0, 0.5), { minLength: 90, maxLength: 260 })
    fc.assert(
      fc.property(list, fc.nat(), (losses, place) => {
        const worse = losses.with(place % losses.length, 1)
        expect(evidenceOfRise(streamOf(worse), 0.05, 0)).toBeGreaterThanOrEqual(
          evidenceOfRise(streamOf(losses), 0.05, 0) - 1e-12
        )
      })
    )
  })
})

describe('the confidence sequence of the loss', () => {
  it('is everything before the first pair', () => {
    expect(lossInterval(NO_PAIRS, 0.05, 0)).toEqual([0, 1])
    expect(lossInterval(NO_PAIRS, 0.05, -1)).toEqual([-1, 1])
  })

  it('may be below 0 where pairs are credits', () => {
    const [lower, upper] = lossInterval({ pairs: 1000, losses: 10, credits: 90 }, 0.05, -1)
    expect(lower).toBeGreaterThan(-0.16)
    expect(lower).toBeLessThan(-0.08)
    expect(upper).toBeGreaterThan(-0.08)
    expect(upper).toBeLessThan(0)
  })

  it.each([
    [10, 0],
    [10, 10],
    [1000, 1],
    [1000, 999],
    [1e7, 0],
    [1e7, 1e7],
    [1e7, 387_654.25],
  ])('of %d pairs holds the share of their losses, %d', (pairs, losses) => {
    const [lower, upper] = lossInterval({ pairs, losses, credits: 0 }, 0.05, 0)
    expect(lower).toBeLessThanOrEqual(losses / pairs)
    expect(upper).toBeGreaterThanOrEqual(losses / pairs)
    expect(upper - lower).toBeLessThan(10 / Math.sqrt(pairs))
    if (losses === 0) expect(lower).toBe(0)
    if (losses === pairs) expect(upper).toBe(1)
  })

  it('holds exactly the losses that have too little evidence against them', () => {
    const limit = Math.log(40)
    for (const counts of [
      { pairs: 12, losses: 5, credits: 0 },
      { pairs: 400, losses: 17.5, credits: 0 },
      { pairs: 5000, losses: 4400, credits: 0 },
    ]) {
      const [lower, upper] = lossInterval(counts, 0.05, 0)
      for (let bound = 0.0005; bound < 1; bound += 0.001) {
        const isOutside =
          evidenceAbove(counts, bound, 0) >= limit || evidenceBelow(counts, bound) >= limit
        if (bound < lower - 1e-4 || bound > upper + 1e-4) expect(isOutside).toBe(true)
        if (bound > lower + 1e-4 && bound < upper - 1e-4) expect(isOutside).toBe(false)
      }
    }
  })

  it('holds the true loss at every look in more than 95 of 100 streams', () => {
    const [streams, truth] = [400, 0.05]
    const random = seededRandom(11)
    let missed = 0
    for (let i = 0; i < streams; i++) {
      const counts = { pairs: 0, losses: 0, credits: 0 }
      let isMissed = false
      for (let look = 0; look < 30 && !isMissed; look++) {
        for (let pair = 0; pair < 40; pair++) counts.losses += random() < truth ? 1 : 0
        counts.pairs += 40
        const [lower, upper] = lossInterval(counts, 0.05, 0)
        isMissed = truth < lower || truth > upper
      }
      if (isMissed) missed++
    }
    expect(missed).toBeGreaterThan(0)
    expect(missed / streams).toBeLessThan(0.05)
  })
})
