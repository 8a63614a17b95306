/**
 * The bytes of a chat request → what they say, in bounded time whatever they are. A body of up to
 * `MAX_PARSED_BYTES` is read whole; of a larger one, which no template is in, long strings are cut
 * out, which is enough to know its model and what limits depend on. Knows nothing of limits.
 */
import type { ChatRequest } from '../../openai/chat.ts'
import {
  censusOf,
  cutLength,
  cutLongStrings,
  MAX_DEPTH,
  MAX_PARSED_BYTES,
  scanJson,
  type JsonScan,
  type ScanFault,
} from './json-scan.ts'

/** A chat request as far as it is known. */
export interface ChatReading {
  request: ChatRequest
  /** false where its long strings are cut out */
  isWhole: boolean
  /** of the body */
  bytes: number
  /** names in all objects of the body, equal ones counted each time */
  members: number
}

export type ReadFault = ScanFault | 'no-chat-request'

export interface ReadResult {
  /** '' where there is none */
  model: string
  outcome: ChatReading | ReadFault
}

/** Clauses for a client. */
export const READ_FAULTS: Record<ReadFault, string> = {
  'no-chat-request': 'the body is no chat request',
  'too-deep': `the body nests deeper than ${MAX_DEPTH} levels`,
  'too-many-values':
    `the body has too much in it to be read (more than ${MAX_PARSED_BYTES} bytes beside long texts, or ` +
    'escaped quotes by the hundred thousand)',
}

const isMessage = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'role' in value && typeof value.role === 'string'

const isChatRequest = (value: Partial<ChatRequest> | null): value is ChatRequest =>
  typeof value?.model === 'string' &&
  Array.isArray(value.messages) &&
  value.messages.every(isMessage)

const parse = (text: string): Partial<ChatRequest> | null => {
  try {
    return JSON.parse(text) as Partial<ChatRequest> | null
  } catch {
    return null
  }
}

/** @returns null also where a text that stands in the body could be taken for one that was cut out */
const parseCut = (body: Buffer, scan: JsonScan): Partial<ChatRequest> | null => {
  const request = parse(cutLongStrings(body, scan))
  return 2 * censusOf(request).cut === scan.longStrings.length ? request : null
}

/** Never throws: what is no chat request is the upstream's to refuse. */
export const readScanned = (body: Buffer, scan: JsonScan | ScanFault): ReadResult => {
  if (typeof scan === 'string') return { model: '', outcome: scan }
  const isWhole = body.length <= MAX_PARSED_BYTES
  const request = isWhole ? parse(body.toString('utf8')) : parseCut(body, scan)
  const name = request?.model
  const model = typeof name === 'string' && (isWhole || cutLength(name) === null) ? name : ''
  if (!isChatRequest(request)) return { model, outcome: 'no-chat-request' }
  return { model, outcome: { request, isWhole, bytes: body.length, members: scan.members } }
}

/** The same with its scan. */
export const readChatRequest = (body: Buffer): ReadResult => readScanned(body, scanJson(body))

/** Whether an object in the body has a name twice. */
export const hasRepeatedNames = ({ request, members }: ChatReading): boolean =>
  censusOf(request).members < members

/** @returns bytes of a string of the request, cut out or not */
export const bytesOfText = ({ isWhole }: Pick<ChatReading, 'isWhole'>, text: string): number =>
  (isWhole ? null : cutLength(text)) ?? Buffer.byteLength(text)
