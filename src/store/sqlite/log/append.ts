/**
 * The log's way in: records with their bodies, in batches. It is paid with every request, so it is
 * kept cheap: a handful of statements a batch, no query builder.
 */
import type { BatchedExchange } from '../../../core/log/exchange-batch.ts'
import type { Redactor } from '../../../core/log/redact.ts'
import { readRecords, type RecordBytes } from './captured.ts'
import type { BaseCache } from './base-cache.ts'
import type { Connection } from '../base/database.ts'
import { inChunks } from '../base/chunks.ts'
import { MAX_SEGMENT_RECORDS, placeOf, sequenceOf } from './segment-codec.ts'
import { insertSegment, replaceSegment } from './segments.ts'
import type { SqlTransaction } from '../base/statements.ts'
import { storeTexts, type ScopedText } from './store-bodies.ts'
import { addTotals, countRouted, type Totals } from '../base/totals.ts'

const scopedTexts = ({ head, request, response }: RecordBytes): ScopedText[] => {
  const { tenant, at } = head
  const text = { scope: `${tenant} request`, text: request, at }
  return response === null ? [text] : [text, { scope: `${tenant} response`, text: response, at }]
}

const isAnswered = ({ head, response }: RecordBytes): boolean =>
  head.status >= 200 && head.status < 300 && response !== null

/** digits of a time, in milliseconds for as long as dates have them */
const AT_DIGITS = 16

/**
 * Between an id and a version, which have no such character. JSON escapes those below a space, and
 * with an escape in it a row takes SQLite half as long again.
 */
const SEPARATOR = String.fromCharCode(127)

/** What a record is looked up by, as one text. */
const rowText = (record: RecordBytes): string => {
  const { id, at, route } = record.head
  const time = String(at).padStart(AT_DIGITS, '0')
  return `${Number(isAnswered(record))}${time}${id}${SEPARATOR}${route?.templateVersion ?? ''}`
}

/**
 * One parameter for all rows: to bind each value takes longer than to insert them. And one text for
 * a row: a list would be read anew for each of its values.
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

/** @returns places of those whose id was neither in the log nor earlier in the list */
const insertRecords = async (
  tx: SqlTransaction,
  segment: number,
  added: RecordBytes[]
): Promise<Set<number>> => {
  const { rowsAffected } = await tx.execute({
    sql: INSERT_RECORDS,
    args: [sequenceOf(segment, 0), JSON.stringify(added.map(rowText))],
  })
  if (rowsAffected === added.length) return new Set(added.keys())
  const inserted = await tx.execute({
    sql: 'select sequence from records where sequence >= ?',
    args: [sequenceOf(segment, 0)],
  })
  return new Set(inserted.rows.map(({ sequence }) => placeOf(sequence as number)))
}

/** @returns those that were not in the log */
const append = async (
  tx: SqlTransaction,
  cache: BaseCache,
  added: RecordBytes[]
): Promise<RecordBytes[]> => {
  const texts = (await storeTexts(tx, cache, added.flatMap(scopedTexts))).values()
  const segment = added.map((record) => ({
    head: record.head,
    usage: record.usage,
    request: texts.next().value!,
    response: record.response === null ? null : texts.next().value!,
  }))
  const id = await insertSegment(tx, segment)
  const inserted = await insertRecords(tx, id, added)
  if (inserted.size < added.length) {
    const left = segment.map((record, place) => (inserted.has(place) ? record : null))
    await replaceSegment(tx, id, left)
  }
  const newRecords = added.filter((_record, place) => inserted.has(place))
  const totals: Totals = new Map()
  for (const { head } of newRecords) countRouted(totals, head)
  await addTotals(tx, totals)
  return newRecords
}

/** A query is percent-encoded, and detectors look for text. */
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
  maxTextBytes: number
  redact: Redactor | null
  onWritten: (records: RecordBytes[]) => void
}

/**
 * Writes exchanges in one transaction; those whose id is in the log already are skipped.
 * @param maxTextBytes of a request or an answer, see `readRecords`
 * @param redact what bodies and paths go through before they are written; null leaves them as they are
 * @param onWritten gets what was not skipped, once it is durable
 */
export const exchangeWriter =
  (
    { writeSql }: Connection,
    cache: BaseCache,
    { maxTextBytes, redact, onWritten }: WriterOptions
  ) =>
  async (exchanges: BatchedExchange[]): Promise<void> => {
    const read = await readRecords(exchanges, maxTextBytes)
    const records = redact === null ? read : read.map((record) => redacted(record, redact))
    const written = await writeSql(async (tx) => {
      const chunks: RecordBytes[][] = []
      for (const chunk of inChunks(records, MAX_SEGMENT_RECORDS))
        chunks.push(await append(tx, cache, chunk))
      return chunks.flat()
    })
    onWritten(written)
  }
