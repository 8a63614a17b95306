/**
 * Deletes the whole bodies that no record has as its own any more: the record was forgotten, or it was
 * pruned while younger records were differences to it. Before, each dependant (a body that is a
 * difference to such a body) is stored again as a difference to a body that stays. At the end every
 * whole body is the body of a record in the log. Knows nothing of the database.
 */
import { BaseCache } from './base-cache.ts'
import { bytesOf, scopeOf, wholeIdsOf, type ScopedBody, type Wholes } from './body-forms.ts'
import { inChunks } from './chunks.ts'
import { RECORDS_AT_ONCE } from './reading/body-reader.ts'
import type { LogSegment, SegmentRecord, SegmentRow, StoredBody } from './segment-codec.ts'
import { zip } from '../../core/lists.ts'

const BODIES_PER_TRANSACTION = 500

/** A part of the log whose bodies are differences to bodies of the same part only. */
export interface LogPart {
  /** @returns the next page of log segments behind one; empty at the end */
  readAfter: (after: number) => Promise<SegmentRow[]>
  /** lowest and highest id of a whole body; null without one */
  bodyIds: () => Promise<{ lowest: number; highest: number } | null>
  /** @returns the next ids of whole bodies behind one, in their order; empty at the end */
  bodyIdsAfter: (after: number, limit: number) => Promise<number[]>
  /** In one transaction, during which nothing is appended. */
  write: <T>(work: (writer: PartWriter) => Promise<T>) => Promise<T>
}

export interface PartWriter {
  readAfter: LogPart['readAfter']
  readSegments: (ids: number[]) => Promise<SegmentRow[]>
  readWholes: (ids: number[]) => Promise<Wholes>
  storeBodies: (cache: BaseCache, bodies: ScopedBody[]) => Promise<StoredBody[]>
  replaceSegment: (row: SegmentRow) => Promise<void>
  deleteBodies: (ids: number[]) => Promise<void>
}

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

/** Calls `visit` with the part page by page. Appends run between the pages. @returns the last segment */
const walk = async (
  { readAfter }: LogPart,
  visit: (page: SegmentRow[]) => Promise<void> | void
): Promise<number> => {
  for (let last = 0; ;) {
    const page = await readAfter(last)
    const newest = page.at(-1)
    if (newest === undefined) return last
    await visit(page)
    last = newest.id
  }
}

/** @returns ids of whole bodies that no record has as its own */
const readOrphans = async (part: LogPart): Promise<Set<number>> => {
  const orphans = new Set<number>()
  const ids = await part.bodyIds()
  if (ids === null) return orphans
  const { lowest, highest } = ids
  // for each id 1 if a record has it; bytes, because there may be millions
  const owned = new Uint8Array(highest - lowest + 1)
  await walk(part, (page) => {
    // a newer body is out of the array's range, where a write has no effect
    for (const { segment } of page) for (const id of ownIn(segment)) owned[id - lowest] = 1
  })
  for (let after = lowest - 1; ;) {
    const next = await part.bodyIdsAfter(after, BODIES_PER_TRANSACTION)
    const known = next.filter((id) => id <= highest)
    for (const id of known) if (owned[id - lowest] === 0) orphans.add(id)
    const newest = known.at(-1)
    if (newest === undefined) return orphans
    after = newest
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
  writer: PartWriter,
  placed: Placed[]
): Promise<(Placed & ScopedBody)[]> => {
  const wholes = await writer.readWholes(wholeIdsOf(placed.map(({ body }) => body)))
  return placed.flatMap((place) => {
    const { tenant, at } = place.record.head
    const bytes = bytesOf(place.body, wholes)
    return bytes === null ? [] : { ...place, bytes, at, scope: scopeOf(tenant, place.side) }
  })
}

/** Stores the dependants of the log segments again. */
const rebase = async (writer: PartWriter, sweep: Sweep, page: SegmentRow[]): Promise<void> => {
  const { orphans, cache, clock } = sweep
  for (const row of withDependants(sweep, page)) {
    let isChanged = false
    for (const some of inChunks(dependantsIn(row.segment, orphans), RECORDS_AT_ONCE)) {
      const dependants = await readBodies(writer, some)
      if (dependants.length === 0) continue
      isChanged = true
      clock.now = Math.max(...dependants.map(({ at }) => at))
      const stored = await writer.storeBodies(cache, dependants)
      for (const [{ record, side }, own] of zip(dependants, stored)) {
        record[side] = own
        orphans.delete(own.whole)
      }
    }
    if (isChanged) await writer.replaceSegment(row)
  }
}

/** Looks without the lock first, so that only log segments with dependants need it. */
const rebaseAll = (part: LogPart, sweep: Sweep): Promise<number> =>
  walk(part, async (page) => {
    const ids = withDependants(sweep, page).map(({ id }) => id)
    if (ids.length > 0)
      await part.write(async (writer) => rebase(writer, sweep, await writer.readSegments(ids)))
  })

/** Deletes some orphans, or rebases log segments that were appended since. @returns the last of them */
const deleteSome = async (writer: PartWriter, sweep: Sweep, after: number): Promise<number> => {
  const added = await writer.readAfter(after)
  await rebase(writer, sweep, added)
  const newest = added.at(-1)
  if (newest !== undefined) return newest.id
  const some = [...sweep.orphans].slice(0, BODIES_PER_TRANSACTION)
  await writer.deleteBodies(some)
  for (const id of some) sweep.orphans.delete(id)
  return after
}

export const takeOutBodies = async (part: LogPart): Promise<void> => {
  const clock = { now: 0 }
  const sweep: Sweep = {
    orphans: await readOrphans(part),
    cache: new BaseCache(() => clock.now),
    clock,
  }
  let last = await rebaseAll(part, sweep)
  while (sweep.orphans.size > 0) {
    const after = last
    last = await part.write((writer) => deleteSome(writer, sweep, after))
  }
}
