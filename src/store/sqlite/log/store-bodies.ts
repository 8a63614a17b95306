/**
 * The bodies table's way in: texts in, references out. Each whole text has one row; texts alike are
 * differences to it (`body-codec.ts`), which the caller keeps. Knows nothing of what a text means.
 */
import { isWorthwhile, type BaseCache } from './base-cache.ts'
import { digestOf, encodeDifference, encodeWhole, type EncodedBody } from './body-codec.ts'
import { bodies } from '../base/schema.ts'
import type { StoredText } from './segment-codec.ts'
import { bulkInsert, executeIn, type SqlTransaction } from '../base/statements.ts'

export interface ScopedText {
  /** only texts of one scope are stored as differences to each other */
  scope: string
  /** UTF-8 */
  text: Buffer
  /** of its record; its whole text is kept as long */
  at: number
}

/** A text that has or gets a row of its own. */
interface WholeText {
  digest: Buffer
  /** the digest as a string to look up by */
  key: string
  /** null for one of the cache, whose row is there unless it was deleted */
  data: Buffer | null
  newestAt: number
}

/** How a text is stored: as a whole, or as a difference to one. */
interface Form {
  whole: Omit<WholeText, 'newestAt'>
  difference: EncodedBody | null
}

const insertBodies = bulkInsert(bodies, ['id', 'digest', 'newestAt', 'data'])

const keyOf = (digest: Buffer): string => digest.toString('latin1')

/** The text as a whole; later texts may build on it. */
const wholeForm = (cache: BaseCache, scope: string, text: Buffer): Form => {
  const digest = digestOf(text)
  const key = keyOf(digest)
  const data = encodeWhole(text)
  cache.add(scope, { digest, key, text, ratio: data.length / Math.max(1, text.length) })
  return { whole: { digest, key, data }, difference: null }
}

const formOf = (cache: BaseCache, { scope, text }: ScopedText): Form => {
  const relative = cache.find(scope, text)
  if (relative === null) return wholeForm(cache, scope, text)
  const { base } = relative
  const whole = { digest: base.digest, key: base.key, data: null }
  if (base.text.equals(text)) return { whole, difference: null }
  const difference = encodeDifference(text, base.text, relative)
  return isWorthwhile(difference, text, base)
    ? { whole, difference }
    : wholeForm(cache, scope, text)
}

/** @returns digest, as a string to look up by → row id */
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

/** Keeps rows that are there as long as the new records that need them. */
const keepUntil = (tx: SqlTransaction, newestAt: [id: number, at: number][]): Promise<unknown> =>
  tx.execute({
    sql: `update bodies set newest_at = max(newest_at, needed.at)
      from (select value ->> 0 as id, value ->> 1 as at from json_each(?)) as needed
      where bodies.id = needed.id`,
    args: [JSON.stringify(newestAt)],
  })

const wholesOf = (forms: Form[], texts: ScopedText[]): Map<string, WholeText> => {
  const wholes = new Map<string, WholeText>()
  forms.forEach(({ whole }, index) => {
    const { at } = texts[index]!
    const known = wholes.get(whole.key)
    // the first one may be new and encoded, later ones are its users
    if (known === undefined) wholes.set(whole.key, { ...whole, newestAt: at })
    else known.newestAt = Math.max(known.newestAt, at)
  })
  return wholes
}

/**
 * Stores what is new of the texts. @returns for each text, in order, what its record refers to it by
 */
export const storeTexts = async (
  tx: SqlTransaction,
  cache: BaseCache,
  texts: ScopedText[]
): Promise<StoredText[]> => {
  const forms = texts.map((text) => formOf(cache, text))
  const wholes = wholesOf(forms, texts)
  const ids = await readKnown(
    tx,
    [...wholes.values()].map(({ digest }) => digest)
  )
  const isGone = ([key, { data }]: [string, WholeText]): boolean => data === null && !ids.has(key)
  if ([...wholes].some(isGone)) {
    // rolled back, pruned or forgotten since: a text that was deleted must not come back from memory
    cache.clear()
    return storeTexts(tx, cache, texts)
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
  return forms.map(({ whole, difference }) => ({
    body: ids.get(whole.key)!,
    difference,
  }))
}
