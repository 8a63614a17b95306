/**
 * Exchanges as records that can be stored: answers are decoded, streams are accumulated, usage is read, and
 * secrets are replaced. This runs for every request. Knows nothing of the database.
 */
import { withoutCredentials } from '../../core/request/body-credentials.ts'
import type { BatchedExchange } from '../../core/log/exchange-batch.ts'
import type { RecordHead } from '../../core/log/record.ts'
import type { Redactor } from '../../core/log/redact.ts'
import { withoutAttachments } from '../../core/request/attachments.ts'
import type { Usage } from '../../openai/chat.ts'
import { dialectOfRecord } from '../../openai/dialect.ts'
import { readAnswer, type ReadAnswer } from '../../openai/read-answer.ts'

/** A record with its bodies in UTF-8, which are views of its exchange batch where possible. */
export interface RecordBytes {
  head: RecordHead
  usage: Usage | null
  request: Buffer
  response: Buffer | null
}

const EMPTY = Buffer.alloc(0)

const recordOf = (
  { head, request }: BatchedExchange,
  { response, usage }: ReadAnswer,
  maxBytes: number
): RecordBytes => {
  const body = withoutAttachments(request)
  const isTooLong = body.length > maxBytes
  return {
    head,
    usage,
    request: isTooLong ? EMPTY : withoutCredentials(body),
    response: response && withoutCredentials(withoutAttachments(response)),
  }
}

/** @param maxBytes of a request without attachments or a decoded answer; a larger one is left out */
export const readRecords = async (
  exchanges: BatchedExchange[],
  maxBytes: number
): Promise<RecordBytes[]> => {
  const records: RecordBytes[] = []
  for (const exchange of exchanges) {
    const answer = readAnswer(exchange.answer, exchange.form, {
      dialect: dialectOfRecord(exchange.head),
      maxBytes,
    })
    // few answers are encoded; to await the others would double the time of reading them
    const read = answer instanceof Promise ? await answer : answer
    records.push(recordOf(exchange, read, maxBytes))
  }
  return records
}

/** Status 2xx and a response. */
export const isAnswered = ({ head, response }: RecordBytes): boolean =>
  head.status >= 200 && head.status < 300 && response !== null

/** Detectors need plain text, and a query is percent-encoded. */
const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** The record with the secrets of its bodies and its path replaced. */
const redacted = (record: RecordBytes, redact: Redactor): RecordBytes => {
  const { head, request, response } = record
  const path = decoded(head.path)
  const bodies = (response === null ? [request] : [request, response]).map(String)
  const [newPath, newRequest, newResponse] = redact([path, ...bodies])
  return {
    ...record,
    head: newPath === path ? head : { ...head, path: newPath! },
    request: Buffer.from(newRequest!),
    response: newResponse === undefined ? null : Buffer.from(newResponse),
  }
}

export interface WriterOptions {
  /** see `readRecords` */
  maxBodyBytes: number
  /** replaces secrets in bodies and paths before they are written; null: nothing */
  redact: Redactor | null
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
    { maxBodyBytes, redact, onWritten }: WriterOptions
  ) =>
  async (exchanges: BatchedExchange[]): Promise<void> => {
    const read = await readRecords(exchanges, maxBodyBytes)
    const records = redact === null ? read : read.map((record) => redacted(record, redact))
    onWritten(await write(records))
  }
