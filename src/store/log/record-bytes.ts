/**
 * Exchanges as records that can be stored: answers are decoded, streams are accumulated, usage is read, and
 * secrets are replaced. This runs for every request. Knows nothing of the database.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { withoutCredentials } from '../../core/request/body-credentials.ts'
import type { BatchedExchange } from '../../core/log/exchange-batch.ts'
import { boundedHead, type RecordHead } from '../../core/log/record.ts'
import type { Redactor } from '../../core/log/redact.ts'
import { PLAIN } from '../../core/request/envelope.ts'
import { withoutAttachments } from '../../core/request/attachments.ts'
import type { Usage } from '../../openai/chat.ts'
import { dialectOfRecord } from '../../openai/dialect.ts'
import { readAnswer, type ReadAnswer } from '../../openai/read-answer.ts'
import { isSuccess } from '../../core/http-status.ts'

/** A record with its bodies in UTF-8, which are views of its exchange batch where possible. */
export interface RecordBytes {
  head: RecordHead
  usage: Usage | null
  request: Buffer
  response: Buffer | null
}

const EMPTY = Buffer.alloc(0)

/** Bytes of each body of an exchange that has no answer with status 2xx: the operator finds mistakes by them. */
const MAX_FAILED_BYTES = 8 * 1024
/** Of the answer where the upstream refused the credentials. Anyone can send such requests: they have no body. */
const MAX_DENIED_BYTES = 1024

const isDenied = ({ status }: RecordHead): boolean => status === 401 || status === 403

/** The beginning of a JSON text as a JSON string, where it is longer. */
const shortened = (json: Buffer, maxBytes: number): Buffer =>
  json.length <= maxBytes
    ? json
    : Buffer.from(JSON.stringify(`${json.toString('utf8', 0, maxBytes)}…`))

/** A form writes a blank of its values as a plus sign. */
const withBlanks = (path: string): string =>
  path.replace(/\?.*/s, (query) => query.replaceAll('+', '%20'))

/** A query may be of a form or not: a plus sign is looked at as itself, then as a blank. */
const readablePath = (path: string, redact: Redactor): string =>
  withBlanks(path) === path ? path : withBlanks(redact()(path))

/** The record with the secrets of its bodies, its path, its envelope and its model replaced. */
const redacted = (record: RecordBytes, redact: Redactor): RecordBytes => {
  const { head, request, response } = record
  const { envelope = PLAIN } = head
  const redactText = redact()
  // placeholders are numbered in this order
  const path = redactText(readablePath(head.path, redact))
  const model = redactText(head.model)
  const around = redactText(readablePath(envelope, redact))
  return {
    ...record,
    head: {
      ...head,
      path: path === withBlanks(head.path) ? head.path : path,
      model,
      ...(around !== withBlanks(envelope) && { envelope: around }),
    },
    request: Buffer.from(redactText(String(request))),
    response: response === null ? null : Buffer.from(redactText(String(response))),
  }
}

/**
 * The record as it is kept. Its texts are shortened behind the redaction: of a value that is cut off, no detector
 * would know the beginning.
 */
const bounded = (record: RecordBytes): RecordBytes => {
  const { request, response } = record
  const head = boundedHead(record.head)
  if (isSuccess(head.status)) return { ...record, head }
  const maxResponseBytes = isDenied(head) ? MAX_DENIED_BYTES : MAX_FAILED_BYTES
  return {
    ...record,
    head,
    request: shortened(request, MAX_FAILED_BYTES),
    response: response && shortened(response, maxResponseBytes),
  }
}

/** The record, with the bodies that the log keeps. */
const recordOf = (
  { head, request }: BatchedExchange,
  { response, usage }: ReadAnswer,
  maxBytes: number
): RecordBytes => {
  const body = isDenied(head) ? EMPTY : withoutAttachments(request)
  return {
    head,
    usage,
    request: body.length > maxBytes ? EMPTY : withoutCredentials(body),
    response: response && withoutCredentials(withoutAttachments(response)),
  }
}

/**
 * Bytes of the bodies that one write has, unless its one record has more. A log segment is read as a whole, and
 * an encoded answer may be a thousand times as long when it is decoded.
 */
const MAX_WRITE_BYTES = 4 * 2 ** 20

/**
 * Bytes that are read in one turn of the event loop, unless one record has more. Other calls of the store, for
 * which requests wait, run between two turns.
 */
const MAX_TURN_BYTES = 256 * 1024

const sizeOf = ({ request, response }: RecordBytes): number =>
  request.length + (response?.length ?? 0)

export interface ReadOptions {
  /** of a request without attachments or a decoded answer; a larger one is left out */
  maxBytes: number
  /** replaces secrets in bodies, paths and names of models; null: nothing */
  redact: Redactor | null
}

/**
 * @returns the records in parts, each for one write
 */
export async function* readRecords(
  exchanges: BatchedExchange[],
  { maxBytes, redact }: ReadOptions
): AsyncGenerator<RecordBytes[]> {
  let records: RecordBytes[] = []
  let [bytes, turnBytes] = [0, MAX_TURN_BYTES]
  for (const exchange of exchanges) {
    if (turnBytes >= MAX_TURN_BYTES) {
      await nextTurn()
      turnBytes = 0
    }
    const answer = readAnswer(exchange.answer, exchange.form, {
      dialect: dialectOfRecord(exchange.head),
      maxBytes,
    })
    // few answers are encoded; to await the others would double the time of reading them
    const read = answer instanceof Promise ? await answer : answer
    const whole = recordOf(exchange, read, maxBytes)
    turnBytes += exchange.request.length + (read.response?.length ?? 0)
    const record = bounded(redact === null ? whole : redacted(whole, redact))
    if (records.length > 0 && bytes + sizeOf(record) > MAX_WRITE_BYTES) {
      yield records
      ;[records, bytes] = [[], 0]
    }
    records.push(record)
    bytes += sizeOf(record)
  }
  if (records.length > 0) yield records
}

export interface WriterOptions extends ReadOptions {
  /** receives the new records after the commit */
  onWritten: (records: RecordBytes[]) => void
}

/**
 * @param write stores records in one transaction and returns those that were not in the log
 * @returns writes exchanges; an id that is in the log already is skipped
 */
export const exchangeWriter =
  (
    write: (records: RecordBytes[]) => Promise<RecordBytes[]>,
    { onWritten, ...options }: WriterOptions
  ) =>
  async (exchanges: BatchedExchange[]): Promise<void> => {
    for await (const records of readRecords(exchanges, options)) onWritten(await write(records))
  }
