/**
 * Copies the log. A log segment keeps its id, and a record its place in it. One that has records of several
 * days, as an import may write it, becomes a row of each day with the same id. Bodies are stored anew, because
 * a difference refers to a body of its own day.
 */
import { groupBy } from '../../core/group-by.ts'
import { BaseCache } from '../log/base-cache.ts'
import { scopeOf, type ScopedBody } from '../log/body-forms.ts'
import { inChunks } from '../log/chunks.ts'
import {
  placeOf,
  type LogSegment,
  type SegmentRecord,
  type StoredBody,
} from '../log/segment-codec.ts'
import type { Connection, Transaction } from '../postgres/base/database.ts'
import { storeBodies } from '../postgres/log/bodies.ts'
import { createDays } from '../postgres/log/days.ts'
import { insertSegment } from '../postgres/log/segments.ts'
import { BodyReader, RECORDS_AT_ONCE, type Bodies } from './body-reader.ts'
import { readBodies, readLogPage, type PlacedRecord, type SourceSegment } from './log-pages.ts'
import type { MoveSource } from './source.ts'
import { advance } from './target.ts'

/** Bodies of about so many bytes are stored with one statement. */
const STORED_BYTES = 4 * 2 ** 20

export const LOG_PART = 'log'

const INSERT_RECORDS = `insert into promptintern.records
    (day, sequence, id, at, answered, template_version)
  select $1, added.* from unnest($2::bigint[], $3::text[], $4::bigint[], $5::boolean[], $6::text[]) as added`

const EXTEND_DAY = `update promptintern.days
  set first_segment = coalesce(first_segment, $2), last_segment = $2 where day = $1`

interface WithBodies extends Bodies {
  record: PlacedRecord
}

/** Request and response of the records, without those that they do not have. */
const scopedOf = ({ record: { head }, request, response }: WithBodies): ScopedBody[] => {
  const { tenant, at } = head
  return [
    ...(request === null ? [] : [{ scope: scopeOf(tenant, 'request'), bytes: request, at }]),
    ...(response === null ? [] : [{ scope: scopeOf(tenant, 'response'), bytes: response, at }]),
  ]
}

/** @param stored bodies of the records in the order of `scopedOf` */
const storedRecords = (records: WithBodies[], stored: StoredBody[]): SegmentRecord[] => {
  const bodies = stored.values()
  return records.map(({ record: { head, usage }, request, response }) => ({
    head,
    usage,
    request: request === null ? null : bodies.next().value!,
    response: response === null ? null : bodies.next().value!,
  }))
}

class LogCopy {
  private readonly source: MoveSource
  private readonly cache: BaseCache
  private readonly reader = new BodyReader()

  constructor(source: MoveSource, now: () => number) {
    this.source = source
    this.cache = new BaseCache(now)
  }

  async copy(tx: Transaction, { id, records }: SourceSegment): Promise<void> {
    for (const [day, ofDay] of groupBy(records, (record) => record.day)) {
      const segment: LogSegment = Array(1 + placeOf(ofDay.at(-1)!.lookUp.sequence)).fill(null)
      const stored = await this.store(tx, day, ofDay)
      ofDay.forEach(({ lookUp }, index) => {
        segment[placeOf(lookUp.sequence)] = stored[index]!
      })
      await this.insert(tx, { day, id, segment }, ofDay)
    }
  }

  private async insert(
    tx: Transaction,
    row: { day: number; id: number; segment: LogSegment },
    records: PlacedRecord[]
  ): Promise<void> {
    await insertSegment(tx, row)
    const lookUps = records.map(({ lookUp }) => lookUp)
    await tx.$client.query(INSERT_RECORDS, [
      row.day,
      lookUps.map(({ sequence }) => sequence),
      lookUps.map((each) => each.id),
      lookUps.map(({ at }) => at),
      lookUps.map(({ answered }) => answered),
      lookUps.map(({ templateVersion }) => templateVersion),
    ])
    await tx.$client.query(EXTEND_DAY, [row.day, row.id])
  }

  /** @returns the records with their bodies as the target has them */
  private async store(
    tx: Transaction,
    day: number,
    records: PlacedRecord[]
  ): Promise<SegmentRecord[]> {
    const stored: SegmentRecord[] = []
    let waiting: WithBodies[] = []
    let bytes = 0
    const flush = async (): Promise<void> => {
      const scoped = waiting.flatMap(scopedOf)
      stored.push(...storedRecords(waiting, await storeBodies(tx, this.cache, day, scoped)))
      waiting = []
      bytes = 0
    }
    for (const chunk of inChunks(records, RECORDS_AT_ONCE)) {
      const bodies = await readBodies(this.source, this.reader, chunk)
      waiting.push(...chunk.map((record, index) => ({ record, ...bodies[index]! })))
      for (const { request, response } of bodies)
        bytes += (request?.length ?? 0) + (response?.length ?? 0)
      if (bytes >= STORED_BYTES) await flush()
    }
    await flush()
    return stored
  }
}

/** @param after id of the log segment that is reached @param onRecords is told how many were copied */
export const copyLog = async (
  source: MoveSource,
  target: Connection,
  { after, now, onRecords }: { after: number; now: () => number; onRecords: (n: number) => void }
): Promise<void> => {
  const log = new LogCopy(source, now)
  for (let reached = after; ;) {
    const segments = await readLogPage(source, reached)
    const end = segments.at(-1)?.id
    if (end === undefined) return
    const from = reached
    const records = segments.flatMap((segment) => segment.records)
    await createDays(target, [...new Set(records.map(({ day }) => day))])
    await target.write(async (tx) => {
      for (const segment of segments) await log.copy(tx, segment)
      await advance(tx, LOG_PART, from, end)
    })
    reached = end
    onRecords(records.length)
  }
}
