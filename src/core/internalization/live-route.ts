/** The route of an approved internalization. */
import { AppError } from '../../errors.ts'
import {
  borderOf,
  winningLora,
  winningArm,
  withheldBy,
  planOf,
  type Internalization,
  type InternalizationPlan,
  type InternalizationState,
} from './internalization.ts'
import type { LossBounds, TrafficShares } from '../rollout/stages.ts'
import type { WithheldPart } from '../rollout/withheld.ts'
import { isSamePart, withoutKind } from '../route/parts.ts'
import type { Route } from '../route/route.ts'
import type { Template } from '../template/template.ts'

/** The answers that are given and the requests that are answered, without the parts that a live route withholds. */
export const rulesOf = (
  { answers, kinds }: Pick<InternalizationPlan, 'answers' | 'kinds'>,
  state: InternalizationState
): Pick<Route, 'answers' | 'kinds'> => {
  const parts = withheldBy(state)
  const withheld = parts.filter(({ kind }) => kind === 'answer').map(({ name }) => name)
  return {
    answers: { ...answers, ...(withheld.length > 0 && { withheld }) },
    kinds: parts
      .filter(({ kind }) => kind === 'request')
      .reduce((rest, { name }) => withoutKind(rest, name) ?? rest, kinds),
  }
}

/** Of the planned requests, those of kinds that are withheld, 0 to 1: they are not audited. */
export const withheldShare = ({ plan, state }: Pick<Internalization, 'plan' | 'state'>): number => {
  const kinds = withheldBy(state).filter(({ kind }) => kind === 'request')
  const parts = planOf({ plan }).parts.filter((part) =>
    kinds.some((known) => isSamePart(known, part))
  )
  return Math.min(
    1,
    parts.reduce((sum, { share }) => sum + share, 0)
  )
}

/**
 * Of the parts that are wrong too often those that the route can withhold, and does not yet. Without the last kind of a
 * group it would answer nothing: that is what a rollback is for.
 */
export const newlyWrong = (
  { plan, state }: Pick<Internalization, 'plan' | 'state'>,
  wrong: readonly WithheldPart[]
): WithheldPart[] => {
  let { kinds } = rulesOf(planOf({ plan }), state)
  return wrong.filter((part) => {
    if (withheldBy(state).some((known) => isSamePart(known, part))) return false
    const rest = part.kind === 'answer' ? kinds : withoutKind(kinds, part.name)
    kinds = rest ?? kinds
    return rest !== null
  })
}

/**
 * The winning arm's last lora, or its model, behind the threshold that the gate found for it.
 * @throws AppError `invalid-state` when plan, lora or a passed verdict is missing
 */
export const routeOf = (
  internalization: Internalization,
  template: Template,
  shares: TrafficShares
): Route => {
  const { id, plan, verdict, state } = internalization
  const lora = winningLora(internalization)
  const model = winningArm(internalization)?.model
  const figures = verdict?.verdict === 'promote' ? verdict.arms[verdict.arm] : undefined
  if (plan === null || lora === null || figures === undefined || figures.threshold === null) {
    throw new AppError('invalid-state', `internalization ${id} has no verdict to go live with`)
  }
  return {
    template,
    internalizationId: id,
    engine: plan.engine,
    lora,
    confidence: figures.confidence,
    threshold: borderOf(state)?.threshold ?? figures.threshold,
    ...rulesOf(plan, state),
    ...shares,
    // another model of the upstream reads the whole prompt
    ...(model && { model: { name: model.name, hasLogprobs: model.hasLogprobs } }),
    templateTokens: model ? 0 : plan.templateTokens,
  }
}

/** The borders that pairs may prove for a route: confidences. */
export interface Borders {
  /** the one in force or of the proof first, then wider ones */
  wider: number[]
  /** than the one in force, the narrowest first */
  narrower: number[]
}

/**
 * A border that was made narrower is not made wider again: a successor is. Turns of a conversation would be counted as
 * one pair at one border and not at another, so a template with further turns keeps the border of the proof.
 * @throws AppError `invalid-state` without a proved threshold
 */
export const bordersOf = (
  { id, verdict, state }: Pick<Internalization, 'id' | 'verdict' | 'state'>,
  { maxTurnsAfter }: Pick<Template, 'maxTurnsAfter'>
): Borders => {
  const figures = verdict?.arms[verdict.arm]
  if (figures === undefined || figures.threshold === null)
    throw new AppError('invalid-state', `internalization ${id} has no verdict to go live with`)
  const { threshold: proven, wider = [], narrower = [] } = figures
  if (maxTurnsAfter > 0) return { wider: [proven], narrower: [] }
  const border = borderOf(state)
  const present = border?.threshold ?? proven
  const all = [...narrower, proven, ...wider]
  return {
    wider: border?.narrowing === undefined ? [proven, ...wider] : [present],
    narrower: all.slice(0, Math.max(0, all.indexOf(present))),
  }
}

/** Evidence needs a bound above 0 and below 1. */
const [LEAST_BOUND, LARGEST_BOUND] = [0.001, 0.999]

/**
 * The bounds that the mean loss of pairs is compared with. The mean is what the promise is about
 * (docs/evidence.md), so the margin is the bound, with nothing allowed for. What the proof showed is about its own
 * border: of another one the margin is shown.
 * @param hasCredits whether a pair may have a loss below 0: the upstream is asked again where the lora
 * disagrees with it, or was
 * @param isMoved whether a border is in force that pairs have proved
 * @throws AppError `invalid-state` without a verdict
 */
export const lossBoundsOf = (
  { id, verdict }: Pick<Internalization, 'id' | 'verdict'>,
  hasCredits: boolean,
  isMoved = false
): LossBounds => {
  const figures = verdict?.arms[verdict.arm]
  if (!verdict || !figures)
    throw new AppError('invalid-state', `internalization ${id} has no verdict`)
  const margin = Math.min(LARGEST_BOUND, Math.max(LEAST_BOUND, verdict.margin))
  const proven = isMoved ? margin : Math.max(LEAST_BOUND, figures.lossBound)
  return { margin, proven: Math.min(margin, proven), least: hasCredits ? -1 : 0 }
}
