/**
 * Signs that the questions have changed since the proof. Each is a share of the audited requests that the
 * held-out traffic had, too, such as the share that the lora would not answer. A sequential test compares it
 * with an upper bound of its share then. Knows nothing of stores or of the loss.
 */
import { proportionLowerBound } from '../gate/statistics.ts'
import { partOfDay, PARTS_OF_DAY } from '../days.ts'
import { addLoss, evidenceOfRise, NO_STREAM, type LossStream } from './evidence.ts'
import { itemAt } from '../lists.ts'

export const INDICATORS = ['fallbacks', 'low-confidence', 'long-questions', 'new-labels'] as const

export type Indicator = (typeof INDICATORS)[number]

/** What is known of a request, whether the log or an audit has it. */
export interface Sighting {
  /** the lora would not have answered */
  isFallback: boolean
  /** by the statistic of the route; null without an answer */
  confidence: number | null
  /** characters of the question */
  chars: number
  /** the upstream's answer is not among the labels that the lora knows; null where there are no labels */
  isNewLabel: boolean | null
}

/** Limits that split the held-out traffic, fixed by the proof. */
export interface Limits {
  /** median confidence; null without answers */
  confidence: number | null
  /** ninth decile of the characters */
  chars: number
}

export interface Baseline extends Limits {
  rows: number
  /** share of the held-out traffic with each indicator, and its upper bound; without those it cannot show */
  shares: Partial<Record<Indicator, { share: number; bound: number }>>
  /** share of the held-out traffic in each part of the day */
  parts: number[]
}

/** @returns null where the indicator does not apply to the request */
const isSeen = (
  indicator: Indicator,
  { isFallback, confidence, chars, isNewLabel }: Sighting,
  limits: Limits
): boolean | null => {
  switch (indicator) {
    case 'fallbacks':
      return isFallback
    case 'low-confidence':
      return confidence === null || limits.confidence === null
        ? null
        : confidence < limits.confidence
    case 'long-questions':
      return chars > limits.chars
    case 'new-labels':
      return isNewLabel
  }
}

/** Of the upper bounds: one baseline in a hundred has one that is too low. */
const ALPHA = 0.01 / INDICATORS.length
const [LEAST_BOUND, LARGEST_BOUND] = [0.001, 0.999]

/** @param values at least one */
const quantile = (values: number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return itemAt(sorted, Math.min(sorted.length - 1, Math.floor(share * sorted.length)))
}

const partsOf = (times: readonly number[]): number[] =>
  Array.from(
    { length: PARTS_OF_DAY },
    (_, part) => times.filter((at) => partOfDay(at) === part).length / times.length
  )

/** @param sightings of the held-out traffic, at least one, with the time: milliseconds since the epoch */
export const baselineOf = (sightings: readonly (Sighting & { at: number })[]): Baseline => {
  const confidences = sightings.flatMap(({ confidence }) => confidence ?? [])
  const chars = sightings.map((sighting) => sighting.chars)
  const limits: Limits = {
    confidence: confidences.length === 0 ? null : quantile(confidences, 0.5),
    chars: quantile(chars, 0.9),
  }
  const shares: Baseline['shares'] = {}
  for (const indicator of INDICATORS) {
    const seen = sightings.flatMap((sighting) => isSeen(indicator, sighting, limits) ?? [])
    if (seen.length === 0) continue
    const count = seen.filter(Boolean).length
    const bound = 1 - proportionLowerBound(seen.length - count, seen.length, ALPHA)
    shares[indicator] = {
      share: count / seen.length,
      bound: Math.min(LARGEST_BOUND, Math.max(LEAST_BOUND, bound)),
    }
  }
  const parts = partsOf(sightings.map(({ at }) => at))
  return { ...limits, rows: sightings.length, shares, parts }
}

export interface IndicatorFigures {
  indicator: Indicator
  /** audited requests that it applies to, and those with it */
  requests: number
  seen: number
  /** in the proof, and the upper bound of it */
  share: number
  bound: number
  /** natural logarithm of the capital against "its share is at most the bound" */
  evidence: number
}

/** Counts the indicators of the audited requests of one internalization. */
export class IndicatorReader {
  private readonly streams = new Map<Indicator, LossStream>()

  /** @param gone share of the held-out traffic that is not audited any more, 0 to 1 */
  constructor(
    private readonly baseline: Baseline,
    private readonly gone: number = 0
  ) {}

  /** Of the traffic that is left. None that is gone may have had the indicator, so its share there is larger. */
  private boundOf(indicator: Indicator, { bound }: { bound: number }): number {
    if (this.gone === 0) return bound
    // few requests have a confidence, and all that are gone may have had one
    const known =
      indicator === 'low-confidence' ? 1 - (this.baseline.shares.fallbacks?.share ?? 0) : 1
    const left = 1 - this.gone / known
    return left <= bound ? LARGEST_BOUND : Math.min(LARGEST_BOUND, bound / left)
  }

  read(sighting: Sighting): void {
    for (const indicator of INDICATORS) {
      if (this.baseline.shares[indicator] === undefined) continue
      const seen = isSeen(indicator, sighting, this.baseline)
      if (seen === null) continue
      this.streams.set(indicator, addLoss(this.streams.get(indicator) ?? NO_STREAM, Number(seen)))
    }
  }

  figures(): IndicatorFigures[] {
    return INDICATORS.flatMap((indicator) => {
      const known = this.baseline.shares[indicator]
      const stream = this.streams.get(indicator)
      if (known === undefined || stream === undefined) return []
      const { pairs: requests, losses: seen } = stream
      const bound = this.boundOf(indicator, known)
      const evidence = evidenceOfRise(stream, bound, 0)
      return { indicator, requests, seen, share: known.share, bound, evidence }
    })
  }
}

/** The indicators that have risen. @param capital for all of them together, such as 300 */
export const risen = (figures: readonly IndicatorFigures[], capital: number): IndicatorFigures[] =>
  figures.filter(({ evidence }) => evidence >= Math.log(capital * INDICATORS.length))
