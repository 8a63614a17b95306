/** The scores of a row's tags, seen from its fields. */
import type { CopiedNode } from '../form.ts'
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
  readonly row: RowWords
  /** of each word, the best score that it has outside of all fields of one span */
  private readonly outside: Float64Array
  private readonly tags: Float32Array
  private readonly width: number
  /** of the spans from one word on, by their number of words */
  private readonly ends = new Float64Array(MAX_WORDS)

  /** @param tags `[words, width]` */
  constructor(row: RowWords, tags: Float32Array, width: number, asked: readonly AskedField[]) {
    this.row = row
    this.tags = tags
    this.width = width
    const lists = asked.filter(({ isMany }) => isMany)
    this.outside = Float64Array.from({ length: row.count }, (_, word) => {
      let best = tags[word * width]!
      for (const { field } of lists)
        best = Math.max(best, this.begin(word, field), this.inside(word, field))
      return best
    })
  }

  none(word: number): number {
    return this.tags[word * this.width]!
  }

  begin(word: number, field: number): number {
    return this.tags[word * this.width + beginOf(field)]!
  }

  inside(word: number, field: number): number {
    return this.tags[word * this.width + insideOf(field)]!
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
    const { row, outside } = this
    const gains = new Float64Array(row.count)
    for (const { first, end } of row.sources) {
      let further = 0
      for (let word = end - 1; word >= first; word--) {
        gains[word] = this.begin(word, field) - outside[word]! + further
        further = Math.max(0, this.inside(word, field) - outside[word]! + further)
      }
    }
    return gains
  }

  /** Computes the gains of spans from a word on that are not much worse than the best of them. @returns their number */
  private computeEnds(asked: AskedField, from: number, maxLoss: number): number {
    const { row, ends, tags, width, outside } = this
    const reads = asked.nodes.flatMap(({ chain }) => readsOf(chain) ?? [])
    const inside = insideOf(asked.field)
    const last = Math.min(row.sourceOf(from).end, from + MAX_WORDS)
    let count = 0
    let best = -Infinity
    let gain = this.begin(from, asked.field) - outside[from]!
    for (let to = from + 1; this.isPart(reads, to - 1); to++) {
      ends[count++] = gain
      best = Math.max(best, gain)
      if (to >= last || gain < best - maxLoss) break
      gain += tags[to * width + inside]! - outside[to]!
    }
    return count
  }

  /** The place of the best computed end behind another one: a few of up to 64 are needed, so they are not sorted. */
  private nextEnd(count: number, before: number): number {
    const { ends } = this
    const most = before < 0 ? Infinity : ends[before]!
    let best = -1
    for (let at = 0; at < count; at++) {
      const isSeen = ends[at]! > most || (ends[at] === most && at <= before)
      if (!isSeen && (best < 0 || ends[at]! > ends[best]!)) best = at
    }
    return best
  }

  /** The best ends of a start whose text the field can have. */
  private spansFrom(asked: AskedField, from: number): ScoredSpan[] {
    for (const maxLoss of [MAX_LOSS, Infinity]) {
      const possible: ScoredSpan[] = []
      const count = this.computeEnds(asked, from, maxLoss)
      let end = this.nextEnd(count, -1)
      while (end >= 0 && possible.length < MAX_ENDS) {
        const span = { from, to: from + end + 1, gain: this.ends[end]! }
        if (this.isPossible(asked, span)) possible.push(span)
        end = this.nextEnd(count, end)
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
  const best: number[] = []
  for (let place = 0; place < values.length; place++) {
    const value = values[place]!
    if (value <= above) continue
    if (best.length === count && value <= values[best.at(-1)!]!) continue
    let at = best.length
    while (at > 0 && values[best[at - 1]!]! < value) at--
    best.splice(at, 0, place)
    if (best.length > count) best.pop()
  }
  return best
}
