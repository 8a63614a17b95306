/** Renders states, figures of a verdict and forecasts as short texts. */
import type { Verdict as Forecast } from '../core/cost/economics.ts'
import type { ArmFigures } from '../core/gate/gate.ts'
import type { Internalization } from '../core/lifecycle/internalization.ts'
import { percent } from './output.ts'

export const stateText = (state: Internalization['state']): string => {
  switch (state.name) {
    case 'training':
      return `training (arm ${state.arm}, stage ${state.stage})`
    case 'rejected':
    case 'retired':
      return `${state.name}: ${state.reason}`
    case 'failed':
      return `failed: ${state.cause}`
    default:
      return state.name
  }
}

/** Agreement of the answered rows with its lower bound, and the slice with the least agreement. */
export const agreementText = ({
  threshold,
  agreementAnswered,
  agreementAnsweredBound,
  slices = [],
}: ArmFigures): string => {
  if (threshold === null) return ''
  const own = `${percent(agreementAnswered)} (≥ ${percent(agreementAnsweredBound)})`
  const [worst] = slices.toSorted((a, b) => a.agreement - b.agreement)
  return worst === undefined
    ? own
    : `${own}, ${worst.slice}: ${percent(worst.agreement)} of ${worst.rows}`
}

export const PAYS: Record<Forecast, string> = {
  pays: 'yes',
  'does-not-pay': 'no',
  unknown: 'unknown',
}

export const paysText = ({ verdict, reason }: { verdict: Forecast; reason: string }): string =>
  `${PAYS[verdict]}: ${reason}`
