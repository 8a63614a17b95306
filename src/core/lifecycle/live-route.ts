/** The route of an approved internalization. */
import { AppError } from '../../errors.ts'
import { isCurrentPlan, type Internalization } from './internalization.ts'
import type { LossBounds, TrafficShares } from '../rollout/stages.ts'
import type { Route } from '../route/route.ts'
import type { Template } from '../template/template.ts'

/** The winning arm's last lora. @returns undefined before there is one */
export const loraOf = ({
  plan,
  verdict,
}: Pick<Internalization, 'plan' | 'verdict'>): string | undefined =>
  verdict === null ? undefined : plan?.arms[verdict.arm]?.results.at(-1)?.lora

/**
 * The winning arm's last lora behind the threshold that the gate found for it.
 * @throws AppError `invalid-state` when plan, lora or a passed verdict is missing
 */
export const routeOf = (
  internalization: Internalization,
  template: Template,
  shares: TrafficShares
): Route => {
  const { id, plan, verdict } = internalization
  const lora = loraOf(internalization)
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
    ...shares,
    templateTokens: plan.templateTokens,
  }
}

/** Evidence needs a bound above 0. */
const LEAST_BOUND = 0.001

/**
 * The bounds that pairs are compared with.
 * @param canAskAgain whether the upstream is asked again where the lora disagrees with it; without that,
 * what it disagrees with itself counts as the lora's loss, and is allowed for
 * @throws AppError `invalid-state` without a verdict
 */
export const lossBoundsOf = (
  { id, verdict }: Internalization,
  canAskAgain: boolean
): LossBounds => {
  const figures = verdict?.arms[verdict.arm]
  if (!verdict || !figures)
    throw new AppError('invalid-state', `internalization ${id} has no verdict`)
  const noise = canAskAgain ? 0 : 1 - verdict.upstreamAgreement
  const margin = Math.max(LEAST_BOUND, verdict.margin + noise)
  const proven = Math.max(LEAST_BOUND, 1 - figures.agreementAnsweredBound)
  return { margin, proven: Math.min(margin, proven) }
}
