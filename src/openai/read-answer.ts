/**
 * Reads an upstream's answer as it came over the wire: decodes it, accumulates a stream, and returns
 * its JSON and its usage. Pure.
 */
import { promisify } from 'node:util'
import { brotliDecompress, constants, gunzip, inflate } from 'node:zlib'
import type { AnswerAccumulator } from './answer.ts'
import type { Usage } from './chat.ts'
import type { Dialect } from './dialect.ts'
import { answerUsage } from './usage/usage.ts'

/** Describes the bytes of an answer. */
export interface AnswerEncoding {
  contentType: string
  contentEncoding: string
  /** false: the answer broke off */
  complete: boolean
}

export interface ReadAnswer {
  /** in UTF-8: the JSON body, or the completion of a stream; null: none, or unreadable */
  response: Buffer | null
  usage: Usage | null
}

const NO_ANSWER: ReadAnswer = { response: null, usage: null }

const gunzipAsync = promisify(gunzip)
const inflateAsync = promisify(inflate)
const brotliAsync = promisify(brotliDecompress)

/**
 * @param maxBytes a larger decoded size is refused, so that a small answer cannot fill the memory
 * @returns null when the encoding is unknown, broken or too large; the decodable part of an answer
 * that broke off
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
    // too large, or the header names a wrong encoding: the record has no response
    return null
  }
}

const accumulated = (accumulator: AnswerAccumulator): ReadAnswer => {
  const answer = accumulator.answer()
  if (answer) return { response: Buffer.from(JSON.stringify(answer)), usage: answerUsage(answer) }
  const { error } = accumulator
  return error === undefined
    ? NO_ANSWER
    : { response: Buffer.from(JSON.stringify({ error })), usage: null }
}

const readStream = (body: Buffer, { accumulator: begin }: Dialect): ReadAnswer => {
  const accumulator = begin()
  accumulator.push(body)
  return accumulated(accumulator)
}

/** Takes some milliseconds. */
const SLICE_BYTES = 2 ** 16

const readStreamInSlices = async (
  body: Buffer,
  { accumulator: begin }: Dialect,
  pause: () => Promise<void>
): Promise<ReadAnswer> => {
  const accumulator = begin()
  for (let from = 0; from < body.length; from += SLICE_BYTES) {
    accumulator.push(body.subarray(from, from + SLICE_BYTES))
    await pause()
  }
  return accumulated(accumulator)
}

const readJson = (body: Buffer): ReadAnswer => {
  if (body.length === 0) return NO_ANSWER
  const text = body.toString('utf8')
  try {
    return { response: body, usage: answerUsage(JSON.parse(text)) }
  } catch {
    // an error page of a server before the upstream is kept as a JSON string
    return { response: Buffer.from(JSON.stringify(text)), usage: null }
  }
}

/**
 * @param body null without an answer
 * @param form how to read the body; with a usage it is read already
 * @param options.dialect of the request
 * @param options.maxBytes of a decoded answer; a larger one counts as none
 * @param options.pause lets others go on while megabytes of events are read; without it they are read at once
 * @returns a promise only for an encoded body and with pauses: a promise costs as much as reading a small answer
 */
export const readAnswer = (
  body: Buffer | null,
  form: AnswerEncoding | { usage: Usage | null },
  { dialect, maxBytes, pause }: { dialect: Dialect; maxBytes: number; pause?: () => Promise<void> }
): ReadAnswer | Promise<ReadAnswer> => {
  if ('usage' in form) return { response: body, usage: form.usage }
  const { contentType, contentEncoding, complete } = form
  const read = (plain: Buffer | null): ReadAnswer | Promise<ReadAnswer> => {
    if (plain === null) return NO_ANSWER
    if (contentType.startsWith('text/event-stream'))
      return pause === undefined || plain.length <= SLICE_BYTES
        ? readStream(plain, dialect)
        : readStreamInSlices(plain, dialect, pause)
    // a JSON body that broke off cannot be parsed
    return complete ? readJson(plain) : NO_ANSWER
  }
  if (body === null || contentEncoding === '' || contentEncoding === 'identity') return read(body)
  return decode(body, contentEncoding, maxBytes).then(read)
}
