/**
 * Writes records to the log, with their bodies. This runs for every request, so it uses few statements and
 * not the query builder.
 */
import { lookUpNumbers } from '../../../core/log/record-filter.ts'
import type { BaseCache } from '../../log/base-cache.ts'
import { scopedBodies, segmentRecords } from '../../log/body-forms.ts'
import { inChunks } from '../../log/chunks.ts'
import { earlyCounts, totalsOf } from '../../log/counts.ts'
import { isAnswered, type RecordBytes } from '../../log/record-bytes.ts'
import { MAX_SEGMENT_RECORDS, placeOf, sequenceOf } from '../../log/segment-codec.ts'
import { addToRevision, addTotals } from '../base/counters.ts'
import type { Connection } from '../base/database.ts'
import type { SqlTransaction } from '../base/statements.ts'
import { addAudits } from './audits.ts'
import { storeBodies } from './bodies.ts'
import { insertSegment, replaceSegment } from './segments.ts'
import { addTraffic } from './traffic.ts'

/** digits of a time in milliseconds, enough for every date of JavaScript */
const AT_DIGITS = 16
/** of 31 bits */
const TENANT_DIGITS = 10
/** of 12 bits */
const OPENING_DIGITS = 4
const NO_OPENING = 9999

/**
 * Stands between an id and a version, which never contain it. Not a control character below the
 * space: JSON escapes those, and SQLite takes half as long again for a row with an escape.
 */
const SEPARATOR = String.fromCharCode(127)

/** The look-up columns of a record as one string: three digits, three numbers of a fixed length, two texts. */
const rowText = (record: RecordBytes): string => {
  const { id, at, route } = record.head
  const { tenantNumber, outcome, statusClass, opening } = lookUpNumbers(record.head, record.request)
  const time = String(at).padStart(AT_DIGITS, '0')
  const tenant = String(tenantNumber).padStart(TENANT_DIGITS, '0')
  const begin = String(opening ?? NO_OPENING).padStart(OPENING_DIGITS, '0')
  const digits = `${Number(isAnswered(record))}${outcome}${statusClass}`
  return `${digits}${time}${tenant}${begin}${id}${SEPARATOR}${route?.templateVersion ?? ''}`
}

/** Where they begin, counted from 1. */
const TENANT_AT = 4 + AT_DIGITS
const OPENING_AT = TENANT_AT + TENANT_DIGITS
const ID_AT = OPENING_AT + OPENING_DIGITS

/**
 * One parameter for all rows, because binding each value takes longer than inserting it. One string
 * for a row, because SQLite would parse a JSON list again for each of its values.
 */
const INSERT_RECORDS = `insert into records
    (sequence, id, at, answered, template_version, tenant_number, outcome, status_class, opening)
  select
    ? + key,
    substr(value, ${ID_AT}, instr(value, '${SEPARATOR}') - ${ID_AT}),
    substr(value, 4, ${AT_DIGITS}),
    substr(value, 1, 1),
    nullif(substr(value, instr(value, '${SEPARATOR}') + 1), ''),
    substr(value, ${TENANT_AT}, ${TENANT_DIGITS}),
    substr(value, 2, 1),
    substr(value, 3, 1),
    nullif(substr(value, ${OPENING_AT}, ${OPENING_DIGITS}), '${NO_OPENING}')
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
  const bodies = await storeBodies(tx, cache, added.flatMap(scopedBodies))
  const records = segmentRecords(added, bodies)
  const id = await insertSegment(tx, records)
  const inserted = await insertRecords(tx, id, added)
  if (inserted.size < added.length) {
    const segment = records.map((record, place) => (inserted.has(place) ? record : null))
    await replaceSegment(tx, { id, segment })
  }
  const newRecords = added.filter((_record, place) => inserted.has(place))
  const heads = newRecords.map(({ head }) => head)
  await addTotals(tx, totalsOf(heads))
  for (const [name, count] of earlyCounts(heads)) await addToRevision(tx, name, count)
  await addTraffic(tx, newRecords)
  await addAudits(tx, heads)
  return newRecords
}

/** @returns writes records in one transaction, and returns those that were not in the log */
export const recordWriter =
  ({ writeSql }: Connection, cache: BaseCache) =>
  (records: RecordBytes[]): Promise<RecordBytes[]> =>
    writeSql(async (tx) => {
      const chunks: RecordBytes[][] = []
      for (const chunk of inChunks(records, MAX_SEGMENT_RECORDS))
        chunks.push(await append(tx, cache, chunk))
      return chunks.flat()
    })
