/**
 * Parses the bytes of a request in bounded time. A body of up to `MAX_PARSED_BYTES` is parsed whole.
 * A larger one is too long for any template; its long strings are cut out, which leaves its model and the
 * fields that limits depend on. Knows nothing of limits.
 */
import type { ChatRequest, ChatMessage } from '../../openai/chat.ts'
import type { Dialect } from '../../openai/dialect.ts'
import {
  countCut,
  cutLength,
  cutLongStrings,
  MAX_DEPTH,
  MAX_PARSED_BYTES,
  scanJson,
  type LongStrings,
  type ScanFault,
} from './json-scan.ts'
import { carriesNothing, isFields, parseJson } from '../../openai/fields.ts'
import { callsText } from '../answer/calls.ts'
import { hasMark, RESULT_MARK, withOrigin } from './message-origin.ts'
import { CACHE_MARK, messageText } from './request-scan.ts'

/**
 * Calls of functions and their results in a conversation's history, as the texts that a lora reads: a call as
 * it was learned (`calls.ts`), and the results of one answer's calls together as the next turn of the user.
 * So an agent's later turns are turns like any other. Knows nothing of templates.
 */
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

/** A parsed request. */
export interface ChatReading {
  /** with the calls of its history as texts */
  request: ChatRequest
  /** false where its long strings are cut out */
  isWhole: boolean
  /** of the body */
  bytes: number
}

export type ReadFault = ScanFault | 'no-chat-request'

export interface ReadResult {
  /** '' where there is none */
  model: string
  outcome: ChatReading | ReadFault
}

/** Clauses for a client. */
export const READ_FAULTS: Record<ReadFault, string> = {
  'no-chat-request': 'the body is not a request that the proxy can read',
  'too-deep': `the body nests deeper than ${MAX_DEPTH} levels`,
  'too-many-values':
    `the body has too many values (more than ${MAX_PARSED_BYTES} bytes beside long texts, or ` +
    'hundreds of thousands of escaped quotes)',
}

type Parsed = { model?: unknown } | null

/** @returns null also where a text in the body looks like one that was cut out */
const parseCut = (body: Buffer, longStrings: LongStrings): Parsed => {
  const request = parseJson(cutLongStrings(body, longStrings)) as Parsed
  return 2 * countCut(request) === longStrings.length ? request : null
}

/**
 * Does not throw: a body that is not a request of the dialect is for the upstream to refuse.
 * @param scan the result of `scanJson`
 */
export const readScanned = (
  body: Buffer,
  scan: LongStrings | ScanFault,
  { requestOf }: Dialect
): ReadResult => {
  if (typeof scan === 'string') return { model: '', outcome: scan }
  const isWhole = body.length <= MAX_PARSED_BYTES
  const parsed = isWhole ? (parseJson(body.toString('utf8')) as Parsed) : parseCut(body, scan)
  const name = parsed?.model
  const model = typeof name === 'string' && (isWhole || cutLength(name) === null) ? name : ''
  const request = requestOf(parsed)
  if (request === null) return { model, outcome: 'no-chat-request' }
  const messages = toolTurns(request.messages)
  return { model, outcome: { request: { ...request, messages }, isWhole, bytes: body.length } }
}

/** As `readScanned`, with the scan. */
export const readChatRequest = (body: Buffer, dialect: Dialect): ReadResult =>
  readScanned(body, scanJson(body), dialect)

/** @returns bytes of a string of the request, cut out or not */
export const bytesOfText = ({ isWhole }: Pick<ChatReading, 'isWhole'>, text: string): number =>
  (isWhole ? null : cutLength(text)) ?? Buffer.byteLength(text)
