/**
 * The worker: detect → internalize → evaluate → promote → watch, in small steps without end. It shares only the
 * store with the proxy and with other workers.
 */
import type { Engine } from '../engine/engine.ts'
import type { OpenStore } from '../store/store.ts'
import type { WorkerDeps } from './deps.ts'
import { createEngineAccess } from './engine-access.ts'
import { openLead, type Lead, type LeadStep, type WorkParts } from './lead.ts'
import { LEAD, WorkerLeases, leaseOf, type HeldLease } from './leases.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import { isInWork } from '../lifecycle/transitions.ts'
import { advance, type StepOutcome } from './internalize/internalize.ts'

/** Which internalization this worker advances. */
const oldestFirst = (rows: Internalization[]): Internalization[] =>
  rows.filter(({ state }) => isInWork(state)).sort((a, b) => a.createdAt - b.createdAt)

/** @returns null: another worker advances it, or it has ended meanwhile */
const advanceHeld = async (
  deps: WorkerDeps,
  engine: Engine,
  leases: WorkerLeases,
  id: string
): Promise<StepOutcome | null> => {
  const held = await leases.hold(leaseOf(id))
  if (held === null) return null
  // as the last holder left it
  const row = await held.store.internalizations.get(id)
  if (row === null || !isInWork(row.state)) return null
  return advance({ ...deps, store: held.store }, engine, row)
}

/**
 * Moves the oldest internalization that can move, of those that no other worker has.
 * @param present null while the engine is away @returns whether one did
 */
const advanceOldest = async (
  deps: WorkerDeps,
  { access, leases }: WorkParts,
  present: Engine | null
): Promise<boolean> => {
  const { engine } = deps
  if (engine === null) return false
  const active = oldestFirst(await deps.store.internalizations.list())
  await leases.releaseOthers(new Set([LEAD, ...active.map(({ id }) => leaseOf(id))]))
  for (const { id, state } of active) {
    const needsEngine = state.name !== 'approval'
    if (needsEngine && present === null) return false
    const outcome = await advanceHeld(deps, engine, leases, id)
    if (outcome === 'advanced') return true
    if (outcome === 'engine-lost') access.lost()
    // one that waits for a person, or for another worker, must not delay the others
    if (needsEngine && outcome !== null) return false
  }
  return false
}

const IDLE_MS = 1_000
const FAILURE_MS = 5_000

export interface OpenWorkerDeps extends WorkerDeps {
  store: OpenStore
  /** see `LeaseDeps` */
  workerId: string
}

export interface Worker {
  /** One round over all of the worker's tasks. @returns whether any of them advanced */
  step(): Promise<boolean>
  /** Runs rounds until the signal aborts, then closes. A failed round is logged and repeated. */
  run(signal: AbortSignal): Promise<void>
  /** Runs rounds until the log is read to its end, or the signal aborts, then closes. @throws what a round throws */
  catchUp(signal: AbortSignal): Promise<void>
  /** Saves, and lets other workers go on. */
  close(): Promise<void>
}

/** Runs rounds until the signal aborts. @param round resolves to whether it advanced anything */
const repeat = async (
  { sleep, fault }: WorkerDeps,
  round: (signal: AbortSignal) => Promise<boolean>,
  signal: AbortSignal
): Promise<void> => {
  while (!signal.aborted) {
    try {
      if (!(await round(signal))) await sleep(IDLE_MS, signal)
    } catch (error) {
      fault('worker-step', error)
      await sleep(FAILURE_MS, signal)
    }
  }
}

interface Led {
  held: HeldLease
  lead: Lead
}

interface Leadership {
  /** Null while another worker leads. */
  current(): Promise<Led | null>
  /** Saves, unless the lease has passed on. */
  end(): Promise<void>
}

const createLeadership = (deps: WorkerDeps, parts: WorkParts): Leadership => {
  let led: Led | null = null
  const renew = async () => {
    const held = await parts.leases.hold(LEAD)
    if (held !== (led?.held ?? null)) {
      // a leader that cannot be opened leaves none
      led = null
      if (held !== null) led = { held, lead: await openLead({ ...deps, store: held.store }, parts) }
    }
    return led
  }
  let last: ReturnType<typeof renew> = Promise.resolve(null)
  return {
    // one after another: work and watch ask side by side
    current: () => (last = last.then(renew, renew)),
    async end() {
      try {
        if (led?.held.signal.aborted === false) await led.lead.save()
      } catch (error) {
        deps.fault('worker-step', error)
      }
      led = null
    },
  }
}

/** The rounds of a worker. */
const createRounds = async (deps: OpenWorkerDeps) => {
  const access = createEngineAccess(deps)
  const leases = new WorkerLeases(deps)
  const parts = { access, leases }
  const leadership = createLeadership(deps, parts)
  await leadership.current()

  /** as the last round found it */
  let present: Engine | null = null

  const work = async (isHurried = false): Promise<LeadStep> => {
    const engine = await access.open()
    present = engine
    const lead = (await leadership.current())?.lead
    const led = (await lead?.step(engine, isHurried)) ?? { advanced: false, isCaughtUp: true }
    const advanced = await advanceOldest(deps, parts, engine)
    await lead?.prune()
    return { advanced: led.advanced || advanced, isCaughtUp: led.isCaughtUp && !advanced }
  }

  const watch = async (): Promise<boolean> => {
    const outcome = await (await leadership.current())?.lead.watch(present)
    if (outcome?.isEngineLost === true) {
      present = null
      access.lost()
    }
    return outcome?.advanced ?? false
  }

  const send = async (signal: AbortSignal): Promise<boolean> => {
    const current = await leadership.current()
    await current?.lead.send(AbortSignal.any([signal, current.held.signal]))
    return false
  }

  const close = async (): Promise<void> => {
    await leadership.end()
    await leases.close()
  }

  return { leases, work, watch, send, close }
}

export const createWorker = async (deps: OpenWorkerDeps): Promise<Worker> => {
  const { leases, work, watch, send, close } = await createRounds(deps)

  const catchUp = async (signal: AbortSignal): Promise<void> => {
    const ended = new AbortController()
    const keeping = leases.keep(AbortSignal.any([signal, ended.signal]))
    try {
      while (!signal.aborted && !(await work(true)).isCaughtUp);
      await watch()
    } finally {
      ended.abort()
      await keeping
      await close()
    }
  }

  const run = async (signal: AbortSignal): Promise<void> => {
    // an evaluation takes minutes, and a rollback must not wait for it
    await Promise.all([
      leases.keep(signal),
      repeat(deps, async () => (await work()).advanced, signal),
      repeat(deps, watch, signal),
      repeat(deps, send, signal),
    ])
    await close()
  }

  const step = async (): Promise<boolean> => {
    const { advanced } = await work()
    return (await watch()) || advanced
  }

  return { step, run, catchUp, close }
}
