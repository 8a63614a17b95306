/**
 * The border of a route: the confidence from which on the lora answers. The gate proves the first border; pairs may
 * prove wider ones while the route is live, because an audited request also shows what the lora would have answered
 * below the border. Where the loss of a route has risen, pairs since then may prove a narrower one. Knows nothing of
 * stores or engines.
 *
 * The candidates are fixed before the first pair, and are proved from narrow to wide, each at the full level. The
 * first one whose loss is too high must be proved before any wider one is in force, and its capital reaches c with a
 * probability of 1/c at most, however often one looks. So does the whole sequence.
 */
import {
  addCounts,
  addLoss,
  beforeRise,
  evidenceBelow,
  evidenceOfRise,
  NO_PAIRS,
  NO_STREAM,
  onePair,
  pairsSince,
  type LeastLoss,
  type LossCounts,
  type LossStream,
} from './evidence.ts'
import { draftLossOf, isAnswered, isAnsweredFrom, lossOf, type JudgedPair } from './pair.ts'
import { itemAt, valueIn } from '../lists.ts'

/** The part of a pair that is evidence about borders. */
export type BorderPair = Pick<JudgedPair, 'outcome' | 'rating' | 'confidence'>

/** The pairs that a border would have answered. */
export interface BorderCounts extends LossCounts {
  /** confidence from which on it answers */
  threshold: number
}

/** What pairs say of each border. */
export interface BorderSums {
  /** with falling thresholds, the one of the proof first */
  borders: readonly BorderCounts[]
  /** pairs that were answered, and drafts below the border that was in force */
  answered: number
  drafts: number
  /** audited requests, also those without an answer of the lora */
  audited: number
}

/** Sums the pairs of a route without conversations of several turns. They depend on the pairs alone. */
export class BorderReader {
  private borders: BorderCounts[]
  private answered = 0
  private drafts = 0
  private audited = 0

  /** @param borders confidences, falling; the one of the proof first */
  constructor(borders: readonly number[]) {
    this.borders = borders.map((threshold) => ({ threshold, ...NO_PAIRS }))
  }

  read(pair: BorderPair): void {
    if (pair.outcome === 'unusable') return
    this.audited++
    const draftLoss = draftLossOf(pair)
    if (draftLoss !== null) this.drafts++
    else if (isAnswered(pair)) this.answered++
    else return
    const counts = onePair(draftLoss ?? lossOf(pair))
    // an answer that the upstream refused afterwards has no confidence, and was given
    const confidence = pair.confidence ?? Infinity
    this.borders = this.borders.map((border) =>
      confidence >= border.threshold ? { ...border, ...addCounts(border, counts) } : border
    )
  }

  sums(): BorderSums {
    const { borders, answered, drafts, audited } = this
    return { borders, answered, drafts, audited }
  }
}

/** Why a border is in force. */
export interface BorderEvidence extends LossCounts {
  /** pairs that were read until then */
  answered: number
  drafts: number
  margin: number
  /** natural logarithm of the capital against "the loss is at least the margin", by what the border would answer */
  capital: number
}

/** Why a border was made narrower. */
export interface Narrowing {
  /** answers until the loss rose, which say nothing of the loss now */
  before: number
  /** natural logarithm of the capital against "the loss is within the margin", of all answers of the border before */
  rise: number
  /** the least loss that a pair could have */
  least: LeastLoss
}

/** Of a live route. */
export interface Border {
  /** the lora answers from this confidence on */
  threshold: number
  evidence: BorderEvidence
  /** absent where the border was made wider */
  narrowing?: Narrowing
}

/**
 * Number of the widest border that may be in force: each one up to it has been proved, in their order.
 * @param present number of the border in force @param margin in (0, 1) @param capital that proves one
 */
export const provedBorder = (
  borders: readonly LossCounts[],
  present: number,
  { margin, capital }: { margin: number; capital: number }
): number => {
  const open = borders.findIndex(
    (each, i) => i > present && evidenceBelow(each, margin) < Math.log(capital)
  )
  return Math.max(present, (open < 0 ? borders.length : open) - 1)
}

/** The border with its evidence. @param number of it, from 1 on: 0 is that of the proof */
export const borderAt = (
  { borders, answered, drafts }: BorderSums,
  number: number,
  margin: number
): Border => {
  const { threshold, ...counts } = itemAt(borders, number)
  const capital = evidenceBelow(counts, margin)
  return { threshold, evidence: { ...counts, answered, drafts, margin, capital } }
}

