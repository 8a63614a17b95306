/**
 * The worker: detect → internalize → evaluate → promote → watch, in small steps without end. It shares only the
 * store with the proxy.
 */
import { randomUUID } from 'node:crypto'
import { newInternalization } from '../core/lifecycle/internalization.ts'
import { isInWork } from '../core/lifecycle/transitions.ts'
import type { Engine } from '../engine/engine.ts'
import { settleRoutes } from '../lifecycle/promote.ts'
import { noteWorker, openRequests } from '../lifecycle/worker-request.ts'
import type { WorkerDeps } from './deps.ts'
import { createDetectLoop, dropOldSketch, type DetectLoop } from './detect.ts'
import { openEngineAccess, type EngineAccess } from './engine-access.ts'
import { advance, promotionContext } from './internalize/internalize.ts'
import { settleForgotten } from './forget.ts'
import { settleRequests } from './requests.ts'
import { hasEnoughRows } from './internalize/plan-rows.ts'
import { watchRoutes } from './rollout/watch-routes.ts'
import { createMayStart, type MayStart } from './internalize/would-pay.ts'

const IDLE_MS = 1_000
const FAILURE_MS = 5_000
const PRUNE_EVERY_MS = 3_600_000
/** Repeats leave fewer distinct exchanges than requests, so a start is retried after this growth. */
const RETRY_GROWTH = 1.1

export interface Worker {
  /** One round over all of the worker's tasks. @returns whether any of them advanced */
  step(): Promise<boolean>
  /** Runs rounds until the signal aborts, then closes. A failed round is logged and repeated. */
  run(signal: AbortSignal): Promise<void>
  /** Ends the background command, if one runs. */
  close(): Promise<void>
}

/** Begins an internalization of each template that has enough traffic, has none yet, and may pay. */
const startCandidates = async (
  deps: WorkerDeps,
  triedAt: Map<string, number>,
  mayStart: MayStart
): Promise<boolean> => {
  const begun = new Set(
    (await deps.store.internalizations.list()).map((row) => row.templateVersion)
  )
  const needed = deps.config.trainRows + deps.config.holdoutRows
  let started = false
  for (const template of await deps.store.templates.list()) {
    if (begun.has(template.version)) continue
    const { requests, answered } = await deps.store.templates.stats(template.version)
    const usable = requests - answered
    if (usable < Math.max(needed, (triedAt.get(template.version) ?? 0) * RETRY_GROWTH)) continue
    triedAt.set(template.version, usable)
    if (!(await hasEnoughRows(deps, template))) continue
    if (!(await mayStart(template))) continue
    await deps.store.internalizations.create(newInternalization(randomUUID(), template, deps.now()))
    deps.log({ level: 'info', message: 'candidate', data: { version: template.version } })
    started = true
  }
  return started
}

/** Moves the oldest internalization that can move. @returns whether one did */
const advanceOldest = async (
  deps: WorkerDeps,
  access: EngineAccess,
  present: Engine | null
): Promise<boolean> => {
  if (deps.engine === null) return false
  const active = (await deps.store.internalizations.list())
    .filter((row) => isInWork(row.state))
    .sort((a, b) => a.createdAt - b.createdAt)
  for (const row of active) {
    const needsEngine = row.state.name !== 'approval'
    if (needsEngine && present === null) return false
    const outcome = await advance(deps, deps.engine, row)
    if (outcome === 'advanced') return true
    if (outcome === 'engine-lost') access.lost()
    // one that waits for a person must not delay the others
    if (needsEngine) return false
  }
  return false
}

export const createWorker = async (deps: WorkerDeps): Promise<Worker> => {
  await settleRoutes(deps.store, promotionContext(deps))
  await noteWorker(deps.store, deps.engine?.name ?? null)
  let detect: DetectLoop = await createDetectLoop(deps)
  const triedAt = new Map<string, number>()
  const mayStart = createMayStart(deps)
  const routes = watchRoutes(deps)
  let prunedAt = 0
  const access = await openEngineAccess(deps)

  const prune = async (): Promise<void> => {
    if (Math.abs(deps.now() - prunedAt) < PRUNE_EVERY_MS) return
    prunedAt = deps.now()
    await deps.store.records.prune({
      bodies: deps.now() - deps.retention.bodiesMs,
      records: deps.now() - deps.retention.recordsMs,
    })
    if (await dropOldSketch(deps)) detect = await createDetectLoop(deps)
    await access.pruneFiles()
  }

  const step = async (): Promise<boolean> => {
    const engine = await access.open()
    const forgotten = await settleForgotten({ ...deps, engine })
    if (forgotten.isDetectorStale) detect = await createDetectLoop(deps)
    if (forgotten.isEngineLost) access.lost()
    const requests = await openRequests(deps.store, deps.now())
    const isAwaited = requests.some(({ request }) => request.kind === 'detect')
    const detected = await detect.step(isAwaited)
    const { read, settled } = detected
    const replied = await settleRequests(deps, requests, engine, detected)
    const started = deps.config.auto && settled && (await startCandidates(deps, triedAt, mayStart))
    const advanced = await advanceOldest(deps, access, engine)
    const watched = await routes.step(engine)
    if (watched.isEngineLost) access.lost()
    await prune()
    return read > 0 || started || advanced || replied || watched.advanced
  }

  return {
    step,
    async run(signal) {
      while (!signal.aborted) {
        try {
          if (!(await step())) await deps.sleep(IDLE_MS, signal)
        } catch (error) {
          deps.fault('worker-step', error)
          await deps.sleep(FAILURE_MS, signal)
        }
      }
      await access.close()
    },
    close: access.close,
  }
}
