/**
 * Spans that have the letters and digits of a value, in any case and with any marks between them. What all rules that
 * keep letters and digits can make a value of.
 */
import { hasLetters, wordsOf } from '../words.ts'
import { foldCase, type RowSource, type RowWords, type Span } from './row-words.ts'

/** Places of a value in the sources; a digit may stand anywhere. */
const MAX_PLACES = 48
/** Copied texts are sentences at most. */
const MAX_WORDS = 64
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
  const last = Math.min(source.end, from + MAX_WORDS)
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

/** In the order of the sources. */
export const similarSpans = (row: RowWords, value: string): Span[] => {
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
