/**
 * What one worker does for all, under the lease `LEAD`: it reads the log, forgets, starts internalizations, deletes what
 * is too old, watches the live routes and tells the webhook. Its memory (sketch, sums,
 * cursors) is made anew from the store with each lease.
 */
import { TRAFFIC_RETENTION_MS } from '../core/log/traffic-hours.ts'
import type { Engine } from '../engine/engine.ts'
import { settleRoutes } from '../lifecycle/promote.ts'
import { noteWorker } from '../lifecycle/worker-note.ts'
import { openCaches, type Caches } from './caches.ts'
import type { WorkerDeps } from './deps.ts'
import { createDetectLoop, dropOldSketch, type DetectLoop } from './detect.ts'
import type { EngineAccess } from './engine-access.ts'
import { settleForgotten } from './forget.ts'
import { createStarts } from './internalize/start.ts'
import { createMayStart } from './internalize/would-pay.ts'
import { promotionContext } from './internalize/internalize.ts'
import { claimOf, type WorkerLeases } from './leases.ts'
import { LiveRoutes } from './rollout/watch-routes.ts'
import { openWebhook } from './webhook/sender.ts'

const PRUNE_EVERY_MS = 3_600_000

export interface LeadStep {
  /** whether anything did, or the log was read */
  advanced: boolean
  /** the log is read to its end, and nothing else advanced */
  isCaughtUp: boolean
}

export interface Lead {
  /** Everything but what needs all others to wait. @param isHurried templates are searched as soon as the log is read */
  step(present: Engine | null, isHurried: boolean): Promise<LeadStep>
  /** Deletes, once an hour, what is older than it may be. */
  prune(): Promise<void>
  /** @param present null while the engine is away @returns whether a route did */
  watch(present: Engine | null): Promise<{ advanced: boolean; isEngineLost: boolean }>
  /** Sends events until the signal aborts. Never rejects. */
  send(signal: AbortSignal): Promise<void>
  /** Saves what was read of the log, so that the next leader does not read it again. */
  save(): Promise<void>
}

/** What all work of one process shares. */
export interface WorkParts {
  access: EngineAccess
  leases: WorkerLeases
}

/** Deletes, once an hour, what is older than it may be. */
const createPruning = (
  deps: WorkerDeps,
  access: EngineAccess
): (() => Promise<{ isDetectorStale: boolean }>) => {
  const { store, now, retention } = deps
  let prunedAt = 0
  return async () => {
    if (Math.abs(now() - prunedAt) < PRUNE_EVERY_MS) return { isDetectorStale: false }
    prunedAt = now()
    await store.records.prune({
      bodies: now() - retention.bodiesMs,
      records: now() - retention.recordsMs,
      traffic: now() - TRAFFIC_RETENTION_MS,
    })
    const isDetectorStale = await dropOldSketch(deps)
    await access.pruneFiles()
    return { isDetectorStale }
  }
}

/** @param deps with the store under the lease */
export const openLead = async (deps: WorkerDeps, { access, leases }: WorkParts): Promise<Lead> => {
  const webhook = await openWebhook(deps)
  await settleRoutes(deps.store, promotionContext(deps))
  await noteWorker(deps.store, deps.engine?.name ?? null)
  let detect: DetectLoop = await createDetectLoop(deps)
  let caches: Caches = await openCaches(deps)
  const starts = createStarts(deps, createMayStart(deps))
  const routes = new LiveRoutes(deps)
  const prune = createPruning(deps, access)

  /** What was made of forgotten text is made anew. */
  const renew = async (): Promise<void> => {
    detect = await createDetectLoop(deps)
    caches = await openCaches(deps)
  }

  return {
    async step(engine, isHurried) {
      const forgotten = await settleForgotten({ ...deps, engine, claim: claimOf(leases) })
      if (forgotten.isDetectorStale) await renew()
      if (forgotten.isEngineLost) access.lost()
      const { read, settled } = await detect.step(isHurried)
      const started = deps.config.auto && settled && (await starts.step())
      const isCaughtUp = settled && !started
      if (isCaughtUp) await caches.step()
      return { advanced: started || read > 0, isCaughtUp }
    },
    async prune() {
      if ((await prune()).isDetectorStale) await renew()
    },
    watch: (present) => routes.step(present),
    send: async (signal) => webhook?.run(signal),
    save: () => detect.save(),
  }
}
