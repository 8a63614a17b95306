/**
 * Fills an empty PostgreSQL with a large log and what goes with it: templates, internalizations, live routes,
 * audited pairs and feedback. One day is written by the store, the others are copies of it.
 */
import { DAY_MS } from '../../../../src/core/days.ts'
import type { Pair } from '../../../../src/core/rollout/pair.ts'
import { commonOf } from '../../../../src/store/postgres/base/common.ts'
import { openPool, type Connection } from '../../../../src/store/postgres/base/database.ts'
import type { ServerOptions } from '../../../../src/store/postgres/base/server-options.ts'
import { openLocalStore } from '../../../../src/store/postgres/local.ts'
import type { Store, WaitingAudit } from '../../../../src/store/store.ts'
import { saveRolloutReport } from '../../../../src/lifecycle/rollout-report.ts'
import { exampleReport } from '../../records/rollout.ts'
import { copyDay } from './copy-day.ts'
import { writeModelDay } from './model-day.ts'
import {
  ENDED_AFTER_DAYS,
  ENDED_VERSIONS,
  internalizationsAt,
  LIVE,
  loraAt,
  routeOf,
  templateAt,
  TEMPLATES,
} from './world.ts'

const POOL = 6
const FEEDBACK_A_DAY = 3
/** days that are copied in part have not exactly their share */
const EXTRA = 0.002
const AUDITS_AT_ONCE = 10_000

export interface FillOptions {
  server: ServerOptions
  /** in all, or some more; a small log may have some fewer */
  records: number
  days: number
  /** the last day that has records, since the epoch */
  lastDay: number
  onDay: (done: number, records: number) => void
}

/** Half as many requests at weekends. The first day is written whole. */
const stepOf = (day: number, firstDay: number): number =>
  day !== firstDay && [0, 6].includes(new Date(day * DAY_MS).getUTCDay()) ? 2 : 1

const judged = ({ recordId }: WaitingAudit, index: number): Pair => ({
  recordId,
  outcome: index % 25 === 0 ? 'disagreed' : 'agreed',
  reason: null,
  conversation: recordId,
  answer: 'label',
  parts: [index % 77],
  isEqual: index % 25 !== 0,
  confidence: -0.1,
  upstreamAnswer: null,
  chars: 120,
  isNewLabel: null,
  upstreamModel: 'gpt-4o-mini-2024-07-18',
  costUsd: 0.000123,
})

/** As the worker judges audits, and applications rate answers. */
const followDay = async ({ pairs, feedback, records }: Store): Promise<void> => {
  for (let template = 0; template < LIVE; template++) {
    const waiting = await pairs.waiting(loraAt(template), AUDITS_AT_ONCE)
    await pairs.judge(waiting.map(judged))
  }
  const newest = await records.list({ order: 'desc', limit: FEEDBACK_A_DAY, bodies: false })
  for (const { id, at } of newest)
    await feedback.put({ recordId: id, by: 'application', rating: 'good', comment: null, at }, null)
}

const writeTemplates = async (store: Store, at: number): Promise<void> => {
  const templates = Array.from({ length: TEMPLATES }, (_, index) => templateAt(index))
  await store.templates.upsert(templates)
  for (const [index, row] of internalizationsAt(at).entries()) {
    await store.internalizations.create(row)
    if (index >= LIVE) continue
    await store.routes.put(routeOf(row, templates[index]!))
    await saveRolloutReport(store, row.id, exampleReport({ at }))
  }
}

/** As autovacuum does in time. */
const vacuum = ({ alone }: Connection): Promise<void> => alone('vacuum (analyze)')

/** @returns how many records there are */
export const fillLog = async (options: FillOptions): Promise<number> => {
  const { server, records, days, lastDay, onDay } = options
  const connection = openPool(server, POOL)
  const store = await openLocalStore({ server, poolSize: POOL })
  try {
    const firstDay = lastDay - days + 1
    const all = Array.from({ length: days }, (_, index) => firstDay + index)
    const weight = all.reduce((sum, day) => sum + 1 / stepOf(day, firstDay), 0)
    const model = await writeModelDay(
      commonOf(connection),
      store,
      firstDay,
      Math.ceil((1 + EXTRA) * (records / weight))
    )
    await writeTemplates(store, firstDay * DAY_MS)
    await followDay(store)
    let written = model.records
    for (const [index, day] of all.entries()) {
      onDay(index, written)
      if (day === firstDay) continue
      const ended = index < ENDED_AFTER_DAYS ? [] : ENDED_VERSIONS
      const step = stepOf(day, firstDay)
      written += await copyDay(commonOf(connection), { model, day, step, ended })
      await followDay(store)
    }
    await vacuum(connection)
    return written
  } finally {
    await store.close()
    await connection.close()
  }
}
