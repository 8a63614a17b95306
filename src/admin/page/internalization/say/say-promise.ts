/** How a promise stands, in a few words and a colour: green is for what its bound keeps, red for what breaks it. Pure. */
import type { SliceFigures } from '../../../../core/gate/slices.ts'
import type { Verdict } from '../../../../core/gate/gate.ts'
import { meanLoss } from '../../../../core/rollout/evidence.ts'
import type { EvidenceFigures } from '../../../../core/rollout/stages.ts'
import type { Tone } from '../../parts/figures.tsx'

export interface Standing {
  tone: Tone
  words: string
}

/** Agreement that is promised. */
export const promiseOf = ({
  upstreamAgreement,
  margin,
}: Pick<Verdict, 'upstreamAgreement' | 'margin'>): number => Math.max(0, upstreamAgreement - margin)

/** Shares of 1. An answer that the upstream's own second answer contradicts, too, counts as agreement. */
export interface Agreement {
  observed: number
  /** at least, at 95 % */
  bound: number
  promised: number
}

/** @returns null before a conversation was compared */
export const liveAgreement = (evidence: EvidenceFigures | null): Agreement | null => {
  if (evidence === null || evidence.pairs === 0) return null
  const { interval, margin } = evidence
  return {
    observed: 1 - Math.max(0, meanLoss(evidence)),
    bound: 1 - interval[1],
    promised: 1 - margin,
  }
}

export const standingOf = ({ observed, bound, promised }: Agreement): Standing => {
  if (observed < promised) return { tone: 'bad', words: 'below the promise' }
  return bound >= promised
    ? { tone: 'good', words: 'keeps the promise' }
    : { tone: 'waits', words: 'above the promise, not proven yet' }
}

/** Of a part of the traffic, which may be ten points worse than the upstream and is not promised more. */
export const sliceStanding = (
  { holds, agreement, lowerBound }: Pick<SliceFigures, 'holds' | 'agreement' | 'lowerBound'>,
  promised: number
): Standing => {
  if (!holds) return { tone: 'bad', words: 'fails: more than 10 points worse' }
  if (agreement < promised) return { tone: 'waits', words: 'worse, by less than 10 points' }
  return standingOf({ observed: agreement, bound: lowerBound, promised })
}
