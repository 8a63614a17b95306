/**
 * Counts of the held-out rows above each possible threshold, for the sample of traffic and for the
 * sample of unseen questions, and the p-value of a loss of at least the margin. Knows nothing of
 * the thresholds that are tested or of their levels.
 */
import { countOutcomes, textsOf, type Answered, type OutcomeCounts } from '../answer/outcome.ts'
import { reasonOf, type ReasonOf } from '../reason.ts'
import { binomialLowerTail, tangoNonInferiority, type PairedCounts } from './statistics.ts'
import { createEffectiveRows } from './effective-rows.ts'

/** A held-out row that a route may answer. */
export interface RankedRow {
  confidence: number
  /** the adapted answer agrees with the reference: the first fresh answer, or the logged one without any */
  agrees: boolean
  /** the second fresh answer agrees with the first; null when none were bought */
  upstreamAgrees: boolean | null
  /** milliseconds since the epoch */
  at: number
  conversation: string
  isTraffic: boolean
  isUnseen: boolean
}

export const NO_COUNTS = {
  rows: 0,
  disagreements: 0,
  /** rows with fresh upstream answers */
  fresh: 0,
  upstreamDisagreements: 0,
  /**
   * rows where only one of the two agrees with the reference: the adapted answer, or the upstream's second one.
   * Without fresh answers the upstream is taken to repeat itself
   */
  onlyAdapted: 0,
  onlyUpstream: 0,
  /** independent rows with the same information: turns of a conversation, and of a burst, may repeat each other */
  effectiveRows: 0,
}

/** The rows of one sample above a threshold. */
export type SampleCounts = typeof NO_COUNTS

/** A possible threshold, and the rows above it. */
export interface Cut {
  threshold: number
  traffic: SampleCounts
  unseen: SampleCounts
}

const createCounter = (rows: readonly RankedRow[], burstMs: number) => {
  const counts = { ...NO_COUNTS }
  const effective = createEffectiveRows(rows, burstMs)
  return {
    add(row: RankedRow): void {
      const { agrees, upstreamAgrees } = row
      const repeats = upstreamAgrees ?? true
      counts.rows++
      effective.add(row)
      if (!agrees) counts.disagreements++
      if (upstreamAgrees !== null) counts.fresh++
      if (!repeats) counts.upstreamDisagreements++
      if (agrees && !repeats) counts.onlyAdapted++
      if (!agrees && repeats) counts.onlyUpstream++
    },
    read: (): SampleCounts => ({ ...counts, effectiveRows: effective.read() }),
  }
}

/** The middle of the gap; the confidence itself where the gap holds no other number. */
const between = (confidence: number, next: number): number => {
  const middle = (confidence + next) / 2
  return middle === next ? confidence : middle
}

/**
 * Every threshold that answers more traffic than the one before it, most confident first. Rows of
 * equal confidence are never separated. A threshold lies in the middle of the gap to the next row,
 * so that last-digit noise of an engine moves no row across it. The last one is the lowest
 * confidence itself, because no answer below it was held out.
 */
export const cutsOf = (rows: RankedRow[], burstMs: number): Cut[] => {
  const sorted = rows.toSorted((a, b) => b.confidence - a.confidence)
  const traffic = createCounter(
    rows.filter(({ isTraffic }) => isTraffic),
    burstMs
  )
  const unseen = createCounter(
    rows.filter(({ isUnseen }) => isUnseen),
    burstMs
  )
  const cuts: Cut[] = []
  sorted.forEach((row, place) => {
    if (row.isTraffic) traffic.add(row)
    if (row.isUnseen) unseen.add(row)
    const next = sorted[place + 1]?.confidence
    const counts = traffic.read()
    if (next === row.confidence || counts.rows === (cuts.at(-1)?.traffic.rows ?? 0)) return
    cuts.push({
      threshold: between(row.confidence, next ?? row.confidence),
      traffic: counts,
      unseen: unseen.read(),
    })
  })
  return cuts
}

/** As the paired tests read them: a conversation or a burst counts as the rows that it is worth. */
export const pairedCounts = ({
  rows,
  effectiveRows,
  onlyAdapted,
  onlyUpstream,
}: SampleCounts): PairedCounts => {
  const worth = effectiveRows / rows
  return {
    pairs: effectiveRows,
    onlyNew: worth * onlyAdapted,
    onlyReference: worth * onlyUpstream,
  }
}

/**
 * p-value of "agreement is at most the upstream's own minus the margin". It never rises when a
 * disagreement becomes an agreement.
 * - Without fresh answers: exact binomial tail against the log. Nothing is allowed for.
 * - With them: Tango's paired score. The adapted answer and the upstream's second one are compared with its
 *   first, of the same day, so that a change of the upstream is no allowance. A row without fresh answers
 *   counts as if the upstream repeated the logged one.
 */
export const pValueOf = (counts: SampleCounts, margin: number): number => {
  const { rows, effectiveRows, disagreements, fresh } = counts
  if (rows === 0) return 1
  return fresh === 0
    ? binomialLowerTail((effectiveRows / rows) * disagreements, effectiveRows, margin)
    : tangoNonInferiority(pairedCounts(counts), margin)
}

/** The p-value if every answer agreed. It depends on the number of rows only, not on answers. */
export const leastPValue = ({ rows, effectiveRows, fresh }: SampleCounts, margin: number): number =>
  pValueOf({ ...NO_COUNTS, rows, effectiveRows, fresh }, margin)

/** Disagreement of the adapted answers less the upstream's disagreement with itself, as shares. */
export const lossOf = ({ rows, disagreements, upstreamDisagreements }: SampleCounts): number =>
  rows === 0 ? 0 : (disagreements - upstreamDisagreements) / rows

/** Fewest independent rows that can pass: (1 − margin)^rows ≤ level. */
export const minimumRows = (margin: number, level: number): number =>
  Math.ceil(Math.log(level) / Math.log1p(-margin))

const MOST_FREQUENT = 3

const mostFrequent = (counts: OutcomeCounts): OutcomeCounts =>
  Object.fromEntries(
    Object.entries(counts)
      .filter(([kind]) => kind !== 'text')
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, MOST_FREQUENT)
  )

/** @param minCoverage share of the exchanges that must be answered @returns null where enough have a text, and without exchanges */
export const fewTextAnswers = (
  exchanges: readonly Answered[],
  minCoverage: number
): ReasonOf<'few-text-answers'> | null => {
  const answerable = textsOf(exchanges).length / exchanges.length
  return exchanges.length === 0 || (answerable > 0 && answerable >= minCoverage)
    ? null
    : reasonOf('few-text-answers', {
        answerable,
        minCoverage,
        others: mostFrequent(countOutcomes(exchanges)),
      })
}
