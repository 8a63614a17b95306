/**
 * Features of a text without a model: its words, pairs of words and character n-grams, hashed into a fixed
 * number of dimensions. A linear head on them finds what depends on words; a sentence encoder also knows
 * words that mean the same. Pure.
 */
import { hashText } from '../request/request-scan.ts'
import { sparseRows, type SparseRows } from './algebra/sparse-rows.ts'

/** More tell few names apart that these do not: docs/experiments.md#label-head */
const HASHED_DIMS = 4096
/** Weights of a head; training holds some twenty vectors of as many numbers. */
const MAX_WEIGHTS = 2 ** 19

/** Dimensions for so many labels: fewer where a head would have too many weights. */
export const hashedDims = (classes: number): number =>
  Math.min(HASHED_DIMS, 2 ** Math.floor(Math.log2(MAX_WEIGHTS / classes)))

const SEED = 0x8ead
const WORDS = /[\p{L}\p{M}\p{N}]+/gu
/** Scripts that are written without blanks: a run of letters is a sentence, and one sign is a word. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
/** A longer run is data, and its n-grams would outweigh the words. */
const MAX_WORD_CHARS = 64
/** A longer text is cut: it would have thousands of features, and encoders read less. */
const MAX_TEXT_CHARS = 2048

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

const entriesOf = (text: string, dims: number): Map<number, number> => {
  const entries = new Map<number, number>()
  for (const [weight, counts] of countsOf(text)) {
    for (const [name, count] of counts) {
      const { hi, lo } = hashText(name, SEED)
      const value = weight * (1 + Math.log(count))
      const place = (hi >>> 0) % dims
      entries.set(place, (entries.get(place) ?? 0) + ((lo & 1) === 0 ? value : -value))
    }
  }
  const norm = Math.sqrt([...entries.values()].reduce((sum, value) => sum + value * value, 0))
  if (norm > 0) for (const [place, value] of entries) entries.set(place, value / norm)
  return entries
}

/**
 * Signed feature hashing (Weinberger et al. 2009, arXiv 0902.2206): colliding features cancel on average.
 * Counts enter by 1 + ln(count), and each row has length 1; a text without letters and digits has zeros.
 */
export const hashedFeatures = (texts: readonly string[], dims: number): SparseRows =>
  sparseRows(texts.map((text) => entriesOf(text, dims)))
