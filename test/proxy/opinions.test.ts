import { describe, expect, it } from 'vitest'
import { encodeNeighbours } from '../../src/core/neighbours.ts'
import { createOpinions } from '../../src/proxy/opinions.ts'

const index = encodeNeighbours([
  { query: 'where is my card', answer: 'card' },
  { query: 'my card is lost', answer: 'card' },
  { query: 'change the pin', answer: 'pin' },
])

describe('opinions of live routes', () => {
  it('are read once while they fit, also by simultaneous requests', async () => {
    const names: string[] = []
    const load = async (name: string): Promise<Uint8Array> => {
      names.push(name)
      return index
    }
    const opinions = createOpinions({ load, maxBytes: index.length + 1 })
    const [first] = await Promise.all([opinions('one'), opinions('one')])
    await opinions('one')
    expect(names).toEqual(['neighbours/one'])
    expect(first!('is my card here', 'card')).toBeGreaterThan(first!('is my card here', 'pin'))
    await opinions('two')
    await opinions('one')
    expect(names).toEqual(['neighbours/one', 'neighbours/two', 'neighbours/one'])
  })

  it('say so when there is none or it is damaged, and try again the next time', async () => {
    const found: (Uint8Array | null)[] = [null, index.subarray(0, 20), index]
    const opinions = createOpinions({ load: async () => found.shift()!, maxBytes: 2 ** 20 })
    await expect(opinions('one')).rejects.toMatchObject({ code: 'not-found' })
    await expect(opinions('one')).rejects.toMatchObject({ code: 'internal' })
    expect((await opinions('one'))('change pin', 'pin')).toBeLessThanOrEqual(0)
  })
})
