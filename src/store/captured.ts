/**
 * Captured exchanges → records: answers are decoded, streams added up, usage read. Every store does
 * this on its own side of the log queue, where it delays no request.
 */
import { promisify } from 'node:util'
import { brotliDecompress, constants, gunzip, inflate } from 'node:zlib'
import type { BatchedExchange } from '../core/exchange-batch.ts'
import type { RecordHead } from '../core/record.ts'
import { createAccumulator } from '../openai/accumulate.ts'
import type { Usage } from '../openai/chat.ts'

/** A record with its bodies in UTF-8, views of its batch as far as that has them. */
export interface RecordBytes {
  head: RecordHead
  usage: Usage | null
  request: Buffer
  response: Buffer | null
}

interface ReadAnswer {
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

const readAnswer = (
  { answer, form }: BatchedExchange,
  maxBytes: number
): ReadAnswer | Promise<ReadAnswer> => {
  if (form.kind === 'read') return { response: answer, usage: form.usage }
  const { contentType, contentEncoding, complete } = form
  const read = (body: Buffer | null): ReadAnswer => {
    if (body === null) return NO_ANSWER
    if (contentType.startsWith('text/event-stream')) return readStream(body)
    // half a JSON body says nothing
    return complete ? readJson(body) : NO_ANSWER
  }
  if (answer === null || isPlain(contentEncoding)) return read(answer)
  return decode(answer, contentEncoding, maxBytes).then(read)
}

/** @param maxAnswerBytes of a decoded answer; a larger one is left out of its record */
export const readRecords = async (
  exchanges: BatchedExchange[],
  maxAnswerBytes: number
): Promise<RecordBytes[]> => {
  const records: RecordBytes[] = []
  for (const exchange of exchanges) {
    const read = readAnswer(exchange, maxAnswerBytes)
    // a promise costs as much as reading a small answer, and few answers are encoded
    const answer = read instanceof Promise ? await read : read
    records.push({
      head: exchange.head,
      usage: answer.usage,
      request: exchange.request,
      response: answer.response,
    })
  }
  return records
}
