/**
 * Cheap tests that rule a template out before its anchors are compared: a few characters at which it
 * differs from the other templates of its bucket. Prompts of one application share kilobytes of
 * opening; comparing them for two hundred templates would cost milliseconds.
 */
import { groupBy } from '../group-by.ts'
import type { MessagePattern } from './message-pattern.ts'
import { itemAt } from '../lists.ts'
import type { Outline } from './outline.ts'

/**
 * Rules templates out by a request's bytes, before they are parsed. Never rules out a request that
 * matches: it tests only the opening of a text up to the first character that JSON can be written with
 * in several ways.
 */
interface ByteProbe {
  model: string
  message: number
  /** from the first byte of the message's text */
  offsets: number[]
  codes: number[]
}

/**
 * Characters that every JSON writer writes as themselves, and the newline, which all write as `\n`.
 * Some writers escape quotes, slashes, `<`, `>`, `&`, `=`, `'`, `+`, backticks or all but ASCII.
 */
const PLAIN = /^[ !#-%(-*,-.0-;?-[\]^_a-~\n]*/

/**
 * @param prefix constant text at the start of the probed message
 * @param probe its offsets tell the template from its rivals
 */
export const createByteProbe = (model: string, prefix: string, probe: Probe): ByteProbe => {
  const plain = PLAIN.exec(prefix)![0]
  const bytesBefore = (char: number): number =>
    char + plain.slice(0, char).replaceAll(/[^\n]/g, '').length
  const written = Buffer.from(plain.replaceAll('\n', String.raw`\n`))
  // the last one rules out most requests of other applications
  const chars = new Set([...probe.offsets, plain.length - 1])
  const offsets = [...chars].filter((char) => char >= 0 && char < plain.length).map(bytesBefore)
  return {
    model,
    message: probe.message,
    offsets,
    codes: offsets.map((offset) => written.readUInt8(offset)),
  }
}

/** Probes that test the same place first, by the byte that they expect there. */
interface Place {
  message: number
  /** undefined when the probes test no byte */
  offset: number | undefined
  byCode: Map<number | undefined, ByteProbe[]>
}

const placesOf = (probes: ByteProbe[]): Place[] =>
  [...groupBy(probes, ({ message, offsets }) => `${message} ${offsets[0]}`).values()].map(
    (alike) => ({
      message: alike[0].message,
      offset: alike[0].offsets[0],
      byCode: groupBy(alike, ({ codes }) => codes[0]),
    })
  )

/** @returns a test that is false when the request's bytes cannot be of any probe's template */
export const createByteTest = (
  probes: ByteProbe[]
): ((bytes: Buffer, outline: Outline) => boolean) => {
  const byModel = new Map(
    [...groupBy(probes, ({ model }) => model)].map(([model, own]) => [model, placesOf(own)])
  )
  return (bytes, { model, contents }) => {
    for (const { message, offset, byCode } of byModel.get(model) ?? []) {
      const start = contents[message]
      if (start === undefined) continue
      // not a string: the text may be in a list of parts
      if (start === null) return true
      const fits = ({ offsets, codes }: ByteProbe): boolean =>
        offsets.every((each, index) => bytes[start + each] === codes[index])
      if (byCode.get(offset === undefined ? undefined : bytes[start + offset])?.some(fits))
        return true
    }
    return false
  }
}

export interface Probe {
  /** index of the message that is tested */
  message: number
  /** at most 8, ascending; a negative one counts from the end, −1 is the last character */
  offsets: number[]
  /** of the template's characters at these offsets */
  hash: number
}

const MAX_OFFSETS = 8

/** First index at which the texts differ, −1 if none within the shorter one. Compares by halves. */
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

/** The last place at which the texts differ, counted from the end; none without one. */
const lastDifference = (left: string, right: string): number[] => {
  const least = -Math.min(left.length, right.length)
  for (let offset = -1; offset >= least; offset--) {
    if (left.at(offset) !== right.at(offset)) return [offset]
  }
  return []
}

const charAt = ({ prefix, suffix }: MessagePattern, offset: number): string | undefined =>
  offset < 0 ? suffix.at(offset) : prefix[offset]

const tellsApart = (offset: number, left: MessagePattern, right: MessagePattern): boolean => {
  const [a, b] = [charAt(left, offset), charAt(right, offset)]
  return a !== undefined && b !== undefined && a !== b
}

/** @returns an offset that tells the two apart, if there is one */
const differenceOf = (left: MessagePattern, right: MessagePattern): number[] => {
  const head = firstDifference(left.prefix, right.prefix)
  return head >= 0 ? [head] : lastDifference(left.suffix, right.suffix)
}

/** Different characters may have equal hashes; equal ones never have different hashes. */
const hashAt = (start: string, end: string, offsets: number[]): number => {
  let hash = 0
  for (const offset of offsets) {
    const code = offset < 0 ? end.charCodeAt(end.length + offset) : start.charCodeAt(offset)
    hash = (Math.imul(hash, 31) + code) | 0
  }
  return hash
}

/** The first message with constant text at its start or end, else the first. */
const probedMessage = (patterns: MessagePattern[]): number =>
  Math.max(
    0,
    patterns.findIndex(({ prefix, suffix }) => prefix !== '' || suffix !== '')
  )

/** One probe for each template of a bucket (templates with the same roles). */
export const createProbes = (bucket: MessagePattern[][]): Probe[] => {
  const probed = bucket.map((patterns) => {
    const message = probedMessage(patterns)
    return { message, pattern: itemAt(patterns, message) }
  })
  return probed.map(({ message, pattern }) => {
    const offsets: number[] = []
    for (const rival of probed) {
      if (rival.message !== message || offsets.length === MAX_OFFSETS) continue
      if (offsets.some((offset) => tellsApart(offset, pattern, rival.pattern))) continue
      offsets.push(...differenceOf(pattern, rival.pattern))
    }
    // in one order, so that templates of one stem share their places
    offsets.sort((left, right) => left - right)
    return { message, offsets, hash: hashAt(pattern.prefix, pattern.suffix, offsets) }
  })
}

/**
 * Finds the entries that a request may be of, without a look at each of the others: a thousand
 * templates of one stem differ at the same few offsets.
 */
export const createProbeIndex = <Entry extends { probe: Probe }>(
  entries: Entry[]
): ((texts: string[], visit: (entry: Entry) => void) => void) => {
  const byPlace = groupBy(entries, ({ probe }) => `${probe.message} ${probe.offsets.join()}`)
  const places = [...byPlace.values()].map((alike) => ({
    ...alike[0].probe,
    byHash: groupBy(alike, ({ probe }) => probe.hash),
  }))
  return (texts, visit) => {
    for (const { message, offsets, byHash } of places) {
      const text = texts[message]!
      for (const entry of byHash.get(hashAt(text, text, offsets)) ?? []) visit(entry)
    }
  }
}
