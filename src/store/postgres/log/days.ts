/**
 * The days of the log. Each has partitions of its own, made with its first record and dropped by retention.
 * A query that names its days locks and plans only their partitions: with a year of them one that names none
 * would take some 1,500 locks, and a few of these at once all that a server has by default.
 */
import { inChunks } from '../../log/chunks.ts'
import { lastSequenceOf, segmentOf, sequenceOf } from '../../log/segment-codec.ts'
import type { Connection, Database, Transaction } from '../base/database.ts'
import { lockSql } from '../base/locks.ts'
import { days } from '../base/schema.ts'

export type Day = typeof days.$inferSelect

/** That one query reads. The first one is for few days, which are mostly enough and cheaper to plan. */
const FIRST_DAYS = 3
const DAYS_AT_ONCE = 31

export const readDays = (db: Database): Promise<Day[]> => db.select().from(days)

/** Newest first: most records that are looked for are young. */
export const inGroups = (known: Day[]): number[][] => {
  const newest = known.map(({ day }) => day).sort((a, b) => b - a)
  const first = newest.splice(0, FIRST_DAYS)
  return [...(first.length > 0 ? [first] : []), ...inChunks(newest, DAYS_AT_ONCE)]
}

interface Placed<Id> {
  day: number
  id: Id
}

/**
 * The ids that one query each reads, with their days and no others.
 * @param size ids at most
 */
export const groupedByDays = <Id>(
  placed: readonly Placed<Id>[],
  size: number
): { days: number[]; ids: Id[] }[] => {
  const groups: { days: Set<number>; ids: Id[] }[] = []
  for (const { day, id } of placed) {
    let group = groups.at(-1)
    const isFull = group?.ids.length === size
    if (group === undefined || isFull || (group.days.size === DAYS_AT_ONCE && !group.days.has(day)))
      groups.push((group = { days: new Set(), ids: [] }))
    group.days.add(day)
    group.ids.push(id)
  }
  return groups.map(({ days: found, ids }) => ({ days: [...found], ids }))
}

/** A part of the log between two sequences, both exclusive, and all days that have records in it. */
export interface Stretch {
  days: Day[]
  above: number
  below: number
}

interface Range {
  day: Day
  first: number
  last: number
}

const rangesOf = (known: Day[]): Range[] =>
  known.flatMap((day) =>
    day.firstSegment === null
      ? []
      : {
          day,
          first: sequenceOf(day.firstSegment, 0),
          last: lastSequenceOf(day.lastSegment!),
        }
  )

/** A day, and where it begins in the direction of reading: at the start, or behind it. */
interface Edge {
  day: Day
  at: number
}

/** As many as are wanted, and all others that have a part at the start: without them no step is made. */
const takeFrom = (edges: Edge[], start: number, count: number): Edge[] => {
  let size = count
  while (edges[size]?.at === start) size++
  return edges.slice(0, size)
}

const daysOf = (edges: Edge[]): Day[] => edges.map(({ day }) => day)

const nextAscending = (ranges: Range[], above: number, count: number): Stretch | null => {
  const start = above + 1
  const edges = ranges
    .filter(({ last }) => last >= start)
    .map(({ day, first }) => ({ day, at: Math.max(first, start) }))
    .sort((a, b) => a.at - b.at)
  if (edges.length === 0) return null
  const taken = takeFrom(edges, start, count)
  const below = edges[taken.length]?.at ?? Number.MAX_SAFE_INTEGER
  return { days: daysOf(taken), above, below }
}

const nextDescending = (ranges: Range[], below: number, count: number): Stretch | null => {
  const start = below - 1
  const edges = ranges
    .filter(({ first }) => first <= start)
    .map(({ day, last }) => ({ day, at: Math.min(last, start) }))
    .sort((a, b) => b.at - a.at)
  if (edges.length === 0) return null
  const taken = takeFrom(edges, start, count)
  const above = edges[taken.length]?.at ?? -1
  return { days: daysOf(taken), above, below }
}

export interface Page {
  order: 'asc' | 'desc'
  /** sequence; undefined: from the beginning, or from the end */
  after: number | undefined
  limit: number
}

/** Reads rows in the order of the log, stretch by stretch: days overlap where old records were imported. */
export const readInOrder = async <Row>(
  known: Day[],
  { order, after, limit }: Page,
  read: (stretch: Stretch, limit: number) => Promise<Row[]>
): Promise<Row[]> => {
  const ranges = rangesOf(known)
  const next = order === 'asc' ? nextAscending : nextDescending
  const rows: Row[] = []
  let from = after ?? (order === 'asc' ? -1 : Number.MAX_SAFE_INTEGER)
  for (let count = FIRST_DAYS; rows.length < limit; count = DAYS_AT_ONCE) {
    const stretch = next(ranges, from, count)
    if (stretch === null) break
    rows.push(...(await read(stretch, limit - rows.length)))
    from = order === 'asc' ? stretch.below - 1 : stretch.above + 1
  }
  return rows
}

/** The stretch in ids of log segments, both exclusive. */
export const segmentsIn = ({ above, below }: Stretch): { above: number; below: number } => ({
  above: segmentOf(above),
  below: segmentOf(below),
})

const BODY_TABLES = ['bodies', 'segment_bodies'] as const
const RECORD_TABLES = ['records', 'segments'] as const

export const partitionOf = (table: string, day: number): string => `promptintern."${table}_${day}"`

/** Attaches a finished table: `create table … partition of` would hold up all readers. */
const createSql = (table: string, day: number): string =>
  `create table ${partitionOf(table, day)} (like promptintern.${table} including all);
   alter table promptintern.${table} attach partition ${partitionOf(table, day)} for values in (${day});`

const createDay = async ({ $client }: Transaction, day: number): Promise<void> => {
  const { rows } = await $client.query<{ has_bodies: boolean }>(
    'select has_bodies from promptintern.days where day = $1',
    [day]
  )
  const [known] = rows
  if (known?.has_bodies === true) return
  const tables = known === undefined ? [...RECORD_TABLES, ...BODY_TABLES] : BODY_TABLES
  await $client.query(tables.map((table) => createSql(table, day)).join('\n'))
  // the bodies of its earlier records are gone
  if (known !== undefined)
    await $client.query('update promptintern.records set answered = false where day = $1', [day])
  await $client.query(
    `insert into promptintern.days (day, has_bodies) values ($1, true)
      on conflict (day) do update set has_bodies = true`,
    [day]
  )
}

/** Makes the partitions of the days where they are missing. Several proxies may do it at once. */
export const createDays = ({ write }: Connection, wanted: number[]): Promise<void> =>
  write(
    async (tx) => {
      for (const day of wanted) await createDay(tx, day)
    },
    { first: lockSql('days') }
  )

const dropSql = (tables: readonly string[], day: number): string =>
  `drop table if exists ${tables.map((table) => partitionOf(table, day)).join(', ')}`

export const dropBodies = async ({ $client }: Transaction, day: number): Promise<void> => {
  await $client.query(dropSql(BODY_TABLES, day))
  await $client.query(
    `update promptintern.days set has_bodies = false, is_unswept = false where day = $1`,
    [day]
  )
}

export const dropDay = async ({ $client }: Transaction, day: number): Promise<void> => {
  await $client.query(dropSql([...BODY_TABLES, ...RECORD_TABLES], day))
  await $client.query('delete from promptintern.days where day = $1', [day])
}
