/**
 * Sources as the windows of tokens that an encoder reads: `[CLS] query [SEP] slot [SEP] …`. Each word is
 * encoded by itself, so that each has a first token, which carries its tag. Pure: knows nothing of
 * weights or graphs.
 */
import { AppError } from '../../../../src/errors.ts'
import { wordsOf, type Source } from '../../../../src/core/form/words.ts'

import type { EncoderTokenizer } from '../encoder-tokenizer.ts'

/** One input of the encoder. */
export interface FieldWindow {
  ids: number[]
  /** 0 for the query, 1 for further sources */
  types: number[]
  /** the words that are scored here: number of the word in the row, and place of its first token */
  words: { word: number; token: number }[]
}

export interface FieldTokens {
  /** at least one */
  windows: FieldWindow[]
  /** of all sources, those that were cut included */
  words: number
  /** whether words are in no window */
  cut: boolean
}

export type FieldTokenizer = ReturnType<typeof createFieldTokenizer>

/** Longer queries are cut: eight windows of 256 tokens hold some 1,000 words. */
const MAX_WINDOWS = 8
/** A word longer than this part of a window (random letters, mostly) is read by its beginning. */
const WORD_SHARE = 1 / 16
/** Part of a window that further sources may take; the query has the rest. */
const SLOTS_SHARE = 1 / 2
/** `[CLS]` and the `[SEP]` behind the query */
const MARKERS = 2

interface Vocabulary {
  first: number
  separator: number
  unknown: number
  /** ids of a word, at least one */
  idsOf(word: string): number[]
}

const vocabularyOf = (tokenizer: EncoderTokenizer, maxTokens: number): Vocabulary => {
  const [first, separator, ...others] = tokenizer.encode('')
  if (first === undefined || separator === undefined || others.length > 0)
    throw new AppError(
      'invalid-model',
      'the tokenizer does not put one token before and one behind a text: use another encoder'
    )
  const { unknown } = tokenizer
  if (unknown === null)
    throw new AppError(
      'invalid-model',
      'the tokenizer has no token for unknown words: use another encoder'
    )
  const longest = Math.max(1, Math.floor(maxTokens * WORD_SHARE))
  return {
    first,
    separator,
    unknown,
    idsOf: (word) => {
      const ids = tokenizer.encode(word).slice(1, -1).slice(0, longest)
      // the normalizer leaves nothing of some characters, such as variation selectors
      return ids.length > 0 ? ids : [unknown]
    },
  }
}

/** Ids of each of the first words that fit, up to so many tokens. */
const encodeWords = (texts: string[], { idsOf }: Vocabulary, maxTokens: number): number[][] => {
  const encoded: number[][] = []
  let tokens = 0
  for (const text of texts) {
    const ids = idsOf(text)
    if ((tokens += ids.length) > maxTokens) break
    encoded.push(ids)
  }
  return encoded
}

interface Slots {
  /** ids behind the query's `[SEP]` */
  ids: number[]
  /** first tokens of the words, from the start of `ids` */
  words: FieldWindow['words']
  cut: boolean
}

/** @param firstWord number in the row of the first slot's first word */
const readSlots = (
  slots: string[][],
  vocabulary: Vocabulary,
  room: number,
  firstWord: number
): Slots => {
  const result: Slots = { ids: [], words: [], cut: false }
  let word = firstWord
  for (const words of slots) {
    const encoded = encodeWords(words, vocabulary, room - result.ids.length - 1)
    for (const [at, ids] of encoded.entries()) {
      result.words.push({ word: word + at, token: result.ids.length })
      result.ids.push(...ids)
    }
    if (encoded.length < words.length) result.cut = true
    if (result.ids.length < room) result.ids.push(vocabulary.separator)
    word += words.length
  }
  return result
}

/** Words `from` to `to` (exclusive) of the query. */
interface Span {
  from: number
  to: number
}

/**
 * Spans of words that fit, each starting half a window behind the one before.
 * @param starts of each word, in tokens, and the end of the last
 */
