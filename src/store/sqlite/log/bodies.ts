/**
 * The bodies table: bodies that are stored whole, each once. A body that resembles one of them is
 * stored as a difference to it (`body-codec.ts`), which its log segment keeps. Does not know what a
 * body says.
 */
import { bodies } from '../base/schema.ts'
import { bulkInsert, executeIn, type SqlRunner, type SqlTransaction } from '../base/statements.ts'
import { isWorthwhile, type BaseCache } from './base-cache.ts'
import {
  decodeDifference,
  decodeWhole,
  digestOf,
  encodeDifference,
  encodeWhole,
  type Difference,
} from './body-codec.ts'
import type { StoredBody } from './segment-codec.ts'

/** A body of a record, with the data that decides how it is stored. */
export interface ScopedBody {
  /** tenant and side: only bodies of one scope are stored as differences to each other */
  scope: string
  /** UTF-8 */
  bytes: Buffer
  /** time of the record; the body that is stored whole is kept as long */
  at: number
}

export const scopeOf = (tenant: string, side: 'request' | 'response'): string => `${tenant} ${side}`

/** A body that has a row, or gets one. */
interface Whole {
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

const insertBodies = bulkInsert(bodies)

const keyOf = (digest: Buffer): string => digest.toString('latin1')

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

/** @returns key of a digest → id of its row */
const readKnown = async (tx: SqlTransaction, digests: Buffer[]): Promise<Map<string, number>> => {
  const rows = await executeIn(tx, 'select id, digest from bodies where digest in', digests)
  return new Map(
    rows.map(({ id, digest }) => [keyOf(Buffer.from(digest as ArrayBuffer)), id as number])
  )
}

const nextId = async (tx: SqlTransaction): Promise<number> => {
  const { rows } = await tx.execute('select coalesce(max(id), 0) + 1 as next from bodies')
  return rows[0]!['next'] as number
}

/** Keeps existing rows as long as the new records that refer to them. */
const keepUntil = (tx: SqlTransaction, newestAt: [id: number, at: number][]): Promise<unknown> =>
  tx.execute({
    sql: `update bodies set newest_at = max(newest_at, needed.at)
      from (select value ->> 0 as id, value ->> 1 as at from json_each(?)) as needed
      where bodies.id = needed.id`,
    args: [JSON.stringify(newestAt)],
  })

const wholesOf = (forms: Form[], stored: ScopedBody[]): Map<string, Whole> => {
  const wholes = new Map<string, Whole>()
  forms.forEach(({ whole }, index) => {
    const { at } = stored[index]!
    const known = wholes.get(whole.key)
    // the first form may be new and have data; later forms refer to it
    if (known === undefined) wholes.set(whole.key, { ...whole, newestAt: at })
    else known.newestAt = Math.max(known.newestAt, at)
  })
  return wholes
}

/** Stores the bodies that are new. @returns for each body, in order, the reference for its record */
export const storeBodies = async (
  tx: SqlTransaction,
  cache: BaseCache,
  added: ScopedBody[]
): Promise<StoredBody[]> => {
  const forms = added.map((body) => formOf(cache, body))
  const wholes = wholesOf(forms, added)
  const ids = await readKnown(
    tx,
    [...wholes.values()].map(({ digest }) => digest)
  )
  const isGone = ([key, { data }]: [string, Whole]): boolean => data === null && !ids.has(key)
  if ([...wholes].some(isGone)) {
    // rolled back, pruned or forgotten since: a deleted body must not come back from memory
    cache.clear()
    return storeBodies(tx, cache, added)
  }
  const kept: [number, number][] = []
  const rows: (typeof bodies.$inferSelect)[] = []
  let free: number | null = null
  for (const [key, { digest, data, newestAt }] of wholes) {
    const known = ids.get(key)
    if (known !== undefined) {
      kept.push([known, newestAt])
      continue
    }
    free ??= await nextId(tx)
    ids.set(key, free)
    rows.push({ id: free++, digest, newestAt, data: data! })
  }
  if (kept.length > 0) await keepUntil(tx, kept)
  await insertBodies(tx, rows)
  return forms.map(({ whole, difference }) => ({ whole: ids.get(whole.key)!, difference }))
}

/** Whole bodies by id. */
export type Wholes = Map<number, Buffer>

/** @returns the whole bodies that the stored ones need; a deleted one is missing */
export const readWholes = async (
  runner: SqlRunner,
  stored: (StoredBody | null)[]
): Promise<Wholes> => {
  const ids = [...new Set(stored.flatMap((body) => body?.whole ?? []))]
  const rows = await executeIn(runner, 'select id, data from bodies where id in', ids)
  return new Map(
    rows.map(({ id, data }) => [id as number, decodeWhole(Buffer.from(data as ArrayBuffer))])
  )
}

/** @returns null when the whole body is not among the given ones */
export const bytesOf = ({ whole, difference }: StoredBody, wholes: Wholes): Buffer | null => {
  const bytes = wholes.get(whole)
  if (bytes === undefined) return null
  return difference === null ? bytes : decodeDifference(difference, bytes)
}

/** @returns the body as a string; null when the record has lost it */
export const textOf = (body: StoredBody | null, wholes: Wholes): string | null =>
  (body && bytesOf(body, wholes))?.toString('utf8') ?? null
