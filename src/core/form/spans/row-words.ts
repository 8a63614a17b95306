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

/** A source with its words: those from `first` up to, without, `end`. */
export interface RowSource {
  name: string
  text: string
  escape: Source['escape'] | undefined
  /** the text without case, with the same offsets */
  folded: string
  first: number
  end: number
}

export class RowWords {
  readonly sources: readonly RowSource[]
  /** offsets in the word's own source */
  readonly starts: number[] = []
  readonly ends: number[] = []

  constructor(sources: readonly Source[]) {
    this.sources = sources.map(({ name, text, escape }) => {
      const first = this.count
      addPlaces(text, this)
      return { name, text, escape, folded: foldCase(text), first, end: this.count }
    })
  }

  get count(): number {
    return this.starts.length
  }

  /** Offset of a word's first character in its source. */
  startOf(word: number): number {
    return this.starts[word]!
  }

  /** Offset behind a word's last character in its source. */
  endOf(word: number): number {
    return this.ends[word]!
  }

  sourceOf(word: number): RowSource {
    return this.sources.find(({ end }) => word < end)!
  }

  /** The text between a span's first and last character, as the message has it. */
  textOf({ from, to }: Span): string {
    const { text, escape } = this.sourceOf(from)
    const part = text.slice(this.starts[from], this.ends[to - 1])
    return escape ? part.replaceAll(escape.written, escape.meant) : part
  }

  /** A word of a source in lower case. */
  foldedWord(word: number, { folded }: RowSource): string {
    return folded.slice(this.starts[word], this.ends[word])
  }

  /** The word of a source that begins at an offset; -1 if none does. */
  wordAt(offset: number, { first, end }: RowSource): number {
    let [low, high] = [first, end]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.startOf(middle) < offset) low = middle + 1
      else high = middle
    }
    return low < end && this.startOf(low) === offset ? low : -1
  }
}
