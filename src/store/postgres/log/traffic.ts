/** The figures of the traffic by the hour: added to with every write of the log, and pruned. */
import {
  addHours,
  trafficOf,
  type CountedRecord,
  type TrafficHour,
} from '../../../core/log/traffic-hours.ts'
import type { Transaction } from '../base/database.ts'

/** Adds new records. The caller holds the log's end, so no other transaction adds to the same hour. */
export const addTraffic = async (
  { $client }: Transaction,
  records: readonly CountedRecord[]
): Promise<void> => {
  const added = trafficOf(records)
  if (added.length === 0) return
  const { rows } = await $client.query<{ hour: number; figures: TrafficHour }>(
    'select hour, figures from promptintern.traffic_hours where hour = any($1::bigint[])',
    [added.map(({ hour }) => hour)]
  )
  const known = new Map(rows.map(({ hour, figures }) => [hour, figures]))
  const merged = added.map((more) => {
    const figures = known.get(more.hour)
    return figures === undefined ? more : addHours(figures, more)
  })
  await $client.query(
    `insert into promptintern.traffic_hours (hour, figures)
      select * from unnest($1::bigint[], $2::json[])
      on conflict (hour) do update set figures = excluded.figures`,
    [merged.map(({ hour }) => hour), merged.map((figures) => JSON.stringify(figures))]
  )
}

export const pruneTraffic = async ({ $client }: Transaction, before: number): Promise<void> => {
  await $client.query('delete from promptintern.traffic_hours where hour < $1', [before])
}
