/** Caches of bodies keep no more memory than they count, whatever the sizes of the bodies. */
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/random.ts'
import { BaseCache } from '../../src/store/log/base-cache.ts'
import { decodeWhole, digestOf, encodeWhole } from '../../src/store/log/body-codec.ts'
import type { SegmentRecord } from '../../src/store/log/segment-codec.ts'
import { BodyReader } from '../../src/store/log/reading/body-reader.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { keptBy } from '../kit/store/kept-memory.ts'

const MIB = 2 ** 20

/** Answers of which no two are alike. */
const answersOf = (chars: number): (() => Buffer) => {
  const random = seededRandom(chars)
  const word = (): string => random().toString(36).slice(2, 8)
  return () => {
    const content = Array.from({ length: Math.ceil(chars / 7) }, word).join(' ')
    return Buffer.from(JSON.stringify({ id: word(), choices: [{ message: { content } }] }))
  }
}

describe('the bodies that others are stored as a difference to', () => {
  it.each([[100], [800], [8_000]])('of %i characters', async (chars) => {
    const answer = answersOf(chars)
    const limit = 6 * MIB
    const { result: count, keptBytes } = await keptBy(() => {
      const cache = new BaseCache(() => 0, limit)
      let added = 0
      for (let bytes = 0; bytes < 3 * limit; added++) {
        const body = answer()
        const digest = digestOf(body)
        cache.add('tenant', { digest, key: digest.toString('latin1'), body, ratio: 1 })
        bytes += body.length + 1_000
      }
      return { cache, added }
    })
    expect(count.added).toBeGreaterThan(1_000)
    // less where older tests of the process left garbage that is collected meanwhile
    expect(keptBytes / limit).toBeGreaterThan(0.5)
    expect(keptBytes / limit).toBeLessThan(1.3)
  })
})

describe('the bodies that a move has read', () => {
  it('are kept without what they were unpacked in', async () => {
    const answer = answersOf(100)
    const { head, usage } = exampleRecord(1) as unknown as SegmentRecord
    const count = 4_000
    const { result, keptBytes } = await keptBy(async () => {
      const reader = new BodyReader()
      for (let id = 1; id <= count; id++) {
        const record = { head, usage, request: { whole: id, difference: null }, response: null }
        await reader.read(
          [record],
          async ([missing]) => new Map([[missing!, decodeWhole(encodeWhole(answer()))]])
        )
      }
      return reader
    })
    expect(result).toBeInstanceOf(BodyReader)
    // 16 KiB each, they would be 64 MiB
    expect(keptBytes / MIB).toBeLessThan(6)
  })
})
