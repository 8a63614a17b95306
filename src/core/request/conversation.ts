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
  return turns.map(({ id, opening, turns: later, answer }) => {
    // the messages of the assistant, each with all before it, and with only the question before it
    const known: string[] = []
    const pairs: string[] = []
    let [reached, last] = [chain('', opening), opening]
    for (const { role, content } of later) {
      reached = chain(reached, content)
      if (role === 'assistant') {
        known.push(reached)
        pairs.push(chain(last, content))
      }
      last = content
    }
    const conversation = lastKnown(byHistory, known) ?? lastKnown(byPair, pairs) ?? id
    // also for turns whose predecessors are not in the log, for those that follow
    for (const history of known) byHistory.set(history, conversation)
    if (answer !== null) {
      byHistory.set(chain(reached, answer), conversation)
      byPair.set(chain(last, answer), conversation)
    }
    return conversation
  })
}
