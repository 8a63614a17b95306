/**
 * Features of a text without a model: its words, pairs of words and character n-grams, hashed into a fixed
 * number of dimensions. A linear head on them finds what depends on words; a sentence encoder also knows
 * words that mean the same. Pure.
 */
import { hashText } from '../request/request-scan.ts'

/** Training a head takes time in proportion to its square: 1,024 are three times as slow and a point better. */
export const HASHED_DIMS = 512

const SEED = 0x8ead
const WORDS = /[\p{L}\p{M}\p{N}]+/gu
/** Scripts that are written without blanks: a run of letters is a sentence, and one sign is a word. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
/** A longer run is data, and its n-grams would outweigh the words. */
const MAX_WORD_CHARS = 64
/** A longer text is cut: encoders read less. */
const MAX_TEXT_CHARS = 16_384

/** Lengths of character n-grams, and the weight of one. */
const GRAMS = { spaced: [3, 4], unspaced: [1, 2, 3] }
const WORD_WEIGHT = 1
const PAIR_WEIGHT = 0.7
const GRAM_WEIGHT = 0.4

/** n-grams of a word with its edges marked, so that a prefix differs from the middle of a word. */
const gramsOf = (word: string): string[] => {
  const isUnspaced = UNSPACED.test(word)
  // by code point: half of a surrogate pair is no sign
  const signs = [...(isUnspaced ? word : `<${word}>`)]
  return (isUnspaced ? GRAMS.unspaced : GRAMS.spaced).flatMap((length) =>
    Array.from({ length: Math.max(0, signs.length - length + 1) }, (_, start) =>
      signs.slice(start, start + length).join('')
    )
  )
}

/** How often each name occurs. @param kind told apart from the same text of another kind */
const tally = (kind: string, names: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(kind + name, (counts.get(kind + name) ?? 0) + 1)
  return counts
}

const wordsOf = (text: string): string[] => {
  const normal = text.slice(0, MAX_TEXT_CHARS).normalize('NFKC').toLowerCase()
  return (normal.match(WORDS) ?? []).map((word) => word.slice(0, MAX_WORD_CHARS))
}

const countsOf = (text: string): [weight: number, counts: Map<string, number>][] => {
  const words = wordsOf(text)
  const pairs = words.slice(1).map((word, i) => `${words[i]} ${word}`)
  return [
    [WORD_WEIGHT, tally('w', words)],
    [PAIR_WEIGHT, tally('p', pairs)],
    [GRAM_WEIGHT, tally('g', words.flatMap(gramsOf))],
  ]
}

const addText = (row: Float32Array, text: string): void => {
  for (const [weight, counts] of countsOf(text)) {
    for (const [name, count] of counts) {
      const { hi, lo } = hashText(name, SEED)
      const value = weight * (1 + Math.log(count))
      row[(hi >>> 0) % row.length]! += (lo & 1) === 0 ? value : -value
    }
  }
  const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
  if (norm > 0) for (let i = 0; i < row.length; i++) row[i]! /= norm
}

/**
 * Signed feature hashing (Weinberger et al. 2009, arXiv 0902.2206): colliding features cancel on average.
 * Counts enter by 1 + ln(count), and each row has length 1; a text without letters and digits has zeros.
 * @returns row-major `[texts, dims]`
 */
export const hashedFeatures = (texts: readonly string[], dims = HASHED_DIMS): Float32Array => {
  const features = new Float32Array(texts.length * dims)
  texts.forEach((text, row) => addText(features.subarray(row * dims, (row + 1) * dims), text))
  return features
}
