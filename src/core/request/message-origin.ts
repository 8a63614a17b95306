/**
 * Where the text of a message comes from: calls of functions and their results are read as texts with marks
 * (`chat-reading.ts`), and a text that anybody wrote with such a mark is not taken for one. An origin is the value
 * of a symbol, which JSON cannot write. Knows nothing of templates.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { CALL_MARK } from '../answer/calls.ts'

const ORIGIN = Symbol('origin')

type Origin = 'calls' | 'results'

interface OfFunctions extends ChatMessage {
  [ORIGIN]?: Origin
}

/** Before each result: a lora must tell it from what the user wrote. */
export const RESULT_MARK = '[[result]]'

export const withOrigin = (message: ChatMessage, origin: Origin): ChatMessage => ({
  ...message,
  [ORIGIN]: origin,
})

export const isResult = (message: OfFunctions): boolean => message[ORIGIN] === 'results'

/** Whether a text has a mark anywhere: then it cannot be told from a call or a result. */
export const hasMark = (text: string): boolean =>
  text.includes(CALL_MARK) || text.includes(RESULT_MARK)

/** Whether a message of a conversation looks like calls or results, and is a text that somebody wrote. */
export const isMistakable = (message: OfFunctions, text: string): boolean =>
  message[ORIGIN] === undefined &&
  (message.role === 'user' || message.role === 'assistant') &&
  hasMark(text)
