/**
 * A batch of logged exchanges on their way from the proxy to the store: one buffer of shared memory, filled
 * by the proxy's thread and read by the store's. No request stays in the JavaScript heap after its end,
 * no text is decoded and encoded again, and no object is cloned between threads. Does not read the bodies.
 */
import type { Usage } from '../../openai/chat.ts'
import {
  packHead,
  unpackHead,
  type ExchangeRecord,
  type PackedHead,
  type RecordHead,
} from './record.ts'

/** How an answer's bytes must be read. */
export type AnswerForm =
  /** they are the record's response */
  | { kind: 'read'; usage: Usage | null }
  /** they are as the upstream sent them */
  | {
      kind: 'raw'
      contentType: string
      contentEncoding: string
      /** false when the answer broke off */
      complete: boolean
    }

/** A finished exchange, with its bodies as bytes. */
export interface CapturedExchange {
  head: RecordHead
  form: AnswerForm
  request: Uint8Array
  /** in chunks as received; null without an answer, or for one over the log's limit */
  answer: Uint8Array[] | null
}

/** One exchange of a batch. The buffers are views of the batch: copy one to keep it longer. */
export interface BatchedExchange {
  head: RecordHead
  form: AnswerForm
  request: Buffer
  answer: Buffer | null
}

/** In shared memory, so that posting it to a thread copies nothing; the writer owns it. */
export interface ExchangeBatch {
  buffer: SharedArrayBuffer
  /** used, from the start */
  byteLength: number
  count: number
}

/** of the preamble, the request and the answer, 32 bits each */
const LENGTHS_BYTES = 12
const NO_ANSWER = 0xffff_ffff
const MAX_UTF8_BYTES_PER_CHAR = 3

const bytesOf = (chunks: Uint8Array[] | null): number =>
  chunks === null ? 0 : chunks.reduce((sum, { length }) => sum + length, 0)

/** All but the bodies. */
const preambleOf = ({ head, form }: CapturedExchange): string =>
  JSON.stringify([packHead(head), form])

/** Bytes of a batch that the exchange needs at most, without counting the bytes of each character. */
export const roomOf = (exchange: CapturedExchange, preamble = preambleOf(exchange)): number =>
  LENGTHS_BYTES +
  preamble.length * MAX_UTF8_BYTES_PER_CHAR +
  exchange.request.length +
  bytesOf(exchange.answer)

/**
 * `fill` with exactly as many bytes is a plain copy; `set` copies shared memory word by word, which takes
 * up to seven times as long. @returns the offset behind the copy
 */
const copyTo = (shared: Buffer, at: number, bytes: Uint8Array): number => {
  if (bytes.length > 0) shared.fill(bytes, at, at + bytes.length)
  return at + bytes.length
}

/** Fills one batch. */
export class ExchangeBatchWriter {
  private readonly bytes: Buffer
  private used = 0
  private count = 0
  private sealed = false

  /** @param buffer must not be read by a store any more */
  constructor(
    private readonly buffer: SharedArrayBuffer,
    private readonly maxCount: number = Number.POSITIVE_INFINITY
  ) {
    this.bytes = Buffer.from(buffer)
  }

  /** @returns false, without writing, when the batch is sealed, full or too small for the exchange */
  add(exchange: CapturedExchange): boolean {
    if (this.sealed || this.count === this.maxCount) return false
    const { bytes, used } = this
    const preamble = preambleOf(exchange)
    if (used + roomOf(exchange, preamble) > bytes.length) return false
    const { request, answer } = exchange
    let at = used + LENGTHS_BYTES
    const preambleBytes = bytes.write(preamble, at)
    at = copyTo(bytes, at + preambleBytes, request)
    const answerAt = at
    for (const chunk of answer ?? []) at = copyTo(bytes, at, chunk)
    bytes.writeUInt32LE(preambleBytes, used)
    bytes.writeUInt32LE(request.length, used + 4)
    bytes.writeUInt32LE(answer === null ? NO_ANSWER : at - answerAt, used + 8)
    this.used = at
    this.count++
    return true
  }

  /** Exchanges in it. */
  get length(): number {
    return this.count
  }

  /** The batch with the exchanges so far; it takes no more. */
  seal(): ExchangeBatch {
    this.sealed = true
    return { buffer: this.buffer, byteLength: this.used, count: this.count }
  }
}

export const readBatch = ({ buffer, byteLength }: ExchangeBatch): BatchedExchange[] => {
  const bytes = Buffer.from(buffer, 0, byteLength)
  const exchanges: BatchedExchange[] = []
  for (let at = 0; at < byteLength;) {
    const preambleAt = at + LENGTHS_BYTES
    const requestAt = preambleAt + bytes.readUInt32LE(at)
    const answerAt = requestAt + bytes.readUInt32LE(at + 4)
    const answerBytes = bytes.readUInt32LE(at + 8)
    at = answerBytes === NO_ANSWER ? answerAt : answerAt + answerBytes
    const preamble = bytes.toString('utf8', preambleAt, requestAt)
    const [head, form] = JSON.parse(preamble) as [PackedHead, AnswerForm]
    exchanges.push({
      head: unpackHead(head),
      form,
      request: bytes.subarray(requestAt, answerAt),
      answer: answerBytes === NO_ANSWER ? null : bytes.subarray(answerAt, at),
    })
  }
  return exchanges
}

/** A batch of exactly these exchanges. */
export const batchCaptured = (exchanges: CapturedExchange[]): ExchangeBatch => {
  const room = exchanges.reduce((sum, exchange) => sum + roomOf(exchange), 0)
  const writer = new ExchangeBatchWriter(new SharedArrayBuffer(room))
  for (const exchange of exchanges) writer.add(exchange)
  return writer.seal()
}

const capturedOf = ({ request, response, usage, ...head }: ExchangeRecord): CapturedExchange => ({
  head,
  form: { kind: 'read', usage },
  request: Buffer.from(request),
  answer: response === null ? null : [Buffer.from(response)],
})

/** A batch of imported records, whose answers are JSON already. */
export const batchOf = (records: ExchangeRecord[]): ExchangeBatch =>
  batchCaptured(records.map(capturedOf))
