/** The bodies of a record, read as the proxy reads them. */
import type { ChatChoice, ChatCompletion, ChatMessage, ChatRequest } from '../../openai/chat.ts'
import { dialectOfRecord } from '../../openai/dialect.ts'
import { parseJson } from '../../openai/fields.ts'
import { readChatRequest } from '../request/chat-reading.ts'
import { PLAIN, withEnvelope } from '../request/envelope.ts'
import { isAmbiguous } from '../request/unambiguous.ts'
import type { ExchangeRecord } from './record.ts'

/** One body of a record, or of what was asked again for it. */
type Logged<Body extends string> = { path: string } & Record<Body, string | null>

/** @returns null for a body that the proxy does not match either: pruned, invalid, too long or too deep */
export const requestOf = ({ path, request }: Logged<'request'>): ChatRequest | null => {
  if (request === null) return null
  const { outcome } = readChatRequest(Buffer.from(request), dialectOfRecord({ path }))
  return typeof outcome !== 'string' && outcome.isWhole ? outcome.request : null
}

/** A character that stands for bytes that were no UTF-8, which the log does not have. */
const REPLACED = '\ufffd'

/**
 * The request with its envelope, to learn from and to prove with.
 * @returns null also where a parser may read it otherwise than the upstream: no route answers such a request
 */
export const clearRequestOf = (
  record: Logged<'request'> & Pick<ExchangeRecord, 'envelope'>
): ChatRequest | null => {
  const request = requestOf(record)
  if (request === null || record.request === null || record.request.includes(REPLACED)) return null
  const { name } = dialectOfRecord(record)
  if (isAmbiguous(Buffer.from(record.request), name)) return null
  return withEnvelope(request, record.envelope ?? PLAIN)
}

/** @returns null for text that is not JSON, such as an error page of the upstream */
export const completionOf = ({ path, response }: Logged<'response'>): ChatCompletion | null => {
  const answer = response === null ? null : parseJson(response)
  return answer === null ? null : dialectOfRecord({ path }).completionOf(answer)
}

/** The text of a message; '' where it has none. Nothing of it has been checked. */
const textOf = (message: Partial<ChatMessage> | null | undefined): string => {
  const content: unknown = message?.content
  if (typeof content === 'string') return content
  const parts = (Array.isArray(content) ? content : []) as ({ text?: unknown } | null)[]
  return parts.flatMap((part) => (typeof part?.text === 'string' ? part.text : [])).join('\n')
}

/** The texts of the user's messages, in their order; none of a body that the proxy cannot read. */
export const userTexts = (record: { path: string; request: string }): string[] =>
  (requestOf(record)?.messages ?? [])
    .filter(({ role }) => role === 'user')
    .map(textOf)
    .filter((text) => text !== '')

/** The texts of all choices; none of an error. */
export const answerTexts = (record: { path: string; response: string | null }): string[] => {
  const choices: unknown = completionOf(record)?.choices
  return (Array.isArray(choices) ? (choices as (Partial<ChatChoice> | null)[]) : [])
    .map((choice) => textOf(choice?.message))
    .filter((text) => text !== '')
}
