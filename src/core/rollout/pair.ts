/**
 * A pair: an audited request with the upstream's answer, which the client got, and the lora's answer,
 * which was computed afterwards. Here is what a pair says of the loss. Knows nothing of stores, engines or
 * stages.
 */

/** Why the upstream answers an audited request, in headers and records. */
export const AUDIT = 'audit'

/** Why a record is no answer: the upstream refused a request that continues an answer of the lora. */
export const REFUSED_AFTER_OURS = 'upstream-refused-after-ours'

/**
 * What became of an audited request. The lora would have answered: `agreed`, as the upstream did;
 * `disagreed`, and the upstream repeats its answer, or cannot be asked again; `upstream-differs`, and a
 * second answer of the upstream is a third one; `second-agrees`, and the second answer is the lora's.
 * The lora was not sure enough: `draft-agreed` and `draft-disagreed` say what its draft would have been.
 * `withheld`: the route no longer gives this answer, or none to such a request. `fallback`: the lora has no answer.
 * `refused`: no audit, but the upstream refused the client's next turn after an answer of the lora. `unusable`: there
 * is no pair, because the upstream did not answer, or the record has lost its bodies.
 */
export const PAIR_OUTCOMES = [
  'agreed',
  'disagreed',
  'upstream-differs',
  'second-agrees',
  'draft-agreed',
  'draft-disagreed',
  'withheld',
  'fallback',
  'refused',
  'unusable',
] as const

export type PairOutcome = (typeof PAIR_OUTCOMES)[number]

/** Outcomes of pairs with two answers. */
export const RATEABLE = ['agreed', 'disagreed', 'upstream-differs', 'second-agrees'] as const

/** Which of the two answers is right, by a person who did not know whose they were. */
export const RATINGS = ['lora', 'upstream', 'both', 'neither'] as const

export type Rating = (typeof RATINGS)[number]

/** An audited request whose lora's answer was computed. */
export interface Pair {
  recordId: string
  outcome: PairOutcome
  /**
   * why the lora would not have answered, or why there is no pair; else null
   */
  reason: string | null
  /** the same key for all turns of a conversation */
  conversation: string
  /** the lora's answer; '' without one, and after its record lost its bodies */
  answer: string
  /** numbers of its parts in the plan (`core/route/parts.ts`); none after its record was forgotten */
  parts: number[]
  /** the two answers are equal by the rules of the plan, whatever a judge says of them */
  isEqual: boolean
  /** by the statistic of the route; null without an answer */
  confidence: number | null
  /** the upstream's second answer; null when none was bought */
  upstreamAnswer: string | null
  /** characters of the question; 0 where it cannot be read */
  chars: number
  /** the upstream's answer is not among the labels that the lora knows; null where there are no labels */
  isNewLabel: boolean | null
  /** `model` and `system_fingerprint` of the upstream's answer; null without them */
  upstreamModel: string | null
  /** what the audit cost, US dollars; null without a price */
  costUsd: number | null
}

/** A pair as the store keeps it. */
export interface StoredPair extends Omit<Pair, 'recordId'> {
  /** strictly increasing; a cursor into the pairs */
  place: number
  /** null after the record was forgotten */
  recordId: string | null
  /** milliseconds since the epoch, when the request arrived */
  at: number
  /** part of its stage's audits that were made when it was drawn, in (0, 1] (`audit-part.ts`) */
  drawn: number
  rating: Rating | null
  /** milliseconds since the epoch, when it was rated last, or its rating taken back; null: never */
  ratedAt: number | null
}

/** The part of a stored pair that is evidence. */
export type JudgedPair = Pick<
  StoredPair,
  'place' | 'at' | 'conversation' | 'outcome' | 'rating' | 'confidence' | 'drawn'
>

/** A judged pair with what it says of the traffic. */
export type WatchedPair = JudgedPair &
  Pick<StoredPair, 'ratedAt' | 'chars' | 'isNewLabel' | 'upstreamModel' | 'parts'>

/** A watched pair, with what decides whether a person has to rate it. */
export type ReadPair = WatchedPair & Pick<StoredPair, 'recordId' | 'isEqual'>

/**
 * A pair as evidence. On a judged route people's ratings are a promise of their own, and no evidence of the judge's:
 * the pairs that it rejects are rated first, so that it would be corrected where it rejects and not where it accepts.
 */
export const asEvidence = (pair: WatchedPair, isJudged: boolean): WatchedPair =>
  isJudged ? { ...pair, rating: null, ratedAt: null } : pair

/** −1 is a credit. Outcomes without a loss are no evidence. */
const LOSSES: Partial<Record<PairOutcome, -1 | 0 | 1>> = {
  agreed: 0,
  disagreed: 1,
  'upstream-differs': 0,
  'second-agrees': -1,
  refused: 1,
}

/** Whether the lora would have answered, so that the pair is evidence of its loss. */
export const isAnswered = ({ outcome }: Pick<Pair, 'outcome'>): boolean =>
  LOSSES[outcome] !== undefined

/**
 * Whether the lora would have answered with a border that was made narrower afterwards. An answer that the upstream
 * refused has no confidence, and was given.
 */
export const isAnsweredFrom = (
  border: number,
  { outcome, confidence }: Pick<Pair, 'outcome' | 'confidence'>
): boolean => isAnswered({ outcome }) && (confidence ?? Infinity) >= border

/**
 * Loss of a draft below the border. The upstream is not asked again for it, so a draft that disagrees is a loss
 * although the upstream might disagree with itself. @returns null for other pairs
 */
export const draftLossOf = ({ outcome }: Pick<Pair, 'outcome'>): 0 | 1 | null => {
  if (outcome === 'draft-agreed') return 0
  return outcome === 'draft-disagreed' ? 1 : null
}

/**
 * Loss of a pair. Its mean is P(lora ≠ first answer) − P(second answer ≠ first answer), which the promise is
 * about (docs/evidence.md). A person's rating decides instead, also of an agreement: it is a loss only if the
 * upstream alone was right.
 */
export const lossOf = ({ outcome, rating }: Pick<StoredPair, 'outcome' | 'rating'>): -1 | 0 | 1 => {
  if (rating !== null) return rating === 'upstream' ? 1 : 0
  return LOSSES[outcome] ?? 0
}
