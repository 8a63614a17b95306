import { assert, nat, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BaseCache } from '../../../src/store/log/base-cache.ts'
import {
  decodeDifference,
  decodeWhole,
  digestOf,
  encodeDifference,
  encodeWhole,
  overlapOf,
} from '../../../src/store/log/body-codec.ts'

const DAY_MS = 24 * 60 * 60 * 1000

const encode = (body: Buffer, base: Buffer) => encodeDifference(body, base, overlapOf(body, base))

/** Encodes the body and expects it back. @returns the size of its difference */
const roundTrip = (body: Buffer, base: Buffer): number => {
  const difference = encode(body, base)
  expect(decodeDifference(difference, base).equals(body)).toBe(true)
  return difference.data.length
}

const request = (query: string): string =>
  JSON.stringify({
    messages: [
      { role: 'system', content: 'Answer with one of the intents of our bank.\n'.repeat(80) },
      { role: 'user', content: query },
    ],
  })

const CARD = request('Where is my card?')

const line = (index: number): string => `turn ${index * 7919}: ${'x'.repeat(index % 50)}\n`

/** far beyond the window of deflate */
const HISTORY = Array.from({ length: 5000 }, (_, index) => line(index)).join('')

describe('body codec', () => {
  it('restores any bytes with any base', () => {
    assert(
      property(uint8Array({ maxLength: 200 }), uint8Array({ maxLength: 200 }), (body, base) => {
        roundTrip(Buffer.from(body), Buffer.from(base))
        expect(decodeWhole(encodeWhole(Buffer.from(body))).equals(body)).toBe(true)
      })
    )
  })

  it('restores an edited body, and stores little more than the edit', () => {
    const base = Buffer.from(CARD)
    assert(
      property(nat(base.length), nat(40), string(), (at, removed, inserted) => {
        const parts = [base.subarray(0, at), Buffer.from(inserted), base.subarray(at + removed)]
        expect(roundTrip(Buffer.concat(parts), base)).toBeLessThan(inserted.length * 4 + 40)
      })
    )
  })

  it('stores the next turn of a long conversation in a few bytes, and a new start too', () => {
    const base = Buffer.from(HISTORY)
    const added = line(42)
    expect(roundTrip(Buffer.from(HISTORY + added), base)).toBeLessThan(added.length + 6)
    roundTrip(Buffer.from(`now\n${HISTORY}${added}`), base)
  })
})

const cacheOf = (bodies: string[], now = () => 0, maxBytes?: number) => {
  const cache = new BaseCache(now, maxBytes)
  const add = (text: string): void => {
    const body = Buffer.from(text)
    const digest = digestOf(body)
    cache.add('tenant-a', { digest, key: digest.toString('latin1'), body, ratio: 0.5 })
  }
  bodies.forEach(add)
  return {
    add,
    clear: () => cache.clear(),
    find: (text: string, scope = 'tenant-a') => {
      const found = cache.find(scope, Buffer.from(text))
      return found && { ...found, base: found.base.body.toString() }
    },
  }
}

describe('base cache', () => {
  it('finds a similar body of the same scope', () => {
    const { find } = cacheOf([CARD])
    expect(find(request('I lost my phone'))?.base).toBe(CARD)
    expect(find('{"messages":[]}')).toBeNull()
    expect(find(CARD, 'tenant-b')).toBeNull()
  })

  it('finds the body with the same start, then one with the same lines elsewhere', () => {
    const shared = 'shared line '.repeat(300)
    const bodies = ['a', 'b'].map((letter) => `${letter.repeat(2000)}\\n${shared}`)
    const { find } = cacheOf(bodies)
    expect(find(`${bodies[0]}!`)).toEqual({
      base: bodies[0],
      prefixBytes: bodies[0]!.length,
      suffixBytes: 0,
    })
    expect(find(`new\\n${shared}`)?.suffixBytes).toBe(shared.length + 2)
  })

  describe('of a kind that shares only pieces with another one', () => {
    const terms = 'Section 4 of our terms. '.repeat(1000)
    const withTerms = (query: string) => JSON.stringify({ ...JSON.parse(request(query)), terms })

    it('lets the third body become a base', () => {
      const { find, add } = cacheOf([CARD])
      for (const query of ['one', 'two']) expect(find(withTerms(query))?.base).toBe(CARD)
      expect(find(withTerms('six'))).toBeNull()
      add(withTerms('six'))
      expect(find(withTerms('ten'))?.base).toBe(withTerms('six'))
    })

    it('counts a body that is sent again once', () => {
      const { find } = cacheOf([CARD])
      for (const query of ['one', 'two', 'one', 'one', 'one'])
        expect(find(withTerms(query))?.base).toBe(CARD)
    })

    it('forgets counted bodies when bases are cleared', () => {
      const { find, clear, add } = cacheOf([CARD])
      for (const query of ['one', 'two']) find(withTerms(query))
      clear()
      add(CARD)
      expect(find(withTerms('six'))?.base).toBe(CARD)
    })
  })

  it('keeps one base of bodies that share their middle, however long their beginnings are', () => {
    const middle = Array.from({ length: 900 }, (_, index) => line(index)).join('\\n')
    const asked = (index: number) =>
      `${`${index} `.repeat(100).slice(0, 20 + ((index * 7) % 100))}\\n${middle}\\nuser ${index}`
    const { find } = cacheOf([asked(0)])
    for (let index = 1; index < 300; index++) expect(find(asked(index))?.base).toBe(asked(0))
  })

  it('finds the base of a body whose first value is longer or shorter', () => {
    const terms = 'here are our terms\n'.repeat(500)
    const greeting = (name: string) => JSON.stringify({ content: `Dear ${name},\n${terms}` })
    const { find } = cacheOf([greeting('Ann')])
    for (const name of ['Bo', 'Bo', 'Christina', 'Chandrika', 'Maximilian', 'Maximilian'])
      expect(find(greeting(name))?.base).toBe(greeting('Ann'))
  })

  it('removes a base after a day, so that retention holds', () => {
    let now = 0
    const { find } = cacheOf([CARD], () => now)
    now = DAY_MS
    expect(find(CARD)).not.toBeNull()
    now = DAY_MS + 1
    expect(find(CARD)).toBeNull()
  })

  it('removes the least recently used bases beyond its size', () => {
    const bodies = [1, 2, 3, 4, 5, 6].map((index) => `${index} `.repeat(2000))
    const { find } = cacheOf(bodies, () => 0, 16_000)
    const found = bodies.map((body) => find(body) !== null)
    expect(found).toEqual([false, false, false, true, true, true])
  })
})
