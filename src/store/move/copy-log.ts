/**
 * Copies the log. A log segment keeps its id, and a record its place in it. One that has records of several
 * days, as an import may write it, becomes a row of each day with the same id. Bodies are stored anew, because
 * a difference refers to a body of its own day.
 */
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
import { BodyReader, RECORDS_AT_ONCE, type WithBodies } from '../log/reading/body-reader.ts'
import {
  daysIn,
  readBodies,
  readLog,
  recordsIn,
  type Piece,
  type PlacedRecord,
} from './log-pages.ts'
import type { MoveSource } from './source.ts'
import { advance } from './target.ts'
import { inTurn, lastOf } from '../../core/lists.ts'

/** Bodies of about so many bytes are stored with one statement. */
const STORED_BYTES = 4 * 2 ** 20

export const LOG_PART = 'log'

/** While bodies are read and compressed, which a busy machine does slowly. No other process uses the target. */
const MAY_STAND_STILL = `set local idle_in_transaction_session_timeout = '10min'`

const INSERT_RECORDS = `insert into promptintern.records
    (day, sequence, id, at, answered, template_version,
      tenant_number, outcome, status_class, opening)
  select $1, added.* from unnest($2::bigint[], $3::text[], $4::bigint[], $5::boolean[], $6::text[],
    $7::int[], $8::int[], $9::int[], $10::int[]) as added`

const EXTEND_DAY = `update promptintern.days
  set first_segment = coalesce(first_segment, $2), last_segment = $2 where day = $1`

type Read = WithBodies<PlacedRecord>

/** Request and response of the records, without those that they do not have. */
const scopedOf = ({ record: { head }, request, response }: Read): ScopedBody[] => {
  const { tenant, at } = head
  return [
    ...(request === null ? [] : [{ scope: scopeOf(tenant, 'request'), bytes: request, at }]),
    ...(response === null ? [] : [{ scope: scopeOf(tenant, 'response'), bytes: response, at }]),
  ]
}

interface Placed {
  place: number
  record: SegmentRecord
}

/** @param stored bodies of the records in the order of `scopedOf` */
const storedRecords = (records: Read[], stored: StoredBody[]): Placed[] => {
  const next = inTurn(stored)
  return records.map(({ record: { head, usage, lookUp }, request, response }) => ({
    place: placeOf(lookUp.sequence),
    record: {
      head,
      usage,
      request: request === null ? null : next(),
      response: response === null ? null : next(),
    },
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

  async copy(tx: Transaction, { id, day, records }: Piece): Promise<void> {
    const lookUps = records.map(({ lookUp }) => lookUp)
    const segment: LogSegment = []
    for (const { place, record } of await this.store(tx, day, records)) {
      while (segment.length < place) segment.push(null)
      segment.push(record)
    }
    await insertSegment(tx, { day, id, segment })
    await tx.$client.query(INSERT_RECORDS, [
      day,
      lookUps.map(({ sequence }) => sequence),
      lookUps.map((each) => each.id),
      lookUps.map(({ at }) => at),
      lookUps.map(({ answered }) => answered),
      lookUps.map(({ templateVersion }) => templateVersion),
      lookUps.map(({ tenantNumber }) => tenantNumber),
      lookUps.map(({ outcome }) => outcome),
      lookUps.map(({ statusClass }) => statusClass),
      lookUps.map(({ opening }) => opening),
    ])
    await tx.$client.query(EXTEND_DAY, [day, id])
  }

  /** @returns the records with their bodies as the target has them */
  private async store(tx: Transaction, day: number, records: PlacedRecord[]): Promise<Placed[]> {
    const stored: Placed[] = []
    let waiting: Read[] = []
    let bytes = 0
    const flush = async (): Promise<void> => {
      const scoped = waiting.flatMap(scopedOf)
      stored.push(...storedRecords(waiting, await storeBodies(tx, this.cache, day, scoped)))
      waiting = []
      bytes = 0
    }
    for (const chunk of inChunks(records, RECORDS_AT_ONCE)) {
      const bodies = await readBodies(this.source, this.reader, chunk)
      waiting.push(...bodies)
      for (const { request, response } of bodies)
        bytes += (request?.length ?? 0) + (response?.length ?? 0)
      if (bytes >= STORED_BYTES) await flush()
    }
    await flush()
    return stored
  }
}

interface LogOptions {
  /** key of the piece that is reached */
  after: number
  now: () => number
  /** is told how many were copied */
  onRecords: (count: number) => void
}

export const copyLog = async (
  source: MoveSource,
  target: Connection,
  { after, now, onRecords }: LogOptions
): Promise<void> => {
  const log = new LogCopy(source, now)
  let reached = after
  for await (const pieces of readLog(source, after)) {
    const [from, end] = [reached, lastOf(pieces).key]
    await createDays(target, daysIn(pieces))
    await target.write(
      async (tx) => {
        for (const piece of pieces) await log.copy(tx, piece)
        await advance(tx, LOG_PART, from, end)
      },
      { first: MAY_STAND_STILL }
    )
    reached = end
    onRecords(recordsIn(pieces).length)
  }
}
