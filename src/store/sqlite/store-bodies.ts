/**
 * The bodies table's way in: texts in, ids out. Each whole text has one row; texts alike are stored
 * as differences (`body-codec.ts`). Knows nothing of what a text means.
 */
import { isWorthwhile, type BaseCache } from './base-cache.ts'
import { digestOf, encodeDifference, encodeWhole, type EncodedBody } from './body-codec.ts'
import { bodies } from './schema.ts'
import { bulkInsert, executeIn, type SqlTransaction } from './statements.ts'

export interface ScopedText {
  /** only texts of one scope are stored as differences to each other */
  scope: string
  /** UTF-8 */
  text: Buffer
}

/** A text that has or gets a row of its own. */
interface WholeText {
  digest: Buffer
  text: Buffer
  /** null when its row is there in all likelihood: then it is made only if it is not */
  encoded: EncodedBody | null
}

/** How a text is stored: as a whole, or as a difference to one. */
interface Form {
  whole: WholeText
  difference: EncodedBody | null
}

const insertBodies = bulkInsert(bodies, [
  'id',
  'digest',
  'base',
  'prefixBytes',
  'suffixBytes',
  'data',
])

const keyOf = (digest: Buffer): string => digest.toString('latin1')

/** The text as a whole; later texts may build on it. */
const wholeForm = (cache: BaseCache, scope: string, text: Buffer): Form => {
  const digest = digestOf(text)
  const encoded = encodeWhole(text)
  const ratio = encoded.data.length / Math.max(1, text.length)
  cache.add(scope, { digest, text, ratio })
  return { whole: { digest, text, encoded }, difference: null }
}

const formOf = (cache: BaseCache, { scope, text }: ScopedText): Form => {
  const relative = cache.find(scope, text)
  if (relative === null) return wholeForm(cache, scope, text)
  const { base } = relative
  const whole = { digest: base.digest, text: base.text, encoded: null }
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

/**
 * Stores what is new of the texts; also a base that is missing, after a rollback or another
 * process's pruning. @returns the body id of each, in order
 */
export const storeTexts = async (
  tx: SqlTransaction,
  cache: BaseCache,
  texts: ScopedText[]
): Promise<number[]> => {
  const forms = texts.map((text) => formOf(cache, text))
  const wholes = new Map<string, WholeText>()
  for (const { whole } of forms) {
    const key = keyOf(whole.digest)
    // the first one may be new and encoded, later ones are its users
    if (!wholes.has(key)) wholes.set(key, whole)
  }
  const ids = await readKnown(
    tx,
    [...wholes.values()].map(({ digest }) => digest)
  )
  const rows: (typeof bodies.$inferSelect)[] = []
  let id = await nextId(tx)
  for (const [key, { digest, text, encoded }] of wholes) {
    if (ids.has(key)) continue
    ids.set(key, id)
    rows.push({ id: id++, digest, base: null, ...(encoded ?? encodeWhole(text)) })
  }
  const bodyIds = forms.map(({ whole, difference }) => {
    const base = ids.get(keyOf(whole.digest))!
    if (difference === null) return base
    rows.push({ id, digest: null, base, ...difference })
    return id++
  })
  await insertBodies(tx, rows)
  return bodyIds
}
