/** The scores of a row's tags, seen from its fields. */
import type { CopiedNode } from '../form.ts'
import { firstPlace } from '../../bisect.ts'
import { copiedText } from '../copied-text.ts'
import { readsOf } from '../normalize/chains.ts'
import type { Reads } from '../normalize/rule.ts'
import type { RowWords, Span } from '../spans/row-words.ts'
import { beginOf, insideOf } from '../targets.ts'

/** A field that the decoded choices ask for. */
export interface AskedField {
  field: number
  /** the places of the answer that its span fills */
  nodes: CopiedNode[]
  isRequired: boolean
  /** whether it is of a list */
  isMany: boolean
}

export interface ScoredSpan extends Span {
  /** logarithm of how much more probable the span's tags are than what the words would be without it */
  gain: number
}

/** The tag of a word of no field. */
const OUTSIDE = 0
/** Starts of a field that are looked at, and ends of each. */
const MAX_STARTS = 8
const MAX_ENDS = 4
/** Starts that are looked at where few of the best can be normalized. */
const MAX_MORE_STARTS = 256
/** Words of a span that are tried as its end. */
const MAX_WORDS = 64
/** Ends behind words that are e^12 times less probable are looked at only where no other end is possible. */
const MAX_LOSS = 12
/** Below it a probability counts as 0, and ln(1 − p) as 0. */
const NEGLIGIBLE = -30

/** ln(1 − p) of ln(p). Certainty is bounded, so that a sum stays finite. */
const complement = (logProb: number): number =>
  logProb < NEGLIGIBLE ? 0 : Math.log(Math.max(1 - Math.exp(logProb), 1e-12))

export class FieldTags {
  /** of each word, the best score that it has outside of all fields of one span */
  private readonly outside: Float64Array
  /** of the spans from one word on, by their number of words */
  private readonly ends = new Float64Array(MAX_WORDS)

  /** @param tags `[words, width]` */
  constructor(
    readonly row: RowWords,
    private readonly tags: Float32Array,
    private readonly width: number,
    asked: readonly AskedField[]
  ) {
    const lists = asked.filter(({ isMany }) => isMany)
    this.outside = Float64Array.from({ length: row.count }, (_, word) => {
      let best = this.none(word)
      for (const { field } of lists)
        best = Math.max(best, this.begin(word, field), this.inside(word, field))
      return best
    })
  }

  none(word: number): number {
    return this.score(word, OUTSIDE)
  }

  begin(word: number, field: number): number {
    return this.score(word, beginOf(field))
  }

  inside(word: number, field: number): number {
    return this.score(word, insideOf(field))
  }

  private score(word: number, tag: number): number {
    return this.tags[word * this.width + tag]!
  }

  /** What a tag of a word scores above what the word would score without the field. */
  private gain(word: number, tag: number): number {
    return this.score(word, tag) - this.outside[word]!
  }

  /** Whether the field can have the text of the span. */
  isPossible({ nodes }: AskedField, span: Span): boolean {
    const text = this.row.textOf(span)
    return nodes.every((node) => copiedText(node, text) !== null)
  }

  /** Whether rules can read a word at all: most words are no part of a number or a date. */
  private isPart(reads: readonly Reads[], word: number): boolean {
    if (reads.length === 0) return true
    const text = this.row.foldedWord(word, this.row.sourceOf(word))
    return reads.every((one) => one.isPart(text))
  }

  /** What the best span from each word on gains: its begin, and further words as long as they add. */
  private startGains(field: number): Float64Array {
    const { row } = this
    const [begin, inside] = [beginOf(field), insideOf(field)]
    const gains = new Float64Array(row.count)
    for (const { first, end } of row.sources) {
      let further = 0
      for (let word = end - 1; word >= first; word--) {
        gains[word] = this.gain(word, begin) + further
        further = Math.max(0, this.gain(word, inside) + further)
      }
    }
    return gains
  }

