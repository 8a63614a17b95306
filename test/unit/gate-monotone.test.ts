import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decide, type GateInput, type HeldOutRow } from '../../src/core/gate/gate.ts'
import { seededRandom } from '../../src/random.ts'
import { askedToday, heldOutRow } from '../kit/records/held-out-row.ts'

interface Shape {
  seed: number
  size: number
  /** different confidences */
  values: number
  /** turns of a conversation, at most */
  turns: number
  /** chance to agree */
  agreement: number
  /** share of rows with fresh upstream answers */
  fresh: number
  /** of all requests */
  spanMs: number
  slices: number
  arms: number
  /** place of the disagreement that becomes an agreement, as a share */
  place: number
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  seed: fc.nat(1e6),
  size: fc.integer({ min: 60, max: 300 }),
  values: fc.constantFrom(1, 3, 10, 50, 1e6),
  turns: fc.constantFrom(1, 1, 2, 5),
  agreement: fc.double({ min: 0.9, max: 0.995, noNaN: true }),
  fresh: fc.constantFrom(0, 0, 0.3, 1),
  spanMs: fc.constantFrom(1e9, 1e7),
  slices: fc.constantFrom(0, 1, 3),
  arms: fc.constantFrom(1, 2),
  place: fc.double({ min: 0, max: 0.999, noNaN: true }),
})

const draw = (shape: Shape, random: () => number): HeldOutRow[] =>
  Array.from({ length: shape.size }, (_, i) => {
    const confidence = -Math.floor(random() * shape.values) / shape.values
    const sample = random()
    const agrees = random() < shape.agreement
    return heldOutRow(i, {
      agrees,
      logprobSum: confidence,
      logprobMin: confidence,
      deferred: random() < 0.05 ? 'tool-calls' : null,
      ...(random() < shape.fresh && askedToday(agrees, random() < 0.97)),
      at: random() * shape.spanMs,
      conversation: String(i % Math.ceil(shape.size / (1 + Math.floor(random() * shape.turns)))),
      isTraffic: sample < 0.8,
      isUnseen: sample > 0.2,
      slices: Array.from({ length: shape.slices }, (__, name) => `${name}=${i % 4 === 0}`),
    })
  })

const inputOf = (shape: Shape): GateInput => {
  const random = seededRandom(shape.seed)
  return {
    arms: Array.from({ length: shape.arms }, () => ({
      arm: 'query-only' as const,
      statistic: 'sum' as const,
      rows: draw(shape, random),
    })),
    favouredArm: 0,
    responseType: 'label',
    margin: 0.05,
    burstMs: 300_000,
  }
}

/** The same with one disagreement of the first arm turned into an agreement. */
const better = (input: GateInput, place: number): GateInput => {
  const [first, ...others] = input.arms
  const wrong = first!.rows.flatMap(({ agrees }, i) => (agrees ? [] : [i]))
  const mended = wrong[Math.floor(place * wrong.length)]
  const rows = first!.rows.map((row, i) =>
    i === mended
      ? { ...row, agrees: true, agreesToday: row.agreesToday === null ? null : true }
      : row
  )
  return { ...input, arms: [{ ...first!, rows }, ...others] }
}

describe('more agreement', () => {
  it('never turns a promotion into a rejection: ties, conversations, replays, slices, arms', () => {
    let promoted = 0
    fc.assert(
      fc.property(shapes, (shape) => {
        let input = inputOf(shape)
        // a walk from the draw upwards passes the border between both verdicts most often
        let isPromoted = false
        for (let step = 0; step < 10; step++) {
          const verdict = decide(input).verdict === 'promote'
          if (isPromoted) expect(verdict).toBe(true)
          isPromoted = verdict
          input = better(input, (shape.place + step / 7) % 1)
        }
        if (isPromoted) promoted++
      }),
      { numRuns: 30 }
    )
    expect(promoted).toBeGreaterThan(0)
  })

  it('always promotes where enough rows agree altogether, whatever ties', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const input = inputOf({
          ...shape,
          // by chance alone, rows within three hours look like bursts: three count as one at most
          size: shape.size + 300,
          turns: 1,
          agreement: 1,
          fresh: 0,
        })
        expect(decide(input).verdict).toBe('promote')
      }),
      { numRuns: 20 }
    )
  })
})
