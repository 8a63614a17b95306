/**
 * Cheap tests that rule a template out before its anchors are compared: a few characters, at offsets
 * where it differs from every other template of its bucket. Prompts of one application share
 * kilobytes of opening, so comparing those for two hundred templates would cost milliseconds.
 */
import { groupBy } from '../group-by.ts'
import type { MessagePattern } from './message-pattern.ts'

export interface Probe {
  /** index of the message that is looked at */
  message: number
  /** exact length, −1 when it varies */
  chars: number
  minChars: number
  headOffsets: number[]
  headCodes: number[]
  /** offsets from the end, 1 is the last character */
  tailOffsets: number[]
  tailCodes: number[]
}

const MAX_OFFSETS = 8

/** First index where the strings differ, −1 if none within the shorter. Compares by halves. */
const firstDifference = (left: string, right: string): number => {
  let low = 0
  let high = Math.min(left.length, right.length)
  if (left.slice(0, high) === right.slice(0, high)) return -1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (left.slice(low, middle) === right.slice(low, middle)) low = middle
    else high = middle
  }
  return low
}

/** As firstDifference, counted from the end: 1 is the last character. */
const lastDifference = (left: string, right: string): number => {
  const length = Math.min(left.length, right.length)
  for (let offset = 1; offset <= length; offset++) {
    if (left.charCodeAt(left.length - offset) !== right.charCodeAt(right.length - offset)) {
      return offset
    }
  }
  return -1
}

const addOffset = (offsets: number[], offset: number): void => {
  if (offset >= 0 && offsets.length < MAX_OFFSETS && !offsets.includes(offset)) offsets.push(offset)
}

const differsAt = (
  left: string,
  right: string,
  offsets: number[],
  place: (text: string, offset: number) => number
): boolean =>
  offsets.some((offset) => {
    const a = place(left, offset)
    const b = place(right, offset)
    return a >= 0 && b >= 0 && a < left.length && b < right.length && left[a] !== right[b]
  })

const fromHead = (_text: string, offset: number): number => offset
const fromTail = (text: string, offset: number): number => text.length - offset

/** The message to look at: the first with constant text at its start or end. */
const probedMessage = (patterns: MessagePattern[]): number =>
  Math.max(
    0,
    patterns.findIndex(({ prefix, suffix }) => prefix !== '' || suffix !== '')
  )

/** One probe for each template of a bucket (templates with the same roles). */
export const createProbes = (bucket: MessagePattern[][]): Probe[] => {
  const messages = bucket.map(probedMessage)
  const looked = bucket.map((patterns, index) => patterns[messages[index]!]!)
  return looked.map((pattern, index) => {
    const { exact, prefix } = pattern
    const suffix = exact ?? pattern.suffix
    const headOffsets: number[] = []
    const tailOffsets: number[] = []
    looked.forEach((other, rival) => {
      if (rival === index || messages[rival] !== messages[index]) return
      const rivalSuffix = other.exact ?? other.suffix
      if (differsAt(prefix, other.prefix, headOffsets, fromHead)) return
      if (differsAt(suffix, rivalSuffix, tailOffsets, fromTail)) return
      const head = firstDifference(prefix, other.prefix)
      if (head >= 0) addOffset(headOffsets, head)
      else addOffset(tailOffsets, lastDifference(suffix, rivalSuffix))
    })
    // the offsets that tell rivals apart come first; the anchors' far ends rule out the rest
    addOffset(headOffsets, prefix.length - 1)
    if (suffix !== '') addOffset(tailOffsets, suffix.length)
    return {
      message: messages[index]!,
      chars: exact?.length ?? -1,
      minChars: pattern.minChars,
      headOffsets,
      headCodes: headOffsets.map((offset) => prefix.charCodeAt(offset)),
      tailOffsets,
      tailCodes: tailOffsets.map((offset) => suffix.charCodeAt(suffix.length - offset)),
    }
  })
}

/** False when the text cannot be the template's message. */
const passes = (probe: Probe, text: string): boolean => {
  if (probe.chars >= 0 ? text.length !== probe.chars : text.length < probe.minChars) return false
  const { headOffsets, headCodes, tailOffsets, tailCodes } = probe
  for (let index = 0; index < headOffsets.length; index++) {
    if (text.charCodeAt(headOffsets[index]!) !== headCodes[index]) return false
  }
  for (let index = 0; index < tailOffsets.length; index++) {
    if (text.charCodeAt(text.length - tailOffsets[index]!) !== tailCodes[index]) return false
  }
  return true
}

/** Entries whose probes look at the same places, by what they want to see there. */
interface Alike<Entry> {
  message: number
  headOffsets: number[]
  byCodes: Map<number, Entry[]>
}

/** Of the characters at the offsets; equal for different ones now and then, never the other way. */
const hashOfHead = (text: string, offsets: number[]): number => {
  let hash = 0
  for (let index = 0; index < offsets.length; index++) {
    hash = (Math.imul(hash, 31) + text.charCodeAt(offsets[index]!)) | 0
  }
  return hash
}

const hashOfCodes = (codes: number[]): number =>
  hashOfHead(String.fromCharCode(...codes), [...codes.keys()])

/**
 * Finds the entries whose probes a request may pass without a look at each of the others: a thousand
 * templates of one stem differ in the same few places.
 */
export const createProbeIndex = <Entry extends { probe: Probe }>(
  entries: Entry[]
): ((texts: string[], visit: (entry: Entry) => void) => void) => {
  const places = groupBy(entries, ({ probe }) => `${probe.message} ${probe.headOffsets.join()}`)
  const groups = [...places.values()].map((alike): Alike<Entry> => {
    const { message, headOffsets } = alike[0]!.probe
    return {
      message,
      headOffsets,
      byCodes: groupBy(alike, ({ probe }) => hashOfCodes(probe.headCodes)),
    }
  })
  return (texts, visit) => {
    for (const { message, headOffsets, byCodes } of groups) {
      const text = texts[message]!
      for (const entry of byCodes.get(hashOfHead(text, headOffsets)) ?? []) {
        if (passes(entry.probe, text)) visit(entry)
      }
    }
  }
}
