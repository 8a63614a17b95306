/** Renders states, figures of a verdict, and whether a template pays, as short texts. */
import type { Verdict } from '../core/cost/economics.ts'
import { reasonText } from '../core/reasons/say-reason.ts'
import type { ArmFigures } from '../core/gate/gate.ts'
import { rolloutStageOf, type Internalization } from '../core/internalization/internalization.ts'
import { differenceText } from '../core/outcomes/outcome-text.ts'
import { stageName } from '../core/rollout/stages.ts'
import { minuteText } from '../core/days.ts'
import { gainText, readyFor } from '../lifecycle/rollout-report.ts'
import { percent } from './output.ts'
import type { Rollout } from './rollout/rollout-of.ts'

type State = Internalization['state']

/** `live, canary 5 %`; of other states the name. */
export const stateName = (state: State): string => {
  const stage = rolloutStageOf(state)
  return stage === null ? state.name : `live, ${stageName(stage)}`
}

/** What a person should know of a live route beside its stage. */
const rolloutNotes = ({ progress, report, coverageSteps }: Rollout): string[] => {
  const gained = gainText(coverageSteps)
  const ready = progress && readyFor(progress)
  const driftedAt = report?.driftedAt ?? null
  return [
    ...(progress?.waitsFor ?? []).map(reasonText),
    ...(driftedAt === null ? [] : [`drift since ${minuteText(driftedAt)}`]),
    ...(gained === null ? [] : [gained]),
    ...(report === null || report.feedback.blocks === 0
      ? []
      : [`bad ratings ${differenceText(report.feedback)}`]),
    // last: the command for it follows
    ...(ready === null ? [] : [`ready for ${stageName(ready)}`]),
  ]
}

/** @param rollout of a live internalization */
export const stateText = (state: State, rollout: Rollout | null = null): string => {
  switch (state.name) {
    case 'live':
      return [stateName(state), ...(rollout === null ? [] : rolloutNotes(rollout))].join('; ')
    case 'training':
      return `training (arm ${state.arm}, stage ${state.stage})`
    case 'rejected':
    case 'retired':
    case 'failed':
      return `${state.name}: ${reasonText(state.reason)}`
    default:
      return state.name
  }
}

/** Agreement of the answered rows with its lower bound, and the slice with the least agreement. */
export const agreementText = ({
  threshold,
  agreementAnswered,
  agreementAnsweredBound,
  slices,
}: ArmFigures): string => {
  if (threshold === null) return ''
  const own = `${percent(agreementAnswered)} (≥ ${percent(agreementAnsweredBound)})`
  const [worst] = slices.toSorted((a, b) => a.agreement - b.agreement)
  return worst === undefined
    ? own
    : `${own}, ${worst.slice}: ${percent(worst.agreement)} of ${worst.rows}`
}

export const PAYS: Record<Verdict, string> = {
  pays: 'yes',
  'does-not-pay': 'no',
  unknown: 'unknown',
}

export const paysText = ({ verdict, reason }: { verdict: Verdict; reason: string }): string =>
  `${PAYS[verdict]}: ${reason}`