const spansOf = (starts: number[], room: number): Span[] => {
  const words = starts.length - 1
  const spans: Span[] = []
  let from = 0
  for (;;) {
    let to = from
    while (to < words && starts[to + 1]! - starts[from]! <= room) to++
    spans.push({ from, to })
    if (to === words || spans.length === MAX_WINDOWS) return spans
    const next = starts[from]! + room / 2
    do from++
    while (starts[from]! < next)
  }
}

/** Tokens between a word and the nearer edge of a span; an end of the query is no edge. */
const distanceToEdge = (starts: number[], { from, to }: Span, word: number): number =>
  Math.min(
    from === 0 ? Infinity : starts[word]! - starts[from]!,
    to === starts.length - 1 ? Infinity : starts[to]! - starts[word + 1]!
  )

/** The span in which each word is scored. */
const spanOfWords = (starts: number[], spans: Span[]): number[] =>
  Array.from({ length: spans.at(-1)!.to }, (_, word) => {
    let [best, furthest] = [-1, -1]
    for (const [at, span] of spans.entries()) {
      if (word < span.from || word >= span.to) continue
      const distance = distanceToEdge(starts, span, word)
      if (distance > furthest) [best, furthest] = [at, distance]
    }
    return best
  })

interface Query {
  /** ids of each word that is read */
  words: number[][]
  /** of each word, in tokens, and the end of the last */
  starts: number[]
}

const readQuery = (texts: string[], vocabulary: Vocabulary, maxTokens: number): Query => {
  const words = encodeWords(texts, vocabulary, maxTokens)
  const starts = [0]
  let end = 0
  for (const ids of words) starts.push((end += ids.length))
  return { words, starts }
}

const windowsOf = (
  { words, starts }: Query,
  slots: Slots,
  spans: Span[],
  { first, separator }: Vocabulary
): FieldWindow[] => {
  const windows = spans.map(({ from, to }): FieldWindow => {
    const ids = words.slice(from, to).flat()
    const slotStart = ids.length + MARKERS
    return {
      ids: [first, ...ids, separator, ...slots.ids],
      types: [...Array<number>(slotStart).fill(0), ...slots.ids.map(() => 1)],
      words: [],
    }
  })
  for (const [word, at] of spanOfWords(starts, spans).entries())
    windows[at]!.words.push({ word, token: 1 + starts[word]! - starts[spans[at]!.from]! })
  // all windows have the slots' words: the first one scores them
  const [{ types, words: scored }] = windows as [FieldWindow]
  const slotStart = types.length - slots.ids.length
  for (const { word, token } of slots.words) scored.push({ word, token: slotStart + token })
  return windows
}

/**
 * @param maxTokens that the encoder reads at once
 * @throws AppError `invalid-model` when the tokenizer marks texts otherwise than BERT's
 */
export const createFieldTokenizer = (tokenizer: EncoderTokenizer, maxTokens: number) => {
  const vocabulary = vocabularyOf(tokenizer, maxTokens)
  const slotsRoom = Math.floor((maxTokens - MARKERS) * SLOTS_SHARE)
  const isMarker = (id: number): boolean => id === vocabulary.first || id === vocabulary.separator
  return {
    read: (sources: readonly Source[]): FieldTokens => {
      const texts = sources.map(({ text }) => wordsOf(text).map((word) => word.text))
      const [words = [], ...others] = texts
      const slots = readSlots(others, vocabulary, slotsRoom, words.length)
      const room = maxTokens - MARKERS - slots.ids.length
      const query = readQuery(words, vocabulary, room * MAX_WINDOWS)
      const spans = spansOf(query.starts, room)
      return {
        windows: windowsOf(query, slots, spans, vocabulary),
        words: texts.reduce((sum, own) => sum + own.length, 0),
        cut: slots.cut || spans.at(-1)!.to < words.length,
      }
    },
    /** With the unknown token in the place of some others. @param isForgotten asked for each token of a word */
    forget: ({ windows, ...tokens }: FieldTokens, isForgotten: () => boolean): FieldTokens => ({
      ...tokens,
      windows: windows.map((window) => ({
        ...window,
        ids: window.ids.map((id) => (isMarker(id) || !isForgotten() ? id : vocabulary.unknown)),
      })),
    }),
  }
}
