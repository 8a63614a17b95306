/** Reads what is counted: changes, which other processes poll, and the traffic. */
import { and, asc, eq, gt, lt } from 'drizzle-orm'
import { HOUR_MS, type TrafficHour } from '../../core/log/traffic-hours.ts'
import type { EarlyAnswers } from '../../core/route/early.ts'
import { earlyNames } from '../log/counts.ts'
import type { CommonConnection, Database, Tables } from './connection.ts'

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

export const readEarlyAnswers = (
  { read, tables }: CommonConnection,
  lora: string
): Promise<EarlyAnswers> => {
  const { answers, faults } = earlyNames(lora)
  return read(async (db) => ({
    answers: await revisionIn(db, tables, answers),
    faults: await revisionIn(db, tables, faults),
  }))
}

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
