/**
 * The worker: detect → internalize → evaluate → promote → watch, in small steps without end. It shares only the
 * store with the proxy.
 */
import { TRAFFIC_RETENTION_MS } from '../core/log/traffic-hours.ts'
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
import { createCurves, type Curves } from './learning-curve/learn-curve.ts'
import { createStarts } from './internalize/start.ts'
import { watchRoutes } from './rollout/watch-routes.ts'
import { openWebhook } from './webhook/sender.ts'
import { createMayStart } from './internalize/would-pay.ts'

const IDLE_MS = 1_000
const FAILURE_MS = 5_000
const PRUNE_EVERY_MS = 3_600_000

export interface Worker {
  /** One round over all of the worker's tasks. @returns whether any of them advanced */
  step(): Promise<boolean>
  /** Runs rounds until the signal aborts, then closes. A failed round is logged and repeated. */
  run(signal: AbortSignal): Promise<void>
  /** Ends the background command, if one runs. */
  close(): Promise<void>
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

const learnCurve = async (
  curves: Curves,
  access: EngineAccess,
  engine: Engine | null
): Promise<boolean> => {
  if (engine === null) return false
  const { advanced, isEngineLost } = await curves.step(engine)
  if (isEngineLost) access.lost()
  return advanced
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

/** Runs rounds until the signal aborts. @param round resolves to whether it advanced anything */
const repeat = async (
  { sleep, fault }: WorkerDeps,
  round: () => Promise<boolean>,
  signal: AbortSignal
): Promise<void> => {
  while (!signal.aborted) {
    try {
      if (!(await round())) await sleep(IDLE_MS, signal)
    } catch (error) {
      fault('worker-step', error)
      await sleep(FAILURE_MS, signal)
    }
  }
}

export const createWorker = async (deps: WorkerDeps): Promise<Worker> => {
  const webhook = await openWebhook(deps)
  await settleRoutes(deps.store, promotionContext(deps))
  await noteWorker(deps.store, deps.engine?.name ?? null)
  let detect: DetectLoop = await createDetectLoop(deps)
  const starts = createStarts(deps, createMayStart(deps))
  const routes = watchRoutes(deps)
  const curves = createCurves(deps)
  const access = await openEngineAccess(deps, curves)
  const prune = createPruning(deps, access)

  /** as the last round found it */
  let present: Engine | null = null

  const work = async (): Promise<boolean> => {
    const engine = await access.open()
    present = engine
    const forgotten = await settleForgotten({ ...deps, engine })
    if (forgotten.isDetectorStale) detect = await createDetectLoop(deps)
    if (forgotten.isEngineLost) access.lost()
    const requests = await openRequests(deps.store, deps.now())
    const isAwaited = requests.some(({ request }) => request.kind === 'detect')
    const detected = await detect.step(isAwaited)
    const { read, settled } = detected
    const replied = await settleRequests(deps, requests, engine, detected)
    const started = deps.config.auto && settled && (await starts.step())
    const advanced =
      (await advanceOldest(deps, access, engine)) || (await learnCurve(curves, access, engine))
    if ((await prune()).isDetectorStale) detect = await createDetectLoop(deps)
    return read > 0 || started || advanced || replied
  }

  const watch = async (): Promise<boolean> => {
    const { advanced, isEngineLost } = await routes.step(present)
    if (isEngineLost) {
      present = null
      access.lost()
    }
    return advanced
  }

  return {
    async step() {
      const advanced = await work()
      return (await watch()) || advanced
    },
    async run(signal) {
      // an evaluation takes minutes, and a rollback must not wait for it
      await Promise.all([
        webhook?.run(signal),
        repeat(deps, work, signal),
        repeat(deps, watch, signal),
      ])
      await access.close()
    },
    close: access.close,
  }
}
