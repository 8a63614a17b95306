/**
 * Calls of functions and their results in a conversation's history, as the texts that a lora reads: a call as
 * it was learned (`calls.ts`), and the results of one answer's calls together as the next turn of the user.
 * So an agent's later turns are turns like any other. Knows nothing of templates.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { carriesNothing, isFields } from '../../openai/fields.ts'
import { callsText } from '../answer/calls.ts'
import { hasMark, RESULT_MARK, withOrigin } from './message-origin.ts'
import { CACHE_MARK, messageText } from './request-scan.ts'

type Calling = ChatMessage & { tool_calls: readonly unknown[] }

const hasCalls = (message: ChatMessage): message is Calling =>
  Array.isArray(message.tool_calls) && message.tool_calls.length > 0

/** Clients send a call back with the members that it came with. */
const hasOnly = (value: unknown, known: readonly string[]): boolean =>
  isFields(value) &&
  Object.entries(value).every(
    ([name, member]) => known.includes(name) || carriesNothing(name, member, value['arguments'])
  )

/** Ids are compared with those of the results; an index is of the stream that the call came in. */
const CALL_MEMBERS = ['id', 'type', 'function', 'index']
const FUNCTION_MEMBERS = ['name', 'arguments']

const isReadWhole = (call: unknown): boolean =>
  hasOnly(call, CALL_MEMBERS) && isFields(call) && hasOnly(call['function'], FUNCTION_MEMBERS)

/** @returns null where the calls are not read whole, or the text beside them looks like one of them */
const callsTurn = ({ tool_calls: calls, ...rest }: Calling): ChatMessage | null => {
  const text = calls.every(isReadWhole) ? callsText(calls) : null
  const said = rest.content === null || rest.content === undefined ? '' : messageText(rest)
  if (text === null || said === null || hasMark(said)) return null
  return withOrigin({ ...rest, content: said === '' ? text : `${said}\n${text}` }, 'calls')
}

const RESULT_MEMBERS = ['role', 'content', 'tool_call_id', 'name', CACHE_MARK]

/** Whether a result is the one of the call; a name that it may have is the function's. */
const answers = (result: ChatMessage, call: unknown): boolean => {
  const { id, function: called } = isFields(call) ? call : {}
  const own = result.name ?? null
  const isNamed = own === null || (isFields(called) && own === called['name'])
  const isAnswer = typeof id === 'string' && id === result.tool_call_id
  const isKnown = Object.keys(result).every((member) => RESULT_MEMBERS.includes(member))
  return isAnswer && isNamed && isKnown
}

/**
 * @param calls in whose order the results are: their ids are not read by a lora
 * @returns null where a result is no text, could be taken for several, or has a member that is not known
 */
const resultsTurn = (results: ChatMessage[], calls: readonly unknown[]): ChatMessage | null => {
  if (results.length !== calls.length) return null
  const texts: string[] = []
  for (const [place, result] of results.entries()) {
    const text = messageText(result)
    if (text === null || hasMark(text) || !answers(result, calls[place])) return null
    texts.push(`${RESULT_MARK} ${text}`)
  }
  return withOrigin({ role: 'user', content: texts.join('\n') }, 'results')
}

/** How many messages are results from a place on. */
const countResults = (messages: ChatMessage[], from: number): number => {
  let to = from
  while (messages[to]?.role === 'tool') to++
  return to - from
}

/**
 * @returns the list itself where no function was called. Calls without a text, and results of other calls than
 * those before them, stay as they are, so that they match nothing
 */
export const toolTurns = (messages: ChatMessage[]): ChatMessage[] => {
  if (!messages.some((message) => hasCalls(message) || message.role === 'tool')) return messages
  const turns: ChatMessage[] = []
  for (let place = 0; place < messages.length; place++) {
    const message = messages[place]!
    if (message.role === 'assistant' && hasCalls(message)) {
      const first = place + 1
      place += countResults(messages, first)
      const results = messages.slice(first, place + 1)
      const read = resultsTurn(results, message.tool_calls)
      turns.push(callsTurn(message) ?? message, ...(read === null ? results : [read]))
    } else turns.push(message)
  }
  return turns
}
