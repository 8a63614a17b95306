/**
 * What is counted, in the transaction of the change that it counts: changes, which other processes poll, running
 * totals of template versions, and the traffic by the hour.
 */
import { and, asc, eq, gt, lt, sql as part } from 'drizzle-orm'
import {
  addHours,
  HOUR_MS,
  trafficOf,
  type CountedRecord,
  type TrafficHour,
} from '../../core/log/traffic-hours.ts'
import { type Totals } from '../log/counts.ts'
import type { CommonConnection, Database, Sql } from './connection.ts'
import type { Tables } from './tables.ts'
import { oneRow } from './rows.ts'

const ADD = `insert into promptintern.revisions as known (name, value) values ($1, $2)
  on conflict (name) do update set value = known.value + excluded.value returning value`

/** Holds the counter until the transaction ends, so changes of one kind commit in order. @returns the new value */
export const addToRevision = async (sql: Sql, name: string, amount: number): Promise<number> => {
  const { rows } = await sql<{ value: number }>(ADD, [name, amount])
  return oneRow(rows).value
}

/** The same, of the query builder. @param name kind of change: `routes`, `keys` */
export const raiseRevision = async (
  tx: Database,
  { revisions }: Tables,
  name: string,
  amount = 1
): Promise<void> => {
  await tx
    .insert(revisions)
    .values({ name, value: amount })
    .onConflictDoUpdate({
      target: revisions.name,
      set: { value: part`${revisions.value} + ${amount}` },
    })
}

/** Counters that change never: whoever adds nothing to one holds it until its transaction ends. */
export const FEEDBACK_LOCK = 'lock:feedback'
export const ROUTES_LOCK = 'lock:routes'

const ADD_TOTALS = `insert into promptintern.template_totals as totals
    (version, requests, answered, forwarded, prompt_tokens_saved, last_seen, bought)
  values ($1, $2, $3, $4, $5, $6, $7)
  on conflict (version) do update set
    requests = totals.requests + excluded.requests,
    bought = totals.bought + excluded.bought,
    answered = totals.answered + excluded.answered,
    forwarded = totals.forwarded + excluded.forwarded,
    prompt_tokens_saved = totals.prompt_tokens_saved + excluded.prompt_tokens_saved,
    last_seen = case when totals.last_seen >= excluded.last_seen then totals.last_seen
      else coalesce(excluded.last_seen, totals.last_seen) end`

export const addTotals = async (sql: Sql, totals: Totals): Promise<void> => {
  // in one order everywhere, or two transactions could each wait for a row of the other
  const sorted = [...totals].sort(([one], [other]) => (one < other ? -1 : 1))
  for (const [version, added] of sorted)
    await sql(ADD_TOTALS, [
      version,
      added.requests,
      added.answered,
      added.forwarded,
      added.promptTokensSaved,
      added.lastSeen,
      added.bought,
    ])
}

/**
 * Adds new records. The caller holds the log's end, so no other transaction adds to the same hour. Of live traffic
 * mostly one row: a row for each bucket of the latencies would take some 20.
 */
export const addTraffic = async (sql: Sql, records: readonly CountedRecord[]): Promise<void> => {
  for (const added of trafficOf(records)) {
    const { rows } = await sql<{ figures: string }>(
      'select figures::text as figures from promptintern.traffic_hours where hour = $1',
      [added.hour]
    )
    const [known] = rows
    const sum =
      known === undefined ? added : addHours(JSON.parse(known.figures) as TrafficHour, added)
    await sql(
      `insert into promptintern.traffic_hours (hour, figures) values ($1, $2)
        on conflict (hour) do update set figures = excluded.figures`,
      [added.hour, JSON.stringify(sum)]
    )
  }
}

/** @returns 0 before the first change */
export const revisionIn = async (
  db: Database,
  { revisions }: Tables,
  name: string
): Promise<number> => {
  const [row] = await db.select().from(revisions).where(eq(revisions.name, name))
  return row?.value ?? 0
}

/** @returns 0 before the first change */
export const readRevision = ({ read, tables }: CommonConnection, name: string): Promise<number> =>
  read((db) => revisionIn(db, tables, name))

/** @returns the hours that have a part in the time, oldest first */
export const readTraffic = (
  { read, tables }: CommonConnection,
  from: number,
  until: number
): Promise<TrafficHour[]> =>
  read(async (db) => {
    const { hour, figures } = tables.trafficHours
    const rows = await db
      .select({ figures })
      .from(tables.trafficHours)
      .where(and(gt(hour, from - HOUR_MS), lt(hour, until)))
      .orderBy(asc(hour))
    return rows.map((row) => row.figures)
  })
