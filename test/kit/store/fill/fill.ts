/**
 * Fills an empty PostgreSQL with a large log and what goes with it: templates, internalizations, live routes,
 * audited pairs and feedback.
 */
import { DAY_MS } from '../../../../src/core/days.ts'
import type { Pair } from '../../../../src/core/rollout/pair.ts'
import { commonOf } from '../../../../src/store/postgres/base/common.ts'
import { openPool, type Connection } from '../../../../src/store/postgres/base/database.ts'
import type { DatabaseServer } from '../../../../src/config/database-url.ts'
import { openLocalStore } from '../../../../src/store/postgres/local.ts'
import type { Store, WaitingAudit } from '../../../../src/store/store.ts'
import { saveRolloutReport } from '../../../../src/lifecycle/rollout-report.ts'
import { exampleReport } from '../../records/rollout.ts'
import { writeDay } from './write-day.ts'
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
const AUDITS_AT_ONCE = 10_000

export interface FillOptions {
  server: DatabaseServer
  /** in all, or some more */
  records: number
  days: number
  /** the last day that has records, since the epoch */
  lastDay: number
  onDay: (done: number, records: number) => void
}

/** Half as many requests at weekends. */
const weightOf = (day: number): number =>
  [0, 6].includes(new Date(day * DAY_MS).getUTCDay()) ? 0.5 : 1

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
    const weight = all.reduce((sum, day) => sum + weightOf(day), 0)
    await writeTemplates(store, firstDay * DAY_MS)
    let written = 0
    for (const [index, day] of all.entries()) {
      onDay(index, written)
      const count = Math.ceil((records / weight) * weightOf(day))
      const ended = index < ENDED_AFTER_DAYS ? [] : ENDED_VERSIONS
      await writeDay(commonOf(connection), store.records, { day, count, ended })
      written += count
      await followDay(store)
    }
    await vacuum(connection)
    return written
  } finally {
    await store.close()
    await connection.close()
  }
}
