/** Which internalization this worker advances. */
import type { Internalization } from '../core/internalization/internalization.ts'
import { isInWork } from '../lifecycle/transitions.ts'
import type { Engine } from '../engine/engine.ts'
import type { WorkerDeps } from './deps.ts'
import { advance, type StepOutcome } from './internalize/internalize.ts'
import type { WorkParts } from './lead.ts'
import { LEAD, leaseOf, type WorkerLeases } from './leases.ts'

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
export const advanceOldest = async (
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
