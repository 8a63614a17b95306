/**
 * The pairs of a rollout as a proof file has them: by conversation, in the order in which they count. So
 * that the file is bounded, the oldest ones of a long rollout are sums. A sum never reaches beyond a place
 * where evidence was decided on or a bet begins, so all figures can be computed again also from sums.
 */
import type { Conversation } from '../rollout/conversations.ts'
import type { OutcomeFigures } from '../outcomes/outcome-figures.ts'
import { addCounts, START_EVERY, type LossCounts } from '../rollout/evidence.ts'
import {
  isAnsweredFrom,
  lossOf,
  type PairOutcome,
  type Rating,
  type WatchedPair,
} from '../rollout/pair.ts'
import { NO_STREAMS, oneOf, withLosses, type PairSums } from '../rollout/pair-reader.ts'
import type { OutcomePart } from './outcome-part.ts'
import {
  evidenceFigures,
  type EvidenceFigures,
  type LossBounds,
  type RolloutStage,
} from '../rollout/stages.ts'
import { lastOf } from '../lists.ts'

/** A pair that is evidence of the loss. */
export interface CountedPair {
  /** milliseconds since the epoch, when the request arrived */
  at: number
  outcome: PairOutcome
  /** −1, 0 or 1 */
  loss: number
  confidence: number | null
  /** only of a rated pair */
  rating?: Rating
  /** when it was rated, or its rating taken back */
  ratedAt?: number
}

type ListedConversation = [CountedPair, ...CountedPair[]]

/** A draft below the border that was in force. */
export interface DraftPair {
  confidence: number
  agrees: boolean
}

/** Conversations in the order in which they count, summed. */
export interface SummedConversations extends LossCounts {
  /** of the last turn */
  at: number
  /** the newest time of a rating; null without one */
  ratedAt: number | null
}

/** What the worker reported of the rollout. */
export interface ReportedEvidence {
  /** when it was made, milliseconds since the epoch */
  at: number
  stage: RolloutStage
  evidence: EvidenceFigures
  /** what users say of both sides */
  feedback: OutcomeFigures
  /** capitals that decide: at most one false rollback in so many routes, and the same for a step */
  rollbackCapital: number
  stepCapital: number
  /** audited requests by what became of them */
  outcomes: PairSums['outcomes']
}

export interface RolloutPart {
  lora: string
  /** the newest one */
  report: ReportedEvidence
  /** false: the pairs of a retired route were deleted with the log, so they are not all here */
  isWhole: boolean
  /** the oldest ones of a long rollout */
  summed: SummedConversations[]
  /** all others, each with its turns */
  conversations: ListedConversation[]
  /** below the border in force, as far as a border that moved needs them */
  drafts: DraftPair[]
  feedback: OutcomePart
}

/** Pairs that are listed one by one; beyond it the oldest ones are summed. */
const MAX_LISTED_PAIRS = 100_000

const countedPair = ({ at, outcome, rating, ratedAt, confidence }: WatchedPair): CountedPair => ({
  at,
  outcome,
  loss: lossOf({ outcome, rating }),
  confidence,
  ...(rating !== null && { rating }),
  ...(ratedAt !== null && { ratedAt }),
})

const newest = (times: readonly (number | null | undefined)[]): number | null =>
  times.reduce<number | null>(
    (latest, time) => (time != null && time > (latest ?? -Infinity) ? time : latest),
    null
  )

/** @param lossAt of a pair; by default as it is rated now */
const summed = (
  turns: ListedConversation,
  lossAt = ({ loss }: CountedPair): number => loss
): SummedConversations => ({
  ...oneOf(turns.map(lossAt)),
  at: lastOf(turns).at,
  ratedAt: newest(turns.map(({ ratedAt }) => ratedAt)),
})

const joined = (one: SummedConversations, other: SummedConversations): SummedConversations => ({
  ...addCounts(one, other),
  at: other.at,
  ratedAt: newest([one.ratedAt, other.ratedAt]),
})

