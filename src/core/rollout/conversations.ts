/**
 * Groups the turns of a stream by conversation, and says when a conversation is over. Knows nothing of what a
 * turn says.
 */

/** A conversation that had no turn for this long is over; a later turn begins another one. */
const GAP_MS = 30 * 60_000

/**
 * A conversation is over after this time at the latest. Conversations that open alike have one key, so a
 * common opening would else never be over.
 */
const LIMIT_MS = 24 * 3_600_000

export interface Conversation<Said> {
  /** what its turns say, oldest first */
  turns: [Said, ...Said[]]
  /** of the first and of the newest turn, milliseconds since the epoch */
  began: number
  at: number
}

/** A time far before a conversation means that a clock was set back, and ends it, too. */
const isOver = ({ at }: Pick<Conversation<unknown>, 'at'>, now: number): boolean =>
  Math.abs(now - at) > GAP_MS

/** @typeParam Said what is kept of a turn */
export class ConversationReader<Said> {
  /** in the order of their newest turns, which is the order in which they count */
  private readonly open = new Map<string, Conversation<Said>>()

  /** @param isSingle no conversation has a second turn, so each is over at once */
  constructor(private readonly isSingle: boolean) {}

  /** @returns the conversations that are over when the turn comes, in the order in which they count */
  read(turn: { conversation: string; at: number }, said: Said): Conversation<Said>[] {
    const { conversation: key, at } = turn
    if (this.isSingle) return [{ turns: [said], began: at, at }]
    const ended = this.over(at).map(([first, conversation]) => this.take(first, conversation))
    const known = this.open.get(key)
    if (known && (isOver(known, at) || at - known.began > LIMIT_MS))
      ended.push(this.take(key, known))
    const open = this.open.get(key)
    open?.turns.push(said)
    this.open.delete(key)
    this.open.set(key, { turns: open?.turns ?? [said], began: open?.began ?? at, at })
    return ended
  }

  /**
   * Open conversations that are over by a time, in the order in which they count. They stay open for a turn
   * that was stored late. @param now milliseconds since the epoch
   */
  overBy(now: number): Conversation<Said>[] {
    return this.over(now).map(([, conversation]) => conversation)
  }

  /** The first ones in order that are over; those behind one that is not wait for it. */
  private over(now: number): [key: string, Conversation<Said>][] {
    const found: [string, Conversation<Said>][] = []
    for (const entry of this.open) {
      if (!isOver(entry[1], now)) break
      found.push(entry)
    }
    return found
  }

  private take(key: string, conversation: Conversation<Said>): Conversation<Said> {
    this.open.delete(key)
    return conversation
  }
}
