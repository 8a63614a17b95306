/**
 * Exchanges on their way from the proxy to the store: one buffer of bytes, copied into it while the
 * client still reads its answer and read by the store's thread. Nothing of a request outlives it in
 * the engine's heap, no text is decoded to be encoded again, and no object crosses a thread. Knows
 * nothing of what the bodies mean.
 */
import type { Usage } from '../../openai/chat.ts'
import {
  packHead,
  unpackHead,
  type ExchangeRecord,
  type PackedHead,
  type RecordHead,
} from './record.ts'

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

/** An exchange that is over, its bodies as bytes. */
export interface CapturedExchange {
  head: RecordHead
  form: AnswerForm
  request: Uint8Array
  /** in pieces as they came; null when none did, or more than the log keeps */
  answer: Uint8Array[] | null
}

/** One of a batch. The bytes are views of it: whoever keeps one longer copies it. */
export interface BatchedExchange {
  head: RecordHead
  form: AnswerForm
  request: Buffer
  answer: Buffer | null
}

/** Shared memory, so that handing it to a thread copies nothing; its writer owns it. */
export interface ExchangeBatch {
  buffer: SharedArrayBuffer
  /** used from the start on */
  byteLength: number
  count: number
}

/** All but the bodies. A form is its usage alone, or the rest of a raw one. */
type Preamble = [
  head: PackedHead,
  form: [Usage | null] | [contentType: string, contentEncoding: string, complete: boolean],
]

/** 32 bits each: lengths of the preamble, the request and the answer */
const LENGTHS_BYTES = 12
const NO_ANSWER = 0xffff_ffff
const MAX_UTF8_BYTES_PER_CHAR = 3

const bytesOf = (chunks: Uint8Array[] | null): number =>
  chunks === null ? 0 : chunks.reduce((sum, { length }) => sum + length, 0)

/** At most, and without the work of counting the bytes of its characters. */
const roomFor = (preamble: string, { request, answer }: CapturedExchange): number =>
  LENGTHS_BYTES + preamble.length * MAX_UTF8_BYTES_PER_CHAR + request.length + bytesOf(answer)

const preambleOf = ({ head, form }: CapturedExchange): string => {
  const preamble: Preamble = [
    packHead(head),
    form.kind === 'read' ? [form.usage] : [form.contentType, form.contentEncoding, form.complete],
  ]
  return JSON.stringify(preamble)
}

const readPreamble = (text: string): { head: RecordHead; form: AnswerForm } => {
  const [head, form] = JSON.parse(text) as Preamble
  return {
    head: unpackHead(head),
    form:
      form.length === 1
        ? { kind: 'read', usage: form[0] }
        : { kind: 'raw', contentType: form[0], contentEncoding: form[1], complete: form[2] },
  }
}

/** Bytes that a batch needs to hold the exchange. */
export const roomOf = (exchange: CapturedExchange): number =>
  roomFor(preambleOf(exchange), exchange)

/**
 * `fill` with as many bytes as there are is a plain copy, where `set` copies shared memory word by word,
 * in up to seven times as long. @returns the place behind it
 */
const copyTo = (shared: Buffer, at: number, bytes: Uint8Array): number => {
  if (bytes.length > 0) shared.fill(bytes, at, at + bytes.length)
  return at + bytes.length
}

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
    const preamble = preambleOf(exchange)
    if (used + roomFor(preamble, exchange) > bytes.length) return false
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
    const preambleAt = at + LENGTHS_BYTES
    const requestAt = preambleAt + bytes.readUInt32LE(at)
    const answerAt = requestAt + bytes.readUInt32LE(at + 4)
    const answerBytes = bytes.readUInt32LE(at + 8)
    at = answerBytes === NO_ANSWER ? answerAt : answerAt + answerBytes
    const { head, form } = readPreamble(bytes.toString('utf8', preambleAt, requestAt))
    exchanges.push({
      head,
      form,
      request: bytes.subarray(requestAt, answerAt),
      answer: answerBytes === NO_ANSWER ? null : bytes.subarray(answerAt, at),
    })
  }
  return exchanges
}

/** A batch of just these. */
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

/** A batch of records that are read already: imported ones. */
export const batchOf = (records: ExchangeRecord[]): ExchangeBatch =>
  batchCaptured(records.map(capturedOf))
