/** Why an internalization entered a state, as its history tells. Pure. */
import { groupBy } from '../group-by.ts'
import type { OutcomeFigures } from '../outcomes/outcome-figures.ts'
import { reasonOf, type Reason, type ReasonFigures } from '../reason.ts'
import { addCounts, NO_PAIRS } from '../rollout/evidence.ts'
import type { Border } from '../rollout/border.ts'
import type { EvidenceFigures } from '../rollout/stages.ts'
import type { WithheldPart } from '../rollout/withheld.ts'
import {
  movedBorder,
  newlyWithheld,
  type HistoryEntry,
  type InternalizationState,
} from './internalization.ts'

/** @param evidence of a decision: the natural logarithm of its capital */
const foundIn = (
  { pairs, losses, credits, interval }: EvidenceFigures,
  evidence: number
): ReasonFigures['stage-entered'] => ({ pairs, losses, credits, interval, evidence })

/** The same, or of the last pairs where the loss has risen since. */
const riseIn = (figures: EvidenceFigures, evidence: number): ReasonFigures['stage-entered'] => {
  const { sinceRise, pairs } = figures
  if (sinceRise.pairs === pairs) return foundIn(figures, evidence)
  const { losses, credits } = sinceRise
  return { pairs: sinceRise.pairs, losses, credits, interval: null, evidence }
}

export const stageEntered = (figures: EvidenceFigures): Reason =>
  reasonOf('stage-entered', foundIn(figures, figures.step))

export const rolledBack = (figures: EvidenceFigures): Reason =>
  reasonOf('rolled-back', { ...riseIn(figures, figures.rollback), margin: figures.margin })

export const ratedWorse = ({
  bad,
  conversations,
  interval,
  margin,
  rollback,
}: OutcomeFigures): Reason =>
  reasonOf('rated-worse', { bad, conversations, interval, margin, evidence: rollback })

export const lossRisen = (figures: EvidenceFigures): Reason =>
  reasonOf('loss-risen', { ...riseIn(figures, figures.drift), proven: figures.proven })

type Change = ReasonFigures['border-widened']['coverage']

export const borderMoved = (
  { threshold, evidence: { pairs, losses, credits, capital }, narrowing }: Border,
  coverage: Change = null
): Reason =>
  reasonOf(narrowing === undefined ? 'border-widened' : 'border-narrowed', {
    threshold,
    pairs,
    losses,
    credits,
    evidence: capital,
    coverage,
  })

/** Counts the parts of each kind: their names are text of answers. */
export const partsWithheld = (withheld: readonly WithheldPart[], coverage: Change = null): Reason =>
  reasonOf('withheld', {
    parts: [...groupBy(withheld, ({ kind }) => kind)].map(([kind, parts]) => {
      const { pairs, losses, credits } = parts.reduce(addCounts, NO_PAIRS)
      const evidence = Math.min(...parts.map(({ capital }) => capital))
      return { kind, count: parts.length, pairs, losses, credits, evidence }
    }),
    coverage,
  })

/** @returns null where the state itself does not say it */
export const stateReason = (state: InternalizationState): Reason | null => {
  switch (state.name) {
    case 'candidate': {
      const { successor, retry } = state
      if (successor !== undefined)
        return reasonOf('follows', { of: successor.of, why: successor.why })
      const isOfNewTraffic = retry?.since !== undefined
      return retry ? reasonOf('tries-again', { of: retry.of, isOfNewTraffic }) : null
    }
    case 'live':
      return state.evidence === undefined ? null : stageEntered(state.evidence)
    case 'retired':
    case 'rejected':
    case 'failed':
      return state.reason
    default:
      return null
  }
}

/** Why a state was entered: what changed in what the route answers, else what the state says. */
export const changeReason = (entry: Pick<HistoryEntry, 'from' | 'to'>): Reason | null => {
  const { to } = entry
  const coverage = (to.name === 'live' && to.coverage) || null
  const [border, withheld] = [movedBorder(entry), newlyWithheld(entry)]
  if (border !== null) return borderMoved(border, coverage)
  return withheld.length > 0 ? partsWithheld(withheld, coverage) : stateReason(to)
}
