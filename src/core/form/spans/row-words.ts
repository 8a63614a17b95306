/** The words of a row's sources, numbered through, and the texts of spans of them. Knows nothing of fields. */
import { addPlaces, type Source } from '../words.ts'

/** Words from `from` up to, without, `to`, all of one source. */
export interface Span {
  from: number
  to: number
}

/** Without case: of ı and i, of ς and σ the capital letters are the same. The length stays: İ and ß are kept. */
const foldedCharacter = (character: string): string => {
  const folded = character.toUpperCase().toLowerCase()
  if (folded.length === character.length) return folded
  const lower = character.toLowerCase()
  return lower.length === character.length ? lower : character
}

/** Small letters that share their capital with another small letter: ı, ſ, ς and Greek variants, µ. */
const SECOND_LETTERS = /[\u00b5\u0131\u017f\u03c2\u03d0-\u03d6\u03f0-\u03f5\u1e9b\u1fbe]/

/** A text without case, with each character at its old place. */
export const foldCase = (text: string): string => {
  const folded = text.toLowerCase()
  // native, and right for nearly all texts
  if (folded.length === text.length && !SECOND_LETTERS.test(folded)) return folded
  return text
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    .replace(/\P{ASCII}/gu, foldedCharacter)
}

export class RowWords {
  readonly sources: readonly Source[]
  /** each source without case, with the same offsets */
  readonly folded: string[]
  /** number of each source's first word, and behind them the number of all words */
  readonly firsts: number[] = [0]
  /** offsets in the word's own source */
  readonly starts: number[] = []
  readonly ends: number[] = []

  constructor(sources: readonly Source[]) {
    this.sources = sources
    this.folded = sources.map((source) => foldCase(source.text))
    for (const source of sources) {
      addPlaces(source.text, this)
      this.firsts.push(this.starts.length)
    }
  }

  get count(): number {
    return this.starts.length
  }

  sourceOf(word: number): number {
    let source = 0
    while (this.firsts[source + 1]! <= word) source++
    return source
  }

  /** The text between a span's first and last character, as the message has it. */
  textOf({ from, to }: Span): string {
    const { text, escape } = this.sources[this.sourceOf(from)]!
    const part = text.slice(this.starts[from], this.ends[to - 1])
    return escape ? part.replaceAll(escape.written, escape.meant) : part
  }

  /** A word of a source in lower case. */
  foldedWord(word: number, source: number): string {
    return this.folded[source]!.slice(this.starts[word], this.ends[word])
  }

  /** The word of a source that begins at an offset; -1 if none does. */
  wordAt(offset: number, source: number): number {
    let low = this.firsts[source]!
    let high = this.firsts[source + 1]!
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.starts[middle]! < offset) low = middle + 1
      else high = middle
    }
    return low < this.firsts[source + 1]! && this.starts[low] === offset ? low : -1
  }
}
