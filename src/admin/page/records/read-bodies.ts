/** Bodies of a record, taken apart for a person to read. Bounded: bodies may be long, deep or no JSON. Pure. */
import { CHAT, type Dialect } from '../../../openai/dialect.ts'
import { MAX_PARSED_BYTES, scanJson } from '../../../core/request/json-scan.ts'
import { type Fields, isFields, parseJson } from '../../../openai/fields.ts'

/** of one request, from its beginning and from its end */
const [FIRST_MESSAGES, LAST_MESSAGES] = [4, 12]
const MAX_CHOICES = 4
/** longer values are not written with line breaks, which could make them hundreds of times longer */
const MAX_BROKEN_CHARS = 20_000

export interface ShownMessage {
  role: string
  /** all its parts that are text */
  texts: string[]
  /** all other fields and parts, as JSON; '' without any */
  others: string
}

export interface ShownRequest {
  first: ShownMessage[]
  /** in the middle, not shown */
  hidden: number
  last: ShownMessage[]
  /** beside the messages, as JSON */
  others: string
}

export interface ShownAnswer {
  choices: (ShownMessage & { finishReason: string })[]
  others: string
}

/** @returns null also for text that would take too long to parse */
const fieldsOf = (text: string): Fields | null => {
  const bytes = Buffer.from(text)
  if (bytes.length > MAX_PARSED_BYTES || typeof scanJson(bytes) === 'string') return null
  const value = parseJson(text)
  return isFields(value) ? value : null
}

const jsonText = (fields: Fields): string => {
  if (Object.keys(fields).length === 0) return ''
  const text = JSON.stringify(fields)
  return text.length > MAX_BROKEN_CHARS ? text : JSON.stringify(fields, null, 2)
}

const textOfPart = (part: unknown): string | null =>
  isFields(part) && part['type'] === 'text' && typeof part['text'] === 'string'
    ? part['text']
    : null

const messageOf = (value: unknown): ShownMessage => {
  const { role, content, ...fields } = isFields(value) ? value : { content: value }
  const name = typeof role === 'string' ? role : ''
  if (typeof content === 'string')
    return { role: name, texts: [content], others: jsonText(withoutNulls(fields)) }
  const parts = Array.isArray(content) ? (content as unknown[]) : []
  const rest = Array.isArray(content)
    ? parts.filter((part) => textOfPart(part) === null)
    : [content].filter((part) => part !== null && part !== undefined)
  return {
    role: name,
    texts: parts.flatMap((part) => textOfPart(part) ?? []),
    others: jsonText({ ...withoutNulls(fields), ...(rest.length === 0 ? {} : { content: rest }) }),
  }
}

const withoutNulls = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null))

/** @returns null for a body that is not a request of the dialect, or too long or deep to take apart */
export const readRequest = (body: string, dialect: Dialect): ShownRequest | null => {
  const fields = fieldsOf(body)
  const request: Fields | null = dialect === CHAT ? fields : dialect.requestOf(fields)
  const messages = request?.['messages']
  if (request === null || !Array.isArray(messages)) return null
  const { messages: _messages, ...others } = request
  const hidden = Math.max(0, messages.length - FIRST_MESSAGES - LAST_MESSAGES)
  const first = hidden === 0 ? messages : messages.slice(0, FIRST_MESSAGES)
  const last = hidden === 0 ? [] : messages.slice(-LAST_MESSAGES)
  return {
    first: first.map(messageOf),
    hidden,
    last: last.map(messageOf),
    others: jsonText(others),
  }
}

/** @returns null for a body that is no JSON object, or too long or deep to take apart */
export const readAnswer = (body: string, dialect: Dialect): ShownAnswer | null => {
  const read = fieldsOf(body)
  const answer: Fields | null = dialect === CHAT ? read : dialect.completionOf(read)
  if (answer === null) return null
  const { choices, ...fields } = answer
  const list = Array.isArray(choices) ? (choices as unknown[]).slice(0, MAX_CHOICES) : []
  return {
    choices: list.filter(isFields).map((choice) => {
      const { message, finish_reason: reason, index: _index, ...others } = choice
      const shown = messageOf(message)
      return {
        ...shown,
        others: [shown.others, jsonText(withoutNulls(others))]
          .filter((text) => text !== '')
          .join('\n'),
        finishReason: typeof reason === 'string' ? reason : '',
      }
    }),
    others: jsonText(fields),
  }
}
