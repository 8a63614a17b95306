/**
 * Which exchanges belong to one conversation. Clients send a conversation's history with every turn
 * and no id, so a later turn is recognized by the history that it repeats. Knows nothing of
 * templates beyond how many messages are the template's own.
 */
import { hash } from 'node:crypto'

export interface Turn {
  id: string
  /** what the user asked first; slots change from turn to turn, so they are no part of it */
  opening: string
  /** messages after the template's own, as sent: assistant and user in turn, the user last */
  turns: readonly { role: string; content: string }[]
  /** text that the upstream answered with; null for any other outcome */
  answer: string | null
}

const chain = (before: string, text: string): string =>
  hash('sha256', `${before}\n${text.trim()}`, 'hex').slice(0, 32)

/** Histories that end with an assistant message, shortest first; each is the chain of all before. */
const historiesOf = ({ opening, turns }: Turn): string[] => {
  const histories: string[] = []
  let reached = chain('', opening)
  for (const { role, content } of turns) {
    reached = chain(reached, content)
    if (role === 'assistant') histories.push(reached)
  }
  return histories
}

/** The history that a follower of this turn would repeat. */
const ownHistory = ({ opening, turns, answer }: Turn): string | null => {
  if (answer === null) return null
  const asked = turns.reduce((reached, { content }) => chain(reached, content), chain('', opening))
  return chain(asked, answer)
}

/** Question and answer next to each other: what is left of a history whose beginning was cut off. */
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
 * pair of question and answer. Equal histories cannot be told apart; the newest conversation that
 * has one wins, which misplaces nothing that is not repeated letter by letter.
 * @param turns in the order of time
 * @returns a key for each, the id of the conversation's first turn
 */
export const conversationKeys = (turns: readonly Turn[]): string[] => {
  const byHistory = new Map<string, string>()
  const byPair = new Map<string, string>()
  return turns.map((turn) => {
    const histories = historiesOf(turn)
    const conversation =
      lastKnown(byHistory, histories) ?? lastKnown(byPair, pairsOf(turn)) ?? turn.id
    // a turn whose predecessors are not in the log still binds those that follow it
    for (const history of histories) byHistory.set(history, conversation)
    const [history, pair] = [ownHistory(turn), ownPair(turn)]
    if (history !== null) byHistory.set(history, conversation)
    if (pair !== null) byPair.set(pair, conversation)
    return conversation
  })
}
