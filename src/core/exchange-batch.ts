/**
 * Exchanges on their way from the proxy to the store: one buffer of bytes, copied into it while the
 * client still reads its answer and read by the store's thread. Nothing of a request outlives it in
 * the engine's heap, no text is decoded to be encoded again, and no object crosses a thread. Knows
 * nothing of what the bodies mean.
 */
import type { Usage } from '../openai/chat.ts'
import type { ExchangeRecord } from './record.ts'

/** How an answer's bytes are to be read. */
export type AnswerForm =
  /** they are the record's response, which has this usage */
  | { kind: 'read'; usage: Usage | null }
  /** they are what the upstream sent */
  | {
      kind: 'raw'
      contentType: string
      contentEncoding: string
      /** false when the answer broke off */
      complete: boolean
    }

type Rest = Omit<ExchangeRecord, 'request' | 'response' | 'usage'> & { form: AnswerForm }

/** An exchange that is over, its bodies as bytes. */
export type CapturedExchange = Rest & {
  request: Uint8Array
  /** in pieces as they came; null when none did, or more than the log keeps */
  answer: Uint8Array[] | null
}

/** One of a batch. The bytes are views of it: whoever keeps one longer copies it. */
export type BatchedExchange = Rest & { request: Buffer; answer: Buffer | null }

/** Shared memory, so that handing it to a thread copies nothing; its writer owns it. */
export interface ExchangeBatch {
  buffer: SharedArrayBuffer
  /** used from the start on */
  byteLength: number
  count: number
}

/** lengths of head, request and answer, 32 bits each */
const LENGTHS_BYTES = 12
const NO_ANSWER = 0xffff_ffff
const MAX_UTF8_BYTES_PER_CHAR = 3

const bytesOf = (chunks: Uint8Array[] | null): number =>
  chunks === null ? 0 : chunks.reduce((sum, { length }) => sum + length, 0)

/** At most, and without the work of counting the bytes of its characters. */
const roomFor = (head: string, { request, answer }: CapturedExchange): number =>
  LENGTHS_BYTES + head.length * MAX_UTF8_BYTES_PER_CHAR + request.length + bytesOf(answer)

const headOf = ({ request: _request, answer: _answer, ...rest }: CapturedExchange): string =>
  JSON.stringify(rest satisfies Rest)

/** Bytes that a batch needs to hold the exchange. */
export const roomOf = (exchange: CapturedExchange): number => roomFor(headOf(exchange), exchange)

/** Fills one batch. */
export class ExchangeBatchWriter {
  private readonly buffer: SharedArrayBuffer
  private readonly bytes: Buffer
  private readonly maxCount: number
  private used = 0
  private count = 0
  private sealed = false

  /** @param buffer one that no store reads any more */
  constructor(buffer: SharedArrayBuffer, maxCount = Number.POSITIVE_INFINITY) {
    this.buffer = buffer
    this.bytes = Buffer.from(buffer)
    this.maxCount = maxCount
  }

  /** @returns false, and nothing is written, when it takes no more or has no room for it */
  add(exchange: CapturedExchange): boolean {
    if (this.sealed || this.count === this.maxCount) return false
    const { bytes, used } = this
    const head = headOf(exchange)
    if (used + roomFor(head, exchange) > bytes.length) return false
    const { request, answer } = exchange
    let at = used + LENGTHS_BYTES
    const headBytes = bytes.write(head, at)
    at += headBytes
    bytes.set(request, at)
    at += request.length
    for (const chunk of answer ?? []) {
      bytes.set(chunk, at)
      at += chunk.length
    }
    bytes.writeUInt32LE(headBytes, used)
    bytes.writeUInt32LE(request.length, used + 4)
    bytes.writeUInt32LE(answer === null ? NO_ANSWER : bytesOf(answer), used + 8)
    this.used = at
    this.count++
    return true
  }

  /** The batch as it is; from now on it takes no more. */
  seal(): ExchangeBatch {
    this.sealed = true
    return { buffer: this.buffer, byteLength: this.used, count: this.count }
  }
}

export const readBatch = ({ buffer, byteLength }: ExchangeBatch): BatchedExchange[] => {
  const bytes = Buffer.from(buffer, 0, byteLength)
  const exchanges: BatchedExchange[] = []
  for (let at = 0; at < byteLength;) {
    const headAt = at + LENGTHS_BYTES
    const requestAt = headAt + bytes.readUInt32LE(at)
    const answerAt = requestAt + bytes.readUInt32LE(at + 4)
    const answerBytes = bytes.readUInt32LE(at + 8)
    at = answerBytes === NO_ANSWER ? answerAt : answerAt + answerBytes
    exchanges.push({
      ...(JSON.parse(bytes.toString('utf8', headAt, requestAt)) as Rest),
      request: bytes.subarray(requestAt, answerAt),
      answer: answerBytes === NO_ANSWER ? null : bytes.subarray(answerAt, at),
    })
  }
  return exchanges
}

const capturedOf = ({ request, response, usage, ...rest }: ExchangeRecord): CapturedExchange => ({
  ...rest,
  form: { kind: 'read', usage },
  request: Buffer.from(request),
  answer: response === null ? null : [Buffer.from(response)],
})

/** A batch of records that are read already: imported ones. */
export const batchOf = (records: ExchangeRecord[]): ExchangeBatch => {
  const exchanges = records.map(capturedOf)
  const room = exchanges.reduce((sum, exchange) => sum + roomOf(exchange), 0)
  const writer = new ExchangeBatchWriter(new SharedArrayBuffer(room))
  for (const exchange of exchanges) writer.add(exchange)
  return writer.seal()
}
