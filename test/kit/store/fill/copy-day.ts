/**
 * Copies the model day to another day: the same rows as if the store had written the same exchanges then, in a
 * tenth of the time. Ids, times, sequences and references are the new day's; bodies and differences are copied
 * within the server. `test/store/large-log.long.test.ts` compares with what the store writes.
 */
import { DAY_MS } from '../../../../src/core/days.ts'
import type { RecordHead } from '../../../../src/core/log/record.ts'
import { SEARCH_OUTCOMES } from '../../../../src/core/log/record-filter.ts'
import { encodeParts, sequenceOf } from '../../../../src/store/log/segment-codec.ts'
import type {
  LogSegment,
  SegmentRecord,
  StoredBody,
} from '../../../../src/store/log/segment-codec.ts'
import { totalsOf, totalsOfTags } from '../../../../src/store/log/counts.ts'
import { addTotals } from '../../../../src/store/postgres/base/counters.ts'
import type { Connection, Transaction } from '../../../../src/store/postgres/base/database.ts'
import { addAudits } from '../../../../src/store/postgres/log/audits.ts'
import { createDays } from '../../../../src/store/postgres/log/days.ts'
import type { DaySegment } from '../../../../src/store/postgres/log/segments.ts'
import { addTraffic } from '../../../../src/store/postgres/log/traffic.ts'
import { idAt, TIME_CHARS } from './exchanges.ts'
import { WRITES, type ModelDay } from './model-day.ts'

const SEGMENTS_AT_ONCE = 2_000
const STATEMENT_MS = 10 * 60_000
const PLACES = sequenceOf(1, 0)

/** Only those that the copied records need, as the store would have written no others. */
const COPY_BODIES = `with copied as (
    insert into promptintern.bodies (day, id, digest, data)
    select $2, nextval('promptintern.body_ids'), digest, data from promptintern.bodies
    where day = $1 and id = any($3::bigint[]) order by id
    returning id, digest
  )
  select model.id as was, copied.id from copied
  join promptintern.bodies as model on model.day = $1 and model.digest = copied.digest`

const COPY_SEGMENTS = `insert into promptintern.segments (day, id, records, bodies, heads)
  select $2, placed.id, model.records, model.bodies, placed.heads
  from unnest($3::bigint[], $4::bigint[], $5::bytea[]) as placed(was, id, heads)
  join promptintern.segments as model on model.day = $1 and model.id = placed.was`

const COPY_DIFFERENCES = `insert into promptintern.segment_bodies (day, segment, data)
  select $2, placed.id, model.data
  from unnest($3::bigint[], $4::bigint[]) as placed(was, id)
  join promptintern.segment_bodies as model on model.day = $1 and model.segment = placed.was`

const HEX_TIME = `lpad(to_hex(model.at + $5::bigint), 12, '0')`

/** Ids as `idAt` makes them. */
const COPY_RECORDS = `insert into promptintern.records
    (day, id, sequence, at, answered, template_version,
      tenant_number, outcome, status_class, opening)
  select $2,
    left(${HEX_TIME}, 8) || '-' || right(${HEX_TIME}, 4) || '-' || substr(model.id, ${TIME_CHARS + 1}),
    placed.id * ${PLACES} + model.sequence % ${PLACES},
    model.at + $5::bigint, answered,
    case when template_version = any($6::text[]) then null else template_version end,
    tenant_number, outcome, status_class, opening
  from unnest($3::bigint[], $4::bigint[]) as placed(was, id)
  join promptintern.records as model
    on model.day = $1 and model.sequence / ${PLACES} = placed.was
  order by 3`

const PLACE_DAY = `with log_end as (
    update promptintern.log_end set segment = $3 returning segment
  )
  update promptintern.days set first_segment = $2, last_segment = log_end.segment
  from log_end where day = $1`

interface Copy {
  model: ModelDay
  day: number
  /** a copied segment, and its id in the new day */
  placed: [segment: DaySegment, id: number][]
  /** template versions that the new day does not have */
  ended: readonly string[]
}

const shiftedHead = (head: RecordHead, days: number): RecordHead => {
  const at = head.at + days * DAY_MS
  return { ...head, at, id: idAt(at, head.id.slice(TIME_CHARS)) }
}

type IdOf = (was: number) => number

const shiftedBody = (body: StoredBody | null, idOf: IdOf): StoredBody | null =>
  body && { ...body, whole: idOf(body.whole) }

