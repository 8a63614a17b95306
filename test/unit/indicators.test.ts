/** Signs that the questions have changed, compared with the held-out traffic. */
import { describe, expect, it } from 'vitest'
import {
  baselineOf,
  IndicatorReader,
  INDICATORS,
  risen,
  type Sighting,
} from '../../src/core/rollout/indicators.ts'
import { UpstreamVersionReader } from '../../src/core/rollout/upstream-versions.ts'
import type { PairOutcome } from '../../src/core/rollout/pair.ts'
import { proportionLowerBound } from '../../src/core/gate/statistics.ts'
import { seededRandom } from '../../src/random.ts'

const seen = (changes: Partial<Sighting> = {}): Sighting & { at: number } => ({
  at: 0,
  isFallback: false,
  confidence: -0.1,
  chars: 40,
  isNewLabel: false,
  ...changes,
})

/** Held-out traffic: 40 % fall back, one in a hundred has a new label, characters 1 to 1,000. */
const HELD_OUT = Array.from({ length: 1000 }, (_, i) =>
  seen({
    isFallback: i % 5 < 2,
    confidence: -i / 1000,
    chars: i + 1,
    isNewLabel: i % 100 === 0,
  })
)

const BASELINE = baselineOf(HELD_OUT)

describe('the baseline', () => {
  it('has the share of each indicator and an upper bound of it', () => {
    expect(BASELINE).toMatchObject({ rows: 1000, confidence: -0.499, chars: 901 })
    const shares = { fallbacks: 0.4, 'low-confidence': 0.5, 'long-questions': 0.099, 'new-labels': 0.01 } // prettier-ignore
    for (const indicator of INDICATORS) {
      const { share, bound } = BASELINE.shares[indicator]!
      expect(share).toBeCloseTo(shares[indicator], 9)
      const count = Math.round(share * 1000)
      expect(bound).toBeCloseTo(1 - proportionLowerBound(1000 - count, 1000, 0.01 / 4), 12)
      expect(bound).toBeGreaterThan(share)
    }
  })

  it('leaves out an indicator that does not apply', () => {
    const { shares } = baselineOf([seen({ isNewLabel: null, confidence: null })])
    expect(Object.keys(shares)).toEqual(['fallbacks', 'long-questions'])
  })
})

/** @returns names of the indicators that have risen after so many requests */
const after = (requests: Sighting[]): string[] => {
  const reader = new IndicatorReader(BASELINE)
  for (const request of requests) reader.read(request)
  return risen(reader.figures(), 300).map(({ indicator }) => indicator)
}

describe('an indicator', () => {
  const random = seededRandom(5)
  const drawn = (): Sighting => HELD_OUT[Math.floor(random() * HELD_OUT.length)]!

  it('does not rise while the traffic stays as it was', () => {
    expect(after(Array.from({ length: 20_000 }, drawn))).toEqual([])
  })

  it.each<[string, (sighting: Sighting) => Sighting]>([
    ['fallbacks', (one) => ({ ...one, isFallback: one.isFallback || random() < 0.3 })],
    ['low-confidence', (one) => ({ ...one, confidence: (one.confidence ?? 0) - 0.2 })],
    ['long-questions', (one) => ({ ...one, chars: one.chars * 1.3 })],
    ['new-labels', (one) => ({ ...one, isNewLabel: one.isNewLabel === true || random() < 0.05 })],
  ])('rises with a change of the questions: %s', (indicator, change) => {
    expect(after(Array.from({ length: 1500 }, () => change(drawn())))).toEqual([indicator])
  })

  it('does not rise because a kind of short questions is not audited any more', () => {
    const left = HELD_OUT.filter(({ chars }, i) => chars > BASELINE.chars || i % 2 === 0)
    const drawnOfLeft = () => left[Math.floor(random() * left.length)]!
    const readers = [new IndicatorReader(BASELINE), new IndicatorReader(BASELINE, 0.5)]
    for (let i = 0; i < 4_000; i++) for (const reader of readers) reader.read(drawnOfLeft())
    const names = readers.map((reader) =>
      risen(reader.figures(), 300).map(({ indicator }) => indicator)
    )
    expect(names[0]).toContain('long-questions')
    expect(names[1]).toEqual([])
  })

  it('needs the capital of all of them together', () => {
    const reader = new IndicatorReader(BASELINE)
    for (let i = 0; i < 20; i++) reader.read(seen({ isNewLabel: true }))
    const [figures] = reader.figures().filter(({ indicator }) => indicator === 'new-labels')
    const limit = Math.log(4 * 300)
    const at = (evidence: number) => risen([{ ...figures!, evidence }], 300).length
    expect([at(limit), at(limit - 1e-9)]).toEqual([1, 0])
    expect(figures).toMatchObject({ requests: 20, seen: 20 })
  })
})

describe('the models behind the upstream', () => {
  it('are listed with the loss against each, the last one last', () => {
    const reader = new UpstreamVersionReader()
    const read = (name: string | null, at: number, outcome: PairOutcome) =>
      reader.read({ place: at, at, conversation: '', outcome, drawn: 1, rating: null, ratedAt: null, confidence: 0, chars: 1, isNewLabel: null, upstreamModel: name, parts: [] }) // prettier-ignore
    read('gpt-1 fp_a', 1, 'agreed')
    read('gpt-1 fp_b', 2, 'disagreed')
    read(null, 3, 'unusable')
    read('gpt-1 fp_a', 4, 'fallback')
    read('gpt-1 fp_a', 5, 'disagreed')
    expect(reader.list()).toEqual([
      { name: 'gpt-1 fp_b', pairs: 1, losses: 1, credits: 0, from: 2, to: 2 },
      { name: 'gpt-1 fp_a', pairs: 2, losses: 1, credits: 0, from: 1, to: 5 },
    ])
    for (let i = 0; i < 40; i++) read(`gpt-${i}`, 10 + i, 'agreed')
    expect(reader.list()).toHaveLength(16)
    expect(reader.list().at(-1)!.name).toBe('gpt-39')
  })
})
