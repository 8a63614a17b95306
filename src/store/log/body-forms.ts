/**
 * How bodies are stored: whole, each once, or as a difference to a whole one that it resembles
 * (`body-codec.ts`). Does not know what a body says, nor the database.
 */
import { isWorthwhile, type BaseCache } from './base-cache.ts'
import {
  decodeDifference,
  digestOf,
  encodeDifference,
  encodeWhole,
  type Difference,
} from './body-codec.ts'
import type { RecordBytes } from './record-bytes.ts'
import type { SegmentRecord, StoredBody } from './segment-codec.ts'
import { inTurn, valueIn } from '../../core/lists.ts'

/** A body of a record, with the data that decides how it is stored. */
export interface ScopedBody {
  /** only bodies of one scope are stored as differences to each other */
  scope: string
  /** UTF-8 */
  bytes: Buffer
  /** time of the record; the body that is stored whole is kept as long */
  at: number
}

/** Of a tenant's requests or responses. */
export const scopeOf = (tenant: string, side: 'request' | 'response'): string => `${tenant} ${side}`

/** The request of the record and its response, if it has one. */
export const scopedBodies = ({
  head: { tenant, at },
  request,
  response,
}: RecordBytes): ScopedBody[] => [
  { scope: scopeOf(tenant, 'request'), bytes: request, at },
  ...(response === null ? [] : [{ scope: scopeOf(tenant, 'response'), bytes: response, at }]),
]

/** @param bodies of the records as they are stored, in the order of `scopedBodies` */
export const segmentRecords = (added: RecordBytes[], bodies: StoredBody[]): SegmentRecord[] => {
  const next = inTurn(bodies)
  return added.map(({ head, usage, response }) => ({
    head,
    usage,
    request: next(),
    response: response === null ? null : next(),
  }))
}

/** A body that has a row, or gets one. */
export interface Whole {
  digest: Buffer
  /** the digest as a string, for maps */
  key: string
  /** null for a body of the cache, which has a row unless that was deleted */
  data: Buffer | null
  newestAt: number
}

/** How a body is stored: whole, or as a difference to a whole one. */
interface Form {
  whole: Omit<Whole, 'newestAt'>
  difference: Difference | null
}

export const keyOf = (digest: Buffer): string => digest.toString('latin1')

/** Stores the body whole, so that later bodies can be differences to it. */
const wholeForm = (cache: BaseCache, scope: string, body: Buffer): Form => {
  const digest = digestOf(body)
  const key = keyOf(digest)
  const data = encodeWhole(body)
  cache.add(scope, { digest, key, body, ratio: data.length / Math.max(1, body.length) })
  return { whole: { digest, key, data }, difference: null }
}

const formOf = (cache: BaseCache, { scope, bytes }: ScopedBody): Form => {
  const relative = cache.find(scope, bytes)
  if (relative === null) return wholeForm(cache, scope, bytes)
  const { base } = relative
  const whole = { digest: base.digest, key: base.key, data: null }
  if (base.body.equals(bytes)) return { whole, difference: null }
  const difference = encodeDifference(bytes, base.body, relative)
  return isWorthwhile(difference, bytes, base)
    ? { whole, difference }
    : wholeForm(cache, scope, bytes)
}

const wholesOf = (forms: (Form & { at: number })[]): Map<string, Whole> => {
  const wholes = new Map<string, Whole>()
  for (const { whole, at } of forms) {
    const known = wholes.get(whole.key)
    // the first form may be new and have data; later forms refer to it
    if (known === undefined) wholes.set(whole.key, { ...whole, newestAt: at })
    else known.newestAt = Math.max(known.newestAt, at)
  }
  return wholes
}

/** The whole bodies' table, within one transaction. */
export interface WholeTable {
  /** @returns key of a digest → id of its row */
  readKnown: (digests: Buffer[]) => Promise<Map<string, number>>
  /** Keeps the rows as long as the new records that refer to them. */
  keep: (newestAt: [id: number, at: number][]) => Promise<void>
  /** @returns key of a digest → id of the new row */
  insert: (wholes: (Whole & { data: Buffer })[]) => Promise<Map<string, number>>
}

/** Stores the bodies that are new. @returns for each body, in order, the reference for its record */
export const storeForms = async (
  table: WholeTable,
  cache: BaseCache,
  added: ScopedBody[]
): Promise<StoredBody[]> => {
  const forms = added.map((body) => ({ ...formOf(cache, body), at: body.at }))
  const wholes = [...wholesOf(forms).values()]
  const ids = await table.readKnown(wholes.map(({ digest }) => digest))
  const kept: [number, number][] = []
  const rows: (Whole & { data: Buffer })[] = []
  for (const whole of wholes) {
    const { key, data, newestAt } = whole
    const known = ids.get(key)
    if (known !== undefined) kept.push([known, newestAt])
    else if (data !== null) rows.push({ ...whole, data })
    else {
      // rolled back, pruned or forgotten since: a deleted body must not come back from memory
      cache.clear()
      return storeForms(table, cache, added)
    }
  }
  if (kept.length > 0) await table.keep(kept)
  if (rows.length > 0) for (const [key, id] of await table.insert(rows)) ids.set(key, id)
  return forms.map(({ whole, difference }) => ({ whole: valueIn(ids, whole.key), difference }))
}

/** Whole bodies by id. */
export type Wholes = Map<number, Buffer>

/** @returns ids of the whole bodies that the stored ones need */
export const wholeIdsOf = (stored: (StoredBody | null)[]): number[] => [
  ...new Set(stored.flatMap((body) => body?.whole ?? [])),
]

/** @returns null when the whole body is not among the given ones */
export const bytesOf = ({ whole, difference }: StoredBody, wholes: Wholes): Buffer | null => {
  const bytes = wholes.get(whole)
  if (bytes === undefined) return null
  return difference === null ? bytes : decodeDifference(difference, bytes)
}

/** @returns the body as a string; null when the record has lost it */
export const textOf = (body: StoredBody | null, wholes: Wholes): string | null =>
  (body && bytesOf(body, wholes))?.toString('utf8') ?? null
