/**
 * A pair: an audited request with the upstream's answer, which the client got, and the lora's answer,
 * which was computed afterwards. Here is what a pair says of the loss, and how pairs become a stream of
 * losses. Knows nothing of stores, engines or stages.
 */
import { addLoss, NO_STREAM, type LossStream } from './evidence.ts'

/** Why the upstream answers an audited request, in headers and records. */
export const AUDIT = 'audit'

/**
 * What became of an audited request. `agreed`, `disagreed`: the lora would have answered;
 * `upstream-differs`: it disagreed, and a second answer of the upstream disagreed with the first one, too.
 * `fallback`: the lora would not have answered. `unusable`: there is no pair, because the upstream did not
 * answer, or the record has lost its bodies.
 */
export const PAIR_OUTCOMES = [
  'agreed',
  'disagreed',
  'upstream-differs',
  'fallback',
  'unusable',
] as const

export type PairOutcome = (typeof PAIR_OUTCOMES)[number]

/** Which of the two answers is right, by a person who did not know whose they were. */
export const RATINGS = ['lora', 'upstream', 'both', 'neither'] as const

export type Rating = (typeof RATINGS)[number]

/** An audited request whose lora's answer was computed. */
export interface Pair {
  recordId: string
  outcome: PairOutcome
  /** why it is `fallback` or `unusable`; else null */
  reason: string | null
  /** the same key for all turns of a conversation */
  conversation: string
  /** the lora's answer; '' without one, and after its record lost its bodies */
  answer: string
  /** of both answers, 0 to 1 */
  similarity: number
  /** by the statistic of the route; null without an answer */
  confidence: number | null
  /** the upstream's second answer; null when none was bought */
  upstreamAnswer: string | null
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
  rating: Rating | null
  /** milliseconds since the epoch; null without a rating */
  ratedAt: number | null
}

/** The part of a stored pair that is evidence. */
export type JudgedPair = Pick<
  StoredPair,
  'place' | 'at' | 'conversation' | 'outcome' | 'rating' | 'confidence'
>

/** Whether the lora would have answered, so that the pair is evidence of its loss. */
export const isAnswered = ({ outcome }: Pick<Pair, 'outcome'>): boolean =>
  outcome === 'agreed' || outcome === 'disagreed' || outcome === 'upstream-differs'

/**
 * Loss of a pair: 1 where the lora disagrees with an upstream that agrees with itself. A person's rating
 * of a disagreement decides instead: it is a loss only if the upstream alone was right. A rating of an
 * agreement changes nothing (docs/proof.md).
 */
export const lossOf = ({ outcome, rating }: Pick<StoredPair, 'outcome' | 'rating'>): 0 | 1 => {
  if (outcome === 'agreed') return 0
  if (rating !== null) return rating === 'upstream' ? 1 : 0
  return outcome === 'disagreed' ? 1 : 0
}

/** A conversation that had no audited turn for this long is over; a later turn begins another one. */
const CONVERSATION_GAP_MS = 30 * 60_000

interface OpenConversation {
  turns: number
  losses: number
  /** of the newest turn */
  at: number
}

/** The pairs of one internalization so far, read in the order of their places. */
export interface PairSums {
  /** of conversations that are over; each counts as one pair with the mean loss of its turns */
  stream: LossStream
  /** audited requests by what became of them */
  outcomes: Record<PairOutcome, number>
}

/**
 * Sums the pairs of an internalization. Reading the same pairs again gives the same sums, so they are not
 * stored: after a crash all pairs are read again, and none counts twice.
 */
export class PairReader {
  private readonly isSingle: boolean
  private readonly open = new Map<string, OpenConversation>()
  private stream = NO_STREAM
  private readonly outcomes = Object.fromEntries(
    PAIR_OUTCOMES.map((name) => [name, 0])
  ) as PairSums['outcomes']
  /** of the last pair that was read; 0 before the first */
  lastPlace = 0

  /** @param isSingle no request of the template has a second turn, so each is a conversation */
  constructor(isSingle: boolean) {
    this.isSingle = isSingle
  }

  /** @param pairs in the order of their places, behind those that were read before */
  read(pairs: readonly JudgedPair[]): void {
    for (const pair of pairs) {
      this.lastPlace = pair.place
      this.outcomes[pair.outcome]++
      if (!isAnswered(pair)) continue
      if (this.isSingle) this.stream = addLoss(this.stream, lossOf(pair))
      else this.addTurn(pair)
    }
  }

  private addTurn(pair: JudgedPair): void {
    const { conversation, at } = pair
    const known = this.open.get(conversation)
    const isOver = known !== undefined && Math.abs(at - known.at) > CONVERSATION_GAP_MS
    if (isOver) this.end(conversation, known)
    const { turns, losses } = known === undefined || isOver ? { turns: 0, losses: 0 } : known
    this.open.set(conversation, { turns: turns + 1, losses: losses + lossOf(pair), at })
  }

  private end(conversation: string, { turns, losses }: OpenConversation): void {
    this.open.delete(conversation)
    this.stream = addLoss(this.stream, losses / turns)
  }

  /**
   * @param now milliseconds since the epoch, or the time of the oldest request that still waits to become
   * a pair. Conversations that are over by then count; a time far behind their turns means that a clock
   * was set back, and ends them, too.
   */
  sums(now: number): PairSums {
    for (const [conversation, open] of this.open)
      if (Math.abs(now - open.at) > CONVERSATION_GAP_MS) this.end(conversation, open)
    return { stream: this.stream, outcomes: { ...this.outcomes } }
  }
}
