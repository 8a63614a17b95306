import { CHAT } from '../../src/openai/dialect.ts'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOfText, readChatRequest } from '../../src/core/request/chat-reading.ts'
import {
  cutLength,
  cutLongStrings,
  MAX_DEPTH,
  MAX_PARSED_BYTES,
  scanJson,
  type LongStrings,
} from '../../src/core/request/json-scan.ts'

const scanned = (text: string): LongStrings => {
  const scan = scanJson(Buffer.from(text))
  if (typeof scan === 'string') throw new Error(scan)
  return scan
}

/** The value with the length of each long string in its place. */
const withLengths = (value: unknown): unknown => {
  if (typeof value === 'string') {
    const bytes = Buffer.byteLength(JSON.stringify(value)) - 2
    return bytes > 254 ? `\ue000${bytes}` : value
  }
  if (Array.isArray(value)) return value.map(withLengths)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, withLengths(field)])
  )
}

const long = fc
  .tuple(
    fc.constantFrom('a', '"', '\\', '\\"', 'ü', '\n', '😀'),
    fc.integer({ min: 200, max: 600 })
  )
  .map(([unit, times]) => unit.repeat(times))

describe('a scan of JSON', () => {
  it('finds the long strings that the parser finds', () => {
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'binary' }),
        long,
        fc.double(),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 })
      ),
    })).value
    fc.assert(
      fc.property(json, fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        const scan = scanned(text)
        const parsed: unknown = JSON.parse(text)
        const cut: unknown = JSON.parse(cutLongStrings(Buffer.from(text), scan))
        expect(cut).toEqual(withLengths(parsed))
      }),
      { numRuns: 500 }
    )
  })

  it.each(['[', '{"a":'])('gives up when %s nests more than 256 levels deep', (open) => {
    expect(scanJson(Buffer.from(open.repeat(MAX_DEPTH + 1)))).toBe('too-deep')
    expect(typeof scanJson(Buffer.from(open.repeat(MAX_DEPTH)))).toBe('object')
    // siblings do not add depth
    expect(typeof scanJson(Buffer.from(`[${'[],'.repeat(1000)}[]]`))).toBe('object')
  })

  it.each([
    ['numbers', `[${'1,'.repeat(MAX_PARSED_BYTES / 2)}1]`],
    ['digits of one number', '1'.repeat(MAX_PARSED_BYTES + 1)],
    ['spaces', ' '.repeat(MAX_PARSED_BYTES + 1)],
    ['long strings', `[${`"${'a'.repeat(300)}",`.repeat(40_000)}1]`],
    ['escaped quotes', `"${'\\"'.repeat(700_000)}"`],
    ['backslashes', `"${'\\\\'.repeat(2_100_000)}"`],
  ])('gives up on too many %s', (_name, text) => {
    expect(scanJson(Buffer.from(text))).toBe('too-many-values')
  })

  it('does not give up on a body that is parsed whole', () => {
    expect(typeof scanJson(Buffer.from(`"${'\\"'.repeat(MAX_PARSED_BYTES / 2 - 1)}"`))).toBe(
      'object'
    )
  })
})

const request = (extra: Record<string, unknown>): Buffer =>
  Buffer.from(
    JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], n: 2, ...extra })
  )

describe('reading a chat request', () => {
  it('keeps all texts up to a size, and cuts long texts out of larger bodies', () => {
    const text = 'x'.repeat(MAX_PARSED_BYTES)
    const { model, outcome } = readChatRequest(request({ text }), CHAT)
    expect(model).toBe('m')
    if (typeof outcome === 'string') throw new Error(outcome)
    expect(outcome).toMatchObject({ isWhole: false, request: { model: 'm', n: 2 } })
    expect(bytesOfText(outcome, String(outcome.request['text']))).toBe(text.length)
    const small = readChatRequest(request({ text: 'x'.repeat(1000) }), CHAT).outcome
    expect(small).toMatchObject({ isWhole: true, request: { text: 'x'.repeat(1000) } })
  })

  it('does not mistake a text for one that was cut out', () => {
    const claim = '\ue0001000000'
    expect(cutLength(claim)).toBe(1_000_000)
    const small = readChatRequest(request({ claim }), CHAT).outcome
    if (typeof small === 'string') throw new Error(small)
    expect(bytesOfText(small, claim)).toBe(Buffer.byteLength(claim))
    const large = request({ claim, text: 'x'.repeat(MAX_PARSED_BYTES) })
    expect(readChatRequest(large, CHAT).outcome).toBe('no-chat-request')
  })
})
