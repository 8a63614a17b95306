/** A change of the upstream is told from its own noise by two fresh answers. */
import { describe, expect, it } from 'vitest'
import { upstreamChange } from '../../src/core/gate/gate.ts'
import { seededRandom } from '../../src/random.ts'
import { heldOutRow } from '../kit/records/held-out-row.ts'

/** @param logged @param first @param second answers, equal where they agree */
const rowOf = (place: number, [logged, first, second]: [number, number, number]) =>
  heldOutRow(place, {
    agreesToday: true,
    fresh: { repeats: first === second, asLogged: [first === logged, second === logged] },
  })

/** Three answers of an upstream that contradicts itself; it has other answers now to a share of the requests. */
const drawn = (size: number, noise: number, changed: number, seed: number) => {
  const random = seededRandom(seed)
  const answer = () => (random() < noise ? 1 + Math.floor(3 * random()) : 0)
  return Array.from({ length: size }, (_, i) => {
    const offset = random() < changed ? 10 : 0
    return rowOf(i, [answer(), answer() + offset, answer() + offset])
  })
}

const alarms = (noise: number, changed: number): number =>
  Array.from({ length: 300 }, (_, seed) =>
    upstreamChange(drawn(500, noise, changed, seed), 0)!
  ).filter(({ isChanged }) => isChanged).length / 300

describe('a change of the upstream', () => {
  it('is not said of one that only contradicts itself, however often', () => {
    for (const noise of [0, 0.02, 0.1, 0.3, 0.7]) expect(alarms(noise, 0)).toBeLessThan(0.03)
  })

  it('is found where it answers some requests otherwise now', () => {
    expect(alarms(0, 0.02)).toBeGreaterThan(0.9)
    expect(alarms(0.1, 0.1)).toBeGreaterThan(0.9)
  })

  it('is unknown without fresh answers', () => {
    expect(upstreamChange([heldOutRow(0)], 0)).toBeNull()
  })

  it('takes the requests of one conversation for one', () => {
    const rows = drawn(200, 0, 0.05, 1)
    const together = rows.map((row) => ({ ...row, conversation: 'one' }))
    expect(upstreamChange(rows, 0)!.isChanged).toBe(true)
    expect(upstreamChange(together, 0)!.isChanged).toBe(false)
  })
})
