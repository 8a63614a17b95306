/**
 * One read of the log, bounded in bytes: bodies are restored a few at a time, and the read ends before they exceed the
 * limit. A body that is stored in a few bytes may be long, so neither the number of records nor the size of the
 * database bounds the memory. Knows nothing of the database.
 */
import type { CompiledFilter } from '../../core/log/record-filter.ts'
import {
  packHead,
  unpackHead,
  type PackedHead,
  type RecordHead,
  type StoredRecord,
} from '../../core/log/record.ts'
import type { Usage } from '../../openai/chat.ts'

/** Bytes of bodies that one read of the log restores at most, unless one record alone has more. */
export const MAX_PAGE_BYTES = 16 * 2 ** 20
/** Records of the first step, and of each one after large bodies. */
const FEW_RECORDS = 4
/** Records whose bodies are in memory at the same time, each with at most two of the log's limit. */
export const RECORDS_AT_ONCE = 16

/** A row of `records`. */
export interface LogRow {
  sequence: number
  id: string
  at: number
  templateVersion: string | null
  /** as `headText` makes it */
  head: string
}

/** Its columns. */
export const LOG_COLUMNS = 'sequence, id, at, template_version as "templateVersion", head'

/** What the row of a record has no column of: JSON of the packed head, without id and time, and of the usage. */
export const headText = (head: RecordHead, usage: Usage | null): string => {
  const [_id, _at, ...rest] = packHead(head)
  return JSON.stringify([rest, usage])
}

/** Null: the record has none, or has lost it. */
export interface Bodies {
  request: Buffer | null
  response: Buffer | null
}

export const NO_BODIES: Bodies = { request: null, response: null }

/** @returns those that are there, by the sequence of the record */
export type ReadBodies = (sequences: number[]) => Promise<Map<number, Bodies>>

/** A record without its bodies. */
export type Headed = Omit<StoredRecord, 'request' | 'response'>

type PackedRest = PackedHead extends [string, number, ...infer Rest] ? Rest : never

export const headedOf = ({ sequence, id, at, templateVersion, head }: LogRow): Headed => {
  const [rest, usage] = JSON.parse(head) as [PackedRest, Usage | null]
  return { ...unpackHead([id, at, ...rest]), usage, sequence, templateVersion }
}

/** Whether a read needs the bodies of a record. */
export type NeedsBodies = (record: Headed) => boolean

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

export interface PageRead {
  /** sequence of the last row that was read; null without one */
  last: number | null
  /** true: rows behind the last one were not read, for their bytes */
  isCut: boolean
  found: StoredRecord[]
  /** rows up to the last one */
  read: number
  /** of bodies that were read */
  bytes: number
}

const sizeOf = ({ request, response }: Bodies): number =>
  (request?.length ?? 0) + (response?.length ?? 0)

const storedOf = (record: Headed, { request, response }: Bodies): StoredRecord => ({
  ...record,
  request: request?.toString('utf8') ?? '',
  response: response?.toString('utf8') ?? null,
})

/** Reads the rows in their order until there are enough records or bytes; at least one row. */
export const readPage = async (
  rows: readonly LogRow[],
  readBodies: ReadBodies,
  options: PageOptions
): Promise<PageRead> => {
  const { filter, needsBodies, room = Infinity, maxBytes = MAX_PAGE_BYTES } = options
  const page: PageRead = { last: null, isCut: false, found: [], read: 0, bytes: 0 }
  for (let from = 0, count = FEW_RECORDS; from < rows.length; from += count) {
    const isHeavy = page.bytes > maxBytes / FEW_RECORDS
    count = from === 0 || isHeavy ? FEW_RECORDS : RECORDS_AT_ONCE
    const records = rows.slice(from, from + count).map(headedOf)
    const fits = (record: Headed): boolean => filter?.fitsHead(record) ?? true
    const isNeeded = (record: Headed): boolean =>
      fits(record) && (filter?.readsBody === true || needsBodies?.(record) === true)
    const needed = records.filter(isNeeded).map(({ sequence }) => sequence)
    const bodies = needed.length === 0 ? new Map<number, Bodies>() : await readBodies(needed)
    for (const record of records) {
      const own = bodies.get(record.sequence) ?? NO_BODIES
      if (page.bytes > 0 && page.bytes + sizeOf(own) > maxBytes) return { ...page, isCut: true }
      page.bytes += sizeOf(own)
      page.last = record.sequence
      page.read++
      const stored = storedOf(record, own)
      if (fits(record) && (filter?.fitsBody(stored) ?? true)) page.found.push(stored)
      if (page.found.length >= room) return page
    }
  }
  return page
}
