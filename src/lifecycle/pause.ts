/** A person's pause of a live route: the lora answers nothing, and its audits go on. */
import { rolloutStageOf, type Internalization } from '../core/internalization/internalization.ts'
import { pausedStage, resumedStage, type RolloutStage } from '../core/rollout/stages.ts'
import { AppError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { enterStage, settleRoute, type PromotionContext } from './promote.ts'

/** @param change returns its argument where there is nothing to do */
const change = async (
  store: Store,
  internalization: Internalization,
  toStage: (stage: RolloutStage) => RolloutStage,
  context: PromotionContext
): Promise<Internalization> => {
  const { id, state, templateVersion } = internalization
  const stage = rolloutStageOf(state)
  if (stage === null)
    throw new AppError('invalid-state', `internalization ${id} is ${state.name}, not live`)
  const wanted = toStage(stage)
  if (wanted.isPaused !== stage.isPaused)
    return enterStage(store, internalization, { stage: wanted }, context)
  // a crash may have left the route of the state before
  await settleRoute(store, templateVersion, context)
  return internalization
}

/** May be repeated. @throws AppError `invalid-state` when it is not live */
export const pause = (
  store: Store,
  internalization: Internalization,
  context: PromotionContext
): Promise<Internalization> => change(store, internalization, pausedStage, context)

/** Back to the share before the pause. May be repeated. @throws AppError `invalid-state` when it is not live */
export const resume = (
  store: Store,
  internalization: Internalization,
  context: PromotionContext
): Promise<Internalization> => change(store, internalization, resumedStage, context)
