/**
 * Calls of functions and their results in a conversation's history, as the texts that a lora reads: a call as
 * it was learned (`calls.ts`), and the results of one answer's calls together as the next turn of the user.
 * So an agent's later turns are turns like any other. Knows nothing of templates.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { callsText } from '../answer/calls.ts'
import { messageText } from './request-scan.ts'

/** Before each result: a lora must tell it from what the user wrote. */
const RESULT = '[[result]] '

const hasCalls = ({ tool_calls: calls }: ChatMessage): boolean =>
  Array.isArray(calls) && calls.length > 0

/** @returns the message itself where its calls have no text, so that it matches nothing */
const withoutCalls = (message: ChatMessage): ChatMessage => {
  const { tool_calls: calls, ...rest } = message
  const text = callsText(calls!)
  if (text === null) return message
  const said = rest.content === null || rest.content === undefined ? '' : messageText(rest)
  if (said === null) return message
  return { ...rest, content: said === '' ? text : `${said}\n${text}` }
}

/** @returns the message itself where its result is no text */
const asResult = (message: ChatMessage): ChatMessage => {
  const { tool_call_id: _id, ...rest } = message
  const text = messageText(rest)
  return text === null ? message : { role: 'user', content: `${RESULT}${text}` }
}

const isResult = (message: ChatMessage | undefined): boolean =>
  message?.role === 'user' &&
  typeof message.content === 'string' &&
  message.content.startsWith(RESULT)

/** @returns the list itself where no function was called */
export const toolTurns = (messages: ChatMessage[]): ChatMessage[] => {
  if (!messages.some((message) => hasCalls(message) || message.role === 'tool')) return messages
  const turns: ChatMessage[] = []
  for (const [place, message] of messages.entries()) {
    if (message.role !== 'tool') {
      turns.push(hasCalls(message) ? withoutCalls(message) : message)
      continue
    }
    const result = asResult(message)
    const last = turns.at(-1)
    // only what stood before it as a result is one answer's: a user may write the same mark
    if (messages[place - 1]?.role === 'tool' && isResult(last) && isResult(result))
      turns[turns.length - 1] = {
        ...last!,
        content: `${String(last!.content)}\n${String(result.content)}`,
      }
    else turns.push(result)
  }
  return turns
}
