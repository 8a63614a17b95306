/** Which audited answers of a route people rate. Knows nothing of stores, texts or judges. */
import { RATEABLE, type StoredPair } from '../rollout/pair.ts'
import { Thinning } from '../rollout/thinning.ts'
import { RATINGS_NEEDED, type SampledAnswer } from './people.ts'

/** What is known of an audited answer without its text. */
export type AuditedAnswer = Pick<
  StoredPair,
  'place' | 'recordId' | 'at' | 'conversation' | 'outcome' | 'similarity' | 'rating' | 'drawn'
>

export interface PeopleAnswer extends SampledAnswer {
  place: number
  /** null after the record was forgotten: then it cannot be rated any more */
  recordId: string | null
  isChosen: true
}

export interface PeopleSample {
  answers: PeopleAnswer[]
  /** samples of the route that were rated before, wholly or in part: they share the level */
  earlierTries: number
}

const isRated = ({ rating }: AuditedAnswer): boolean => rating !== null

/** Of equal answers neither is right alone, so they are not bad and need no person. */
const isBad = ({ rating, similarity }: AuditedAnswer): boolean | null => {
  if (rating !== null) return rating === 'upstream'
  return similarity === 1 ? false : null
}

const answerOf = (pair: AuditedAnswer): PeopleAnswer => ({
  place: pair.place,
  recordId: pair.recordId,
  conversation: pair.conversation,
  at: pair.at,
  isFlagged: pair.outcome === 'disagreed' || pair.outcome === 'upstream-differs',
  isBad: isBad(pair),
  isChosen: true,
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
