/**
 * The state machine of an internalization. Worker, admin API and CLI change states only through
 * `transition`. Knows nothing of the work in a state.
 */
import { AppError } from '../errors.ts'
import type {
  Internalization,
  InternalizationState,
} from '../core/internalization/internalization.ts'

type StateName = InternalizationState['name']

const NEXT: Record<StateName, StateName[]> = {
  // evaluating where nothing is trained: another model of the upstream answers
  candidate: ['training', 'evaluating', 'rejected', 'failed'],
  // from stage to stage and from arm to arm
  // rejected when the route that it follows is rolled back
  training: ['training', 'evaluating', 'rejected', 'failed'],
  evaluating: ['approval', 'rejected', 'failed'],
  approval: ['live', 'rejected'],
  // live again in the next stage of the rollout
  live: ['live', 'retired'],
  // live again by a rollback of its successor; retired again for another reason
  retired: ['live', 'retired'],
  rejected: [],
  failed: [],
}

/** Whether the worker still has to act on it, with the engine. */
export const waitsForEngine = ({ name }: InternalizationState): boolean =>
  name === 'candidate' || name === 'training' || name === 'evaluating'

/** Whether the worker or an operator still has to act on it. */
export const isInWork = (state: InternalizationState): boolean =>
  waitsForEngine(state) || state.name === 'approval'

/** @throws AppError `invalid-state` when the state machine has no such step */
export const transition = (
  internalization: Internalization,
  to: InternalizationState
): Internalization => {
  const { id, state } = internalization
  const from = state.name
  if (!NEXT[from].includes(to.name)) {
    throw new AppError(
      'invalid-state',
      `internalization ${id} is ${from}, so it cannot become ${to.name}`
    )
  }
  // what its own pairs disproved needs a new proof
  if (to.name === 'live' && state.name === 'retired' && state.evidence !== undefined)
    throw new AppError(
      'invalid-state',
      `internalization ${id} was rolled back by its evidence, so only a new one can go live`
    )
  return { ...internalization, state: to }
}
