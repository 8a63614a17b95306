/**
 * Aligns a message over all samples of a group: the lines that all samples have in one order, and the text
 * between them. Knows nothing of slots or queries.
 */
import { countsOf } from '../../counts.ts'
import { firstPlace } from '../../bisect.ts'
import { itemAt, zip } from '../../lists.ts'
import type { Sample } from '../sampling/clusters.ts'

/** Text that all samples share, or one value per sample. */
export type Piece = { text: string } | { values: string[] }

export type LineText = (id: number) => string

const MIN_ANCHOR_LINE_CHARS = 3

/** Line ids that occur exactly once in the message, with their position. */
const uniqueLines = (lines: Uint32Array): Map<number, number> => {
  const counts = countsOf(lines)
  const unique = [...lines.entries()].filter(([, line]) => counts.get(line) === 1)
  return new Map(unique.map(([position, line]) => [line, position]))
}

/** A line (by id) that every sample has exactly once, with its position in each. */
interface Anchor {
  line: number
  positions: number[]
}

interface Tail {
  anchor: Anchor
  position: number
  before: Tail | undefined
}

/** A longest subsequence of the anchors whose order a sample has (patience sorting). */
const longestInOrder = (anchors: Anchor[], sample: number): Anchor[] => {
  const tails: Tail[] = []
  for (const anchor of anchors) {
    const position = itemAt(anchor.positions, sample)
    const place = firstPlace(tails, (tail) => tail.position < position)
    tails[place] = { anchor, position, before: tails[place - 1] }
  }
  const chain: Anchor[] = []
  for (let tail = tails.at(-1); tail !== undefined; tail = tail.before) chain.push(tail.anchor)
  return chain.reverse()
}

/** Lines that every sample has exactly once and in the same order. */
const anchorsOf = (samples: Map<number, number>[], text: LineText): Anchor[] => {
  const [first = new Map<number, number>()] = samples
  const common = [...first.keys()].flatMap((line): Anchor[] => {
    const positions = samples.flatMap((sample) => sample.get(line) ?? [])
    const isLong = text(line).trim().length >= MIN_ANCHOR_LINE_CHARS
    return isLong && positions.length === samples.length ? [{ line, positions }] : []
  })
  return [...samples.keys()].reduce(longestInOrder, common)
}

/** The text between two anchor lines, with its line breaks (−1 and length: the message's ends). */
const between = (
  lines: Uint32Array,
  from: number,
  to: number,
  text: LineText,
  lineBreak: string
): string => {
  // '' stands for the anchor lines at both ends, so that their line breaks are joined, too
  const inner = Array.from(lines.subarray(from + 1, to), text)
  return [...(from < 0 ? [] : ['']), ...inner, ...(to < lines.length ? [''] : [])].join(lineBreak)
}

/** Joins adjacent constant pieces and leaves out empty ones. */
export const joinPieces = (pieces: Piece[]): Piece[] => {
  const joined: Piece[] = []
  for (const piece of pieces) {
    const last = joined.at(-1)
    if ('values' in piece) joined.push(piece)
    else if (last && 'text' in last) last.text += piece.text
    else if (piece.text !== '') joined.push({ ...piece })
  }
  return joined
}

const pieceOf = (values: string[]): Piece => {
  const [text = ''] = values
  return values.every((value) => value === text) ? { text } : { values }
}

/** Texts as alternating constant and variable pieces. @param lineBreak what stands between two lines */
const alignLines = (messages: Uint32Array[], text: LineText, lineBreak: string): Piece[] => {
  const pieces: Piece[] = []
  const cursors = messages.map((lines) => ({ lines, at: -1 }))
  const addBetween = (next: number[]): void => {
    const values = zip(cursors, next).map(([cursor, to]) => {
      const value = between(cursor.lines, cursor.at, to, text, lineBreak)
      cursor.at = to
      return value
    })
    pieces.push(pieceOf(values))
  }
  for (const { line, positions } of anchorsOf(messages.map(uniqueLines), text)) {
    addBetween(positions)
    pieces.push({ text: text(line) })
  }
  addBetween(messages.map((lines) => lines.length))
  return joinPieces(pieces)
}

/** The message at `index` of all samples as alternating constant and variable pieces. */
export const alignMessage = (samples: Sample[], index: number, text: LineText): Piece[] =>
  alignLines(
    samples.map((sample) => itemAt(sample.messages, index)),
    text,
    '\n'
  )

/** Not behind a number or in front of one: a date must not be cut ("3. Oktober", "Oct. 3"). */
const SENTENCE_BORDER = /(?<=[^\d\s][.!?])(?= \p{Lu})/u

/** Long values as alternating constant and variable pieces, by sentences instead of lines. */
export const alignSentences = (values: string[]): Piece[] => {
  const ids = new Map<string, number>()
  const sentences: string[] = []
  const idOf = (sentence: string): number => {
    const known = ids.get(sentence)
    if (known !== undefined) return known
    ids.set(sentence, sentences.length)
    return sentences.push(sentence) - 1
  }
  const lines = values.map((value) => Uint32Array.from(value.split(SENTENCE_BORDER), idOf))
  return alignLines(lines, (id) => itemAt(sentences, id), '')
}

/** Share of samples that may lack a line of the others; those samples are left out. */
const TOLERANCE = 0.05
const MAX_LEFT_OUT = 0.1

/** The samples that have every line which at least 95 % of them have. */
export const withoutOutliers = (samples: Sample[]): Sample[] => {
  const keyed = samples.map((sample) => ({ sample, keys: lineKeys(sample) }))
  const near = [...countsOf(keyed.flatMap(({ keys }) => [...keys]))].filter(
    ([, count]) => count < samples.length && count >= samples.length * (1 - TOLERANCE)
  )
  const kept = keyed.flatMap(({ sample, keys }) =>
    near.every(([line]) => keys.has(line)) ? [sample] : []
  )
  return kept.length >= samples.length * (1 - MAX_LEFT_OUT) ? kept : samples
}

const LINE_ID_RANGE = 2 ** 32

/** Every line of a sample, each as one number of the message and the line's id. */
export const lineKeys = (sample: Sample): Set<number> => {
  const keys = new Set<number>()
  sample.messages.forEach((lines, message) => {
    for (const line of lines) keys.add(message * LINE_ID_RANGE + line)
  })
  return keys
}

export const lineOfKey = (key: number): number => key % LINE_ID_RANGE
