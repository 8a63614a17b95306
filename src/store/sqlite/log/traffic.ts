/** The figures of the traffic by the hour: added to with every write of the log, and pruned. */
import {
  addHours,
  trafficOf,
  type CountedRecord,
  type TrafficHour,
} from '../../../core/log/traffic-hours.ts'
import { trafficHours } from '../base/schema.ts'
import { bulkInsert, executeIn, type SqlTransaction } from '../base/statements.ts'

const putHours = bulkInsert(trafficHours, '', 'insert or replace')

/**
 * Adds new records. Two statements whatever their number, and of live traffic mostly one row: a row for
 * each bucket of the latencies would take some 20.
 */
export const addTraffic = async (
  tx: SqlTransaction,
  records: readonly CountedRecord[]
): Promise<void> => {
  const added = trafficOf(records)
  const rows = await executeIn(
    tx,
    'select hour, figures from traffic_hours where hour in',
    added.map(({ hour }) => hour)
  )
  const known = new Map(rows.map((row) => [row['hour'], row['figures'] as string]))
  const merged = added.map((more) => {
    const figures = known.get(more.hour)
    return figures === undefined ? more : addHours(JSON.parse(figures) as TrafficHour, more)
  })
  await putHours(
    tx,
    merged.map((figures) => ({ hour: figures.hour, figures }))
  )
}

export const pruneTraffic = async (tx: SqlTransaction, before: number): Promise<void> => {
  await tx.execute({ sql: 'delete from traffic_hours where hour < ?', args: [before] })
}
