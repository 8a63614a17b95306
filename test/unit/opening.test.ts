import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openingOf } from '../../src/core/log/record-filter.ts'

const CHAT = '/v1/chat/completions'
const RESPONSES = '/v1/responses'

const openingIn = (body: unknown, path = CHAT): number | null =>
  openingOf(path, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))

const chat = (...messages: object[]) => ({ model: 'm', messages })
const user = (content: unknown) => ({ role: 'user', content })

/** With letters as escapes, as some clients write them. */
const escaped = (text: string): string =>
  text.replaceAll(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  )

describe('the opening of a conversation', () => {
  it('is the same for all turns, however they are written', () => {
    const texts = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(texts, texts, texts, (system, first, second) => {
        const one = chat({ role: 'system', content: system }, user(first))
        const two = chat(...one.messages, { role: 'assistant', content: system }, user(second))
        const opening = openingIn(one)
        expect(opening).toBeTypeOf('number')
        const ways = [
          JSON.stringify(two),
          JSON.stringify(two, null, 2),
          escaped(JSON.stringify(two)),
        ]
        for (const way of ways) expect(openingIn(way)).toBe(opening)
        expect(openingIn(chat(user([{ type: 'text', text: first }])))).toBe(opening)
        expect(openingIn(chat({ content: first, role: 'user' }))).toBe(opening)
      })
    )
  })

  it('is that of the first 1,000 characters of a long text, however it is written', () => {
    const unit = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.constantFrom('\\', '"', '\n', '😀', 'é', '漢', '\u0001', '\u2028', 'a')
    )
    const texts = fc
      .array(unit, { minLength: 1, maxLength: 12 })
      .map((units) => units.join('').repeat(Math.ceil(9_000 / units.join('').length)))
    fc.assert(
      fc.property(texts, fc.nat(20), (text, offset) => {
        const long = 'x'.repeat(offset) + text
        const opening = openingIn(chat({ content: long.slice(0, 1_000), role: 'user' }))
        const body = chat(user(long))
        const ways = [
          JSON.stringify(body),
          JSON.stringify(body, null, 2),
          escaped(JSON.stringify(body)),
        ]
        for (const way of ways) expect(openingIn(way)).toBe(opening)
      })
    )
  })

  it('is that of the Responses API, too', () => {
    const opening = openingIn(chat(user('Hello')))
    expect(openingIn({ model: 'm', input: 'Hello' }, RESPONSES)).toBe(opening)
    expect(openingIn({ model: 'm', input: [user('Hello')] }, RESPONSES)).toBe(opening)
    const part = { type: 'input_text', text: 'Hello' }
    expect(openingIn({ model: 'm', input: [user([part])] }, RESPONSES)).toBe(opening)
  })

  it('passes what only looks like a message of a user', () => {
    const opening = openingIn(chat(user('Hello')))
    const before = { user: 'user', metadata: { kind: 'user' }, model: 'm' }
    const system = { role: 'system', content: '{"role":"user","content":"no"} \\" "user"' }
    expect(openingIn({ ...before, messages: [system, user('Hello')] })).toBe(opening)
  })

  it('is stored, and stays as it is', () => {
    expect(openingIn(chat(user('Hello')))).toBe(4081)
  })

  it('is another one for most other texts', () => {
    const all = Array.from({ length: 200 }, (_, index) => openingIn(chat(user(`text ${index}`))))
    expect(new Set(all).size).toBeGreaterThan(180)
  })

  it.each([
    ['no body', ''],
    ['a body that is not JSON', 'x"role":"user"'],
    ['a message that breaks off', '{"messages":[{"role":"user","content":"Hel'],
    ['no user', chat({ role: 'system', content: 'x' })],
    ['an empty text', chat(user(''))],
    ['no text', chat(user(null))],
    ['parts without a text', chat(user(['x', null, { type: 'image_url' }, { text: 1 }]))],
    ['nothing', 'null'],
  ])('is null for %s', (_what, body) => {
    expect(openingIn(body)).toBeNull()
  })

  it('takes a bounded time for quotes and names without an end', () => {
    const bodies = ['"user"', '\\"', '{"role":"user"', '  :"user"', '{']
    for (const piece of bodies) expect(openingIn(piece.repeat(200_000))).toBeNull()
  })
})
