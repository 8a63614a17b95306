/** Renders states, figures of a verdict, and whether a template pays, as short texts. */
import { minuteText } from '../core/days.ts'
import type { Verdict } from '../core/cost/economics.ts'
import type { ArmFigures } from '../core/gate/gate.ts'
import type { InternalizationState } from '../core/internalization/internalization.ts'
import { compact } from '../core/lists.ts'
import { differenceText } from '../core/outcomes/outcome-text.ts'
import { reasonText } from '../core/reasons/say-reason.ts'
import { stageName, type RolloutSettings } from '../core/rollout/stages.ts'
import {
  readyFor,
  rolloutProgress,
  type RolloutProgress,
  type RolloutReport,
} from '../lifecycle/rollout-report.ts'
import { percent } from '../core/figure-text.ts'
import { stateWords } from '../views/say-state.ts'

/** What a person should know of a live route beside its stage. */
const rolloutNotes = (progress: RolloutProgress, report: RolloutReport | null): string[] => {
  const ready = readyFor(progress)
  return compact([
    ...progress.waitsFor.map(reasonText),
    report?.driftedAt != null && `drift since ${minuteText(report.driftedAt)}`,
    report !== null &&
      report.feedback.blocks > 0 &&
      `bad ratings ${differenceText(report.feedback)}`,
    // last: the command for it follows
    ready !== null && `ready for ${stageName(ready)}`,
  ])
}

/** @param report of a live internalization */
export const stateText = (
  state: InternalizationState,
  report: RolloutReport | null,
  settings: Pick<RolloutSettings, 'stages'>
): string => {
  const progress = rolloutProgress({ state }, report, settings)
  if (progress !== null) return [stateWords(state), ...rolloutNotes(progress, report)].join('; ')
  return 'reason' in state ? `${stateWords(state)}: ${reasonText(state.reason)}` : stateWords(state)
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
