/**
 * The words of a text with their places: what tags are about. Knows nothing of fields.
 */

/** Runs of letters (with combining marks), runs of digits, single other characters; white space is none. */
export interface Word {
  text: string
  /** UTF-16 offsets */
  start: number
  end: number
}

/** Where values may be copied from: the query first, then kept slots of the prompt. */
export interface Source {
  name: string
  text: string
  /** what stands in the text for a part of the message; absent: the text is the message's */
  escape?: { written: string; meant: string }
}

/** Places of words: `starts[i]` and `ends[i]` are UTF-16 offsets. */
export interface WordPlaces {
  starts: number[]
  ends: number[]
}

/**
 * Each character of a script without blanks between words is a word of its own, as in BERT's tokenizer: otherwise a
 * value could not be a part of a Chinese sentence.
 */
const UNSPACED =
  '[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}]'
const WORD = new RegExp(
  `${UNSPACED}\\p{M}*|(?:(?!${UNSPACED})\\p{L}[\\p{M}\\u200c\\u200d]*)+|\\p{Nd}+|\\S\\p{M}*`,
  'uy'
)

const BLANK = 1
const LETTER = 2
const DIGIT = 3
/** Of an ASCII character: blank, letter, digit, or 0 for the others. */
const KIND = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code)
  if (/\s/.test(character)) return BLANK
  if (/[a-z]/i.test(character)) return LETTER
  return /\d/.test(character) ? DIGIT : 0
})

/** The end of the word of other than ASCII characters at `at`, or `at` for white space. */
const endOfOther = (text: string, at: number): number => {
  WORD.lastIndex = at
  return WORD.exec(text) ? WORD.lastIndex : at
}

/** Adds the places of a text's words. Linear in the text. */
export const addPlaces = (text: string, { starts, ends }: WordPlaces): void => {
  for (let at = 0; at < text.length;) {
    const kind = KIND[text.charCodeAt(at)]
    let end = at + 1
    if (kind === BLANK) {
      at = end
      continue
    }
    // the loop is twenty times faster than the pattern, which reads only words with other characters
    if (kind === LETTER || kind === DIGIT) while (KIND[text.charCodeAt(end)] === kind) end++
    if (kind === undefined || text.charCodeAt(end) >= 128) end = endOfOther(text, at)
    if (end > at) {
      starts.push(at)
      ends.push(end)
    }
    at = Math.max(end, at + 1)
  }
}

/** The words in the order of the text. */
export const wordsOf = (text: string): Word[] => {
  const { starts, ends }: WordPlaces = { starts: [], ends: [] }
  addPlaces(text, { starts, ends })
  return starts.map((start, at) => ({ text: text.slice(start, ends[at]), start, end: ends[at]! }))
}

/** Whether the word is a run of letters or digits, not a punctuation mark or another symbol. */
export const hasLetters = (word: string): boolean => {
  const kind = KIND[word.charCodeAt(0)]
  return kind === undefined ? /^[\p{L}\p{Nd}]/u.test(word) : kind >= LETTER
}
