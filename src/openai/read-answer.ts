/**
 * An upstream's answer as it came over the wire → its JSON and its usage: decoded, streams added up.
 * Pure; bytes in, bytes out.
 */
import { promisify } from 'node:util'
import { brotliDecompress, constants, gunzip, inflate } from 'node:zlib'
import { createAccumulator } from './accumulate.ts'
import type { Usage } from './chat.ts'

/** What is needed to read an answer's bytes. */
export interface AnswerEncoding {
  contentType: string
  contentEncoding: string
  /** false when it broke off */
  complete: boolean
}

export interface ReadAnswer {
  /** in UTF-8: the JSON body, or the completion that a stream adds up to */
  response: Buffer | null
  usage: Usage | null
}

const NO_ANSWER: ReadAnswer = { response: null, usage: null }

const gunzipAsync = promisify(gunzip)
const inflateAsync = promisify(inflate)
const brotliAsync = promisify(brotliDecompress)

/**
 * @param maxBytes decoded size that is refused, so that a small answer cannot fill the memory
 * @returns null when the encoding is unknown, broken or too large; an answer that was cut off is
 * decoded as far as it goes
 */
const decode = async (
  body: Buffer,
  contentEncoding: string,
  maxBytes: number
): Promise<Buffer | null> => {
  const limit = { maxOutputLength: maxBytes, finishFlush: constants.Z_SYNC_FLUSH }
  try {
    switch (contentEncoding) {
      case 'gzip':
      case 'x-gzip':
        return await gunzipAsync(body, limit)
      case 'deflate':
        return await inflateAsync(body, limit)
      case 'br':
        return await brotliAsync(body, {
          maxOutputLength: maxBytes,
          finishFlush: constants.BROTLI_OPERATION_FLUSH,
        })
      default:
        return null
    }
  } catch {
    // too large, or not encoded as its upstream says: it is logged without text
    return null
  }
}

const isPlain = (contentEncoding: string): boolean =>
  contentEncoding === '' || contentEncoding === 'identity'

const readStream = (body: Buffer): ReadAnswer => {
  const accumulator = createAccumulator()
  accumulator.push(body)
  const completion = accumulator.completion()
  if (completion) {
    return { response: Buffer.from(JSON.stringify(completion)), usage: completion.usage ?? null }
  }
  const error = accumulator.error()
  return error === undefined
    ? NO_ANSWER
    : { response: Buffer.from(JSON.stringify({ error })), usage: null }
}

const readJson = (body: Buffer): ReadAnswer => {
  if (body.length === 0) return NO_ANSWER
  const text = body.toString('utf8')
  try {
    const parsed = JSON.parse(text) as { usage?: Usage | null } | null
    return { response: body, usage: parsed?.usage ?? null }
  } catch {
    // an error page of something before the upstream: kept, as a JSON string
    return { response: Buffer.from(JSON.stringify(text)), usage: null }
  }
}

/**
 * @param body null when none came
 * @param maxBytes of a decoded answer; a larger one counts as none
 * @returns a promise only where the body is encoded: it costs as much as reading a small answer
 */
export const readAnswer = (
  body: Buffer | null,
  { contentType, contentEncoding, complete }: AnswerEncoding,
  maxBytes: number
): ReadAnswer | Promise<ReadAnswer> => {
  const read = (plain: Buffer | null): ReadAnswer => {
    if (plain === null) return NO_ANSWER
    if (contentType.startsWith('text/event-stream')) return readStream(plain)
    // half a JSON body says nothing
    return complete ? readJson(plain) : NO_ANSWER
  }
  if (body === null || isPlain(contentEncoding)) return read(body)
  return decode(body, contentEncoding, maxBytes).then(read)
}
