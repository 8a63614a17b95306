/** The bodies that are stored whole, each once a day, whichever proxy stores it first. */
import type { BaseCache } from '../../log/base-cache.ts'
import { decodeWhole } from '../../log/body-codec.ts'
import {
  keyOf,
  storeForms,
  type ScopedBody,
  type Whole,
  type WholeTable,
  type Wholes,
} from '../../log/body-forms.ts'
import { inChunks } from '../../log/chunks.ts'
import type { StoredBody } from '../../log/segment-codec.ts'
import type { Database, Transaction } from '../base/database.ts'

interface IdRow {
  id: number
  digest: Buffer
}

const idsOf = (rows: IdRow[]): [key: string, id: number][] =>
  rows.map(({ id, digest }) => [keyOf(digest), id])

const readKnown = async (
  { $client }: Transaction,
  day: number,
  digests: Buffer[]
): Promise<Map<string, number>> => {
  const { rows } = await $client.query<IdRow>(
    'select id, digest from promptintern.bodies where day = $1 and digest = any($2::bytea[])',
    [day, digests]
  )
  return new Map(idsOf(rows))
}

const insertSql = (count: number): string => {
  const values = Array.from(
    { length: count },
    (_, index) => `($1, nextval('promptintern.body_ids'), $${2 * index + 2}, $${2 * index + 3})`
  )
  return `insert into promptintern.bodies (day, id, digest, data) values ${values.join(', ')}
    on conflict (digest, day) do nothing returning id, digest`
}

const insert = async (
  tx: Transaction,
  day: number,
  wholes: (Whole & { data: Buffer })[]
): Promise<Map<string, number>> => {
  const ids = new Map<string, number>()
  // in one order everywhere, or two transactions could each wait for a row of the other
  const sorted = wholes.toSorted((one, other) => one.digest.compare(other.digest))
  for (const chunk of inChunks(sorted)) {
    const values = chunk.flatMap(({ digest, data }) => [digest, data])
    const { rows } = await tx.$client.query<IdRow>(insertSql(chunk.length), [day, ...values])
    for (const [key, id] of idsOf(rows)) ids.set(key, id)
  }
  // another proxy has committed the others meanwhile
  const others = sorted.filter(({ key }) => !ids.has(key)).map(({ digest }) => digest)
  if (others.length > 0) for (const [key, id] of await readKnown(tx, day, others)) ids.set(key, id)
  return ids
}

const wholeTable = (tx: Transaction, day: number): WholeTable => ({
  readKnown: (digests) => readKnown(tx, day, digests),
  // a whole body stays as long as its day
  keep: () => Promise.resolve(),
  insert: (wholes) => insert(tx, day, wholes),
})

/** A body is a difference to bodies of its own day only, so that the day can be dropped. */
const withinDay = (day: number, body: ScopedBody): ScopedBody => ({
  ...body,
  scope: `${day} ${body.scope}`,
})

/** Stores the bodies that are new. @returns for each body, in order, the reference for its record */
export const storeBodies = (
  tx: Transaction,
  cache: BaseCache,
  day: number,
  added: ScopedBody[]
): Promise<StoredBody[]> =>
  storeForms(
    wholeTable(tx, day),
    cache,
    added.map((body) => withinDay(day, body))
  )

/** @param days of the bodies @returns the whole bodies by id; a deleted one is missing */
export const readWholes = async (
  { $client }: Pick<Database, '$client'>,
  days: number[],
  ids: number[]
): Promise<Wholes> => {
  if (ids.length === 0) return new Map()
  const { rows } = await $client.query<{ id: number; data: Buffer }>(
    `select id, data from promptintern.bodies
      where day = any($1::int[]) and id = any($2::bigint[])`,
    [days, ids]
  )
  return new Map(rows.map(({ id, data }) => [id, decodeWhole(data)]))
}
