/** Audited requests, which wait for the lora's answer and then are pairs. `log/audits.ts` adds them. */
import { and, asc, eq, gt, gte, isNotNull, lt, min, sql } from 'drizzle-orm'
import { pairMethods, pairOf } from '../common/pairs.ts'
import type { PairStore } from '../store.ts'
import { commonOf } from './base/common.ts'
import type { Connection } from './base/database.ts'
import { pairs, records } from './base/schema.ts'
import { oneRow, withColumns } from '../common/rows.ts'

const spent =
  ({ read }: Connection): PairStore['spent'] =>
  (from, until) =>
    read(async (db) => {
      const rows = await db
        .select({
          usd: sql<number>`coalesce(sum(${pairs.costUsd}), 0)`,
          wholeUsd: sql<number>`coalesce(sum(${pairs.costUsd} / ${pairs.drawn}), 0)`,
          firstAt: min(pairs.at),
        })
        .from(pairs)
        .where(and(gte(pairs.at, from), lt(pairs.at, until), isNotNull(pairs.costUsd)))
      return oneRow(rows)
    })

export const createPairStore = (connection: Connection): PairStore => ({
  ...pairMethods(commonOf(connection)),
  spent: spent(connection),
  rated: (place, limit) =>
    connection.read(async (db) => {
      const rows = await db
        .select({ pair: pairs, templateVersion: records.templateVersion })
        .from(pairs)
        .leftJoin(records, eq(records.id, pairs.recordId))
        .where(and(gt(pairs.place, place), isNotNull(pairs.rating)))
        .orderBy(asc(pairs.place))
        .limit(limit)
      return rows.map(({ pair, templateVersion }) => ({
        ...withColumns(pairOf(pair), 'rating', 'ratedAt'),
        lora: pair.lora,
        templateVersion,
      }))
    }),
})
