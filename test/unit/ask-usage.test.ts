import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { askForUsage } from '../../src/openai/usage/ask-usage.ts'

const asking = (text: string): string | null => askForUsage(Buffer.from(text))?.toString() ?? null

describe('asking for the usage of a stream', () => {
  it.each([
    ['{"model":"m"}', '{"stream_options":{"include_usage":true},"model":"m"}'],
    [
      ' {\n  "a": "stream_options", "n": {"stream_options": {}} }\n',
      ' {"stream_options":{"include_usage":true},\n  "a": "stream_options", "n": {"stream_options": {}} }\n',
    ],
    ['{}', '{"stream_options":{"include_usage":true}}'],
    [
      '{"stream_options" : null, "a":1.50}',
      '{"stream_options" : {"include_usage":true}, "a":1.50}',
    ],
    ['{"stream_options":{ }}', '{"stream_options":{"include_usage":true }}'],
    ['{"a":[],"stream_options":{"x":1}}', '{"a":[],"stream_options":{"include_usage":true,"x":1}}'],
    [
      '{"stream_options":{"x":1, "include_usage": false}}',
      '{"stream_options":{"x":1, "include_usage": true}}',
    ],
    ['{"stream_options":{"include_usage":null}}', '{"stream_options":{"include_usage":true}}'],
  ])('is added to %s', (text, edited) => {
    expect(asking(text)).toBe(edited)
  })

  it.each([
    ['asks already', '{"stream_options":{"include_usage":true}}'],
    ['has equal keys', '{"stream_options":{},"stream_options":null}'],
    ['has an escaped key', '{"stream\\u005foptions":{}}'],
    ['has an escaped key inside', '{"stream_options":{"include\\u005fusage":false}}'],
    ['has options of another type', '{"stream_options":"yes"}'],
    ['has another value', '{"stream_options":{"include_usage":"yes"}}'],
    ['is not an object', '[1]'],
    ['is cut off', '{"model":"m'],
    ['has more behind it', '{"model":"m"} {}'],
    ['lacks a comma', '{"a":1 "b":2}'],
    ['lacks a value', '{"a":}'],
    ['is empty', ''],
  ])('changes no request that %s', (_name, text) => {
    expect(asking(text)).toBeNull()
  })

  it('changes no other member, and one piece of the bytes', () => {
    const options = fc.option(
      fc.record(
        { include_usage: fc.constantFrom(false, null), other: fc.jsonValue() },
        { requiredKeys: [] }
      )
    )
    const request = fc.record(
      { stream_options: options, messages: fc.jsonValue(), 'a "key"': fc.string() },
      { requiredKeys: [] }
    )
    fc.assert(
      fc.property(request, fc.constantFrom(0, 1, 3), (value, indent) => {
        const { 'a "key"': text, ...rest } = value
        const plain = text === undefined ? rest : { ...rest, text }
        const body = JSON.stringify(plain, null, indent)
        const edited = asking(body)!
        expect(JSON.parse(edited)).toEqual(
          JSON.parse(
            JSON.stringify({
              ...plain,
              stream_options: { ...plain.stream_options, include_usage: true },
            })
          )
        )
        let same = 0
        while (edited[same] === body[same] && same < body.length) same++
        let tail = 0
        while (tail < body.length - same && edited.at(-1 - tail) === body.at(-1 - tail)) tail++
        expect(body.length - same - tail).toBeLessThanOrEqual('false'.length)
      })
    )
  })
})
