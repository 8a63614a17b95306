/**
 * Writes records to the log, with their bodies. This runs for every request, so it uses few statements and
 * not the query builder. What needs no order comes first; from the log's end on, other proxies wait.
 */
import { dayOf } from '../../../core/days.ts'
import { lookUpNumbers } from '../../../core/log/record-filter.ts'
import type { BaseCache } from '../../log/base-cache.ts'
import { scopedBodies, segmentRecords } from '../../log/body-forms.ts'
import { inChunks } from '../../log/chunks.ts'
import { earlyCounts, totalsOf } from '../../log/counts.ts'
import { isAnswered, type RecordBytes } from '../../log/record-bytes.ts'
import {
  MAX_SEGMENT_RECORDS,
  placeOf,
  sequenceOf,
  type LogSegment,
} from '../../log/segment-codec.ts'
import { addToRevision, addTotals } from '../base/counters.ts'
import type { Connection, Row, Transaction } from '../base/database.ts'
import { lockSql } from '../base/locks.ts'
import { addAudits } from './audits.ts'
import { storeBodies } from './bodies.ts'
import { createDays } from './days.ts'
import { insertSegment } from './segments.ts'
import { addTraffic } from './traffic.ts'
import { oneRow } from '../../common/rows.ts'

/** Records of a day, at most as many as fit a log segment. */
interface Group {
  day: number
  added: RecordBytes[]
}

/** In the order of the days, so that two transactions take their locks in one order. */
const groupsOf = (records: RecordBytes[]): Group[] => {
  const byDay = new Map<number, RecordBytes[]>()
  for (const record of records) {
    const day = dayOf(record.head.at)
    const others = byDay.get(day)
    if (others === undefined) byDay.set(day, [record])
    else others.push(record)
  }
  return [...byDay]
    .sort(([one], [other]) => one - other)
    .flatMap(([day, all]) => inChunks(all, MAX_SEGMENT_RECORDS).map((added) => ({ day, added })))
}

const NEXT_SEGMENT = `with log_end as (
    insert into promptintern.log_end as known (one, segment) values (true, 1)
    on conflict (one) do update set segment = known.segment + 1
    returning segment
  )
  update promptintern.days set
    first_segment = coalesce(first_segment, log_end.segment), last_segment = log_end.segment
  from log_end where day = $1
  returning last_segment as id`

/** Takes the log's end until the transaction is over. @returns id of the new log segment */
const nextSegment = async ({ $client }: Transaction, day: number): Promise<number> => {
  const { rows } = await $client.query<{ id: number }>(NEXT_SEGMENT, [day])
  return oneRow(rows).id
}

const INSERT_RECORDS = `insert into promptintern.records
    (day, sequence, id, at, answered, template_version,
      tenant_number, outcome, status_class, opening)
  select $1, $2 + place - 1, id, at, answered, template_version,
    tenant_number, outcome, status_class, opening
  from unnest($3::text[], $4::bigint[], $5::boolean[], $6::text[],
      $7::int[], $8::int[], $9::int[], $10::int[])
    with ordinality as added(id, at, answered, template_version,
      tenant_number, outcome, status_class, opening, place)
  on conflict (id, day) do nothing`

/** @returns places of the records whose id was neither in the log nor earlier in the list */
const insertRecords = async (
  { $client }: Transaction,
  { day, added }: Group,
  segment: number
): Promise<Set<number>> => {
  const first = sequenceOf(segment, 0)
  const numbers = added.map(({ head, request }) => lookUpNumbers(head, request))
  const { rowCount } = await $client.query(INSERT_RECORDS, [
    day,
    first,
    added.map(({ head }) => head.id),
    added.map(({ head }) => Math.floor(head.at)),
    added.map(isAnswered),
    added.map(({ head }) => head.route?.templateVersion ?? null),
    numbers.map(({ tenantNumber }) => tenantNumber),
    numbers.map(({ outcome }) => outcome),
    numbers.map(({ statusClass }) => statusClass),
    numbers.map(({ opening }) => opening),
  ])
  if (rowCount === added.length) return new Set(added.keys())
  const { rows } = await $client.query<{ sequence: number }>(
    'select sequence from promptintern.records where day = $1 and sequence >= $2',
    [day, first]
  )
  return new Set(rows.map(({ sequence }) => placeOf(sequence)))
}

/** @param records as they are stored @returns the records that were not in the log */
const append = async (
  tx: Transaction,
  group: Group,
  records: LogSegment
): Promise<RecordBytes[]> => {
  const { day, added } = group
  const id = await nextSegment(tx, day)
  const inserted = await insertRecords(tx, group, id)
  if (inserted.size === 0) return []
  const segment = records.map((record, place) => (inserted.has(place) ? record : null))
  await insertSegment(tx, { day, id, segment })
  return added.filter((_record, place) => inserted.has(place))
}

const appendAll = async (
  tx: Transaction,
  cache: BaseCache,
  groups: Group[]
): Promise<RecordBytes[]> => {
  const stored: { group: Group; records: LogSegment }[] = []
  for (const group of groups) {
    const bodies = await storeBodies(tx, cache, group.day, group.added.flatMap(scopedBodies))
    stored.push({ group, records: segmentRecords(group.added, bodies) })
  }
  const written: RecordBytes[] = []
  for (const { group, records } of stored) written.push(...(await append(tx, group, records)))
  const heads = written.map(({ head }) => head)
  await addTotals(tx, totalsOf(heads))
  for (const [name, count] of earlyCounts(heads)) await addToRevision(tx, name, count)
  await addTraffic(tx, written)
  await addAudits(tx, heads)
  return written
}

/** Keeps retention and forgetting out, and finds the days that have their partitions. */
const beginning = (days: number[]): string =>
  `${lockSql('log', 'shared')};
   select day from promptintern.days where has_bodies and day in (${days.join(', ')})`

const hasAll = (days: number[], rows: Row[]): boolean => {
  const known = new Set(rows.map(({ day }) => day))
  return days.every((day) => known.has(day))
}

/** @returns writes records in one transaction, and returns those that were not in the log */
export const recordWriter =
  (connection: Connection, cache: BaseCache) =>
  async (records: RecordBytes[]): Promise<RecordBytes[]> => {
    const groups = groupsOf(records)
    const days = [...new Set(groups.map(({ day }) => day))]
    for (;;) {
      const written = await connection.write(
        async (tx, known) => (hasAll(days, known) ? appendAll(tx, cache, groups) : null),
        { first: beginning(days) }
      )
      if (written !== null) return written
      await createDays(connection, days)
    }
  }
