/** Audited requests, which wait for the lora's answer and then are pairs. `log/audits.ts` adds them. */
import { and, asc, desc, eq, gt, gte, inArray, isNotNull, isNull, lt, min, sql } from 'drizzle-orm'
import type { StoredPair } from '../../core/rollout/pair.ts'
import { AppError } from '../../errors.ts'
import type { PairStore } from '../store.ts'
import { raiseRevision, readRevision } from './base/counters.ts'
import type { Connection } from './base/database.ts'
import { pairs, records } from './base/schema.ts'
import { droppedName, PAIRS_REVISION } from '../log/audits.ts'

const isJudged = isNotNull(pairs.outcome)

const toDomain = ({ lora: _lora, outcome, ...row }: typeof pairs.$inferSelect): StoredPair => ({
  ...row,
  outcome: outcome!,
})

type Reading = 'waiting' | 'backlog' | 'since' | 'list' | 'revision'

const readers = ({ read }: Connection): Pick<PairStore, Reading> => ({
  waiting: (lora, limit) =>
    read(async (db) => {
      const rows = await db
        .select({ place: pairs.place, recordId: pairs.recordId, at: pairs.at })
        .from(pairs)
        .where(and(eq(pairs.lora, lora), isNull(pairs.outcome)))
        .orderBy(asc(pairs.place))
        .limit(limit)
      // a forgotten record does not wait
      return rows.map((row) => ({ ...row, recordId: row.recordId! }))
    }),
  backlog: (lora) =>
    read(async (db) => ({
      waiting: await db.$count(pairs, and(eq(pairs.lora, lora), isNull(pairs.outcome))),
      dropped: await readRevision(db, droppedName(lora)),
    })),
  since: (lora, after, limit) =>
    read(async (db) => {
      const { place, at, conversation, outcome, rating, confidence, ...rest } = pairs
      const { drawn, ratedAt, chars, isNewLabel, upstreamModel } = rest
      const traits = { drawn, ratedAt, chars, isNewLabel, upstreamModel }
      const rows = await db
        .select({ place, at, conversation, outcome, rating, confidence, ...traits })
        .from(pairs)
        .where(and(eq(pairs.lora, lora), gt(place, after), isJudged))
        .orderBy(asc(place))
        .limit(limit)
      return rows.map((row) => ({ ...row, outcome: row.outcome! }))
    }),
  list: ({ lora, before, outcomes, limit }) =>
    read(async (db) => {
      const rows = await db
        .select()
        .from(pairs)
        .where(
          and(
            eq(pairs.lora, lora),
            isJudged,
            before === undefined ? undefined : lt(pairs.place, before),
            outcomes === undefined ? undefined : inArray(pairs.outcome, [...outcomes])
          )
        )
        .orderBy(desc(pairs.place))
        .limit(limit)
      return rows.map(toDomain)
    }),
  revision: () => read((db) => readRevision(db, PAIRS_REVISION)),
})

const spent =
  ({ read }: Connection): PairStore['spent'] =>
  (from, until) =>
    read(async (db) => {
      const [row] = await db
        .select({
          usd: sql<number>`coalesce(sum(${pairs.costUsd}), 0)`,
          wholeUsd: sql<number>`coalesce(sum(${pairs.costUsd} / ${pairs.drawn}), 0)`,
          firstAt: min(pairs.at),
        })
        .from(pairs)
        .where(and(gte(pairs.at, from), lt(pairs.at, until), isNotNull(pairs.costUsd)))
      return row!
    })

const writers = ({
  write,
}: Connection): Omit<PairStore, Reading | 'rated' | 'ofRecord' | 'spent'> => ({
  judge: (judged) =>
    write(async (tx) => {
      for (const { recordId, ...figures } of judged)
        await tx
          .update(pairs)
          .set(figures)
          .where(and(eq(pairs.recordId, recordId), isNull(pairs.outcome)))
    }),
  rate: (recordId, rating, at) =>
    write(async (tx) => {
      const [row] = await tx
        .update(pairs)
        .set({ rating, ratedAt: rating === null ? null : at })
        .where(and(eq(pairs.recordId, recordId), isJudged))
        .returning()
      if (row === undefined)
        throw new AppError('not-found', `there is no pair of the record ${recordId}`)
      await raiseRevision(tx, PAIRS_REVISION)
      return toDomain(row)
    }),
})

export const createPairStore = (connection: Connection): PairStore => ({
  ...readers(connection),
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
        ...toDomain(pair),
        lora: pair.lora,
        templateVersion,
      }))
    }),
  ofRecord: (recordId) =>
    connection.read(async (db) => {
      const [row] = await db
        .select()
        .from(pairs)
        .where(and(eq(pairs.recordId, recordId), isJudged))
      return row === undefined ? null : toDomain(row)
    }),
  ...writers(connection),
})
