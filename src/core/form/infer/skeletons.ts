/**
 * Finds the skeletons of texts: what they share, with holes for the rest. The aligning of prompts
 * (`core/detect/building/align.ts`) looks for lines that all samples share; these texts are short, and of several
 * kinds, so words are aligned, and kinds that align badly stay apart.
 */
import { countsOf } from '../../counts.ts'
import { hasLetters, wordsOf } from '../words.ts'

/** Constant pieces and holes. */
export type Skeleton = (string | null)[]

/** A word with the white space before it, or a hole. */
interface Token {
  /** null: a hole */
  text: string | null
  /** white space before it, which does not belong to a hole */
  gap: string
  word: string
}

interface WordToken extends Token {
  text: string
}

export interface SkeletonOptions {
  /** Share of the words that two texts must have in common to be of one skeleton. */
  similarity: number
  /** Whether a hole takes all that stands without a blank beside it: 2026-03-05, and not 2026-{}-{}. */
  isWide: boolean
}

const MAX_TOKENS = 400
/** Skeletons that are kept apart while texts are read. */
const MAX_OPEN = 64
const MIN_TEXTS = 3
const MIN_SHARE = 0.01

const tokensOf = (text: string): WordToken[] => {
  let at = 0
  const tokens = wordsOf(text).map(({ text: word, start, end }): WordToken => {
    const token = { text: text.slice(at, end), gap: text.slice(at, start), word }
    at = end
    return token
  })
  if (at < text.length) tokens.push({ text: text.slice(at), gap: '', word: '' })
  return tokens
}

const hole = (gap: string): Token => ({ text: null, gap, word: '' })

/** Runs of rare words as holes. */
const withHoles = (tokens: readonly WordToken[], frequent: ReadonlySet<string>): Token[] => {
  const found: Token[] = []
  for (const token of tokens) {
    if (frequent.has(token.text)) found.push(token)
    else if (found.at(-1)?.text !== null) found.push(hole(token.gap))
  }
  return found
}

/** Pairs of places of a longest common subsequence of words; holes are in none. */
const commonPlaces = (one: readonly Token[], other: readonly Token[]): [number, number][] => {
  const width = other.length + 1
  const lengths = new Uint16Array((one.length + 1) * width)
  const [texts, otherTexts] = [one.map(({ text }) => text), other.map(({ text }) => text)]
  const isCommon = (i: number, j: number): boolean =>
    texts[i] !== null && texts[i] === otherTexts[j]
  for (let i = one.length - 1; i >= 0; i--) {
    for (let j = other.length - 1; j >= 0; j--) {
      const at = i * width + j
      lengths[at] = isCommon(i, j)
        ? lengths[at + width + 1]! + 1
        : Math.max(lengths[at + 1]!, lengths[at + width]!)
    }
  }
  const pairs: [number, number][] = []
  let [i, j] = [0, 0]
  while (i < one.length && j < other.length) {
    const at = i * width + j
    if (isCommon(i, j)) pairs.push([i++, j++])
    else if (lengths[at + width]! >= lengths[at + 1]!) i++
    else j++
  }
  return pairs
}

/** What both have, with holes between. */
const merged = (
  one: readonly Token[],
  other: readonly Token[],
  pairs: readonly [number, number][]
): Token[] => {
  const tokens: Token[] = []
  let [i, j] = [0, 0]
  for (const [nextI, nextJ] of [...pairs, [one.length, other.length] as const]) {
    const [left, right] = [one.slice(i, nextI), other.slice(j, nextJ)]
    if (left.length > 0 || right.length > 0)
      tokens.push(hole(left[0]?.gap === right[0]?.gap ? (left[0]?.gap ?? '') : ''))
    const common = one[nextI]
    if (common) tokens.push(common)
    i = nextI + 1
    j = nextJ + 1
  }
  return tokens
}

const wordsIn = (tokens: readonly Token[]): number =>
  tokens.filter(({ text }) => text !== null).length

const bagOf = (tokens: readonly Token[]): Map<string, number> =>
  countsOf(tokens.flatMap(({ text }) => text ?? []))

/** Texts with the same frequent words in the same order. */
interface Group {
  tokens: Token[]
  count: number
  /** of one of the texts, frequent or not */
  words: number
}

interface Open {
  tokens: Token[]
  bag: Map<string, number>
}

/** Skeletons that a text is aligned with: the ones with the most words in common. */
const MAX_ALIGNED = 3

/** Puts a text to the skeleton that it is most like, or opens a new one. */
/** Items that two bags have in common, each as often as it is in both. */
const overlapOf = <Item>(
  one: ReadonlyMap<Item, number>,
  other: ReadonlyMap<Item, number>
): number => {
  let shared = 0
  for (const [item, count] of one) shared += Math.min(count, other.get(item) ?? 0)
  return shared
}

