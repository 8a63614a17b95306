/**
 * Tells a request of another kind from those that a tagger has learned: it has more words that are new to it than
 * requests of its kind have. How sure the tagger is of such a request says nothing. Words are kept as hashes, and
 * only those of two rows or more.
 */
import { countsOf } from '../../counts.ts'
import { placeIn } from '../../bisect.ts'
import { hasLetters, wordsOf, type Source } from '../../form/words.ts'
import { hashText } from '../../request/request-scan.ts'

export interface KnownWords {
  /** ascending, 32 bits each */
  hashes: number[]
  /** new words that a request of a known kind has at most */
  most: number
}

/** A request as a tagger reads it. */
export interface TaggedText {
  sources: readonly Source[]
  /** of each word of each source in turn; 0: it is no part of a value */
  tags: Int32Array
}

const SEED = 0x6b6e6f77
/** 100 KB of a head's file. */
const MAX_WORDS = 10_000
/** Of requests of a known kind, so many are taken for another one; in few rows none is. */
export const TAKEN_FOR_OTHERS = 1 / 200

/** Hashes of the different words outside of values; values are new in most requests. */
const outerWords = ({ sources, tags }: TaggedText): Set<number> => {
  const words = sources.flatMap(({ text }) => wordsOf(text))
  return new Set(
    words.flatMap(({ text }, at) =>
      tags[at] === 0 && hasLetters(text) && !/^\p{Nd}/u.test(text)
        ? hashText(text.toLowerCase(), SEED).lo >>> 0
        : []
    )
  )
}

function* outerWordsOf(rows: readonly TaggedText[]): Generator<number> {
  for (const row of rows) yield* outerWords(row)
}

const frequentWords = (rows: readonly TaggedText[]): number[] =>
  [...countsOf(outerWordsOf(rows))]
    .filter(([, count]) => count > 1)
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, MAX_WORDS)
    .map(([word]) => word)
    .toSorted((one, other) => one - other)

const has = (ascending: readonly number[], value: number): boolean =>
  ascending[placeIn(ascending, value)] === value

const newWords = (hashes: readonly number[], text: TaggedText): number =>
  [...outerWords(text)].filter((word) => !has(hashes, word)).length

/** Parts of the same rows. */
export interface TaggedFold {
  /** with the tags of their answers */
  learned: readonly TaggedText[]
  /** with the tags of a tagger that has not learned them */
  judged: readonly TaggedText[]
}

/** @returns null without a judged row */
export const learnWords = (folds: readonly TaggedFold[]): KnownWords | null => {
  const [first] = folds
  if (first === undefined) return null
  const counts = folds
    .flatMap(({ learned, judged }) => {
      const known = frequentWords(learned)
      return judged.map((text) => newWords(known, text))
    })
    .toSorted((one, other) => other - one)
  const most = counts[Math.floor(counts.length * TAKEN_FOR_OTHERS)]
  return most === undefined
    ? null
    : { hashes: frequentWords([...first.learned, ...first.judged]), most }
}

/** Whether a request is of another kind than those that were learned. */
export const isUnlike = ({ hashes, most }: KnownWords, text: TaggedText): boolean =>
  newWords(hashes, text) > most
