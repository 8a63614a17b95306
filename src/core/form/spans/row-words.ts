/** The words of a row's sources, numbered through, and the texts of spans of them. Knows nothing of fields. */
import { placesOf, type Source } from '../words.ts'

/** Words from `from` up to, without, `to`, all of one source. */
export interface Span {
  from: number
  to: number
}

/** A lower-case text with each character at its old place: İ would become two. */
const foldedText = (text: string): string => {
  const folded = text.toLowerCase()
  if (folded.length === text.length) return folded
  return text.replace(/\P{ASCII}/gu, (character) => {
    const lower = character.toLowerCase()
    return lower.length === character.length ? lower : character
  })
}

export class RowWords {
  readonly sources: readonly Source[]
  /** each source in lower case, with the same offsets */
  readonly folded: string[]
  /** number of each source's first word, and behind them the number of all words */
  readonly firsts: number[] = [0]
  /** offsets in the word's own source */
  readonly starts: number[] = []
  readonly ends: number[] = []

  constructor(sources: readonly Source[]) {
    this.sources = sources
    this.folded = sources.map((source) => foldedText(source.text))
    for (const source of sources) {
      const { starts, ends } = placesOf(source.text)
      // no spread: a text has more words than a call can have arguments
      for (const start of starts) this.starts.push(start)
      for (const end of ends) this.ends.push(end)
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

  /** The text between a span's first and last character. */
  textOf({ from, to }: Span): string {
    return this.sources[this.sourceOf(from)]!.text.slice(this.starts[from], this.ends[to - 1])
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
