/**
 * One read of the log, bounded in bytes: records are restored a few at a time, and the read ends before the
 * bodies exceed the limit. One body that is stored once may be that of a thousand records, so neither the number
 * of records nor the size of the database bounds the memory. Knows nothing of the database.
 */
import type { CompiledFilter } from '../../../core/log/record-filter.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import type { Wholes } from '../body-forms.ts'
import { placeOf, type LogSegment, type SegmentRecord } from '../segment-codec.ts'
import { BodyReader, RECORDS_AT_ONCE, type Bodies } from './body-reader.ts'

/** Bytes of bodies that one read of the log restores at most, unless one record alone has more. */
export const MAX_PAGE_BYTES = 16 * 2 ** 20
/** Records of the first step, and of each one after large bodies. */
const FEW_RECORDS = 4
/** Without bodies. Bounds the decoded log segments in memory. */
const HEADS_AT_ONCE = 50

/** Which records of a read need their bodies. */
export type NeedsBodies = (record: SegmentRecord) => boolean

type Row = Pick<StoredRecord, 'sequence' | 'templateVersion'>

export interface PageReads<OfRow extends Row> {
  /** @returns sequence → the record as its log segment has it */
  segments: (rows: OfRow[]) => Promise<Map<number, SegmentRecord>>
  /** @param rows of the records that need the bodies @returns whole bodies by id */
  wholes: (ids: number[], rows: OfRow[]) => Promise<Wholes>
}

export interface PageOptions {
  /** null: no record does */
  needsBodies: NeedsBodies | null
  /** all records fit by default */
  filter?: CompiledFilter
  /** the read ends when so many records fit */
  room?: number
  /** left of the limit */
  maxBytes?: number
}

export interface PageRead<OfRow> {
  /** the last row that was read; null without one */
  last: OfRow | null
  /** true: rows behind the last one were not read, for their bytes */
  isCut: boolean
  found: StoredRecord[]
  /** rows up to the last one */
  read: number
  /** of bodies that were read */
  bytes: number
}

/** Keeps the log segments of the last rows, because neighbours are mostly in the same ones. */
export const createSegmentReader = <OfRow extends { sequence: number }>(
  keyOf: (row: OfRow) => string,
  read: (rows: OfRow[]) => Promise<[key: string, segment: LogSegment][]>
): ((rows: OfRow[]) => Promise<Map<number, SegmentRecord>>) => {
  let kept = new Map<string, LogSegment>()
  return async (rows) => {
    const known = rows.flatMap((row): [string, LogSegment][] => {
      const segment = kept.get(keyOf(row))
      return segment === undefined ? [] : [[keyOf(row), segment]]
    })
    const missing = rows.filter((row) => !kept.has(keyOf(row)))
    kept = new Map([...known, ...(missing.length === 0 ? [] : await read(missing))])
    return new Map(
      rows.flatMap((row): [number, SegmentRecord][] => {
        const record = kept.get(keyOf(row))?.[placeOf(row.sequence)] ?? null
        return record === null ? [] : [[row.sequence, record]]
      })
    )
  }
}

const sizeOf = ({ request, response }: Bodies): number =>
  (request?.length ?? 0) + (response?.length ?? 0)

const NO_BODIES: Bodies = { request: null, response: null }

const storedOf = (
  { sequence, templateVersion }: Row,
  { head, usage }: SegmentRecord,
  { request, response }: Bodies
): StoredRecord => ({
  ...head,
  usage,
  request: request?.toString('utf8') ?? '',
  response: response?.toString('utf8') ?? null,
  sequence,
  templateVersion,
})

/** A record of a step, with the bodies that were read of it. */
interface Restored<OfRow> {
  row: OfRow
  /** null: the log has lost it, or it does not fit by its head */
  record: SegmentRecord | null
  bodies: Bodies
}

/** Restores the records of some rows. */
const restorer = <OfRow extends Row>(
  { segments, wholes }: PageReads<OfRow>,
  { needsBodies, filter }: PageOptions
): ((rows: OfRow[]) => Promise<Restored<OfRow>[]>) => {
  const reader = new BodyReader()
  return async (rows) => {
    const bySequence = await segments(rows)
    const found = rows.map((row) => {
      const record = bySequence.get(row.sequence) ?? null
      const fits = record !== null && (filter?.fitsHead(record.head) ?? true)
      return { row, record: fits ? record : null }
    })
    const read = found.flatMap(({ row, record }) => {
      const isNeeded = record && (filter?.readsBody || needsBodies?.(record))
      return isNeeded ? { row, record } : []
    })
    const bodies = await reader.read(
      read.map(({ record }) => record),
      (ids) =>
        ids.length === 0
          ? Promise.resolve(new Map())
          : wholes(
              ids,
              read.map(({ row }) => row)
            )
    )
    const ofRecord = new Map<SegmentRecord, Bodies>(bodies.map((each) => [each.record, each]))
    return found.map(({ row, record }) => ({
      row,
      record,
      bodies: (record && ofRecord.get(record)) ?? NO_BODIES,
    }))
  }
}

/** Reads the rows in their order until there are enough records or bytes; at least one row. */
export const readPage = async <OfRow extends Row>(
  rows: OfRow[],
  reads: PageReads<OfRow>,
  options: PageOptions
): Promise<PageRead<OfRow>> => {
  const { filter, needsBodies, room = Infinity, maxBytes = MAX_PAGE_BYTES } = options
  const restore = restorer(reads, options)
  const page: PageRead<OfRow> = { last: null, isCut: false, found: [], read: 0, bytes: 0 }
  const readsNone = needsBodies === null && filter?.readsBody !== true
  const mostAtOnce = readsNone ? HEADS_AT_ONCE : RECORDS_AT_ONCE
  for (let from = 0, count = FEW_RECORDS; from < rows.length; from += count) {
    const isHeavy = page.bytes > maxBytes / FEW_RECORDS
    count = from === 0 || isHeavy ? FEW_RECORDS : mostAtOnce
    for (const { row, record, bodies } of await restore(rows.slice(from, from + count))) {
      const size = sizeOf(bodies)
      if (page.bytes > 0 && page.bytes + size > maxBytes) return { ...page, isCut: true }
      page.bytes += size
      page.last = row
      page.read++
      const stored = record && storedOf(row, record, bodies)
      if (stored !== null && (filter?.fitsBody(stored) ?? true)) page.found.push(stored)
      if (page.found.length >= room) return page
    }
  }
  return page
}
