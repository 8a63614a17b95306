/** The route of an approved internalization. */
import { AppError } from '../../errors.ts'
import { isCurrentPlan, type Internalization } from './internalization.ts'
import type { Route } from '../route/route.ts'
import type { Template } from '../template/template.ts'

/**
 * The winning arm's last lora behind the threshold that the gate found for it.
 * @param trafficShare 0 to 1
 * @throws AppError `invalid-state` when plan, lora or a passed verdict is missing
 */
export const routeOf = (
  internalization: Internalization,
  template: Template,
  trafficShare: number
): Route => {
  const { id, plan, verdict } = internalization
  const lora = verdict === null ? undefined : plan?.arms[verdict.arm]?.results.at(-1)?.lora
  const figures = verdict?.arms[verdict.arm]
  const hasPassed = verdict?.verdict === 'promote' && (figures?.threshold ?? null) !== null
  const isUsable = plan !== null && isCurrentPlan(plan) && lora !== undefined
  if (!isUsable || figures === undefined || !hasPassed) {
    throw new AppError('invalid-state', `internalization ${id} has no verdict to go live with`)
  }
  return {
    template,
    internalizationId: id,
    engine: plan.engine,
    lora,
    confidence: figures.confidence,
    threshold: figures.threshold!,
    answers: plan.answers,
    kinds: plan.kinds,
    trafficShare,
    templateTokens: plan.templateTokens,
  }
}
