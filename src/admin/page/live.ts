/**
 * Tells open views that something changed. They load themselves again, so no text is in an event. A view knows
 * the revision that it was rendered of, and says it when it connects: what changed in between is told at once.
 */
import { hash } from 'node:crypto'
import { streamSSE } from 'hono/streaming'
import { progressSnapshot } from '../../core/internalization/internalization.ts'
import { failuresIn, HOUR_MS } from '../../core/log/traffic-hours.ts'
import { AppError } from '../../errors.ts'
import { forgetTasks } from '../../lifecycle/forget-task.ts'
import { rolloutReports } from '../../lifecycle/rollout-report.ts'
import type { Store } from '../../store/store.ts'
import type { AdminRole } from '../access/roles.ts'
import type { Sessions } from '../access/sessions.ts'
import type { AdminDeps } from '../deps.ts'
import type { PageApp } from './env.ts'

const POLL_MS = 2000
/** A view reconnects by itself; a connection that nobody closed ends. */
const MAX_AGE_MS = 10 * 60_000
/** Of one role: the holder of the read-only token takes none from the operator. */
const MAX_CONNECTIONS = 100

/** Evidence of the live routes, without the times at which the worker looked. */
const evidenceOf = async (store: Store): Promise<string> => {
  const reports = await rolloutReports(store)
  return JSON.stringify(
    reports.map(([id, { outcomes, mayStep, driftedAt }]) => [id, outcomes, mayStep, driftedAt])
  )
}

/**
 * Twice as many requests of the last hours failed, or none does any more: an outage is told at once, and again as
 * it grows, but not with each request.
 */
const failuresOf = async (store: Store, now: number): Promise<string> => {
  const hours = await store.records.traffic(now - HOUR_MS, now + 1)
  return String(Math.ceil(Math.log2(1 + failuresIn(hours))))
}

const digest = (text: string): string => hash('sha256', text, 'base64url').slice(0, 22)

/** Changes with every change that a view shows at once. */
const revisionOf = async (store: Store, now: number): Promise<string> => {
  const progress = await store.snapshots.all(progressSnapshot(''))
  const parts = [
    await evidenceOf(store),
    await store.routes.revision(),
    await store.internalizations.revision(),
    await store.pairs.revision(),
    (await forgetTasks(store)).length,
    await failuresOf(store, now),
    ...[...progress.values()].map((bytes) => Buffer.from(bytes).toString()),
  ]
  return digest(parts.join('\n'))
}

export type ReadRevision = () => Promise<string>

/** The views that are open share one look at the store: the revision may be a second old. */
export const sharedRevision = ({ store, now }: Pick<AdminDeps, 'store' | 'now'>) => {
  let last: { at: number; revision: Promise<string> } | null = null
  return () => {
    const at = now()
    if (last === null || at - last.at >= POLL_MS / 2) last = { at, revision: revisionOf(store, at) }
    return last.revision
  }
}

export const addLive = (
  app: PageApp,
  { now }: Pick<AdminDeps, 'now'>,
  { sessions, readRevision }: { sessions: Sessions; readRevision: ReadRevision }
): void => {
  const connections: Record<AdminRole, number> = { full: 0, read: 0 }
  app.get('/live', (context) => {
    const session = context.get('session')
    const { role } = session
    if (connections[role] >= MAX_CONNECTIONS)
      throw new AppError('overloaded', `${MAX_CONNECTIONS} views are open already`)
    // a browser that connects again sends the last event's id
    const lastSeen = context.req.header('last-event-id') ?? context.req.query('since')
    connections[role]++
    return streamSSE(context, async (stream) => {
      const end = now() + MAX_AGE_MS
      try {
        let seen = lastSeen ?? (await readRevision())
        while (now() < end && sessions.isOpen(session)) {
          const revision = await readRevision()
          if (revision !== seen) await stream.writeSSE({ id: revision, data: 'changed' })
          seen = revision
          await stream.sleep(POLL_MS)
          // the store may be closed by now
          if (stream.aborted) break
        }
      } finally {
        connections[role]--
      }
    })
  })
}
