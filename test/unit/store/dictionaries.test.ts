import { assert, nat, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/random.ts'
import { decodeBody, Dictionaries } from '../../../src/store/log/dictionaries.ts'

/** Encodes texts in turn, expects each back, and tells how each is stored. */
const storing = (maxBytes?: number) => {
  const dictionaries = new Dictionaries(maxBytes)
  return {
    clear: () => dictionaries.clear(),
    /** @returns the dictionary's text: the own one where the body became one; null where it has none */
    store: (text: string | Buffer, scope = 'tenant-a') => {
      const body = Buffer.from(text)
      const { dictionary, data } = dictionaries.encode(scope, body)
      expect(decodeBody(data, dictionary && dictionary.body).equals(body)).toBe(true)
      return { of: dictionary && dictionary.body.toString(), bytes: data.length }
    },
  }
}

const request = (query: string): string =>
  JSON.stringify({
    messages: [
      { role: 'system', content: 'Answer with one of the intents of our bank.\n'.repeat(80) },
      { role: 'user', content: query },
    ],
  })

const CARD = request('Where is my card?')

const answer = (id: string): string => JSON.stringify({ id, choices: [{ text: id.repeat(4) }] })

const line = (index: number): string => `turn ${index * 7919}: ${'x'.repeat(index % 50)}\n`

/** far beyond the window of deflate */
const HISTORY = Array.from({ length: 5000 }, (_, index) => line(index)).join('')

describe('the form of a body', () => {
  it('restores any bytes, whatever was stored before', () => {
    const { store } = storing()
    assert(property(uint8Array({ maxLength: 400 }), (body) => void store(Buffer.from(body))))
  })

  it('restores an edited body, and stores little more than the edit', () => {
    const base = Buffer.from(CARD)
    assert(
      property(nat(base.length), nat(40), string(), (at, removed, inserted) => {
        const { store } = storing()
        store(CARD)
        const parts = [base.subarray(0, at), Buffer.from(inserted), base.subarray(at + removed)]
        const { of, bytes } = store(Buffer.concat(parts))
        expect(of).toBe(CARD)
        expect(bytes).toBeLessThan(inserted.length * 4 + 46)
      })
    )
  })

  it('stores the next turn of a long conversation in a few bytes, and a new start too', () => {
    const { store } = storing()
    store(HISTORY)
    const added = line(42)
    expect(store(HISTORY + added).bytes).toBeLessThan(added.length + 12)
    store(`now\n${HISTORY}${added}`)
  })

  it('is nothing for the body of the dictionary', () => {
    const { store } = storing()
    expect(store(CARD)).toEqual({ of: CARD, bytes: 0 })
    expect(store(CARD)).toEqual({ of: CARD, bytes: 0 })
  })

  it('has no dictionary where the body is too short or too long for one', () => {
    const { store } = storing()
    for (const body of ['', '{}', 'x'.repeat(2 ** 20 + 1)]) expect(store(body).of).toBeNull()
  })

  it('makes no dictionary of each short body', () => {
    const { store } = storing()
    store(answer('one-of-many-answers'))
    for (const id of ['and-another-one-it-is', 'quite-a-different-name'])
      expect([answer('one-of-many-answers'), null]).toContain(store(answer(id)).of)
  })
})

describe('the dictionary of a body', () => {
  it('is a similar body of the same scope', () => {
    const { store } = storing()
    store(CARD)
    expect(store(request('I lost my phone')).of).toBe(CARD)
    expect(store(CARD, 'tenant-b')).toEqual({ of: CARD, bytes: 0 })
    expect(store(request('of another tenant'), 'tenant-c').of).not.toBe(CARD)
  })

  it('is the one with the same start, then one with the same lines elsewhere', () => {
    const shared = 'shared line '.repeat(300)
    const { store } = storing()
    const random = (letter: string) => `${letter.repeat(2000)}\\n${shared}`
    const first = random('a')
    store(first)
    expect(store(`${first}!`).of).toBe(first)
    expect(store(`new\\n${shared}`).of).toBe(first)
  })

  it('is of its own kind from the third body on, where it shares only pieces with another one', () => {
    const terms = 'Section 4 of our terms. '.repeat(1000)
    const withTerms = (query: string) => JSON.stringify({ ...JSON.parse(request(query)), terms })
    const { store, clear } = storing()
    store(CARD)
    expect(store(withTerms('one')).of).toBe(CARD)
    expect(store(withTerms('two')).of).toBe(withTerms('two'))
    expect(store(withTerms('six')).of).toBe(withTerms('two'))
    clear()
    store(CARD)
    expect(store(withTerms('ten')).of).toBe(CARD)
  })

  it('is one for bodies that share their middle, however long their beginnings are', () => {
    const random = seededRandom(1)
    const words = () => Array.from({ length: 8 }, () => random().toString(36).slice(2)).join(' ')
    const middle = Array.from({ length: 200 }, words).join('\\n')
    const asked = (index: number) =>
      `${`${index} `.repeat(100).slice(0, 20 + ((index * 7) % 100))}\\n${middle}\\nuser ${index}`
    const { store } = storing()
    store(asked(0))
    for (let index = 1; index < 300; index++) expect(store(asked(index)).of).toBe(asked(0))
  })

  it('is found for a body whose first value is longer or shorter', () => {
    const terms = 'here are our terms\n'.repeat(500)
    const greeting = (name: string) => JSON.stringify({ content: `Dear ${name},\n${terms}` })
    const { store } = storing()
    store(greeting('Ann'))
    for (const name of ['Bo', 'Bo', 'Christina', 'Chandrika', 'Maximilian', 'Maximilian'])
      expect(store(greeting(name)).of).toBe(greeting('Ann'))
  })

  it('is none of the least recently used beyond the size of the cache', () => {
    const { store } = storing(16_000)
    const bodies = [1, 2, 3, 4, 5, 6].map((index) => `${index} `.repeat(2000))
    for (const body of bodies) store(body)
    const found = bodies.toReversed().map((body) => store(`${body}!`).of === body)
    expect(found.slice(0, 3)).toEqual([true, true, true])
    expect(found.slice(3)).toEqual([false, false, false])
  })
})
