import { assert, nat, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BaseCache } from '../../src/store/sqlite/log/base-cache.ts'
import {
  decodeDifference,
  decodeWhole,
  digestOf,
  encodeDifference,
  encodeWhole,
  overlapOf,
} from '../../src/store/sqlite/log/body-codec.ts'

const DAY_MS = 24 * 60 * 60 * 1000

const baseOf = (text: string) => {
  const bytes = Buffer.from(text)
  const digest = digestOf(bytes)
  return { digest, key: digest.toString('latin1'), body: bytes, ratio: 0.5 }
}

const encode = (text: Buffer, base: Buffer) => encodeDifference(text, base, overlapOf(text, base))

const template = (query: string): string =>
  JSON.stringify({
    messages: [
      { role: 'system', content: 'Answer with one of the intents of our bank.\n'.repeat(80) },
      { role: 'user', content: query },
    ],
  })

const line = (index: number): string => `turn ${index * 7919}: ${'x'.repeat(index % 50)}\n`

describe('body codec', () => {
  it('gives back any bytes, with any base', () => {
    assert(
      property(uint8Array({ maxLength: 200 }), uint8Array({ maxLength: 200 }), (text, base) => {
        const [bytes, baseBytes] = [Buffer.from(text), Buffer.from(base)]
        expect(decodeWhole(encodeWhole(bytes)).equals(bytes)).toBe(true)
        expect(decodeDifference(encode(bytes, baseBytes), baseBytes).equals(bytes)).toBe(true)
      })
    )
  })

  it('gives back an edited text, wherever the edit is', () => {
    const base = Buffer.from(template('Where is my card?'))
    assert(
      property(nat(base.length), nat(40), string(), (at, removed, inserted) => {
        const text = Buffer.concat([
          base.subarray(0, at),
          Buffer.from(inserted),
          base.subarray(at + removed),
        ])
        const encoded = encode(text, base)
        expect(decodeDifference(encoded, base).equals(text)).toBe(true)
        expect(encoded.data.length).toBeLessThan(inserted.length * 4 + 40)
      })
    )
  })

  it('gives back texts far beyond the window of deflate', () => {
    const history = Array.from({ length: 5000 }, (_, index) => line(index)).join('')
    const base = Buffer.from(history)
    const text = Buffer.from(`now\n${history}${line(6000)}`)
    expect(decodeDifference(encode(text, base), base).equals(text)).toBe(true)
  })

  it('stores the next turn of a long conversation in a few bytes', () => {
    const history = Array.from({ length: 5000 }, (_, index) => line(index)).join('')
    const encoded = encode(Buffer.from(`${history}${line(42)}`), Buffer.from(history))
    expect(encoded.data.length).toBeLessThan(line(42).length + 6)
  })
})

describe('base cache', () => {
  it('finds the relative of a text and nothing for a stranger', () => {
    const cache = new BaseCache(() => 0)
    const text = template('Where is my card?')
    cache.add('tenant-a', baseOf(text))
    expect(
      cache.find('tenant-a', Buffer.from(template('I lost my phone')))?.base.body.toString()
    ).toBe(text)
    expect(cache.find('tenant-a', Buffer.from('{"messages":[]}'))).toBeNull()
  })

  it('finds the relative that shares its start, then the one that shares lines elsewhere', () => {
    const cache = new BaseCache(() => 0)
    const texts = ['a', 'b'].map(
      (letter) => `${letter.repeat(2000)}\\n${'shared line '.repeat(300)}`
    )
    for (const text of texts) cache.add('tenant-a', baseOf(text))
    const byStart = cache.find('tenant-a', Buffer.from(`${texts[0]}!`))
    expect(byStart?.base.body.toString()).toBe(texts[0])
    expect(byStart).toMatchObject({ prefixBytes: texts[0]!.length, suffixBytes: 0 })
    const byLine = cache.find('tenant-a', Buffer.from(`new\\n${'shared line '.repeat(300)}`))
    expect(byLine?.suffixBytes).toBeGreaterThan(3600)
  })

  it('keeps tenants apart', () => {
    const cache = new BaseCache(() => 0)
    const text = template('Where is my card?')
    cache.add('tenant-a', baseOf(text))
    expect(cache.find('tenant-b', Buffer.from(text))).toBeNull()
  })

  it('lets no base outlive its day, so that retention holds', () => {
    let now = 0
    const cache = new BaseCache(() => now)
    const text = template('Where is my card?')
    cache.add('tenant-a', baseOf(text))
    now = DAY_MS
    expect(cache.find('tenant-a', Buffer.from(text))).not.toBeNull()
    now = DAY_MS + 1
    expect(cache.find('tenant-a', Buffer.from(text))).toBeNull()
  })

  it('drops the least used when its bytes are spent', () => {
    const cache = new BaseCache(() => 0, 16_000)
    const texts = [1, 2, 3, 4, 5, 6].map((index) => `${index} `.repeat(2000))
    for (const text of texts) cache.add('tenant-a', baseOf(text))
    expect(texts.map((text) => cache.find('tenant-a', Buffer.from(text)) !== null)).toEqual([
      false,
      false,
      false,
      true,
      true,
      true,
    ])
  })
})
