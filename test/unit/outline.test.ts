import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  compileMatcher,
  outlineOf,
  templateKeyOf,
  type Outline,
} from '../../src/core/match/match.ts'
import type { Template } from '../../src/core/template/template.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'

const outline = (text: string): Outline | null => outlineOf(Buffer.from(text))

/** As the parser sees it. */
const expected = (text: string): Omit<Outline, 'contents'> & { texts: (string | null)[] } => {
  const { model, stream, messages } = JSON.parse(text) as ChatRequest
  return {
    model: model ?? '',
    streamed: stream === true,
    texts: (messages ?? []).map(({ content }) => (typeof content === 'string' ? content : null)),
  }
}

/** The texts that begin where the outline says. */
const textsAt = (text: string, { contents }: Outline): (string | null)[] => {
  const bytes = Buffer.from(text)
  return contents.map((start) => {
    if (start === null) return null
    for (let end = start; ; end = bytes.indexOf('"', end) + 1) {
      const literal = bytes.toString('utf8', start - 1, end)
      try {
        const value: unknown = JSON.parse(literal)
        if (typeof value === 'string') return value
      } catch {
        // the quote was an escaped one
      }
    }
  })
}

const content = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('a "quoted" word', 'back\\slash\\', 'line\nline', '{"model":"x"}', '"'),
  fc.constant(null),
  fc.array(fc.record({ type: fc.constant('text'), text: fc.string() }), { maxLength: 2 })
)

const chatRequest = fc.record(
  {
    model: fc.string({ unit: 'grapheme' }),
    stream: fc.boolean(),
    messages: fc.array(
      fc.record(
        { role: fc.constantFrom('system', 'user'), content, name: fc.string() },
        { requiredKeys: ['role'] }
      ),
      { maxLength: 4 }
    ),
    tools: fc.jsonValue(),
    metadata: fc.record({ model: fc.string(), messages: fc.jsonValue() }),
  },
  { requiredKeys: ['model', 'messages'] }
)

describe('the outline of a request', () => {
  it('equals what the parser reads, however the JSON is spaced', () => {
    const space = fc.constantFrom('', '', ' ', '\t', '\r\n')
    fc.assert(
      fc.property(chatRequest, space, (request, around) => {
        // every token stands on a line of its own, so that any space may be around it
        const lines = JSON.stringify(request, null, 1).split(/\n */)
        const text =
          around +
          lines.map((line) => line.replace(/^("\w+"): /, `$1${around}:${around}`)).join(around) +
          around
        const found = outline(text)
        if (found === null) return
        const { model, streamed } = found
        expect({ model, streamed, texts: textsAt(text, found) }).toEqual(expected(text))
      }),
      { numRuns: 500 }
    )
  })

  it('gives the model, the stream flag and the offsets of the texts', () => {
    const text =
      '{"model": "gpt", "messages": [{"role": "system", "content": "say \\"hi\\""}, {"content": [], "role": "user"}], "stream": true}\n'
    expect(outline(text)).toEqual({
      model: 'gpt',
      streamed: true,
      contents: [text.indexOf('say'), null],
    })
  })

  it.each([
    ['no JSON', 'hello'],
    ['a list', '[]'],
    ['cut off', '{"model":"gpt","messages":[{"role":"user","content":"a'],
    ['something behind it', '{"model":"gpt"} {}'],
    ['two models', '{"model":"a","model":"b"}'],
    ['two contents', '{"messages":[{"content":"a","content":"b"}]}'],
    ['an escaped key', '{"mod\\u0065l":"a"}'],
    ['an escaped model', '{"model":"\\u0061"}'],
    ['two streams', '{"stream":true,"stream":false}'],
    ['a model that is not a string', '{"model":1}'],
    ['messages that are not a list', '{"messages":"a"}'],
    ['a message that is not an object', '{"messages":["a"]}'],
    ['more strings than 256', JSON.stringify({ messages: [{ content: '"'.repeat(254) }] })],
  ])('is left to the parser for %s', (_name, text) => {
    expect(outline(text)).toBeNull()
  })

  it('reads the values that parsers read', () => {
    const quotes = JSON.stringify({ messages: [{ content: '"'.repeat(253) }] })
    for (const [text, wanted] of [
      ['{}', { model: '', streamed: false, contents: [] }],
      ['{"messages":[]}', { model: '', streamed: false, contents: [] }],
      ['{"messages":[{},{"content":null}]}', { contents: [null, null] }],
      ['{"stream":"true","model":""}', { model: '', streamed: false }],
      ['{"x":[[1,{"y":"]}"}],"z"],"stream":true}', { streamed: true }],
      [quotes, { contents: [quotes.indexOf('\\"')] }],
    ] as const)
      expect(outline(text)).toMatchObject(wanted)
  })

  it('equals what the parser reads from changed bytes, or is null', () => {
    fc.assert(
      fc.property(chatRequest, fc.nat(), fc.nat({ max: 255 }), (request, place, byte) => {
        const bytes = Buffer.from(JSON.stringify(request))
        bytes[place % bytes.length] = byte
        const found = outlineOf(bytes)
        const text = bytes.toString('utf8')
        let parsed: unknown
        try {
          parsed = JSON.parse(text)
        } catch {
          return
        }
        // a byte that is not UTF-8 becomes three, which moves all bytes behind it
        if (found === null || Buffer.byteLength(text) !== bytes.length) return
        expect(parsed).toBeTypeOf('object')
        expect({
          model: found.model,
          streamed: found.streamed,
          texts: textsAt(text, found),
        }).toEqual(expected(text))
      }),
      { numRuns: 1000 }
    )
  })
})

