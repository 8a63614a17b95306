/**
 * Parses the bytes of a request in bounded time. A body of up to `MAX_PARSED_BYTES` is parsed whole.
 * A larger one is too long for any template; its long strings are cut out, which leaves its model and the
 * fields that limits depend on. Knows nothing of limits.
 */
import type { ChatRequest } from '../../openai/chat.ts'
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
import { toolTurns } from './tool-turns.ts'

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

const parse = (text: string): Parsed => {
  try {
    return JSON.parse(text) as Parsed
  } catch {
    return null
  }
}

/** @returns null also where a text in the body looks like one that was cut out */
const parseCut = (body: Buffer, longStrings: LongStrings): Parsed => {
  const request = parse(cutLongStrings(body, longStrings))
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
  const parsed = isWhole ? parse(body.toString('utf8')) : parseCut(body, scan)
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