const shiftedSegment = (segment: LogSegment, days: number, idOf: IdOf): LogSegment =>
  segment.map(
    (record) =>
      record && {
        head: shiftedHead(record.head, days),
        usage: record.usage,
        request: shiftedBody(record.request, idOf),
        response: shiftedBody(record.response, idOf),
      }
  )

const recordsOf = (segments: LogSegment[]): SegmentRecord[] =>
  segments.flatMap((segment) => segment.filter((record) => record !== null))

const copyBodies = async (
  { $client }: Transaction,
  { model, day, placed }: Copy
): Promise<IdOf> => {
  const needed = new Set<number>()
  for (const { request, response } of recordsOf(placed.map(([{ segment }]) => segment)))
    for (const body of [request, response]) if (body !== null) needed.add(body.whole)
  const { rows } = await $client.query<{ was: number; id: number }>(COPY_BODIES, [
    model.day,
    day,
    [...needed],
  ])
  const ids = new Map(rows.map(({ was, id }) => [was, id]))
  return (was) => ids.get(was)!
}

/** @returns the records of the new day */
const copySegments = async (
  tx: Transaction,
  { model, day, placed }: Copy,
  idOf: IdOf
): Promise<SegmentRecord[]> => {
  const records: SegmentRecord[] = []
  for (let from = 0; from < placed.length; from += SEGMENTS_AT_ONCE) {
    const some = placed.slice(from, from + SEGMENTS_AT_ONCE)
    const shifted = some.map(([{ segment }]) => shiftedSegment(segment, day - model.day, idOf))
    await tx.$client.query(COPY_SEGMENTS, [
      model.day,
      day,
      some.map(([{ id }]) => id),
      some.map(([, id]) => id),
      shifted.map((segment) => encodeParts(segment).heads),
    ])
    records.push(...recordsOf(shifted))
  }
  return records
}

const NO_ROUTE = SEARCH_OUTCOMES.indexOf('none')

/** What the worker counts when it has tagged them. */
const tagTotals = async (tx: Transaction, { model, placed, day, ended }: Copy): Promise<void> => {
  const byVersion = new Map<string, { at: number; was: null; outcome: number }[]>()
  for (const { head } of recordsOf(placed.map(([{ segment }]) => segment))) {
    const version = model.tags.get(head.id)
    if (version === undefined || ended.includes(version)) continue
    const counted = { at: head.at + (day - model.day) * DAY_MS, was: null, outcome: NO_ROUTE }
    const others = byVersion.get(version)
    if (others === undefined) byVersion.set(version, [counted])
    else others.push(counted)
  }
  for (const [version, records] of byVersion) await addTotals(tx, totalsOfTags(records, version))
}

const copyRows = async (tx: Transaction, copy: Copy): Promise<void> => {
  const { model, day, placed, ended } = copy
  const idOf = await copyBodies(tx, copy)
  const records = await copySegments(tx, copy, idOf)
  const places = [model.day, day, placed.map(([{ id }]) => id), placed.map(([, id]) => id)]
  await tx.$client.query(COPY_DIFFERENCES, places)
  await tx.$client.query(COPY_RECORDS, [...places, (day - model.day) * DAY_MS, ended])
  await tx.$client.query(PLACE_DAY, [day, placed[0]![1], placed.at(-1)![1]])
  const heads = records.map(({ head }) => head)
  await addTotals(tx, totalsOf(heads))
  await tagTotals(tx, copy)
  await addTraffic(tx, records)
  await addAudits(tx, heads)
}

export interface CopyOptions {
  model: ModelDay
  day: number
  /** copies one of so many groups of log segments */
  step: number
  /** template versions that the new day does not have */
  ended: readonly string[]
}

/** @returns how many records were copied */
export const copyDay = async (
  connection: Connection,
  { model, day, step, ended }: CopyOptions
): Promise<number> => {
  await createDays(connection, [day])
  return connection.write(
    async (tx) => {
      const { rows } = await tx.$client.query<{ segment: number }>(
        'select segment from promptintern.log_end'
      )
      const end = rows[0]!.segment
      const placed = model.segments
        .filter((_segment, index) => Math.floor(index / WRITES.length) % step === 0)
        .map((segment, index): [DaySegment, number] => [segment, end + 1 + index])
      await copyRows(tx, { model, day, placed, ended })
      return recordsOf(placed.map(([{ segment }]) => segment)).length
    },
    { statementMs: STATEMENT_MS }
  )
}
