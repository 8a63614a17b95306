/**
 * What people's blind ratings prove: of all adapted answers at most a margin is bad. A rated answer is bad if a person
 * who does not know whose it is says that the upstream's alone is right. The judge only chooses what is rated first
 * and how often; it is never part of the proof. Knows nothing of pages or stores.
 */
import { effectiveRows, type ClusteredRow } from '../gate/effective-rows.ts'
import { levelOfTry } from '../gate/gate.ts'
import { binomialLowerTail, bisectFalling } from '../gate/statistics.ts'

/** Ratings that are needed: at 2 % truly bad answers a margin of 5 points passes in 84.9 % of the draws. */
export const RATINGS_NEEDED = 300

/** A random answer of the population, drawn before a rating of it is known. */
export interface SampledAnswer extends ClusteredRow {
  /** the judge rejects it */
  isFlagged: boolean
  /** by a person; null: not rated yet */
  isBad: boolean | null
}

/** Counts of a sample in which each answer that is not flagged was chosen for a rating at one rate. */
export interface RatedCounts {
  /** answers in the sample, those that were not chosen included */
  sampled: number
  /** of the flagged ones, which are all rated */
  flaggedBad: number
  /** of the others that were chosen */
  passedBad: number
  /** chance of an answer that is not flagged to be chosen, in (0, 1], fixed before the sample was drawn */
  rate: number
}

/** Cells of the search for the worst split of the bad answers. */
const CELLS = 100
/** Of products that are whole numbers. */
const ROUNDING = 1e-9

/** Chance that a weighted count of at most `most` is seen, for shares of flagged and of other bad answers. */
const chanceUpTo = (
  most: number,
  { sampled, rate }: RatedCounts,
  { flagged, passed }: { flagged: number; passed: number }
): number => {
  let [sum, before] = [0, 0]
  for (let count = 0; count <= Math.min(most, sampled); count++) {
    const upTo = binomialLowerTail(count, sampled, flagged)
    // given the flagged bad ones, the chosen other bad ones are binomial among the rest
    const chosen = Math.floor(rate * (most - count) + ROUNDING)
    sum +=
      (upTo - before) * binomialLowerTail(chosen, sampled - count, (rate * passed) / (1 - flagged))
    before = upTo
  }
  return sum
}

/**
 * p-value of "at least a share of `margin` is bad". It is exact for a rate of 1, and never too small for others.
 *
 * The flagged bad answers and the other bad ones that were chosen are two cells of a multinomial count, with chances p₁
 * and rate · p₂, and p₁ + p₂ is the share of bad answers. The statistic is flagged + other / rate, whose mean is that
 * share. How a share of `margin` is divided between p₁ and p₂ is not known, so the largest chance over all divisions is
 * taken. The chance falls in p₁ and in p₂; so over a cell of a grid, p₁ from a to b, it is at most that of p₁ = a with
 * p₂ = margin − b, and the maximum over the cells is an upper bound. Neither the judge's sensitivity nor its
 * specificity is estimated: bounds that are corrected by estimates of them break a level of 5 % in 9 to 17 % of draws.
 */
export const peoplePValue = (counts: RatedCounts, margin: number): number => {
  const { sampled, flaggedBad, passedBad, rate } = counts
  if (sampled === 0) return 1
  if (rate === 1) return binomialLowerTail(flaggedBad + passedBad, sampled, margin)
  const most = flaggedBad + passedBad / rate
  const width = margin / CELLS
  return Math.max(
    ...Array.from({ length: CELLS }, (_, cell) =>
      chanceUpTo(most, counts, { flagged: cell * width, passed: margin - (cell + 1) * width })
    )
  )
}

/** Upper bound of the share of bad answers at a level. */
const upperBound = (counts: RatedCounts, level: number): number =>
  counts.sampled === 0
    ? 1
    : bisectFalling((share) => peoplePValue(counts, share), level, 0, 1 - ROUNDING)

export interface PeopleFigures {
  /** answers that were chosen for a rating, and that were rated */
  wanted: number
  rated: number
  bad: number
  /** independent answers that the sample is worth */
  effectiveRows: number
  /** of the share of bad answers, if all that are not rated yet were good; of all at the end */
  upperBound: number
  /**
   * `open`: ratings are missing that may decide. Those that are not rated yet count as bad for a proof and as good for
   * its end, so one may look after each rating
   */
  result: 'proved' | 'not-proved' | 'open'
  level: number
}

export interface PeopleInput {
  sample: readonly (SampledAnswer & { isChosen: boolean })[]
  /** see `RatedCounts` */
  rate: number
  /** share of bad answers that is allowed, 0 to 1 */
  margin: number
  /** see `createEffectiveRows` */
  burstMs: number
  /** promises about people that were tried for the same route: they share the level */
  earlierTries: number
}

/** A conversation counts as the answers that it is worth, rounded against the route. */
const countsOf = (
  { sample, rate, burstMs }: PeopleInput,
  isBad: (answer: SampledAnswer) => boolean
): RatedCounts => {
  const worth = sample.length === 0 ? 0 : effectiveRows(sample, burstMs) / sample.length
  const bad = sample.filter((answer) => answer.isChosen && isBad(answer))
  const flagged = bad.filter(({ isFlagged }) => isFlagged).length
  const rounded = (count: number): number => Math.ceil(worth * count - ROUNDING)
  return {
    sampled: Math.floor(worth * sample.length + ROUNDING),
    flaggedBad: rounded(flagged),
    passedBad: rounded(bad.length - flagged),
    rate,
  }
}

/** @throws RangeError if a flagged answer was not chosen: all of them have to be rated */
export const peopleFigures = (input: PeopleInput): PeopleFigures => {
  const { sample, margin, earlierTries } = input
  if (sample.some(({ isFlagged, isChosen }) => isFlagged && !isChosen))
    throw new RangeError('every flagged answer of the sample must be rated')
  const level = levelOfTry(earlierTries)
  const chosen = sample.filter(({ isChosen }) => isChosen)
  const atLeast = countsOf(input, ({ isBad }) => isBad === true)
  const atMost = countsOf(input, ({ isBad }) => isBad !== false)
  const isEnough = chosen.length >= RATINGS_NEEDED
  const isProved = isEnough && peoplePValue(atMost, margin) <= level
  const isOver = isEnough && peoplePValue(atLeast, margin) > level
  return {
    wanted: chosen.length,
    rated: chosen.filter(({ isBad }) => isBad !== null).length,
    bad: chosen.filter(({ isBad }) => isBad === true).length,
    effectiveRows: atLeast.sampled,
    upperBound: upperBound(atLeast, level),
    result: isProved ? 'proved' : isOver ? 'not-proved' : 'open',
    level,
  }
}

/**
 * The order in which a sample is rated: flagged answers first, so that a bad route ends after a few ratings, then the
 * chosen others. Raters must not be told which part they see.
 */
export const ratingOrder = <Answer extends Pick<SampledAnswer, 'isFlagged'>>(
  chosen: readonly Answer[]
): Answer[] => [
  ...chosen.filter(({ isFlagged }) => isFlagged),
  ...chosen.filter(({ isFlagged }) => !isFlagged),
]
