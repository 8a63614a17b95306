/**
 * Deletes the whole bodies that no record has as its own any more: the record was forgotten, or it was
 * pruned while younger records were differences to it. Before, each dependant (a body that is a
 * difference to such a body) is stored again as a difference to a body that stays. At the end every
 * row of `bodies` is the body of a record in the log.
 */
import type { Connection } from '../base/database.ts'
import { executeIn, type SqlRunner, type SqlTransaction } from '../base/statements.ts'
import { BaseCache } from './base-cache.ts'
import { bytesOf, readWholes, scopeOf, storeBodies, type ScopedBody } from './bodies.ts'
import type { LogSegment, SegmentRecord, StoredBody } from './segment-codec.ts'
import { readSegments, readSegmentsAfter, replaceSegment, type SegmentRow } from './segments.ts'

const BODIES_PER_TRANSACTION = 500

/** A body where it stands in its record. */
interface Placed {
  record: SegmentRecord
  side: 'request' | 'response'
  body: StoredBody
}

const placedIn = (segment: LogSegment): Placed[] =>
  segment.flatMap((record) =>
    (['request', 'response'] as const).flatMap((side) =>
      record?.[side] ? { record, side, body: record[side] } : []
    )
  )

const ownIn = (segment: LogSegment): number[] =>
  placedIn(segment).flatMap(({ body }) => (body.difference === null ? body.whole : []))

/** Calls `visit` with the log page by page. Appends run between the pages. */
const walkLog = async (
  { read }: Connection,
  visit: (page: SegmentRow[]) => Promise<void> | void
): Promise<number> => {
  for (let last = 0; ;) {
    const page = await read(({ $client }) => readSegmentsAfter($client, last))
    if (page.length === 0) return last
    await visit(page)
    last = page.at(-1)!.id
  }
}

/** @returns for each body id 1 if a record has it as its own; bytes, because there may be millions */
const readOwned = async (connection: Connection): Promise<Uint8Array> => {
  const highest = await connection.read(async ({ $client }) => {
    const { rows } = await $client.execute('select coalesce(max(id), 0) as highest from bodies')
    return rows[0]!['highest'] as number
  })
  const owned = new Uint8Array(highest + 1)
  await walkLog(connection, (page) => {
    // a newer body is out of the array's range, where a write has no effect
    for (const { segment } of page) for (const id of ownIn(segment)) owned[id] = 1
  })
  return owned
}

const readOrphans = async ({ read }: Connection, owned: Uint8Array): Promise<Set<number>> => {
  const orphans = new Set<number>()
  for (let after = 0; ;) {
    const ids = await read(async ({ $client }) => {
      const { rows } = await $client.execute({
        sql: 'select id from bodies where id > ? and id < ? order by id limit ?',
        args: [after, owned.length, BODIES_PER_TRANSACTION],
      })
      return rows.map(({ id }) => id as number)
    })
    if (ids.length === 0) return orphans
    after = ids.at(-1)!
    for (const id of ids) if (owned[id] === 0) orphans.add(id)
  }
}

interface Sweep {
  /** ids to delete; a body that a record has again is taken off */
  orphans: Set<number>
  /** of bodies that were stored again */
  cache: BaseCache
  /** time of the current record: bases are shared between neighbours in time only, for retention */
  clock: { now: number }
}

const dependantsIn = (segment: LogSegment, orphans: Set<number>): Placed[] =>
  placedIn(segment).filter(({ body }) => body.difference !== null && orphans.has(body.whole))

/** Finds the log segments that have dependants, and takes own bodies off the orphans. */
const withDependants = ({ orphans }: Sweep, page: SegmentRow[]): SegmentRow[] => {
  for (const { segment } of page) for (const id of ownIn(segment)) orphans.delete(id)
  return page.filter(({ segment }) => dependantsIn(segment, orphans).length > 0)
}

const readBodies = async (
  runner: SqlRunner,
  placed: Placed[]
): Promise<(Placed & ScopedBody)[]> => {
  const wholes = await readWholes(
    runner,
    placed.map(({ body }) => body)
  )
  return placed.flatMap((place) => {
    const { tenant, at } = place.record.head
    const bytes = bytesOf(place.body, wholes)
    return bytes === null ? [] : { ...place, bytes, at, scope: scopeOf(tenant, place.side) }
  })
}

/** Stores the dependants of the log segments again. */
const rebase = async (tx: SqlTransaction, sweep: Sweep, page: SegmentRow[]): Promise<void> => {
  const { orphans, cache, clock } = sweep
  for (const row of withDependants(sweep, page)) {
    const dependants = await readBodies(tx, dependantsIn(row.segment, orphans))
    if (dependants.length === 0) continue
    clock.now = Math.max(...dependants.map(({ at }) => at))
    const stored = await storeBodies(tx, cache, dependants)
    dependants.forEach(({ record, side }, index) => {
      record[side] = stored[index]!
      orphans.delete(stored[index]!.whole)
    })
    await replaceSegment(tx, row)
  }
}

/** Looks without the lock first, so that only log segments with dependants need it. */
const rebaseAll = (connection: Connection, sweep: Sweep): Promise<number> =>
  walkLog(connection, async (page) => {
    const ids = withDependants(sweep, page).map(({ id }) => id)
    if (ids.length > 0)
      await connection.writeSql(async (tx) => rebase(tx, sweep, await readSegments(tx, ids)))
  })

/** Deletes some orphans, or rebases log segments that were appended since. @returns the last of them */
const deleteSome = async (tx: SqlTransaction, sweep: Sweep, after: number): Promise<number> => {
  const added = await readSegmentsAfter(tx, after)
  await rebase(tx, sweep, added)
  if (added.length > 0) return added.at(-1)!.id
  const some = [...sweep.orphans].slice(0, BODIES_PER_TRANSACTION)
  await executeIn(tx, 'delete from bodies where id in', some)
  for (const id of some) sweep.orphans.delete(id)
  return after
}

export const takeOutBodies = async (connection: Connection): Promise<void> => {
  const orphans = await readOrphans(connection, await readOwned(connection))
  const clock = { now: 0 }
  const sweep: Sweep = { orphans, cache: new BaseCache(() => clock.now), clock }
  let last = await rebaseAll(connection, sweep)
  while (sweep.orphans.size > 0) {
    const after = last
    last = await connection.writeSql((tx) => deleteSome(tx, sweep, after))
  }
}
