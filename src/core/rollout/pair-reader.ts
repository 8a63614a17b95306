/** How the pairs of an internalization become a stream of losses, and which of them count. */
import { ConversationReader, type Conversation } from './conversations.ts'
import { partOfDay, PARTS_OF_DAY } from '../days.ts'
import {
  addCounts,
  addLosses,
  NO_PAIRS,
  NO_STREAM,
  onePair,
  type LossCounts,
  type LossStream,
} from './evidence.ts'
import { isAnsweredFrom, lossOf, PAIR_OUTCOMES, type JudgedPair, type PairOutcome } from './pair.ts'
import { Thinning } from './thinning.ts'

/** The part of the sums that is evidence. */
export interface Streams {
  /** of conversations that are over; each counts as one pair with the mean loss of its turns */
  stream: LossStream
  /** the pairs of the stream since the present stage began */
  inStage: LossCounts
  /** when the starts of the stream began: milliseconds since the epoch, by the number of pairs before */
  startTimes: ReadonlyMap<number, number>
}

/** The pairs of one internalization so far, read in the order of their places. */
export interface PairSums extends Streams {
  /** pairs since the present stage began, by the part of the day in which they ended */
  stageParts: number[]
  /** audited requests by what became of them, also those that do not count */
  outcomes: Record<PairOutcome, number>
}

export const NO_STREAMS: Streams = { stream: NO_STREAM, inStage: NO_PAIRS, startTimes: new Map() }

/** The times of the starts that the stream still has. */
const withStartTime = (
  times: Streams['startTimes'],
  { pairs, starts }: LossStream,
  at: number
): Streams['startTimes'] => {
  const kept = new Set(starts.map(({ before }) => before.pairs))
  return new Map([...times].filter(([before]) => kept.has(before))).set(pairs, at)
}

/**
 * The streams after further conversations, which must not reach beyond the next start of the stream.
 * @param at when the last one ended @param pairsBefore conversations before the present stage
 */
export const withLosses = (
  { stream, inStage, startTimes }: Streams,
  counts: LossCounts,
  at: number,
  pairsBefore: number
): Streams => {
  const added = addLosses(stream, counts)
  const hasStarted = added.started > stream.started
  return {
    stream: added,
    inStage: stream.pairs >= pairsBefore ? addCounts(inStage, counts) : inStage,
    startTimes: hasStarted ? withStartTime(startTimes, added, at) : startTimes,
  }
}

/** A conversation as one pair. @param losses of its turns, at least one */
export const oneOf = (losses: readonly number[]): LossCounts =>
  onePair(losses.reduce((sum, loss) => sum + loss, 0) / losses.length)

/** The conversations that count, of pairs that are read in the order of their places. */
export class CountedConversations<Said extends JudgedPair> {
  private readonly conversations: ConversationReader<Said>
  private readonly thinning = new Thinning()
  /** places of the kept pairs of open conversations */
  private readonly kept = new Set<number>()

  /**
   * @param isSingle no request of the template has a second turn, so each is a conversation
   * @param countsFrom see `leastCounted`
   */
  constructor(
    isSingle: boolean,
    private readonly countsFrom: number = -Infinity
  ) {
    this.conversations = new ConversationReader(isSingle)
  }

  /** @returns those that are over when the pair comes, in the order in which they count */
  read(pair: Said): Conversation<Said>[] {
    const isKept = this.thinning.keeps(pair)
    if (!isAnsweredFrom(this.countsFrom, pair)) return []
    if (isKept) this.kept.add(pair.place)
    const ended = this.conversations.read(pair, pair)
    const counted = ended.filter((conversation) => this.counts(conversation))
    for (const { turns } of ended) for (const { place } of turns) this.kept.delete(place)
    return counted
  }

  /** Open ones that are over by a time; they stay open. @param now milliseconds since the epoch */
  overBy(now: number): Conversation<Said>[] {
    return this.conversations.overBy(now).filter((conversation) => this.counts(conversation))
  }

  /** All turns of a conversation are audited for the draw of its first one. */
  private counts({ turns }: Conversation<Said>): boolean {
    return this.kept.has(turns[0].place)
  }
}

type Sums = Omit<PairSums, 'outcomes'>

const NO_SUMS: Sums = { ...NO_STREAMS, stageParts: Array.from({ length: PARTS_OF_DAY }, () => 0) }

/**
 * Sums the pairs of an internalization. The sums depend on the pairs and the time alone: not on the pages
 * in which they were read, nor on when the sums were asked for. So they are not stored: after a crash all
 * pairs are read again, and none counts twice.
 */
export class PairReader {
  private readonly conversations: CountedConversations<JudgedPair>
  private summed = NO_SUMS
  private readonly outcomes = Object.fromEntries(
    PAIR_OUTCOMES.map((name) => [name, 0])
  ) as PairSums['outcomes']
  /** of the last pair that was read; 0 before the first */
  lastPlace = 0

  /**
   * @param isSingle no request of the template has a second turn, so each is a conversation
   * @param pairsBefore conversations before the present stage. Their losses are summed anew, because a
   * rating since then may have changed them
   * @param countsFrom see `leastCounted`
   */
  constructor(
    isSingle: boolean,
    private readonly pairsBefore: number,
    countsFrom?: number
  ) {
    this.conversations = new CountedConversations(isSingle, countsFrom)
  }

  /** @param pairs in the order of their places, behind those that were read before */
  read(pairs: readonly JudgedPair[]): void {
    for (const pair of pairs) {
      this.lastPlace = pair.place
      this.outcomes[pair.outcome]++
      this.summed = this.with(this.conversations.read(pair))
    }
  }

  private with(ended: readonly Conversation<JudgedPair>[]): Sums {
    return ended.reduce(
      ({ stageParts, ...streams }, { turns, at }) => ({
        ...withLosses(streams, oneOf(turns.map(lossOf)), at, this.pairsBefore),
        stageParts:
          streams.stream.pairs < this.pairsBefore
            ? stageParts
            : stageParts.map((pairs, part) => (part === partOfDay(at) ? pairs + 1 : pairs)),
      }),
      this.summed
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
