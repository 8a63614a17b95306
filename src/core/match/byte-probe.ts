/**
 * Rules templates out by a request's bytes, before they are parsed. Never wrong: it looks only at the
 * opening of a text up to the first character that JSON can be written with in several ways.
 */
import { groupBy } from '../group-by.ts'
import type { Outline } from './outline.ts'
import type { Probe } from './probe.ts'

export interface ByteProbe {
  model: string
  message: number
  /** from the first byte of the message's text */
  offsets: number[]
  codes: number[]
}

/**
 * Characters that every JSON writer writes as themselves. Some escape quotes, slashes, `<`, `>`, `&`,
 * `=`, `'`, `+`, backticks or whatever is not ASCII; the newline is `\n` for all.
 */
const PLAIN = /^[ !#-%(-*,-.0-;?-[\]^_a-~\n]*/

/** The bytes of the longest plain opening, and where each character of it begins. */
const plainOpening = (text: string): { bytes: Buffer; starts: number[] } => {
  const plain = PLAIN.exec(text)![0]
  const starts: number[] = []
  let at = 0
  for (const character of plain) {
    starts.push(at)
    at += character === '\n' ? 2 : 1
  }
  return { bytes: Buffer.from(plain.replaceAll('\n', '\\n')), starts }
}

/**
 * @param prefix what the probed message begins with
 * @param probe its offsets tell the template from its rivals
 */
export const createByteProbe = (model: string, prefix: string, probe: Probe): ByteProbe => {
  const { bytes, starts } = plainOpening(prefix)
  const chars = new Set(probe.headOffsets.filter((offset) => offset < starts.length))
  // the far end rules out most of what is no rival
  if (starts.length > 0) chars.add(starts.length - 1)
  const offsets = [...chars].map((char) => starts[char]!)
  return {
    model,
    message: probe.message,
    offsets,
    codes: offsets.map((offset) => bytes[offset]!),
  }
}

const fits = ({ offsets, codes }: ByteProbe, bytes: Buffer, start: number): boolean => {
  for (let index = 0; index < offsets.length; index++) {
    if (bytes[start + offsets[index]!] !== codes[index]) return false
  }
  return true
}

/** Probes that look at one message's same place first, by the byte that they want to see there. */
interface Place {
  message: number
  /** undefined where nothing is looked at */
  offset: number | undefined
  byCode: Map<number | undefined, ByteProbe[]>
}

const placesOf = (probes: ByteProbe[]): Place[] =>
  [...groupBy(probes, ({ message, offsets }) => `${message} ${offsets[0]}`).values()].map(
    (alike) => ({
      message: alike[0]!.message,
      offset: alike[0]!.offsets[0],
      byCode: groupBy(alike, ({ codes }) => codes[0]),
    })
  )

/** @returns a test that is false when the request's bytes cannot be one of any probe's template */
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
      // a list of parts: the text is somewhere in it
      if (start < 0) return true
      const alike = byCode.get(offset === undefined ? undefined : bytes[start + offset])
      if (alike?.some((probe) => fits(probe, bytes, start))) return true
    }
    return false
  }
}
