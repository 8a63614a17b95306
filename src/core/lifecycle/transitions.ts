/**
 * The state machine of an internalization: which state may follow which. Worker, admin API and CLI
 * change states through `transition` alone. Knows nothing of what a state's work is.
 */
import { AppError } from '../../errors.ts'
import type { Internalization, InternalizationState } from './internalization.ts'

type StateName = InternalizationState['name']

const NEXT: Record<StateName, StateName[]> = {
  candidate: ['training', 'rejected', 'failed'],
  // from stage to stage and from arm to arm
  training: ['training', 'evaluating', 'failed'],
  evaluating: ['approval', 'rejected', 'failed'],
  approval: ['live', 'rejected'],
  live: ['retired'],
  // a rollback of its successor brings it back, unless it is retired for another reason meanwhile
  retired: ['live', 'retired'],
  rejected: [],
  failed: [],
}

/** Whether somebody, worker or person, still has to do something about it. */
export const isInWork = ({ name }: InternalizationState): boolean =>
  name === 'candidate' || name === 'training' || name === 'evaluating' || name === 'approval'

/** @throws AppError `invalid-state` when the state machine has no such step */
export const transition = (
  internalization: Internalization,
  to: InternalizationState
): Internalization => {
  const from = internalization.state.name
  if (!NEXT[from].includes(to.name)) {
    throw new AppError(
      'invalid-state',
      `internalization ${internalization.id} is ${from}, so it cannot become ${to.name}`
    )
  }
  return { ...internalization, state: to }
}