  /** Computes the gains of spans from a word on that are not much worse than the best of them. @returns their number */
  private computeEnds(asked: AskedField, from: number, maxLoss: number): number {
    const { row, ends } = this
    const reads = asked.nodes.flatMap(({ chain }) => readsOf(chain) ?? [])
    const inside = insideOf(asked.field)
    const last = Math.min(row.sourceOf(from).end, from + MAX_WORDS)
    let count = 0
    let best = -Infinity
    let gain = this.gain(from, beginOf(asked.field))
    for (let to = from + 1; this.isPart(reads, to - 1); to++) {
      ends[count++] = gain
      best = Math.max(best, gain)
      if (to >= last || gain < best - maxLoss) break
      gain += this.gain(to, inside)
    }
    return count
  }

  /**
   * The span of the best computed end behind another one; null if there is none. A few of up to 64 are needed, so they
   * are not sorted.
   */
  private nextSpan(from: number, count: number, before: ScoredSpan | null): ScoredSpan | null {
    let best: ScoredSpan | null = null
    for (let at = 0; at < count; at++) {
      const gain = this.ends[at]!
      const to = from + at + 1
      const isSeen =
        before !== null && (gain > before.gain || (gain === before.gain && to <= before.to))
      if (!isSeen && (best === null || gain > best.gain)) best = { from, to, gain }
    }
    return best
  }

  /** The best ends of a start whose text the field can have. */
  private spansFrom(asked: AskedField, from: number): ScoredSpan[] {
    for (const maxLoss of [MAX_LOSS, Infinity]) {
      const possible: ScoredSpan[] = []
      const count = this.computeEnds(asked, from, maxLoss)
      let span = this.nextSpan(from, count, null)
      while (span !== null && possible.length < MAX_ENDS) {
        if (this.isPossible(asked, span)) possible.push(span)
        span = this.nextSpan(from, count, span)
      }
      if (possible.length > 0) return possible
    }
    return []
  }

  /** Spans of the best starts that have some. */
  private spansOfStarts(asked: AskedField, starts: readonly number[]): ScoredSpan[] {
    const spans: ScoredSpan[] = []
    let found = 0
    for (const from of starts) {
      const own = this.spansFrom(asked, from)
      spans.push(...own)
      if (own.length > 0 && ++found === MAX_STARTS) break
    }
    return spans
  }

  /** Possible spans of a field, the best first. An optional field has only spans that are better than none. */
  spansOf(asked: AskedField): ScoredSpan[] {
    const gains = this.startGains(asked.field)
    const above = asked.isRequired ? -Infinity : 0
    let spans = this.spansOfStarts(asked, bestPlaces(gains, MAX_STARTS, above))
    if (asked.isRequired && spans.length < MAX_STARTS)
      spans = this.spansOfStarts(asked, bestPlaces(gains, MAX_MORE_STARTS, above))
    if (!asked.isRequired) spans = spans.filter(({ gain }) => gain > 0)
    return spans.sort((one, other) => other.gain - one.gain)
  }

  /** ln of the probability that the field has exactly these spans, as if words were independent. */
  logProbOf(field: number, spans: readonly Span[]): number {
    let sum = 0
    let word = 0
    const skipTo = (end: number): void => {
      for (; word < end; word++) sum += complement(this.begin(word, field))
    }
    const inOrder = [...spans].sort((one, other) => one.from - other.from)
    for (const { from, to } of inOrder) {
      skipTo(from)
      sum += this.begin(from, field)
      for (word = from + 1; word < to; word++) sum += this.inside(word, field)
      const isEnd = this.row.sources.some(({ end }) => end === to)
      if (!isEnd && !inOrder.some((span) => span.from === to))
        sum += complement(this.inside(to, field))
    }
    skipTo(this.row.count)
    return sum
  }
}

/** Places of the greatest values above a least one, greatest first. */
const bestPlaces = (values: Float64Array, count: number, above: number): number[] => {
  const best: { place: number; value: number }[] = []
  for (const [place, value] of values.entries()) {
    if (value <= above) continue
    const last = best.at(-1)
    if (last !== undefined && best.length === count && value <= last.value) continue
    const at = firstPlace(best, (one) => one.value >= value)
    best.splice(at, 0, { place, value })
    if (best.length > count) best.pop()
  }
  return best.map(({ place }) => place)
}
