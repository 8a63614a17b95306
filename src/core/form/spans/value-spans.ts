/** The spans of a row that a chain of rules turns into a value. Keeps what it read of a row. */
import { normalize, readsOf, type Chain } from '../normalize/chains.ts'
import type { Reads } from '../normalize/rule.ts'
import type { RowSource, RowWords, Span } from './row-words.ts'
import { similarSpans } from './similar-spans.ts'

/** Number words and dates are shorter. */
const MAX_WORDS = 12

/** All spans from a word on that a chain can read, by their value. */
const readFrom = (
  row: RowWords,
  source: RowSource,
  from: number,
  { chain, reads, spans }: { chain: Chain; reads: Reads; spans: Map<string, Span[]> }
): void => {
  const last = Math.min(source.end, from + MAX_WORDS)
  let isBehindDigits = false
  for (let to = from + 1; to <= last; to++) {
    const word = row.foldedWord(to - 1, source)
    if (!reads.isPart(word)) return
    const isDigits = /^\d/.test(word)
    if (isBehindDigits && isDigits && word.length !== reads.digitsBehindDigits) return
    isBehindDigits = isDigits
    const value = normalize(chain, row.textOf({ from, to }))
    if (value === null) continue
    const known = spans.get(value)
    if (known) known.push({ from, to })
    else spans.set(value, [{ from, to }])
  }
}

/** All spans that a chain can read, by their value. */
const readSpans = (row: RowWords, chain: Chain, reads: Reads): Map<string, Span[]> => {
  const spans = new Map<string, Span[]>()
  for (const source of row.sources) {
    for (const { index } of source.folded.matchAll(reads.starts)) {
      const from = row.wordAt(index, source)
      if (from >= 0) readFrom(row, source, from, { chain, reads, spans })
    }
  }
  return spans
}

/** Whether a span holds another one, and ends with more than a mark. */
const holds = (row: RowWords, wide: Span, span: Span): boolean =>
  wide !== span &&
  wide.from <= span.from &&
  wide.to >= span.to &&
  /[\p{L}\p{N}%$€£]$/u.test(row.textOf(wide))

/** Without spans that stand within a longer one of the same value: of "7 pm" and "7 pm.", the first. */
const widest = (row: RowWords, spans: readonly Span[]): Span[] =>
  spans.filter((span, at) => {
    // in the order of their first words: spans that hold this one are near
    const near = spans.slice(Math.max(0, at - MAX_WORDS), at + MAX_WORDS)
    return !near.some((other) => holds(row, other, span))
  })

const BEFORE = /(?:[\p{L}\p{M}\p{N}]|\p{N}[.,:/-])$/u
const BEHIND = /^(?:[\p{L}\p{M}\p{N}]|[.,:/-]\p{N})/u

/** Whether a span is a part of a longer number or code. */
const isGlued = (row: RowWords, { from, to }: Span): boolean => {
  const { text } = row.sourceOf(from)
  const [start, end] = [row.startOf(from), row.endOf(to - 1)]
  return (
    BEFORE.test(text.slice(Math.max(0, start - 2), start)) || BEHIND.test(text.slice(end, end + 2))
  )
}

export class ValueSpans {
  readonly row: RowWords
  private readonly similar = new Map<string, Span[]>()
  private readonly read = new Map<string, Map<string, Span[]>>()

  constructor(row: RowWords) {
    this.row = row
  }

  private similarTo(value: string): Span[] {
    let spans = this.similar.get(value)
    if (spans === undefined) this.similar.set(value, (spans = similarSpans(this.row, value)))
    return spans
  }

  /**
   * In the order of the sources; empty if the chain makes the value of none. The 5 of 12.5 or of AB5 is left out where
   * a 5 of its own is found.
   */
  find(chain: Chain, value: string): Span[] {
    const reads = readsOf(chain)
    const spans =
      reads === null ? this.lettersOf(chain, value) : this.readingsOf(chain, reads, value)
    const own = spans.length > 1 ? spans.filter((span) => !isGlued(this.row, span)) : []
    return own.length > 0 ? own : spans
  }

  private lettersOf(chain: Chain, value: string): Span[] {
    return this.similarTo(value).filter((span) => normalize(chain, this.row.textOf(span)) === value)
  }

  private readingsOf(chain: Chain, reads: Reads, value: string): Span[] {
    const name = chain.join(' ')
    let read = this.read.get(name)
    if (read === undefined) this.read.set(name, (read = readSpans(this.row, chain, reads)))
    return widest(this.row, read.get(value) ?? [])
  }
}