/** What decides on a narrower border. */
export interface NarrowingLimits {
  margin: number
  least: LeastLoss
  /** that proves a border, and that shows a loss above the margin */
  stepCapital: number
  rollbackCapital: number
}

const countsOf = ({ pairs, losses, credits }: LossCounts): LossCounts => ({
  pairs,
  losses,
  credits,
})

/** A narrower border, with its pairs. */
interface Candidate {
  readonly threshold: number
  stream: LossStream
  /** its pairs at the starts of the stream of the border in force, by the number of answers until then */
  readonly starts: Map<number, LossCounts>
}

/** Reads the pairs of a route whose loss has risen, and finds the border behind which it has not. */
export class NarrowingReader {
  private readonly candidates: readonly Candidate[]
  private stream: LossStream = NO_STREAM

  /** @param present confidence of the border in force @param borders narrower ones, the narrowest first */
  constructor(
    private readonly present: number,
    borders: readonly number[]
  ) {
    this.candidates = borders.map((threshold) => ({
      threshold,
      stream: NO_STREAM,
      starts: new Map([[0, NO_PAIRS]]),
    }))
  }

  /** answers of the border in force that were read */
  get answered(): number {
    return this.stream.pairs
  }

  read(pair: BorderPair): void {
    if (!isAnsweredFrom(this.present, pair)) return
    const loss = lossOf(pair)
    const { started } = this.stream
    this.stream = addLoss(this.stream, loss)
    for (const candidate of this.candidates) {
      const { threshold, stream, starts } = candidate
      if (isAnsweredFrom(threshold, pair)) candidate.stream = addLoss(stream, loss)
      if (this.stream.started > started) starts.set(this.stream.pairs, countsOf(candidate.stream))
    }
  }

  /**
   * The widest border that the pairs since the rise prove. The first of the sequence is the narrowest one that has
   * pairs enough to be proved at all, so that it depends on confidences alone.
   * @returns the border, and all its answers so far; null: none is proved, or the loss has risen there, too
   */
  narrowed(limits: NarrowingLimits): { border: Border; answers: LossCounts } | null {
    const { margin, least, stepCapital, rollbackCapital } = limits
    const before = beforeRise(this.stream, margin, least).pairs
    const all = this.candidates.map(({ threshold, stream, starts }) => {
      const since = pairsSince(stream, valueIn(starts, before))
      const capital = evidenceBelow(since, margin)
      return { threshold, stream, since, capital }
    })
    const proves = Math.log(stepCapital)
    const possible = all.filter(
      ({ since }) => evidenceBelow({ ...NO_PAIRS, pairs: since.pairs }, margin) >= proves
    )
    const open = possible.findIndex(
      ({ stream, capital }) =>
        capital < proves || evidenceOfRise(stream, margin, least) >= Math.log(rollbackCapital)
    )
    const found = possible[(open < 0 ? possible.length : open) - 1]
    if (found === undefined) return null
    const { threshold, stream, since, capital } = found
    const rise = evidenceOfRise(this.stream, margin, least)
    const evidence = { ...since, answered: this.stream.pairs, drafts: 0, margin, capital }
    return {
      border: { threshold, evidence, narrowing: { before, rise, least } },
      answers: countsOf(stream),
    }
  }
}

/**
 * Confidence from which on the pairs of a route count: answers below a border that was made narrower are given no
 * more. @param border in force; null: that of the proof
 */
export const leastCounted = (border: Border | null): number =>
  border?.narrowing === undefined ? -Infinity : border.threshold

/** What is shown of a border. */
export interface BorderReport {
  /** number of the border in force, from 0, that of the proof; and of the widest one */
  present: number
  widest: number
  /** share of the audited requests that the border in force answers; null before the first one */
  coverage: number | null
  /** the next one; null where there is none */
  next: (Border & { coverage: number }) | null
}

export const reportBorder = (sums: BorderSums, present: number, margin: number): BorderReport => {
  const { borders, audited } = sums
  const share = (number: number): number => itemAt(borders, number).pairs / Math.max(1, audited)
  const next = present + 1
  return {
    present,
    widest: borders.length - 1,
    coverage: audited === 0 ? null : share(present),
    next: next < borders.length ? { ...borderAt(sums, next, margin), coverage: share(next) } : null,
  }
}
