/** The text of chat messages as a label head reads it, in training, in answers and in a scan of a log. Pure. */
import type { ChatMessage } from './chat.ts'

/** '' for a content that is no text. */
export const contentOf = ({ content }: ChatMessage): string =>
  typeof content === 'string' ? content : ''

/** Begins a mark; in a content it is written with one more bar, so that no content has a mark. */
const MARK = '<|'

/** What a text of messages has in the place of a part of a content. */
export const ESCAPE = { written: `${MARK}|`, meant: MARK } as const

const escaped = (content: string): string => content.replaceAll(ESCAPE.meant, ESCAPE.written)

const textIn = (message: ChatMessage): string => escaped(contentOf(message))

/**
 * The contents of the messages. Each of several begins with a mark of its role, so that no line of a user reads as a
 * turn of the conversation; one alone has none.
 */
export const messagesText = (messages: readonly ChatMessage[]): string => {
  const [first, ...others] = messages
  return first !== undefined && others.length === 0
    ? textIn(first)
    : messages.map((message) => `${MARK}${escaped(message.role)}|>\n${textIn(message)}`).join('\n')
}
