/**
 * What the held-out rows show at each possible threshold: counts for the sample of traffic and for
 * the sample of unseen questions, and the p-value of a loss of at least the margin. Knows nothing of
 * which thresholds are tested or at what level.
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

/** The rows of one sample above a threshold. */
export interface SampleCounts {
  rows: number
  /** independent rows that these are worth, since turns of one conversation may repeat each other */
  effectiveRows: number
  disagreements: number
  /** rows with a fresh upstream answer */
  fresh: number
  upstreamDisagreements: number
  /** rows with a fresh upstream answer where only one of the two agrees with the logged answer */
  onlyAdapted: number
  onlyUpstream: number
}

/** A possible threshold, and all that lies above it. */
export interface Cut {
  threshold: number
  traffic: SampleCounts
  unseen: SampleCounts
}

const createCounter = () => {
  let [rows, disagreements, fresh, upstreamDisagreements] = [0, 0, 0, 0]
  let [onlyAdapted, onlyUpstream] = [0, 0]
  const effective = createEffectiveRows()
  return {
    add({ agrees, upstreamAgrees, conversation }: RankedRow): void {
      rows++
      effective.add(conversation)
      if (!agrees) disagreements++
      if (upstreamAgrees === null) return
      fresh++
      if (!upstreamAgrees) upstreamDisagreements++
      if (agrees && !upstreamAgrees) onlyAdapted++
      if (!agrees && upstreamAgrees) onlyUpstream++
    },
    read: (): SampleCounts => ({
      rows,
      effectiveRows: effective.read(),
      disagreements,
      fresh,
      upstreamDisagreements,
      onlyAdapted,
      onlyUpstream,
    }),
  }
}

/** Half way into the gap, unless no number lies in it. */
const between = (confidence: number, next: number | undefined): number => {
  const middle = next === undefined ? confidence : (confidence + next) / 2
  return middle === next ? confidence : middle
}

/**
 * Every threshold at which more traffic is answered than at the one before it, most confident
 * first. Rows of equal confidence are never separated. A threshold lies half way into the gap to
 * the next row, so that last-digit noise of an engine moves no row across; the last one is the
 * lowest confidence itself, because nothing is known of answers below it.
 */
export const cutsOf = (rows: RankedRow[]): Cut[] => {
  const sorted = rows.toSorted((a, b) => b.confidence - a.confidence)
  const [traffic, unseen] = [createCounter(), createCounter()]
  const cuts: Cut[] = []
  let cutRows = 0
  let trafficRows = 0
  sorted.forEach((row, place) => {
    if (row.isTraffic) {
      traffic.add(row)
      trafficRows++
    }
    if (row.isUnseen) unseen.add(row)
    const next = sorted[place + 1]?.confidence
    if (next === row.confidence || trafficRows === cutRows) return
    cutRows = trafficRows
    cuts.push({
      threshold: between(row.confidence, next),
      traffic: traffic.read(),
      unseen: unseen.read(),
    })
  })
  return cuts
}

/** Level at which the upstream's own agreement is bounded before it is used (Berger, Boos 1994). */
const UPSTREAM_BOUND_LEVEL = 0.001

/**
 * p-value of "agreement is at most the upstream's own minus the margin". Without fresh upstream
 * answers its own agreement is taken as 1 and the binomial tail is exact. With some, it is bounded
 * from above first (Berger and Boos 1994: add the level of that bound). With a fresh answer to
 * every row: paired, Tango's score. Never rises when a disagreement becomes an agreement.
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
  // the upstream disagrees with itself at least this often
  const noise = proportionLowerBound(
    worth * upstreamDisagreements,
    worth * fresh,
    UPSTREAM_BOUND_LEVEL
  )
  return Math.min(1, tail(Math.min(1, margin + noise)) + UPSTREAM_BOUND_LEVEL)
}

/** The p-value if every answer agreed; it depends on how many rows there are, not on any answer. */
export const leastPValue = (counts: SampleCounts, margin: number): number =>
  pValueOf(
    { ...counts, disagreements: 0, upstreamDisagreements: 0, onlyAdapted: 0, onlyUpstream: 0 },
    margin
  )

/** Share on which the adapted answer disagrees, beyond the upstream's disagreement with itself. */
export const lossOf = (counts: SampleCounts): number => {
  const { rows, disagreements, fresh, upstreamDisagreements } = counts
  if (rows === 0) return 0
  return disagreements / rows - (fresh === 0 ? 0 : upstreamDisagreements / fresh)
}

/** Fewest independent rows that can pass at all: (1 − margin)^rows ≤ level. */
export const minimumRows = (margin: number, level: number): number =>
  Math.ceil(Math.log(level) / Math.log1p(-margin))
