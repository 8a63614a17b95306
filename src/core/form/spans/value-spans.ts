/** The spans of a row that a chain of rules turns into a value. Keeps what it read of a row. */
import { normalize, readsOf, type Chain } from '../normalize/chains.ts'
import type { Reads } from '../normalize/rule.ts'
import { foldCase, type RowSource, type RowWords, type Span } from './row-words.ts'
import { hasLetters, wordsOf } from '../words.ts'

/** Places of a value in the sources; a digit may stand anywhere. */
const MAX_PLACES = 48
/** Copied texts are sentences at most. */
const MAX_TEXT_WORDS = 64
/** Marks at the ends of a value that may belong to its span: "+49", "(a)", an emoji of seven characters. */
const MAX_MARKS = 8

interface ValueParts {
  /** letters and digits in lower case */
  letters: string
  first: string
  marksBefore: number
  marksBehind: number
}

const partsOf = (value: string): ValueParts | null => {
  const words = wordsOf(foldCase(value)).map((word) => word.text)
  const lettered = words.filter(hasLetters)
  const [first] = lettered
  if (first === undefined) return null
  return {
    letters: lettered.join(''),
    first,
    marksBefore: Math.min(words.indexOf(first), MAX_MARKS),
    marksBehind: Math.min(words.length - 1 - words.findLastIndex(hasLetters), MAX_MARKS),
  }
}

/** The end of the shortest span from a word on that has the letters; -1 if there is none. */
const endOfLetters = (row: RowWords, source: RowSource, from: number, letters: string): number => {
  const last = Math.min(source.end, from + MAX_TEXT_WORDS)
  let read = 0
  for (let word = from; word < last; word++) {
    const text = row.foldedWord(word, source)
    if (hasLetters(text)) {
      if (!letters.startsWith(text, read)) return -1
      read += text.length
      if (read === letters.length) return word + 1
    }
  }
  return -1
}

/** The span with up to so many marks before and behind it. */
const withMarks = (row: RowWords, source: RowSource, span: Span, parts: ValueParts): Span[] => {
  const spans: Span[] = []
  const isMark = (word: number): boolean =>
    word >= source.first && word < source.end && !hasLetters(row.foldedWord(word, source))
  for (let from = span.from; span.from - from <= parts.marksBefore; from--) {
    if (from < span.from && !isMark(from)) break
    for (let to = span.to; to - span.to <= parts.marksBehind; to++) {
      if (to > span.to && !isMark(to - 1)) break
      spans.push({ from, to })
    }
  }
  return spans
}

const spansFrom = (row: RowWords, source: RowSource, word: number, parts: ValueParts): Span[] => {
  const to = endOfLetters(row, source, word, parts.letters)
  return to < 0 ? [] : withMarks(row, source, { from: word, to }, parts)
}

/** Words of a source that are the first word of the value. */
const startsOf = (row: RowWords, source: RowSource, first: string): number[] => {
  const starts: number[] = []
  const text = source.folded
  for (let at = text.indexOf(first); at >= 0; at = text.indexOf(first, at + 1)) {
    const word = row.wordAt(at, source)
    if (word >= 0 && row.endOf(word) === at + first.length) starts.push(word)
  }
  return starts
}

/** Words of a source that are a part of the value's first word: "030 1234" has the digits of "0301234". */
const partialStarts = (row: RowWords, source: RowSource, first: string): number[] => {
  const starts: number[] = []
  for (let word = source.first; word < source.end; word++) {
    if (source.folded.charCodeAt(row.startOf(word)) !== first.charCodeAt(0)) continue
    if (first.startsWith(row.foldedWord(word, source))) starts.push(word)
  }
  return starts
}

/** Spans of a value without letters and digits: an emoji, a symbol. */
const exactSpans = (row: RowWords, value: string): Span[] => {
  const spans: Span[] = []
  if (value.trim() !== value || value === '') return spans
  for (const source of row.sources) {
    const { text } = source
    for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
      const from = row.wordAt(at, source)
      if (from < 0) continue
      let to = from + 1
      while (row.endOf(to - 1) < at + value.length) to++
      if (row.endOf(to - 1) === at + value.length) spans.push({ from, to })
      if (spans.length === MAX_PLACES) return spans
    }
  }
  return spans
}

/**
 * Spans that have the letters and digits of a value, in any case and with any marks between them: what all rules that
 * keep letters and digits can make a value of. In the order of the sources.
 */
const similarSpans = (row: RowWords, value: string): Span[] => {
  const parts = partsOf(value)
  if (parts === null) return exactSpans(row, value)
  const places = (starts: typeof startsOf): Span[] => {
    const spans: Span[] = []
    for (const source of row.sources) {
      for (const word of starts(row, source, parts.first)) {
        spans.push(...spansFrom(row, source, word, parts))
        if (spans.length >= MAX_PLACES) return spans
      }
    }
    return spans
  }
  const spans = places(startsOf)
  // only digits are grouped by marks within a word
  return spans.length > 0 || !/\d/.test(parts.letters) ? spans : places(partialStarts)
}

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
  private readonly similar = new Map<string, Span[]>()
  private readonly read = new Map<string, Map<string, Span[]>>()

  constructor(readonly row: RowWords) {}

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
