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
    if (start < 0) return null
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
  it('says what the parser says, however the JSON is spaced', () => {
    fc.assert(
      fc.property(chatRequest, fc.constantFrom(0, 1, 4), (request, indent) => {
        const text = JSON.stringify(request, null, indent)
        const found = outline(text)
        if (found === null) return
        const { model, streamed } = found
        expect({ model, streamed, texts: textsAt(text, found) }).toEqual(expected(text))
      }),
      { numRuns: 500 }
    )
  })

  it('is there for an ordinary request', () => {
    const text =
      '{"model": "gpt", "messages": [{"role": "system", "content": "say \\"hi\\""}, {"content": [], "role": "user"}], "stream": true}\n'
    expect(outline(text)).toEqual({
      model: 'gpt',
      streamed: true,
      contents: [text.indexOf('say'), -1],
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
    ['a model that is no text', '{"model":1}'],
    ['messages that are none', '{"messages":"a"}'],
    ['a message that is none', '{"messages":["a"]}'],
    ['more quotes than are worth it', JSON.stringify({ messages: [{ content: '"'.repeat(300) }] })],
  ])('is left to the parser for %s', (_name, text) => {
    expect(outline(text)).toBeNull()
  })

  it('is never wrong about broken bytes', () => {
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
        // a byte that is no UTF-8 becomes three, which moves what is behind it
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

describe('what the bytes rule out', () => {
  it.each(Object.entries(WRITERS))('is never a template, as %s writes it', (_name, write) => {
    const prefix = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.constantFrom('Answer "yes"\nor <no>', "It's 1+1=2 & more/less", 'Ünïcode first', '\tx')
    )
    fc.assert(
      fc.property(fc.uniqueArray(prefix, { minLength: 1, maxLength: 6 }), (prefixes) => {
        const matcher = compileMatcher(prefixes.map((text) => templateOf(text)))
        for (const text of prefixes) {
          const request = requestOf(text)
          if (matcher.match(templateKeyOf(request, 'tenant'), request.messages) === null) continue
          const bytes = Buffer.from(write(JSON.stringify(request)))
          const found = outlineOf(bytes)
          if (found !== null) expect(matcher.mayMatch(bytes, found)).toBe(true)
        }
      }),
      { numRuns: 300 }
    )
  })

  it('is a near miss, another model, and a request with fewer messages', () => {
    const opening = 'You are a careful assistant.\nFollow policy 12. '.repeat(20)
    const versions = Array.from({ length: 50 }, (_, i) => templateOf(`${opening}variant ${i}`))
    const matcher = compileMatcher(versions)
    const mayMatch = (request: ChatRequest): boolean => {
      const bytes = Buffer.from(JSON.stringify(request))
      return matcher.mayMatch(bytes, outlineOf(bytes)!)
    }
    expect(mayMatch(requestOf(`${opening}variant 7`))).toBe(true)
    expect(mayMatch(requestOf(`${opening}variant of nobody`))).toBe(false)
    expect(mayMatch({ ...requestOf(`${opening}variant 7`), model: 'other' })).toBe(false)
    expect(mayMatch({ model: 'gpt', messages: [] })).toBe(false)
    expect(compileMatcher([]).mayMatch(Buffer.from('{}'), outlineOf(Buffer.from('{}'))!)).toBe(
      false
    )
  })

  it('is nothing that could be read in two ways', () => {
    const matcher = compileMatcher([templateOf('"quoted" first')])
    const parts = {
      ...requestOf(''),
      messages: [
        { role: 'system', content: [] },
        { role: 'user', content: 'q' },
      ],
    }
    for (const request of [requestOf('anything'), parts]) {
      const bytes = Buffer.from(JSON.stringify(request))
      expect(matcher.mayMatch(bytes, outlineOf(bytes)!)).toBe(true)
    }
  })
})
