/** The cache of dictionaries keeps no more memory than it counts, whatever the sizes of the bodies. */
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/random.ts'
import { Dictionaries } from '../../src/store/log/dictionaries.ts'
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
  it.each([[1_200], [3_000], [8_000]])('of %i characters', async (chars) => {
    const answer = answersOf(chars)
    const limit = 6 * MIB
    // with the bodies that may be of a kind of their own
    const most = limit + 4 * MIB
    const { result: count, keptBytes } = await keptBy(() => {
      const dictionaries = new Dictionaries(limit)
      let added = 0
      for (let bytes = 0; bytes < 3 * limit; added++) {
        const body = answer()
        const { dictionary } = dictionaries.encode('tenant', body)
        // as when its row is written
        if (dictionary !== null) dictionary.data = null
        bytes += body.length + 1_000
      }
      return { dictionaries, added }
    })
    expect(count.added).toBeGreaterThan(1_000)
    // less where older tests of the process left garbage that is collected meanwhile
    expect(keptBytes / limit).toBeGreaterThan(0.5)
    expect(keptBytes / most).toBeLessThan(1.3)
  })
})
