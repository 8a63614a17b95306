/**
 * Writes exchanges to the log: answers are decoded, streams are accumulated, usage is read, and the
 * records are stored with their bodies. This runs for every request, so it uses few statements and
 * not the query builder.
 */
import type { BatchedExchange } from '../../../core/log/exchange-batch.ts'
import type { RecordHead } from '../../../core/log/record.ts'
import type { Redactor } from '../../../core/log/redact.ts'
import { withoutAttachments } from '../../../core/request/attachments.ts'
import type { Usage } from '../../../openai/chat.ts'
import { dialectOfRecord } from '../../../openai/dialect.ts'
import { readAnswer, type ReadAnswer } from '../../../openai/read-answer.ts'
import { addTotals, countRouted, type Totals } from '../base/counters.ts'
import type { Connection } from '../base/database.ts'
import { inChunks, type SqlTransaction } from '../base/statements.ts'
import { addAudits } from './audits.ts'
import type { BaseCache } from './base-cache.ts'
import { scopeOf, storeBodies, type ScopedBody } from './bodies.ts'
import { MAX_SEGMENT_RECORDS, placeOf, sequenceOf } from './segment-codec.ts'
import { insertSegment, replaceSegment } from './segments.ts'
import { addTraffic } from './traffic.ts'

/** A record with its bodies in UTF-8, which are views of its exchange batch where possible. */
interface RecordBytes {
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
  return {
    head,
    usage,
    request: body.length > maxBytes ? EMPTY : body,
    response: response && withoutAttachments(response),
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

const scopedBodies = ({ head: { tenant, at }, request, response }: RecordBytes): ScopedBody[] => [
  { scope: scopeOf(tenant, 'request'), bytes: request, at },
  ...(response === null ? [] : [{ scope: scopeOf(tenant, 'response'), bytes: response, at }]),
]

const isAnswered = ({ head, response }: RecordBytes): boolean =>
  head.status >= 200 && head.status < 300 && response !== null

/** digits of a time in milliseconds, enough for every date of JavaScript */
const AT_DIGITS = 16

/**
 * Stands between an id and a version, which never contain it. Not a control character below the
 * space: JSON escapes those, and SQLite takes half as long again for a row with an escape.
 */
const SEPARATOR = String.fromCharCode(127)

/** The look-up columns of a record as one string. */
const rowText = (record: RecordBytes): string => {
  const { id, at, route } = record.head
  const time = String(at).padStart(AT_DIGITS, '0')
  return `${Number(isAnswered(record))}${time}${id}${SEPARATOR}${route?.templateVersion ?? ''}`
}

/**
 * One parameter for all rows, because binding each value takes longer than inserting it. One string
 * for a row, because SQLite would parse a JSON list again for each of its values.
 */
const INSERT_RECORDS = `insert into records (sequence, id, at, answered, template_version)
  select
    ? + key,
    substr(value, ${AT_DIGITS + 2}, instr(value, '${SEPARATOR}') - ${AT_DIGITS + 2}),
    substr(value, 2, ${AT_DIGITS}),
    substr(value, 1, 1),
    nullif(substr(value, instr(value, '${SEPARATOR}') + 1), '')
  from json_each(?) where true
  on conflict (id) do nothing`

/** @returns places of the records whose id was neither in the log nor earlier in the list */
const insertRecords = async (
  tx: SqlTransaction,
  segment: number,
  added: RecordBytes[]
): Promise<Set<number>> => {
  const first = sequenceOf(segment, 0)
  const { rowsAffected } = await tx.execute({
    sql: INSERT_RECORDS,
    args: [first, JSON.stringify(added.map(rowText))],
  })
  if (rowsAffected === added.length) return new Set(added.keys())
  const inserted = await tx.execute({
    sql: 'select sequence from records where sequence >= ?',
    args: [first],
  })
  return new Set(inserted.rows.map(({ sequence }) => placeOf(sequence as number)))
}

/** @returns the records that were not in the log */
const append = async (
  tx: SqlTransaction,
  cache: BaseCache,
  added: RecordBytes[]
): Promise<RecordBytes[]> => {
  const stored = (await storeBodies(tx, cache, added.flatMap(scopedBodies))).values()
  const records = added.map(({ head, usage, response }) => ({
    head,
    usage,
    request: stored.next().value!,
    response: response === null ? null : stored.next().value!,
  }))
  const id = await insertSegment(tx, records)
  const inserted = await insertRecords(tx, id, added)
  if (inserted.size < added.length) {
    const segment = records.map((record, place) => (inserted.has(place) ? record : null))
    await replaceSegment(tx, { id, segment })
  }
  const newRecords = added.filter((_record, place) => inserted.has(place))
  const totals: Totals = new Map()
  for (const { head } of newRecords) countRouted(totals, head)
  await addTotals(tx, totals)
  await addTraffic(tx, newRecords)
  await addAudits(
    tx,
    newRecords.map(({ head }) => head)
  )
  return newRecords
}

/** Detectors need plain text, and a query is percent-encoded. */
const decoded = (path: string): string => {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

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

interface WriterOptions {
  /** see `readRecords` */
  maxBodyBytes: number
  /** replaces secrets in bodies and paths before they are written; null: nothing */
  redact: Redactor | null
  /** receives the new records after the commit */
  onWritten: (records: RecordBytes[]) => void
}

/** @returns writes exchanges in one transaction; an id that is in the log already is skipped */
export const exchangeWriter =
  (
    { writeSql }: Connection,
    cache: BaseCache,
    { maxBodyBytes, redact, onWritten }: WriterOptions
  ) =>
  async (exchanges: BatchedExchange[]): Promise<void> => {
    const read = await readRecords(exchanges, maxBodyBytes)
    const records = redact === null ? read : read.map((record) => redacted(record, redact))
    const written = await writeSql(async (tx) => {
      const chunks: RecordBytes[][] = []
      for (const chunk of inChunks(records, MAX_SEGMENT_RECORDS))
        chunks.push(await append(tx, cache, chunk))
      return chunks.flat()
    })
    onWritten(written)
  }