const file = (open: Open[], { tokens, words }: Group, similarity: number): void => {
  const bag = bagOf(tokens)
  const own = wordsIn(tokens)
  const likely = open
    .map((one) => {
      const all = wordsIn(one.tokens) + own
      // words in common, in any order: an upper bound of a common subsequence
      return { open: one, all, bound: (2 * overlapOf(bag, one.bag)) / all }
    })
    .filter(({ bound }) => bound >= similarity)
    .sort((one, other) => other.bound - one.bound)
    .slice(0, MAX_ALIGNED)
  let best: { open: Open; pairs: [number, number][]; share: number } | null = null
  for (const { open: one, all, bound } of likely) {
    if (bound <= (best?.share ?? 0)) break
    const pairs = commonPlaces(one.tokens, tokens)
    const share = (2 * pairs.length) / all
    // free texts share some words in any order: of the whole text they are few
    const isLike = share >= similarity && pairs.length >= (similarity / 2) * words
    if (isLike && share > (best?.share ?? 0)) best = { open: one, pairs, share }
  }
  if (best !== null) {
    best.open.tokens = merged(best.open.tokens, tokens, best.pairs)
    best.open.bag = bagOf(best.open.tokens)
  } else open.push({ tokens, bag })
}

/** Marks that hold the parts of a date, an amount or an address together. */
const JOINING = new Set(['-', '_', '/', '.', ',', ':', '@', '+', '%'])

/** A run without blanks, with one hole for all words in it from the first letters or hole to the last. */
const widened = (run: readonly Token[]): Token[] => {
  if (!run.some(({ text }) => text === null)) return [...run]
  const isCore = ({ text, word }: Token): boolean => text === null || hasLetters(word)
  const first = run.findIndex(isCore)
  const last = run.findLastIndex(isCore)
  const inner = run.slice(first, last + 1)
  const [start] = inner
  if (start === undefined || !inner.every((token) => isCore(token) || JOINING.has(token.word)))
    return [...run]
  return [...run.slice(0, first), hole(start.gap), ...run.slice(last + 1)]
}

const withWideHoles = (tokens: readonly Token[]): Token[] => {
  const runs: Token[][] = []
  for (const token of tokens) {
    const run = runs.at(-1)
    if (run === undefined || token.gap !== '') runs.push([token])
    else run.push(token)
  }
  return runs.flatMap(widened)
}

/** The constant pieces joined, with the white space before each hole. */
const skeletonOf = (tokens: readonly Token[]): Skeleton => {
  const parts: Skeleton = []
  const addText = (text: string): void => {
    if (text === '') return
    const last = parts.at(-1)
    if (typeof last === 'string') parts[parts.length - 1] = last + text
    else parts.push(text)
  }
  for (const { text, gap } of tokens) {
    addText(text ?? gap)
    if (text === null && parts.at(-1) !== null) parts.push(null)
  }
  return parts
}

/** Constant characters: a skeleton with more of them is tried first. */
export const constantChars = (skeleton: Skeleton): number =>
  skeleton.reduce((sum, part) => sum + (part?.length ?? 0), 0)

const isSkeleton = (skeleton: Skeleton): boolean =>
  skeleton.some((part) => part !== null && /[\p{L}\p{N}\p{S}\p{P}]/u.test(part))

/** Skeletons of the texts, the ones with the most constant characters first. Some may be of few texts. */
export const findSkeletons = (
  texts: readonly string[],
  { similarity, isWide }: SkeletonOptions
): Skeleton[] => {
  const read = texts.map((text) => tokensOf(text).slice(0, MAX_TOKENS))
  const counts = countsOf(read.flatMap((tokens) => [...new Set(tokens.map(({ text }) => text))]))
  const least = Math.max(Math.min(MIN_TEXTS, texts.length), MIN_SHARE * texts.length)
  const frequent = new Set([...counts].flatMap(([text, count]) => (count >= least ? [text] : [])))
  const groups = new Map<string, Group>()
  for (const tokens of read) {
    const own = withHoles(tokens, frequent)
    const key = own.map(({ text, gap }) => text ?? `\u0000${gap}`).join('\u0001')
    const group = groups.get(key)
    if (group) group.count++
    else groups.set(key, { tokens: own, count: 1, words: tokens.length })
  }
  const open: Open[] = []
  for (const group of [...groups.values()].sort((one, other) => other.count - one.count)) {
    file(open, group, similarity)
    // free texts: each opens a skeleton of its own
    if (open.length > MAX_OPEN) return []
  }
  const skeletons = open.map(({ tokens }) => skeletonOf(isWide ? withWideHoles(tokens) : tokens))
  const distinct = new Map(skeletons.map((skeleton) => [JSON.stringify(skeleton), skeleton]))
  return [...distinct.values()]
    .filter(isSkeleton)
    .sort((one, other) => constantChars(other) - constantChars(one))
}
