/**
 * Which audited answers people rate, and what their blind ratings prove: of all adapted answers at most a margin is bad.
 * A rated answer is bad if a person who does not know whose it is says that the upstream's alone is right. The judge
 * only chooses what is rated first; it is never part of the proof. Knows nothing of pages, stores or texts.
 */
import { effectiveRows, type ClusteredRow } from '../gate/effective-rows.ts'
import { levelOfTry } from '../gate/gate.ts'
import { binomialLowerTail, proportionLowerBound } from '../gate/statistics.ts'
import { RATEABLE, type StoredPair } from '../rollout/pair.ts'
import { Thinning } from '../rollout/thinning.ts'

/** Ratings that are needed: at 2 % truly bad answers a margin of 5 points passes in 84.9 % of the draws. */
export const RATINGS_NEEDED = 300

/** A random answer of the population, drawn before a rating of it is known. */
export interface SampledAnswer extends ClusteredRow {
  /** the judge rejects it */
  isFlagged: boolean
  /** by a person; null: not rated yet */
  isBad: boolean | null
}

/** Of products that are whole numbers. */
const ROUNDING = 1e-9

/** p-value of "at least a share of `margin` is bad". */
const peoplePValue = (bad: number, sampled: number, margin: number): number =>
  sampled === 0 ? 1 : binomialLowerTail(bad, sampled, margin)

export interface PeopleFigures {
  /** answers in the sample, and those that were rated */
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

interface PeopleInput {
  sample: readonly SampledAnswer[]
  /** share of bad answers that is allowed, 0 to 1 */
  margin: number
  /** see `createEffectiveRows` */
  burstMs: number
  /** promises about people that were tried for the same route: they share the level */
  earlierTries: number
}

export const peopleFigures = (input: PeopleInput): PeopleFigures => {
  const { sample, margin, burstMs, earlierTries } = input
  const level = levelOfTry(earlierTries)
  // a conversation counts as the answers that it is worth, rounded against the route
  const worth = sample.length === 0 ? 0 : effectiveRows(sample, burstMs) / sample.length
  const sampled = Math.floor(worth * sample.length + ROUNDING)
  const count = (isBad: (answer: SampledAnswer) => boolean): number =>
    Math.ceil(worth * sample.filter(isBad).length - ROUNDING)
  const atLeast = count(({ isBad }) => isBad === true)
  const atMost = count(({ isBad }) => isBad !== false)
  const isEnough = sample.length >= RATINGS_NEEDED
  const isProved = isEnough && peoplePValue(atMost, sampled, margin) <= level
  const isOver = isEnough && peoplePValue(atLeast, sampled, margin) > level
  return {
    wanted: sample.length,
    rated: sample.filter(({ isBad }) => isBad !== null).length,
    bad: sample.filter(({ isBad }) => isBad === true).length,
    effectiveRows: sampled,
    upperBound: sampled === 0 ? 1 : 1 - proportionLowerBound(sampled - atLeast, sampled, level),
    result: isProved ? 'proved' : isOver ? 'not-proved' : 'open',
    level,
  }
}

/** Flagged answers first, so that a bad route ends after a few ratings. Raters must not be told which part they see. */
export const ratingOrder = <Answer extends Pick<SampledAnswer, 'isFlagged'>>(
  answers: readonly Answer[]
): Answer[] => [
  ...answers.filter(({ isFlagged }) => isFlagged),
  ...answers.filter(({ isFlagged }) => !isFlagged),
]

/** What is known of an audited answer without its text. */
export type AuditedAnswer = Pick<
  StoredPair,
  'place' | 'recordId' | 'at' | 'conversation' | 'outcome' | 'isEqual' | 'rating' | 'drawn'
>

interface PeopleAnswer extends SampledAnswer {
  place: number
  /** null after the record was forgotten: then it cannot be rated any more */
  recordId: string | null
}

export interface PeopleSample {
  answers: PeopleAnswer[]
  /** samples of the route that were rated before, wholly or in part: they share the level */
  earlierTries: number
}

const isRated = ({ rating }: AuditedAnswer): boolean => rating !== null

/** Of equal answers neither is right alone, so they are not bad and need no person. */
const isBad = ({ rating, isEqual }: AuditedAnswer): boolean | null => {
  if (rating !== null) return rating === 'upstream'
  return isEqual ? false : null
}

const answerOf = (pair: AuditedAnswer): PeopleAnswer => ({
  place: pair.place,
  recordId: pair.recordId,
  conversation: pair.conversation,
  at: pair.at,
  isFlagged: pair.outcome === 'disagreed' || pair.outcome === 'upstream-differs',
  isBad: isBad(pair),
})

/**
 * The sample is one block of 300 audited answers that follow each other, accepted and rejected ones alike. Audits are
 * drawn at random from the route's traffic and thinned to an even rate, and the blocks are numbered by the order of the
 * requests alone: no opinion of a judge or a person decides what is in one. So a block is a random sample of what the
 * route answers. Without a rating the newest whole block is proposed, because the texts of older ones may be deleted;
 * with the first rating the block is fixed. All of a stage would not do: each day's audits would be added without a
 * rating, and nothing would ever be proved. After a change of what the route answers, blocks begin anew, and those that
 * were rated before count as tries.
 */
export class PeopleSampler {
  private readonly thinning = new Thinning()
  private readonly changes: number[]
  private open: AuditedAnswer[] = []
  private whole: AuditedAnswer[] | null = null
  private rated: AuditedAnswer[] | null = null
  private tries = 0

  /** @param changes when what the route answers has changed, milliseconds since the epoch, oldest first */
  constructor(changes: readonly number[]) {
    this.changes = [...changes]
  }

  /** @param pairs in the order of their places, of any outcome */
  read(pairs: readonly AuditedAnswer[]): void {
    for (const pair of pairs) {
      const isKept = this.thinning.keeps(pair)
      if (!isKept || !(RATEABLE as readonly string[]).includes(pair.outcome)) continue
      this.forgetBefore(pair.at)
      this.open.push(pair)
      if (this.open.length === RATINGS_NEEDED) this.close()
    }
  }

  sample(): PeopleSample {
    const isOpenRated = this.open.some(isRated)
    const answers = isOpenRated ? this.open : (this.rated ?? this.whole ?? this.open)
    const isTried = !isOpenRated && this.rated !== null
    return { answers: answers.map(answerOf), earlierTries: this.tries - (isTried ? 1 : 0) }
  }

  private close(): void {
    this.whole = this.open
    if (this.open.some(isRated)) {
      this.rated = this.open
      this.tries++
    }
    this.open = []
  }

  private forgetBefore(at: number): void {
    while ((this.changes[0] ?? Infinity) < at) {
      this.changes.shift()
      this.close()
      ;[this.whole, this.rated] = [null, null]
    }
  }
}
