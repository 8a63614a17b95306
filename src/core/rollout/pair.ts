/**
 * A pair: an audited request with the upstream's answer, which the client got, and the lora's answer,
 * which was computed afterwards. Here is what a pair says of the loss, and how pairs become a stream of
 * losses. Knows nothing of stores, engines or stages.
 */
import { ConversationReader, type Conversation } from './conversations.ts'
import { addLosses, NO_PAIRS, NO_STREAM, type LossCounts, type LossStream } from './evidence.ts'

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
  rating: Rating | null
  /** milliseconds since the epoch; null without a rating */
  ratedAt: number | null
}

/** The part of a stored pair that is evidence. */
export type JudgedPair = Pick<
  StoredPair,
  'place' | 'at' | 'conversation' | 'outcome' | 'rating' | 'confidence'
>

/** A judged pair with what it says of the traffic. */
export type WatchedPair = JudgedPair &
  Pick<StoredPair, 'ratedAt' | 'chars' | 'isNewLabel' | 'upstreamModel'>

/** Whether the lora would have answered, so that the pair is evidence of its loss. */
export const isAnswered = ({ outcome }: Pick<Pair, 'outcome'>): boolean =>
  outcome === 'agreed' || outcome === 'disagreed' || outcome === 'upstream-differs'

/**
 * Loss of a pair: 1 where the lora disagrees with an upstream that agrees with itself. A person's rating
 * of a disagreement decides instead: it is a loss only if the upstream alone was right. A rating of an
 * agreement changes nothing (docs/evidence.md).
 */
export const lossOf = ({ outcome, rating }: Pick<StoredPair, 'outcome' | 'rating'>): 0 | 1 => {
  if (outcome === 'agreed') return 0
  if (rating !== null) return rating === 'upstream' ? 1 : 0
  return outcome === 'disagreed' ? 1 : 0
}

/** The pairs of one internalization so far, read in the order of their places. */
export interface PairSums {
  /** of conversations that are over; each counts as one pair with the mean loss of its turns */
  stream: LossStream
  /** the pairs of the stream since the present stage began */
  inStage: LossCounts
  /** when the starts of the stream began: milliseconds since the epoch, by the number of pairs before */
  startTimes: ReadonlyMap<number, number>
  /** audited requests by what became of them */
  outcomes: Record<PairOutcome, number>
}

/** The part of the sums that is evidence. */
export type Streams = Omit<PairSums, 'outcomes'>

export const NO_STREAMS: Streams = { stream: NO_STREAM, inStage: NO_PAIRS, startTimes: new Map() }

/** The times of the starts that the stream still has. */
const withStartTime = (
  times: PairSums['startTimes'],
  { pairs, starts }: LossStream,
  at: number
): PairSums['startTimes'] =>
  new Map(
    starts.map(({ before }) => [
      before.pairs,
      before.pairs === pairs ? at : times.get(before.pairs)!,
    ])
  )

/**
 * The streams after further conversations, which must not reach beyond the next start of the stream.
 * @param at when the last one ended @param pairsBefore conversations before the present stage
 */
export const withLosses = (
  { stream, inStage, startTimes }: Streams,
  { pairs, losses }: LossCounts,
  at: number,
  pairsBefore: number
): Streams => {
  const isInStage = stream.pairs >= pairsBefore
  const added = addLosses(stream, { pairs, losses })
  const hasStarted = added.started > stream.started
  return {
    stream: added,
    inStage: isInStage
      ? { pairs: inStage.pairs + pairs, losses: inStage.losses + losses }
      : inStage,
    startTimes: hasStarted ? withStartTime(startTimes, added, at) : startTimes,
  }
}

/** A conversation as one pair. @param losses of its turns */
export const oneOf = (losses: readonly number[]): LossCounts => ({
  pairs: 1,
  losses: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
})

/**
 * Sums the pairs of an internalization. The sums depend on the pairs and the time alone: not on the pages
 * in which they were read, nor on when the sums were asked for. So they are not stored: after a crash all
 * pairs are read again, and none counts twice.
 */
export class PairReader {
  private readonly conversations: ConversationReader<0 | 1>
  private readonly pairsBefore: number
  private streams = NO_STREAMS
  private readonly outcomes = Object.fromEntries(
    PAIR_OUTCOMES.map((name) => [name, 0])
  ) as PairSums['outcomes']
  /** of the last pair that was read; 0 before the first */
  lastPlace = 0

  /**
   * @param isSingle no request of the template has a second turn, so each is a conversation
   * @param pairsBefore conversations before the present stage. Their losses are summed anew, because a
   * rating since then may have changed them
   */
  constructor(isSingle: boolean, pairsBefore: number) {
    this.conversations = new ConversationReader(isSingle)
    this.pairsBefore = pairsBefore
  }

  /** @param pairs in the order of their places, behind those that were read before */
  read(pairs: readonly JudgedPair[]): void {
    for (const pair of pairs) {
      this.lastPlace = pair.place
      this.outcomes[pair.outcome]++
      if (isAnswered(pair)) this.streams = this.with(this.conversations.read(pair, lossOf(pair)))
    }
  }

  private with(ended: readonly Conversation<0 | 1>[]): Streams {
    return ended.reduce(
      (streams, { turns, at }) => withLosses(streams, oneOf(turns), at, this.pairsBefore),
      this.streams
    )
  }

  /**
   * @param now milliseconds since the epoch, or the time of the oldest request that still waits to become
   * a pair. Conversations that are over by then count, but stay open for a turn that was stored late
   */
  sums(now: number): PairSums {
    return { ...this.with(this.conversations.overBy(now)), outcomes: { ...this.outcomes } }
  }
}
