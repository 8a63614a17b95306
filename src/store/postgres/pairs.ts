/** Audited requests, which wait for the lora's answer and then are pairs. `log/audits.ts` adds them. */
import { dayOf } from '../../core/days.ts'
import { and, asc, gt, gte, isNotNull, lt, min, sql, sum } from 'drizzle-orm'
import { pairMethods, pairOf } from '../common/pairs.ts'
import type { PairStore } from '../store.ts'
import { commonOf } from './base/common.ts'
import type { Connection } from './base/database.ts'
import { pairs } from './base/schema.ts'
import { versionsOf } from './log/look-up.ts'
import { oneRow, withColumns } from '../common/rows.ts'

/** A unit is far less than a token's price, and a pair of a million dollars still fits 64 bits. */
const UNITS_PER_USD = 1e12

const spent =
  ({ read }: Connection): PairStore['spent'] =>
  (from, until) =>
    read(async (db) => {
      const rows = await db
        // floating point would show 0.060000000000000005 for six times 0.01, and `numeric` takes ten times as long
        .select({
          units: sum(sql`(${pairs.costUsd} * ${UNITS_PER_USD})::bigint`),
          wholeUsd: sql<number>`coalesce(sum(${pairs.costUsd} / ${pairs.drawn}), 0)`,
          firstAt: min(pairs.at),
        })
        .from(pairs)
        .where(and(gte(pairs.at, from), lt(pairs.at, until), isNotNull(pairs.costUsd)))
      const { units, wholeUsd, firstAt } = oneRow(rows)
      return { usd: Number(units ?? 0) / UNITS_PER_USD, wholeUsd, firstAt }
    })

export const createPairStore = (connection: Connection): PairStore => ({
  ...pairMethods(commonOf(connection)),
  spent: spent(connection),
  rated: (place, limit) =>
    connection.readTogether(async (db) => {
      const rows = await db
        .select()
        .from(pairs)
        .where(and(gt(pairs.place, place), isNotNull(pairs.rating)))
        .orderBy(asc(pairs.place))
        .limit(limit)
      const versions = await versionsOf(
        db,
        rows.map(({ recordId, at }) => ({ id: recordId, day: dayOf(at) }))
      )
      return rows.map((row) => ({
        ...withColumns(pairOf(row), 'rating', 'ratedAt'),
        lora: row.lora,
        templateVersion: versions.get(row.recordId ?? '') ?? null,
      }))
    }),
})
