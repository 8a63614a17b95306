/**
 * Draws names, items and codes of the small world. All of them are new for every application, so that
 * nothing can be known without reading its prompt. Pure: a generator of random numbers in, words out.
 */
import { ADJECTIVES, NOUNS, ONSETS, VOWELS } from './lexicon.ts'

/** Uniform in [0, 1). */
export type Random = () => number

export const pick = <T>(random: Random, values: readonly T[]): T =>
  values[Math.floor(random() * values.length)]!

/** Whole, both ends included. */
export const whole = (random: Random, from: number, to: number): number =>
  from + Math.floor(random() * (to - from + 1))

export const chance = (random: Random, probability: number): boolean => random() < probability

export const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** An invented word of two or three syllables. */
export const inventedWord = (random: Random): string =>
  Array.from(
    { length: chance(random, 0.7) ? 2 : 3 },
    () => pick(random, ONSETS) + pick(random, VOWELS)
  ).join('')

export const companyName = (random: Random): string =>
  Array.from({ length: whole(random, 1, 2) }, () => capitalized(inventedWord(random))).join(' ')

const itemName = (random: Random): string => {
  const draw = random()
  const noun = pick(random, NOUNS)
  if (draw < 0.2) return noun
  return `${draw < 0.85 ? pick(random, ADJECTIVES) : inventedWord(random)} ${noun}`
}

const LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ'

/** Codes of one kind look alike, as they do in one company. */
export const CODE_KINDS = ['letter-number', 'letters-number', 'word', 'number'] as const
export type CodeKind = (typeof CODE_KINDS)[number]

export const code = (random: Random, kind: CodeKind): string => {
  const letter = (): string => LETTERS.charAt(whole(random, 0, LETTERS.length - 1))
  switch (kind) {
    case 'letter-number':
      return `${letter()}${whole(random, 10, 99)}`
    case 'letters-number':
      return `${letter()}${letter()}-${whole(random, 100, 999)}`
    case 'word':
      return inventedWord(random)
    case 'number':
      return String(whole(random, 100, 9999))
  }
}

/** Different values, in the order in which they were drawn. */
export const distinct = <T>(count: number, draw: () => T): T[] => {
  const values = new Set<T>()
  while (values.size < count) values.add(draw())
  return [...values]
}

export const items = (random: Random, count: number): string[] =>
  distinct(count, () => itemName(random))
