/**
 * What users say of conversations: the feedback on the turns of a conversation, in the order in which it was
 * first given, becomes one outcome. Knows nothing of stores, blocks or tests.
 */
import type { DrawnFeedback, DrawnSide } from '../log/feedback.ts'
import { ConversationReader, type Conversation } from '../rollout/conversations.ts'

/** A rated conversation that is over. */
export interface ConversationOutcome {
  side: DrawnSide
  /** share of its rated turns that are bad, 0 to 1 */
  bad: number
  /** of its last feedback, milliseconds since the epoch */
  at: number
}

type RatedTurn = Pick<DrawnFeedback, 'conversation' | 'side' | 'rating'>

/** Conversations whose end is remembered, so that feedback after it is left out; each takes some 100 bytes. */
const MAX_ENDED = 50_000

/**
 * A conversation that was moved to the other side by a step or a pause keeps the side of its first rated turn,
 * and only the turns on that side count.
 */
const outcomeOf = ({ turns, at }: Conversation<RatedTurn>): ConversationOutcome => {
  const { side } = turns[0]
  const own = turns.filter((turn) => turn.side === side)
  return { side, bad: own.filter(({ rating }) => rating === 'bad').length / own.length, at }
}

/**
 * A conversation is over when it got no feedback for half an hour, or a day after its first one: an outcome that
 * has counted does not change by later turns. Each conversation counts once.
 */
export class OutcomeReader {
  private readonly conversations: ConversationReader<RatedTurn>
  /** in the order in which they ended */
  private readonly ended = new Set<string>()
  /** of the last feedback that was read; 0 before the first */
  lastPlace = 0

  /** @param isSingle no request of the template has a second turn, so each is a conversation */
  constructor(private readonly isSingle: boolean) {
    this.conversations = new ConversationReader(isSingle)
  }

  /**
   * @param feedback in the order of its places, behind what was read before
   * @returns the conversations that are over, in the order in which they count
   */
  read(feedback: readonly DrawnFeedback[]): ConversationOutcome[] {
    const outcomes: ConversationOutcome[] = []
    for (const { place, firstAt, side, conversation, rating } of feedback) {
      this.lastPlace = place
      if (this.ended.has(conversation)) continue
      const turn = { side, conversation, rating }
      for (const over of this.conversations.read({ conversation, at: firstAt }, turn)) {
        outcomes.push(outcomeOf(over))
        if (!this.isSingle) this.remember(over.turns[0].conversation)
      }
    }
    return outcomes
  }

  /**
   * Further conversations that are over by a time. They stay open for feedback that was stored late.
   * @param now milliseconds since the epoch
   */
  overBy(now: number): ConversationOutcome[] {
    return this.conversations.overBy(now).map(outcomeOf)
  }

  private remember(conversation: string): void {
    this.ended.add(conversation)
    for (const oldest of this.ended) {
      if (this.ended.size <= MAX_ENDED) return
      this.ended.delete(oldest)
    }
  }
}
