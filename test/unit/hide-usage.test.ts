import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UsageFilter } from '../../src/openai/usage/hide-usage.ts'

const content = (text: string, extra: Record<string, unknown> = {}): string =>
  `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta: { content: text } }], ...extra })}\n\n`
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
const usageEvent = `data: ${JSON.stringify({ id: 'c', model: 'm', choices: [], usage: USAGE })}\n\n`
const DONE = 'data: [DONE]\n\n'

/** The bytes that pass of a stream in these pieces. */
const passing = (pieces: Buffer[]): string => {
  const filter = new UsageFilter()
  const passed = pieces.map((piece) => filter.push(piece))
  return Buffer.concat([...passed, filter.end()]).toString()
}

const inPieces = (text: string, cuts: number[]): Buffer[] => {
  const bytes = Buffer.from(text)
  const borders = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
  borders.sort((a, b) => a - b)
  return borders.slice(1).map((to, index) => bytes.subarray(borders[index], to))
}

/** Whole, byte by byte, and cut in two at every place. */
const inEveryWay = (text: string): Buffer[][] => {
  const bytes = Buffer.from(text)
  const places = Array.from({ length: bytes.length }, (_, place) => place)
  return [[bytes], inPieces(text, places), ...places.map((place) => inPieces(text, [place]))]
}

const LINE_ENDS = ['\n', '\r\n', '\r']

describe('the filter of usage chunks', () => {
  it.each(LINE_ENDS)(
    'hides the extra chunk wherever the bytes are cut, lines ended by %j',
    (end) => {
      const [a, b] = [content('höfliche "choices":[{'), content('b', { usage: null })]
      const given = (text: string): string => text.replaceAll('\n', end)
      for (const pieces of inEveryWay(given(a + b + usageEvent + DONE)))
        expect(passing(pieces)).toBe(given(a + b + DONE))
    }
  )

  it('hides it also with other fields, comments and several lines of data', () => {
    const data = JSON.stringify({ usage: USAGE, choices: [] }).replace(
      ',"choices"',
      '\ndata: ,"choices"'
    )
    const odd = `: a comment\nevent: chunk\nid: 7\ndata: ${data}\n\n`
    for (const pieces of inEveryWay(`${content('a')}: before\n\n${odd}${DONE}`))
      expect(passing(pieces)).toBe(`${content('a')}: before\n\n: a comment\n${DONE}`)
  })

  it.each([
    ['a chunk with a choice and usage', content('a', { usage: USAGE })],
    ['a chunk without choices and usage', 'data: {"choices":[],"prompt_filter_results":[]}\n\n'],
    ['usage that is null', 'data: {"choices":[],"usage":null}\n\n'],
    ['an error', 'data: {"error":{"message":"\\"usage\\""}}\n\n'],
    ['data that is not JSON', 'data: {"usage": {broken\n\n'],
    ['an event without data', 'event: ping\n\n'],
    ['empty lines', '\n\n\r\n\r\r'],
    ['an end within an event', 'data: {"choices":[],"usage":{"prompt'],
    ['an end within a line end', 'data: {"choices":[{}]}\r'],
    ['a page of text', '<html>\n\n"usage"</html>'],
  ])('passes %s', (_name, text) => {
    for (const pieces of inEveryWay(text)) expect(passing(pieces)).toBe(text)
  })

  it('passes every stream byte for byte, without its usage chunk', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...LINE_ENDS,
        ': ',
        'data: ',
        'data:',
        '{"choices":[',
        '{"usage":{}',
        'event: x',
        ']}'
      ),
      fc.string()
    )
    const cuts = fc.array(fc.nat(), { maxLength: 20 })
    fc.assert(
      fc.property(fc.array(piece), cuts, (parts, places) => {
        const text = parts.join('')
        const isUsage = /\[\s*\]/.test(text)
        fc.pre(!isUsage)
        expect(passing(inPieces(text, places))).toBe(text)
      })
    )
    fc.assert(
      fc.property(fc.array(fc.string()), fc.nat(), cuts, (texts, place, places) => {
        const events = texts.map((text) => content(text))
        const at = place % (events.length + 1)
        const shown = [...events, DONE].join('')
        const text = [...events.slice(0, at), usageEvent, ...events.slice(at), DONE].join('')
        expect(passing(inPieces(text, places))).toBe(shown)
      })
    )
  })

  it('holds back only the beginning of an event that may be a usage chunk', () => {
    const filter = new UsageFilter()
    const push = (text: string): string => filter.push(Buffer.from(text)).toString()
    expect(push(': wait')).toBe(': wait')
    expect(push('ing\n\ndata: {"id":"c",')).toBe('ing\n\n')
    expect(push('"choices":[')).toBe('')
    expect(push('{"delta":{"con')).toBe('data: {"id":"c","choices":[{"delta":{"con')
    expect(push('tent":"a"}}]}')).toBe('tent":"a"}}]}')
    expect(push('\n\ndata: [DO')).toBe('\n\ndata: [DO')
    expect(push('NE]\n\n')).toBe('NE]\n\n')
    const long = `data: {"note":"${'x'.repeat(9000)}`
    expect(push(long)).toBe(long)
  })
})
