/**
 * Groups exchanges by conversation. Clients send a conversation's history with every turn and no id, so a
 * later turn is recognized by the history that it repeats. Of templates, knows only how many messages are
 * the template's own.
 */
import { hash } from 'node:crypto'

export interface Turn {
  id: string
  /** the user's first question, without slots, because those change from turn to turn */
  opening: string
  /** messages after the template's own, as sent: assistant and user alternate, the user last */
  turns: readonly { role: string; content: string }[]
  /** the upstream's answer; null when it was not a text */
  answer: string | null
}

const chain = (before: string, text: string): string =>
  hash('sha256', `${before}\n${text.trim()}`, 'hex').slice(0, 32)

/** The histories that end with an assistant message, shortest first, as chained hashes. */
const historiesOf = ({ opening, turns }: Turn): string[] => {
  const histories: string[] = []
  let reached = chain('', opening)
  for (const { role, content } of turns) {
    reached = chain(reached, content)
    if (role === 'assistant') histories.push(reached)
  }
  return histories
}

/** The history that the next turn repeats. */
const ownHistory = ({ opening, turns, answer }: Turn): string | null => {
  if (answer === null) return null
  const asked = turns.reduce((reached, { content }) => chain(reached, content), chain('', opening))
  return chain(asked, answer)
}

/** Adjacent questions and answers, which remain when the beginning of a history is cut off. */
const pairsOf = ({ opening, turns }: Turn): string[] => {
  const texts = [opening, ...turns.map(({ content }) => content)]
  return turns.flatMap(({ role, content }, i) =>
    role === 'assistant' ? [chain(texts[i]!, content)] : []
  )
}

const ownPair = ({ opening, turns, answer }: Turn): string | null =>
  answer === null ? null : chain(turns.at(-1)?.content ?? opening, answer)

const lastKnown = (known: Map<string, string>, keys: string[]): string | undefined =>
  keys.toReversed().flatMap((key) => known.get(key) ?? [])[0]

/**
 * One key for all turns of a conversation. The longest known history decides, then the newest known
 * pair of question and answer. Equal histories cannot be told apart; the newest conversation with that
 * history wins, so only turns that are repeated exactly may be misplaced.
 * @param turns in the order of time
 * @returns by turn, the id of its conversation's first turn
 */
export const conversationKeys = (turns: readonly Turn[]): string[] => {
  const byHistory = new Map<string, string>()
  const byPair = new Map<string, string>()
  return turns.map((turn) => {
    const histories = historiesOf(turn)
    const conversation =
      lastKnown(byHistory, histories) ?? lastKnown(byPair, pairsOf(turn)) ?? turn.id
    // also for turns whose predecessors are not in the log, for those that follow
    for (const history of histories) byHistory.set(history, conversation)
    const [history, pair] = [ownHistory(turn), ownPair(turn)]
    if (history !== null) byHistory.set(history, conversation)
    if (pair !== null) byPair.set(pair, conversation)
    return conversation
  })
}
