/** Words of a text with their places: what tags are about. Knows nothing of tokens. */

export interface Word {
  text: string
  /** UTF-16 offsets; `end` is behind the last unit */
  start: number
  end: number
}

/** A run of letters with their combining marks, a run of digits, or one other character. */
const WORD = /\p{L}[\p{L}\p{M}]*|\p{Nd}+|\S/gu

/** White space belongs to no word. */
export const wordsOf = (text: string): Word[] =>
  Array.from(text.matchAll(WORD), ({ 0: word, index }) => ({
    text: word,
    start: index,
    end: index + word.length,
  }))
