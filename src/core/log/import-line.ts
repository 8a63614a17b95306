/**
 * A line of an imported log as records. A line is `{messages, response}`, a fine-tuning row of OpenAI
 * (the last message is the answer), or `{request, response}` with both bodies, of a chat completion or of the
 * Responses API; or an export of another program, which `forms/` turns into exchanges of the third kind. Pure.
 */
import { createHash } from 'node:crypto'
import type { ChatCompletion, ChatMessage, ChatRequest } from '../../openai/chat.ts'
import { CHAT, RESPONSES, type Dialect } from '../../openai/dialect.ts'
import { answerUsage } from '../../openai/usage/usage.ts'
import { withoutAttachments } from '../request/attachments.ts'
import { READ_FAULTS, readChatRequest } from '../request/chat-reading.ts'
import { completionOf } from './forms/chat.ts'
import { momentOf, nameOf, type Found, type FoundExchange } from './forms/fields.ts'
import { readForms } from './forms/read-forms.ts'
import type { ExchangeRecord } from './record.ts'
import { isFields, type Fields } from '../../openai/fields.ts'

export interface ImportOptions {
  tenant: string
  /** of lines that name none */
  model: string
  /** of a request without attachments, and of an answer; the log leaves larger ones out */
  maxBodyBytes: number
}

export interface ImportLine {
  /** of the line in its file, or of the value in its document, from 1 */
  number: number
  text: string
  /** time of a line that names none, milliseconds since the epoch */
  at: number
}

/** A record, or why the line has none: a clause after "line 7 is skipped:". */
export type ImportedLine = { record: ExchangeRecord } | { reason: string }

interface Exchange {
  dialect: Dialect
  request: { model: string }
  response: { usage?: unknown } | null
}

const isMessage = (value: unknown): value is ChatMessage =>
  isFields(value) && typeof value.role === 'string'

const isCompletion = (value: unknown): value is ChatCompletion =>
  isFields(value) &&
  Array.isArray(value.choices) &&
  value.choices.length > 0 &&
  value.choices.every((choice) => isFields(choice) && isFields(choice.message))

const isAnswer = (message: ChatMessage | undefined): message is ChatMessage =>
  message?.role === 'assistant' &&
  (typeof message.content === 'string' || Array.isArray(message.tool_calls))

/** The response of a line: its `response`, or the last message of a fine-tuning row. */
const responseOf = (
  given: unknown,
  answer: ChatMessage | null,
  model: string
): ChatCompletion | null | 'wrong' => {
  const response =
    typeof given === 'string' ? completionOf({ message: { content: given }, model }) : given
  const found = answer === null ? (response ?? null) : completionOf({ message: answer, model })
  return found === null || isCompletion(found) ? found : 'wrong'
}

const NO_NAME = 'its model is not a name'

const modelOf = (line: Fields, body: Fields, defaultModel: string): string | null => {
  const model = body.model ?? line.model ?? defaultModel
  return typeof model === 'string' && model !== '' ? model : null
}

/** A line with a request of the Responses API, whose answer is a response or missing. */
const responsesExchange = (line: Fields, body: Fields, defaultModel: string): Exchange | string => {
  const model = modelOf(line, body, defaultModel)
  if (model === null) return NO_NAME
  const { response = null } = line
  if (response !== null && !(isFields(response) && response.object === 'response'))
    return 'its response is not one of the Responses API'
  return { dialect: RESPONSES, request: { ...body, model }, response }
}

/** More names than a person reads tell nothing. */
const NAMED_MEMBERS = 6

const withoutMessages = (line: Fields): string => {
  if ('custom_id' in line)
    return 'it is a line of a batch file, which has only requests or only answers'
  const names = Object.keys(line).slice(0, NAMED_MEMBERS)
  return 'request' in line || names.length === 0
    ? 'it has no messages'
    : `it has no messages; its members are ${names.map(nameOf).join(', ')}`
}

const exchangeOf = (line: Fields, defaultModel: string): Exchange | string => {
  const { request: body = { model: line.model, messages: line.messages } } = line
  if (!isFields(body)) return 'its request is not an object'
  const { messages } = body
  if (messages === undefined && 'input' in body) return responsesExchange(line, body, defaultModel)
  if (messages === undefined) return withoutMessages(line)
  if (!Array.isArray(messages) || !messages.every(isMessage))
    return 'its messages are not a list of objects with a role'
  const model = modelOf(line, body, defaultModel)
  if (model === null) return NO_NAME
  const isRow = line.request === undefined && line.response === undefined
  const last = messages.at(-1)
  const answer = isRow && isAnswer(last) ? last : null
  const asked = answer === null ? messages : messages.slice(0, -1)
  if (asked.length === 0)
    return answer === null ? 'it has no messages' : 'it has no message before the answer'
  const response = responseOf(line.response, answer, model)
  if (response === 'wrong') return 'its response is neither a text nor a chat completion'
  return { dialect: CHAT, request: { ...body, model, messages: asked } as ChatRequest, response }
}

