/**
 * Keeps in the store what the engine says of itself (provider, prices, conditions) and what its provider was told to
 * delete. A condition is logged when it begins and when it ends.
 */
import { isGrave } from '../../core/engine-conditions.ts'
import type { Engine } from '../../engine/engine.ts'
import { toAppError } from '../../errors.ts'
import { UNKNOWN_ENGINE_STATE, type EngineState } from '../../openai/engine-state.ts'
import { keepReceipts, readEngineNote, saveEngineNote } from '../../savings/engine-note.ts'
import type { WorkerDeps } from '../deps.ts'
import { isEngineLost } from './watch.ts'

const ASK_EVERY_MS = 60_000

type NoteDeps = Pick<WorkerDeps, 'store' | 'now' | 'log' | 'fault'>

type Conditions = EngineState['conditions']

/** Those of kinds that the others lack: one that lasts may have another message, and is not logged again. */
const without = (conditions: Conditions, others: Conditions): Conditions => {
  const kinds = new Set(others.map(({ kind }) => kind))
  return conditions.filter(({ kind }) => !kinds.has(kind))
}

const logChanges = (log: NoteDeps['log'], before: Conditions, after: Conditions): void => {
  for (const { kind, message } of without(after, before)) {
    const level = isGrave(kind) ? 'error' : 'warn'
    log({ level, message: `the engine says: ${message}`, data: { kind } })
  }
  for (const { kind } of without(before, after))
    log({ level: 'info', message: `the engine says: ${kind} is over`, data: { kind } })
}

/** Asks a minute after the last time. Never rejects: an engine that is away keeps what it said before. */
export const noteEngine = async (
  { store, now, log, fault }: NoteDeps,
  engine: Engine
): Promise<void> => {
  const last = await readEngineNote(store)
  const askedAt = now()
  if (last !== null && Math.abs(askedAt - last.askedAt) < ASK_EVERY_MS) return
  try {
    const state = await engine.state()
    logChanges(log, last?.state.conditions ?? [], state.conditions)
    await saveEngineNote(store, { at: askedAt, askedAt, state })
    if (state.provider !== null) await keepReceipts(store, await engine.receipts())
  } catch (error) {
    await saveEngineNote(store, { at: 0, state: UNKNOWN_ENGINE_STATE, ...last, askedAt })
    if (!isEngineLost(toAppError(error))) fault('engine-state', error)
  }
}