/** Whether a conversation still counts where the border was made narrower. @param countsFrom see `leastCounted` */
export const isCountedFrom = (
  countsFrom: number,
  { turns }: { turns: readonly Pick<CountedPair, 'outcome' | 'confidence'>[] }
): boolean => turns.every((turn) => isAnsweredFrom(countsFrom, turn))

/** Collects conversations in bounded memory. */
export class ConversationList {
  /** numbers of conversations at which a sum ends */
  private readonly ends: ReadonlySet<number>
  private readonly sums: SummedConversations[] = []
  private listed: ListedConversation[] = []
  private listedPairs = 0
  private summedCount = 0

  /** @param ends numbers of conversations for which the file must have the figures */
  constructor(
    ends: Iterable<number>,
    private readonly limit: number = MAX_LISTED_PAIRS
  ) {
    this.ends = new Set(ends)
  }

  add({ turns: [first, ...others] }: Conversation<WatchedPair>): void {
    this.listed.push([countedPair(first), ...others.map(countedPair)])
    this.listedPairs += 1 + others.length
    // not at every one: the rest of the list moves
    if (this.listedPairs > 2 * this.limit) this.shorten()
  }

  private shorten(): void {
    let count = 0
    for (const turns of this.listed) {
      if (this.listedPairs <= this.limit) break
      this.listedPairs -= turns.length
      this.sum(summed(turns))
      count++
    }
    this.listed = this.listed.slice(count)
  }

  private sum(conversation: SummedConversations): void {
    const isEnd = this.summedCount % START_EVERY === 0 || this.ends.has(this.summedCount)
    const open = isEnd ? undefined : this.sums.pop()
    this.sums.push(open === undefined ? conversation : joined(open, conversation))
    this.summedCount++
  }

  read(): Pick<RolloutPart, 'summed' | 'conversations'> {
    if (this.listedPairs > this.limit) this.shorten()
    return { summed: this.sums, conversations: this.listed }
  }
}

/** Figures at a time, made again. */
export interface RemadeFigures {
  figures: EvidenceFigures
  /** whether a pair of them was rated since, so that the figures may have been others then */
  isRatedSince: boolean
}

/** A decision may rest on a report from shortly before a rating. */
export const RATING_LAG_MS = 600_000

/** A rating counts from its time on. */
const lossBefore =
  (time: number) =>
  ({ outcome, rating, ratedAt = 0 }: CountedPair): number =>
    lossOf({ outcome, rating: ratedAt <= time ? (rating ?? null) : null })

function* sumsOf(
  { summed: sums, conversations }: Pick<RolloutPart, 'summed' | 'conversations'>,
  countsFrom: number,
  lossAt: (pair: CountedPair) => number
): Generator<SummedConversations> {
  yield* sums
  for (const turns of conversations)
    if (isCountedFrom(countsFrom, { turns })) yield summed(turns, lossAt)
}

/**
 * The figures of the first conversations, as they were at a time.
 * @param moment.pairs conversations @param moment.stagePairs those of them since the stage began
 * @param moment.countsFrom see `leastCounted`; conversations that are sums are taken to count
 * @returns null where the rollout has not so many, or has the last one within a sum
 */
export const figuresAt = (
  rollout: Pick<RolloutPart, 'summed' | 'conversations'>,
  moment: { pairs: number; stagePairs: number; at: number; countsFrom: number },
  bounds: LossBounds
): RemadeFigures | null => {
  const { pairs, stagePairs, at, countsFrom } = moment
  let [streams, isRatedSince] = [NO_STREAMS, false]
  for (const sum of sumsOf(rollout, countsFrom, lossBefore(at))) {
    if (streams.stream.pairs >= pairs) break
    streams = withLosses(streams, sum, sum.at, pairs - stagePairs)
    isRatedSince ||= (sum.ratedAt ?? -Infinity) > at - RATING_LAG_MS
  }
  if (streams.stream.pairs !== pairs) return null
  return { figures: evidenceFigures(streams, bounds), isRatedSince }
}
