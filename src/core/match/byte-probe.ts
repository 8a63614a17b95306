/**
 * Rules templates out by a request's bytes, before they are parsed. Never rules out a request that
 * matches: it tests only the opening of a text up to the first character that JSON can be written with
 * in several ways.
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
