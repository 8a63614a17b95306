/**
 * How much of its requests a live route has answered over time, and what has changed that: its border, and answers
 * that it no longer gives. Made of the history, so it knows nothing of pairs. The coverage of the proof is of the
 * held-out traffic, each later one of the audited requests until then.
 */
import type { Border, BorderSums } from '../rollout/border.ts'
import {
  borderOf,
  newlyWithheld,
  rolloutStageOf,
  withheldBy,
  type CoverageChange,
  type HistoryEntry,
  type Internalization,
  type InternalizationState,
} from './internalization.ts'

/** `restored`: live again, with what pairs had changed before. */
export const STEP_CAUSES = ['proof', 'border', 'withheld', 'stage', 'restored', 'retired'] as const

export type StepCause = (typeof STEP_CAUSES)[number]

export interface CoverageStep {
  /** milliseconds since the epoch */
  at: number
  cause: StepCause
  /** confidence from which on it answers since then */
  threshold: number
  /** of the matching traffic that it may answer since then */
  share: number
  /** share of these requests that it answers since then; null: not known */
  coverage: number | null
  /** the same of the requests that `coverage` is of, without the step; null where it changed no coverage */
  before: number | null
  /** natural logarithm of the capital that decided it; null: a person did */
  capital: number | null
  why: string
}

const provedFigures = ({ verdict }: Pick<Internalization, 'verdict'>) => verdict?.arms[verdict.arm]

/** Of each part that a route withholds, the pairs in which it was answered. */
type Withheld = readonly { pairs: number }[]

/**
 * @param changed as the route will be; what is absent stays
 * @param sums of the pairs until then
 * @param answered by the changed border, of these pairs; by default as the sums have it
 * @returns undefined where the sums do not have a border
 */
export const coverageChange = (
  row: Pick<Internalization, 'state' | 'verdict'>,
  changed: { border?: Pick<Border, 'threshold'>; withheld?: Withheld },
  { borders, audited }: BorderSums,
  answered?: number
): CoverageChange | undefined => {
  const present = borderOf(row.state)?.threshold ?? provedFigures(row)?.threshold ?? null
  const answeredFrom = (threshold: number | null): number | undefined =>
    borders.find((border) => border.threshold === threshold)?.pairs
  const before = answeredFrom(present)
  const after = answered ?? answeredFrom(changed.border?.threshold ?? present)
  if (before === undefined || after === undefined) return undefined
  // the pairs of a withheld part were counted while it was answered
  const without = (pairs: number, withheld: Withheld): number =>
    Math.max(
      0,
      withheld.reduce((left, part) => left - part.pairs, pairs)
    )
  const withheld = withheldBy(row.state)
  return {
    audited,
    before: without(before, withheld),
    after: without(after, changed.withheld ?? withheld),
  }
}

/** @returns null: it changed nothing that the route answers */
const causeOf = ({ from, to }: HistoryEntry): StepCause | null => {
  if (to.name !== 'live') return from?.name === 'live' ? 'retired' : null
  if (from?.name !== 'live')
    return borderOf(to) === null && withheldBy(to).length === 0 ? 'proof' : 'restored'
  if (borderOf(from)?.threshold !== borderOf(to)?.threshold) return 'border'
  if (withheldBy(from).length !== withheldBy(to).length) return 'withheld'
  const [before, after] = [rolloutStageOf(from), rolloutStageOf(to)]
  const isSame = before?.share === after?.share && before?.isPaused === after?.isPaused
  return isSame ? null : 'stage'
}

const changeOf = (state: InternalizationState): CoverageChange | null =>
  (state.name === 'live' && state.coverage) || null

/** Of several parts that are withheld at once, the least one. */
const capitalOf = (cause: StepCause, { from, to }: HistoryEntry): number | null => {
  if (cause === 'border') return borderOf(to)?.evidence.capital ?? null
  const withheld = newlyWithheld({ from, to })
  if (withheld.length > 0) return Math.min(...withheld.map(({ capital }) => capital))
  if (to.name === 'live') return to.evidence?.step ?? null
  return to.name === 'retired' ? (to.evidence?.rollback ?? null) : null
}

/**
 * @param history oldest first @param whyOf a change, in words
 * @returns none before it was live
 */
export const coverageSteps = (
  row: Pick<Internalization, 'verdict'>,
  history: readonly HistoryEntry[],
  whyOf: (entry: HistoryEntry) => string
): CoverageStep[] => {
  const proved = provedFigures(row)
  if (proved === undefined || proved.threshold === null) return []
  const { threshold } = proved
  let coverage: number | null = null
  return history.flatMap((entry) => {
    const { at, from, to } = entry
    const cause = causeOf(entry)
    if (cause === null) return []
    const change = cause === 'border' || cause === 'withheld' ? changeOf(to) : null
    if (cause === 'proof') coverage = proved.coverage
    if (cause === 'border' || cause === 'withheld')
      coverage = change && change.after / Math.max(1, change.audited)
    const live = to.name === 'live' ? to : from
    return {
      at,
      cause,
      threshold: (live && borderOf(live))?.threshold ?? threshold,
      share: rolloutStageOf(to)?.share ?? 0,
      coverage: cause === 'retired' ? 0 : coverage,
      before: change && change.before / Math.max(1, change.audited),
      capital: capitalOf(cause, entry),
      why: whyOf(entry),
    }
  })
}

/** Whether pairs have changed how much it answers since the proof. */
export const hasMoved = (steps: readonly CoverageStep[]): boolean =>
  steps.some(({ cause }) => cause === 'border' || cause === 'withheld')