const parse = (text: string): Fields | string => {
  try {
    const value: unknown = JSON.parse(text)
    return isFields(value) ? value : 'it is not a JSON object'
  } catch {
    return 'it is not valid JSON'
  }
}

/**
 * When the exchange was: `at` of the line; else `created` or `created_at` of the line or of its response, which
 * copies may have as 0. @returns null: `at` is not a time
 */
const whenOf = (fields: Fields, unnamed: number): number | null => {
  if (fields.at !== undefined) return momentOf(fields.at)
  const named = [fields, fields.response]
    .filter(isFields)
    .flatMap(({ created, created_at }) => [created, created_at])
  return named.map(momentOf).find((ms) => ms !== null) ?? unnamed
}

type Bodies = Pick<ExchangeRecord, 'request' | 'response'>

/** @returns null for values that nest too deep for the stack */
const bodiesOf = ({ request, response }: Exchange): Bodies | null => {
  try {
    return {
      request: JSON.stringify(request),
      response: response === null ? null : JSON.stringify(response),
    }
  } catch {
    return null
  }
}

/** @returns null where the log takes the bodies */
const refusalOf = (
  { request, response }: Bodies,
  dialect: Dialect,
  maxBodyBytes: number
): string | null => {
  const isTooLarge = (body: string | null): boolean =>
    body !== null && withoutAttachments(Buffer.from(body)).length > maxBodyBytes
  if (isTooLarge(request)) return `its request is over ${maxBodyBytes} bytes`
  if (isTooLarge(response)) return `its response is over ${maxBodyBytes} bytes`
  const { outcome } = readChatRequest(Buffer.from(request), dialect)
  return typeof outcome === 'string' ? READ_FAULTS[outcome] : null
}

const hashOf = (...parts: unknown[]): string =>
  createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32)

/** A second import of the same file has the same ids. */
const idOf = (tenant: string, { number, text }: ImportLine): string => hashOf(tenant, number, text)

/**
 * The id that another program gave holds across files, together with the request: some servers draw it from few
 * numbers. Without one the place in the line tells exchanges apart.
 */
const idOfFound = (
  { tenant, idOfLine }: { tenant: string; idOfLine: () => string },
  { found, place, request }: { found: FoundExchange; place: number; request: string }
): string => {
  if (found.id !== null) return hashOf(tenant, found.id, found.line.at ?? '', request)
  return place === 0 ? idOfLine() : hashOf(idOfLine(), place)
}

const recordOf = (
  fields: Fields,
  { idFor, unnamed }: { idFor: (request: string) => string; unnamed: number },
  { tenant, model, maxBodyBytes }: ImportOptions
): ImportedLine => {
  const at = whenOf(fields, unnamed)
  if (at === null) return { reason: 'its member at is not a time' }
  const exchange = exchangeOf(fields, model)
  if (typeof exchange === 'string') return { reason: exchange }
  const bodies = bodiesOf(exchange)
  if (bodies === null) return { reason: READ_FAULTS['too-deep'] }
  const reason = refusalOf(bodies, exchange.dialect, maxBodyBytes)
  if (reason !== null) return { reason }
  const record: ExchangeRecord = {
    id: idFor(bodies.request),
    at,
    tenant,
    model: exchange.request.model,
    path: exchange.dialect.path,
    streamed: false,
    status: 200,
    firstByteMs: null,
    durationMs: 0,
    ...bodies,
    usage: answerUsage(exchange.response),
    route: null,
  }
  return { record }
}

/** @returns null for a line of no other program; no exchange for values that nest too deep for the stack */
const foundIn = (fields: Fields): Found[] | null => {
  try {
    return readForms(fields)
  } catch (error) {
    if (error instanceof RangeError) return [{ reason: READ_FAULTS['too-deep'] }]
    throw error
  }
}

/** The exchanges of a line, of which an export of another program may have many, in their order. */
export const readImportLine = (line: ImportLine, options: ImportOptions): ImportedLine[] => {
  const fields = parse(line.text)
  if (typeof fields === 'string') return [{ reason: fields }]
  const { tenant } = options
  const found = foundIn(fields)
  if (found === null)
    return [recordOf(fields, { idFor: () => idOf(tenant, line), unnamed: line.at }, options)]
  // a line of 32 MiB may have thousands of exchanges
  let known: string | null = null
  const idOfLine = (): string => (known ??= idOf(tenant, line))
  return found.map((one, place) => {
    if ('reason' in one) return one
    const idFor = (request: string): string =>
      idOfFound({ tenant, idOfLine }, { found: one, place, request })
    return recordOf({ ...one.line }, { idFor, unnamed: line.at }, options)
  })
}