const KEY = { tenant: 'tenant', model: 'gpt', tools: '', responseFormat: '' }

const templateOf = (prefix: string, version = prefix): Template => ({
  ...KEY,
  version,
  messages: [
    { role: 'system', segments: [{ kind: 'anchor', text: prefix }] },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
  maxTurnsAfter: 0,
})

const requestOf = (system: string): ChatRequest => ({
  model: 'gpt',
  messages: [
    { role: 'system', content: system },
    { role: 'user', content: 'q' },
  ],
})

const escaped = (characters: RegExp) => (json: string) =>
  json.replace(
    characters,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )

/** How JSON writers of other languages write the same text. */
const WRITERS: Record<string, (json: string) => string> = {
  JavaScript: (json) => json,
  Python: escaped(/[^ -~]/g),
  Go: escaped(/[<>&\u2028\u2029]/g),
  PHP: (json) => escaped(/[^ -~]/g)(json.replaceAll('/', '\\/')),
  Gson: escaped(/[<>&='\u2028\u2029]/g),
  '.NET': (json) => escaped(/[<>&'+`]|[^ -~]/g)(json.replaceAll('\\"', '\\u0022')),
}

const mayMatch = (prefixes: string[], request: ChatRequest): boolean => {
  const bytes = Buffer.from(JSON.stringify(request))
  return compileMatcher(prefixes.map((text) => templateOf(text))).mayMatch(bytes, outlineOf(bytes)!)
}

describe('a test of the bytes', () => {
  it.each(Object.entries(WRITERS))(
    'never rules out a request that matches, as %s writes it',
    (_name, write) => {
      const prefix = fc.oneof(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.constantFrom('Answer "yes"\nor <no>', "It's 1+1=2 & more/less", 'Ünïcode first', '\tx')
      )
      fc.assert(
        fc.property(fc.uniqueArray(prefix, { minLength: 1, maxLength: 6 }), (prefixes) => {
          const matcher = compileMatcher(prefixes.map((text) => templateOf(text)))
          for (const text of prefixes) {
            const request = requestOf(text)
            if (
              matcher.match(templateKeyOf(request, { tenant: 'tenant' }), request.messages) === null
            )
              continue
            const bytes = Buffer.from(write(JSON.stringify(request)))
            const found = outlineOf(bytes)
            if (found !== null) expect(matcher.mayMatch(bytes, found)).toBe(true)
          }
        }),
        { numRuns: 300 }
      )
    }
  )

  it('rules out a near miss, another model, and a request with fewer messages', () => {
    const opening = 'You are a careful assistant.\nFollow policy 12. '.repeat(20)
    const versions = Array.from({ length: 50 }, (_, i) => `${opening}variant ${i}`)
    expect(mayMatch(versions, requestOf(versions[7]!))).toBe(true)
    expect(mayMatch(versions, requestOf(`${opening}variant of it`))).toBe(false)
    expect(mayMatch(versions, { ...requestOf(versions[7]!), model: 'other' })).toBe(false)
    expect(mayMatch(versions, { model: 'gpt', messages: [] })).toBe(false)
    expect(mayMatch([], requestOf(versions[7]!))).toBe(false)
  })

  it.each([
    ['the only character', ['a'], 'b'],
    ['the last plain character, behind line breaks', ['1\n2\n3"'], '1\n2\n4"'],
    ['a character where templates differ', ['1\n2\nA4', '1\n2\nB4'], '1\n2\nC4'],
    ['the last one, at the place of another template', ['1A34', '1B35'], '1A35'],
  ])('decides by %s', (_name, prefixes, text) => {
    for (const prefix of prefixes) expect(mayMatch(prefixes, requestOf(prefix))).toBe(true)
    expect(mayMatch(prefixes, requestOf(text))).toBe(false)
  })

  it('rules out no text that JSON can write in several ways', () => {
    const parts = { ...requestOf(''), messages: [{ role: 'system', content: [] }] }
    for (const request of [requestOf('anything'), parts])
      expect(mayMatch(['"quoted" first', '"quoted" second'], request)).toBe(true)
    expect(mayMatch(['ab"x', 'ab<x'], requestOf('ab"x'))).toBe(true)
    expect(mayMatch(['plain'], parts)).toBe(true)
  })
})
