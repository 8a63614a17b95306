/**
 * Whole texts that are nobody's own any more: their records were forgotten, or pruned while younger
 * ones were differences to them. They are deleted here; what was a difference to one is stored anew
 * first, as a difference to a text of the log that resembles it. When it ends, every row of `bodies`
 * is the very text of a record in the log.
 */
import { bytesOf, readWholes } from './bodies.ts'
import { BaseCache } from './base-cache.ts'
import type { Connection } from '../base/database.ts'
import { decodeSegment, type SegmentRecord, type StoredText } from './segment-codec.ts'
import { readSegments, replaceSegment, segmentIdsAfter } from './segments.ts'
import { executeIn, type SqlRunner, type SqlTransaction } from '../base/statements.ts'
import { storeTexts, type ScopedText } from './store-bodies.ts'

const SEGMENTS_A_TRANSACTION = 20
const BODIES_A_TRANSACTION = 500

const KINDS = ['request', 'response'] as const

const textsOf = (segment: (SegmentRecord | null)[]): StoredText[] =>
  segment.flatMap((record) => KINDS.flatMap((kind) => record?.[kind] ?? []))

/** One byte a body, so that millions fit. */
type Owned = Uint8Array

/** Which bodies are a record's own text, and the last segment that was looked at. */
const readOwned = async ({ read }: Connection): Promise<{ owned: Owned; last: number }> => {
  const highest = await read(async ({ $client }) => {
    const { rows } = await $client.execute('select coalesce(max(id), 0) as highest from bodies')
    return rows[0]!['highest'] as number
  })
  const owned = new Uint8Array(highest + 1)
  for (let last = 0; ;) {
    const rows = await read(async ({ $client }) => {
      const ids = await segmentIdsAfter($client, last, SEGMENTS_A_TRANSACTION)
      return readSegments($client, ids)
    })
    if (rows.length === 0) return { owned, last }
    last = Math.max(...rows.map(({ id }) => id))
    for (const { data } of rows) {
      // a body that came in since is out of the range, and a write out of it does nothing
      for (const { body, difference } of textsOf(decodeSegment(data)))
        if (difference === null) owned[body] = 1
    }
  }
}

const readOrphans = async ({ read }: Connection, owned: Owned): Promise<Set<number>> => {
  const orphans = new Set<number>()
  for (let after = 0; ;) {
    const ids = await read(async ({ $client }) => {
      const { rows } = await $client.execute({
        sql: 'select id from bodies where id > ? and id < ? order by id limit ?',
        args: [after, owned.length, BODIES_A_TRANSACTION],
      })
      return rows.map(({ id }) => id as number)
    })
    if (ids.length === 0) return orphans
    after = ids.at(-1)!
    for (const id of ids) if (owned[id] === 0) orphans.add(id)
  }
}

interface Sweep {
  /** what is to be deleted; a text that comes back into the log leaves it */
  orphans: Set<number>
  /** of texts that were stored anew */
  cache: BaseCache
  /** of the record in hand: bases are shared among neighbours in time, so that retention holds */
  clock: { now: number }
}

/** A text whose base goes. */
interface Dependant extends ScopedText {
  record: SegmentRecord
  kind: (typeof KINDS)[number]
}

const dependantsOf = async (
  runner: SqlRunner,
  segment: (SegmentRecord | null)[],
  orphans: Set<number>
): Promise<Dependant[]> => {
  const found = segment.flatMap((record) =>
    KINDS.flatMap((kind) => {
      const text = record?.[kind]
      return record && text && text.difference !== null && orphans.has(text.body)
        ? { record, kind, text }
        : []
    })
  )
  const wholes = await readWholes(
    runner,
    found.map(({ text }) => text.body)
  )
  return found.flatMap(({ record, kind, text }) => {
    const bytes = bytesOf(text, wholes)
    const { tenant, at } = record.head
    return bytes === null ? [] : { record, kind, scope: `${tenant} ${kind}`, text: bytes, at }
  })
}

/** Stores the dependants of a segment anew. @returns whether the segment has changed */
const rebase = async (
  tx: SqlTransaction,
  { orphans, cache, clock }: Sweep,
  segment: (SegmentRecord | null)[]
): Promise<boolean> => {
  const dependants = await dependantsOf(tx, segment, orphans)
  if (dependants.length === 0) return false
  clock.now = Math.max(...dependants.map(({ at }) => at))
  const stored = await storeTexts(tx, cache, dependants)
  dependants.forEach(({ record, kind }, index) => {
    record[kind] = stored[index]!
    orphans.delete(stored[index]!.body)
  })
  return true
}

const rebaseSegments = async (tx: SqlTransaction, sweep: Sweep, ids: number[]): Promise<void> => {
  for (const { id, data } of await readSegments(tx, ids)) {
    const segment = decodeSegment(data)
    for (const { body, difference } of textsOf(segment))
      if (difference === null) sweep.orphans.delete(body)
    if (await rebase(tx, sweep, segment)) await replaceSegment(tx, id, segment)
  }
}

/** Looks without the lock, so that only segments with something to do are locked for. */
const segmentsWithDependants = (
  { read }: Connection,
  { orphans }: Sweep,
  after: number
): Promise<{ last: number | undefined; ids: number[] }> =>
  read(async ({ $client }) => {
    const ids = await segmentIdsAfter($client, after, SEGMENTS_A_TRANSACTION)
    const rows = await readSegments($client, ids)
    return {
      last: ids.at(-1),
      ids: rows
        .filter(({ data }) =>
          textsOf(decodeSegment(data)).some(
            ({ body, difference }) => difference !== null && orphans.has(body)
          )
        )
        .map(({ id }) => id),
    }
  })

const rebaseAll = async (connection: Connection, sweep: Sweep, upTo: number): Promise<void> => {
  for (let after = 0; after < upTo;) {
    const { last, ids } = await segmentsWithDependants(connection, sweep, after)
    if (last === undefined) return
    if (ids.length > 0) await connection.writeSql((tx) => rebaseSegments(tx, sweep, ids))
    after = last
  }
}

/** Deletes some, unless segments have come in since: those are looked at first. */
const deleteSome = async (tx: SqlTransaction, sweep: Sweep, after: number): Promise<number> => {
  const added = await segmentIdsAfter(tx, after, SEGMENTS_A_TRANSACTION)
  await rebaseSegments(tx, sweep, added)
  if (added.length > 0) return added.at(-1)!
  const some = [...sweep.orphans].slice(0, BODIES_A_TRANSACTION)
  await executeIn(tx, 'delete from bodies where id in', some)
  for (const id of some) sweep.orphans.delete(id)
  return after
}

export const takeOutBodies = async (connection: Connection): Promise<void> => {
  const { owned, last } = await readOwned(connection)
  const clock = { now: 0 }
  const sweep: Sweep = {
    orphans: await readOrphans(connection, owned),
    cache: new BaseCache(() => clock.now),
    clock,
  }
  await rebaseAll(connection, sweep, last)
  for (let seen = last; sweep.orphans.size > 0;) {
    const after = seen
    seen = await connection.writeSql((tx) => deleteSome(tx, sweep, after))
  }
}
