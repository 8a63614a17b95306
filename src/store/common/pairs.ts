/** Audited requests, which wait for the lora's answer and then are pairs. `log/audits.ts` adds them. */
import {
  and,
  asc,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  min,
  sql,
  type SQL,
} from 'drizzle-orm'
import type { StoredPair } from '../../core/rollout/pair.ts'
import { AppError } from '../../errors.ts'
import { droppedName, PAIRS_REVISION } from '../log/audits.ts'
import type { PairStore } from '../store.ts'
import type { CommonConnection } from './connection.ts'
import type { Tables } from './tables.ts'
import { raiseRevision, readRevision, revisionIn } from './counters.ts'
import { oneRow, withColumns } from './rows.ts'

/** @param row of a pair that was judged */
const pairOf = ({ lora: _lora, ...row }: Tables['pairs']['$inferSelect']): StoredPair =>
  withColumns(row, 'outcome')

const isJudged = ({ outcome }: Tables['pairs']): SQL => isNotNull(outcome)

type Waiting = 'waiting' | 'backlog'

const waitingReads = ({ read, tables }: CommonConnection): Pick<PairStore, Waiting> => {
  const { pairs } = tables
  const isWaiting = (lora: string) => and(eq(pairs.lora, lora), isNull(pairs.outcome))
  return {
    waiting: (lora, limit) =>
      read(async (db) => {
        const rows = await db
          .select({ place: pairs.place, recordId: pairs.recordId, at: pairs.at })
          .from(pairs)
          .where(isWaiting(lora))
          .orderBy(asc(pairs.place))
          .limit(limit)
        // a forgotten record does not wait
        return rows.map((row) => withColumns(row, 'recordId'))
      }),
    backlog: (lora) =>
      read(async (db) => ({
        waiting: await db.$count(pairs, isWaiting(lora)),
        dropped: await revisionIn(db, tables, droppedName(lora)),
      })),
  }
}

type Judged = 'since' | 'list' | 'ofRecord'

const judgedReads = ({ read, tables: { pairs } }: CommonConnection): Pick<PairStore, Judged> => ({
  since: (lora, after, limit) =>
    read(async (db) => {
      // without the texts
      const {
        lora: _lora,
        answer: _answer,
        upstreamAnswer: _upstreamAnswer,
        costUsd: _costUsd,
        ...columns
      } = getTableColumns(pairs)
      const rows = await db
        .select(columns)
        .from(pairs)
        .where(and(eq(pairs.lora, lora), gt(pairs.place, after), isJudged(pairs)))
        .orderBy(asc(pairs.place))
        .limit(limit)
      return rows.map((row) => withColumns(row, 'outcome'))
    }),
  list: ({ lora, before, outcomes, limit }) =>
    read(async (db) => {
      const rows = await db
        .select()
        .from(pairs)
        .where(
          and(
            eq(pairs.lora, lora),
            isJudged(pairs),
            before === undefined ? undefined : lt(pairs.place, before),
            outcomes === undefined ? undefined : inArray(pairs.outcome, [...outcomes])
          )
        )
        .orderBy(desc(pairs.place))
        .limit(limit)
      return rows.map(pairOf)
    }),
  ofRecord: (recordId) =>
    read(async (db) => {
      const [row] = await db
        .select()
        .from(pairs)
        .where(and(eq(pairs.recordId, recordId), isJudged(pairs)))
      return row === undefined ? null : pairOf(row)
    }),
})

type Writing = 'judge' | 'rate'

const writers = ({
  write,
  tables,
  tables: { pairs },
}: CommonConnection): Pick<PairStore, Writing> => ({
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
        // also when it was taken back: decisions before that were made with it
        .set({ rating, ratedAt: at })
        .where(and(eq(pairs.recordId, recordId), isJudged(pairs)))
        .returning()
      if (row === undefined)
        throw new AppError('not-found', `there is no pair of the record ${recordId}`)
      await raiseRevision(tx, tables, PAIRS_REVISION)
      return pairOf(row)
    }),
})

const ratedRead = ({
  read,
  tables: { pairs, records },
}: CommonConnection): Pick<PairStore, 'rated'> => ({
  rated: (after, limit) =>
    read(async (db) => {
      const rows = await db
        .select({ pair: pairs, templateVersion: records.templateVersion })
        .from(pairs)
        .leftJoin(records, eq(records.id, pairs.recordId))
        .where(and(gt(pairs.place, after), isNotNull(pairs.rating)))
        .orderBy(asc(pairs.place))
        .limit(limit)
      return rows.map(({ pair, templateVersion }) => ({
        ...withColumns(pairOf(pair), 'rating', 'ratedAt'),
        lora: pair.lora,
        templateVersion,
      }))
    }),
})

/** A unit is far less than a token's price, and a pair of a million dollars still fits 64 bits. */
const UNITS_PER_USD = 1e12

const spent =
  ({ read, tables: { pairs } }: CommonConnection): PairStore['spent'] =>
  (from, until) =>
    read(async (db) => {
      const rows = await db
        // floating point would show 0.060000000000000005 for six times 0.01
        .select({
          units: sql<
            string | number | null
          >`sum(cast(round(${pairs.costUsd} * ${UNITS_PER_USD}) as bigint))`,
          wholeUsd: sql<number>`coalesce(sum(${pairs.costUsd} / ${pairs.drawn}), 0)`,
          firstAt: min(pairs.at),
        })
        .from(pairs)
        .where(and(gte(pairs.at, from), lt(pairs.at, until), isNotNull(pairs.costUsd)))
      const { units, wholeUsd, firstAt } = oneRow(rows)
      return { usd: Number(units ?? 0) / UNITS_PER_USD, wholeUsd, firstAt }
    })

export const createPairStore = (connection: CommonConnection): PairStore => ({
  ...waitingReads(connection),
  ...judgedReads(connection),
  ...ratedRead(connection),
  ...writers(connection),
  spent: spent(connection),
  revision: () => readRevision(connection, PAIRS_REVISION),
})
