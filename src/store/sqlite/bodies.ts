/**
 * The bodies table: texts in, ids out, and back. Each distinct text has one row; texts alike are
 * stored as differences (`body-codec.ts`). Knows nothing of what a text means.
 */
import { and, eq, exists, inArray, not, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/sqlite-core'
import {
  decodeBody,
  digestOf,
  encodeBody,
  isWorthwhile,
  type Base,
  type BaseCache,
  type EncodedBody,
} from './body-codec.ts'
import { inChunks } from './chunks.ts'
import type { Database, Transaction } from './database.ts'
import { bodies, records } from './schema.ts'

export interface ScopedText {
  /** only texts of one scope are stored as differences to each other */
  scope: string
  text: string
}

interface NewBody {
  digest: Buffer
  text: Buffer
  encoded: EncodedBody
  base: Base | null
}

interface KnownBody {
  id: number
  isWhole: boolean
}

/** digest, as a string to look up by → row */
type KnownBodies = Map<string, KnownBody>

const keyOf = (digest: Buffer): string => digest.toString('latin1')

const readKnown = async (tx: Transaction, digests: Buffer[], known: KnownBodies): Promise<void> => {
  for (const chunk of inChunks(digests)) {
    const rows = await tx
      .select({ id: bodies.id, digest: bodies.digest, base: bodies.base })
      .from(bodies)
      .where(inArray(bodies.digest, chunk))
    for (const { id, digest, base } of rows) {
      known.set(keyOf(digest), { id, isWhole: base === null })
    }
  }
}

const insert = async (tx: Transaction, added: NewBody[], known: KnownBodies): Promise<void> => {
  if (added.length === 0) return
  const rows = await tx
    .insert(bodies)
    .values(
      added.map(({ digest, encoded, base }) => ({
        digest,
        base: base === null ? null : known.get(keyOf(base.digest))!.id,
        ...encoded,
      }))
    )
    .returning({ id: bodies.id, digest: bodies.digest, base: bodies.base })
  for (const { id, digest, base } of rows) {
    known.set(keyOf(digest), { id, isWhole: base === null })
  }
}

const whole = (digest: Buffer, text: Buffer): NewBody => ({
  digest,
  text,
  encoded: encodeBody(text, null),
  base: null,
})

/** As a difference to the nearest recent text, or whole; then later texts may build on it. */
const encodeNew = (cache: BaseCache, { scope, text }: ScopedText, bytes: Buffer): NewBody => {
  const digest = digestOf(bytes)
  const base = cache.find(scope, text)
  if (base !== null) {
    const encoded = encodeBody(bytes, base.text)
    if (isWorthwhile(encoded, bytes, base)) return { digest, text: bytes, encoded, base }
  }
  const body = whole(digest, bytes)
  const ratio = body.encoded.data.length / Math.max(1, bytes.length)
  cache.add(scope, text, { digest, text: bytes, ratio })
  return body
}

/**
 * Differences whose base is in the database as a whole text, after putting back the bases that a
 * rollback or another process's pruning removed.
 */
const withBases = async (
  tx: Transaction,
  differences: NewBody[],
  known: KnownBodies
): Promise<NewBody[]> => {
  const bases = new Map(differences.map(({ base }) => [keyOf(base!.digest), base!]))
  const unseen = [...bases.values()].filter(({ digest }) => !known.has(keyOf(digest)))
  await readKnown(
    tx,
    unseen.map(({ digest }) => digest),
    known
  )
  const lost = unseen.filter(({ digest }) => !known.has(keyOf(digest)))
  await insert(
    tx,
    lost.map(({ digest, text }) => whole(digest, text)),
    known
  )
  return differences
    .filter(({ digest }) => !known.has(keyOf(digest)))
    .map((body) =>
      known.get(keyOf(body.base!.digest))!.isWhole ? body : whole(body.digest, body.text)
    )
}

/** Stores what is new of the texts. @returns the body id of each, in order */
export const storeTexts = async (
  tx: Transaction,
  cache: BaseCache,
  texts: ScopedText[]
): Promise<number[]> => {
  const digests: Buffer[] = []
  const distinct = new Map<string, { scoped: ScopedText; bytes: Buffer }>()
  for (const scoped of texts) {
    const bytes = Buffer.from(scoped.text)
    const digest = digestOf(bytes)
    digests.push(digest)
    distinct.set(keyOf(digest), { scoped, bytes })
  }
  const known: KnownBodies = new Map()
  await readKnown(tx, digests, known)
  const added = [...distinct]
    .filter(([key]) => !known.has(key))
    .map(([, { scoped, bytes }]) => encodeNew(cache, scoped, bytes))
  await insert(
    tx,
    added.filter(({ base }) => base === null),
    known
  )
  const differences = added.filter(({ base }) => base !== null)
  await insert(tx, await withBases(tx, differences, known), known)
  return digests.map((digest) => known.get(keyOf(digest))!.id)
}

type BodyRow = typeof bodies.$inferSelect

const readRows = async (db: Database, ids: number[]): Promise<Map<number, BodyRow>> => {
  const rows = new Map<number, BodyRow>()
  for (const chunk of inChunks(ids)) {
    for (const row of await db.select().from(bodies).where(inArray(bodies.id, chunk))) {
      rows.set(row.id, row)
    }
  }
  return rows
}

/** @returns body id → text */
export const readTexts = async (db: Database, ids: number[]): Promise<Map<number, string>> => {
  const rows = await readRows(db, [...new Set(ids)])
  const baseIds = [...rows.values()].flatMap(({ base }) => base ?? [])
  const bases = new Map<number, Buffer>()
  for (const [id, row] of await readRows(db, [...new Set(baseIds)])) {
    bases.set(id, decodeBody(row, null))
  }
  const texts = new Map<number, string>()
  for (const [id, row] of rows) {
    const base = row.base === null ? null : bases.get(row.base)!
    texts.set(id, decodeBody(row, base).toString())
  }
  return texts
}

const isReferenced = (tx: Transaction) => {
  const differences = alias(bodies, 'differences')
  const byRequest = tx
    .select({ one: sql`1` })
    .from(records)
    .where(eq(records.requestBody, bodies.id))
  const byResponse = tx
    .select({ one: sql`1` })
    .from(records)
    .where(eq(records.responseBody, bodies.id))
  const byDifference = tx
    .select({ one: sql`1` })
    .from(differences)
    .where(eq(differences.base, bodies.id))
  return [exists(byRequest), exists(byResponse), exists(byDifference)]
}

/** Deletes those of the bodies that nothing refers to, and bases left alone by it. */
export const deleteUnreferenced = async (tx: Transaction, ids: number[]): Promise<number> => {
  let deleted = 0
  let candidates = [...new Set(ids)]
  while (candidates.length > 0) {
    const bases: number[] = []
    for (const chunk of inChunks(candidates)) {
      const rows = await tx
        .delete(bodies)
        .where(
          and(inArray(bodies.id, chunk), ...isReferenced(tx).map((condition) => not(condition)))
        )
        .returning({ base: bodies.base })
      deleted += rows.length
      bases.push(...rows.flatMap(({ base }) => base ?? []))
    }
    candidates = [...new Set(bases)]
  }
  return deleted
}
