/**
 * Counts of the held-out rows above each possible threshold, for the sample of traffic and for the
 * sample of unseen questions, and the p-value of a loss of at least the margin. Knows nothing of
 * the thresholds that are tested or of their levels.
 */
import { binomialLowerTail, proportionLowerBound, tangoNonInferiority } from './statistics.ts'
import { createEffectiveRows } from './statistics-clusters.ts'

/** A held-out row that a route may answer. */
export interface RankedRow {
  confidence: number
  /** the adapted answer agrees with the logged one */
  agrees: boolean
  /** a fresh upstream answer agrees with the logged one; null when none was bought */
  upstreamAgrees: boolean | null
  conversation: string
  isTraffic: boolean
  isUnseen: boolean
}

const NO_COUNTS = {
  rows: 0,
  disagreements: 0,
  /** rows with a fresh upstream answer */
  fresh: 0,
  upstreamDisagreements: 0,
  /** rows with a fresh upstream answer where only one of the two agrees with the logged answer */
  onlyAdapted: 0,
  onlyUpstream: 0,
}

/** The rows of one sample above a threshold. */
export type SampleCounts = typeof NO_COUNTS & {
  /** independent rows with the same information: turns of one conversation may repeat each other */
  effectiveRows: number
}

/** A possible threshold, and the rows above it. */
export interface Cut {
  threshold: number
  traffic: SampleCounts
  unseen: SampleCounts
}

const createCounter = () => {
  const counts = { ...NO_COUNTS }
  const effective = createEffectiveRows()
  return {
    add({ agrees, upstreamAgrees, conversation }: RankedRow): void {
      counts.rows++
      effective.add(conversation)
      if (!agrees) counts.disagreements++
      if (upstreamAgrees === null) return
      counts.fresh++
      if (!upstreamAgrees) counts.upstreamDisagreements++
      if (agrees && !upstreamAgrees) counts.onlyAdapted++
      if (!agrees && upstreamAgrees) counts.onlyUpstream++
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
export const cutsOf = (rows: RankedRow[]): Cut[] => {
  const sorted = rows.toSorted((a, b) => b.confidence - a.confidence)
  const [traffic, unseen] = [createCounter(), createCounter()]
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

/** Level at which the upstream's own agreement is bounded before it is used (Berger, Boos 1994). */
const UPSTREAM_BOUND_LEVEL = 0.001

/**
 * p-value of "agreement is at most the upstream's own minus the margin". It never rises when a
 * disagreement becomes an agreement.
 * - Without fresh upstream answers: the upstream's own agreement is taken as 1; exact binomial tail.
 * - With a fresh answer to every row: Tango's paired score.
 * - With some: the upstream's own disagreement is bounded from below first, and the level of that
 *   bound is added to the p-value (Berger and Boos 1994).
 */
export const pValueOf = (counts: SampleCounts, margin: number): number => {
  const { rows, effectiveRows, disagreements, fresh, upstreamDisagreements } = counts
  if (rows === 0) return 1
  const worth = effectiveRows / rows
  if (fresh === rows) {
    const pairs = {
      pairs: effectiveRows,
      onlyNew: worth * counts.onlyAdapted,
      onlyReference: worth * counts.onlyUpstream,
    }
    return tangoNonInferiority(pairs, margin)
  }
  const tail = (allowed: number): number =>
    binomialLowerTail(worth * disagreements, effectiveRows, allowed)
  if (fresh === 0) return tail(margin)
  const noise = proportionLowerBound(
    worth * upstreamDisagreements,
    worth * fresh,
    UPSTREAM_BOUND_LEVEL
  )
  return Math.min(1, tail(margin + noise) + UPSTREAM_BOUND_LEVEL)
}

/** The p-value if every answer agreed. It depends on the number of rows only, not on answers. */
export const leastPValue = ({ rows, effectiveRows, fresh }: SampleCounts, margin: number): number =>
  pValueOf({ ...NO_COUNTS, rows, effectiveRows, fresh }, margin)

/** Disagreement of the adapted answers less the upstream's disagreement with itself, as shares. */
export const lossOf = (counts: SampleCounts): number => {
  const { rows, disagreements, fresh, upstreamDisagreements } = counts
  if (rows === 0) return 0
  return disagreements / rows - (fresh === 0 ? 0 : upstreamDisagreements / fresh)
}

/** Disagreement that the margin leaves: with fresh answers, on top of the upstream's own. */
export const allowedLoss = (
  { fresh, upstreamDisagreements }: SampleCounts,
  margin: number
): number => margin + (fresh === 0 ? 0 : upstreamDisagreements / fresh)

/** Fewest independent rows that can pass: (1 − margin)^rows ≤ level. */
export const minimumRows = (margin: number, level: number): number =>
  Math.ceil(Math.log(level) / Math.log1p(-margin))
