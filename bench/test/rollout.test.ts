/** The quick parts of `bench:rollout` say the same as the product and as counting by hand. */
import { describe, expect, it } from 'vitest'
import { Capital, PRODUCT_RULE } from '../rollout/capital.ts'
import { decidedBy, quantile } from '../rollout/exact.ts'
import { AS_GOOD, AT_MARGIN, BROKEN, chancesOf } from '../rollout/second-answers.ts'
import { HALF, live, steadily, untilSpent } from '../rollout/steady.ts'
import { productHarm, quickHarm } from '../rollout/outcomes.ts'
import { drawLosses } from '../rollout/streams.ts'
import {
  addLoss,
  evidenceAbove,
  evidenceOfRise,
  NO_STREAM,
  type LossCounts,
} from '../../src/core/rollout/evidence.ts'
import { seededRandom } from '../../src/random.ts'

/** Both capitals after so many pairs, of which each is lost with this chance. */
const capitals = (pairs: number, chance: number): { quick: number; product: number } => {
  const random = seededRandom(3)
  const losses = drawLosses(pairs, chance, random, () => Math.ceil(3 * random()) / 3)
  const capital = new Capital(0.05, PRODUCT_RULE)
  let stream = NO_STREAM
  for (const { gap, loss } of losses) {
    capital.keep(gap)
    capital.lose(loss)
    for (let i = 0; i < gap; i++) stream = addLoss(stream, 0)
    stream = addLoss(stream, loss)
  }
  return { quick: Math.log(capital.value()), product: evidenceOfRise(stream, 0.05, 0) }
}

describe('the quick capital', () => {
  it.each([
    [90, 0.1],
    [2500, 0.05],
    [25_500, 0.06],
    [25_500, 0.12],
  ])('of %d pairs is that of the product', (pairs, chance) => {
    const { quick, product } = capitals(pairs, chance)
    expect(quick).toBeCloseTo(product, 6)
  })

  it('is at least that of the product after starts were dropped', () => {
    const { quick, product } = capitals(40_000, 0.077)
    expect(quick).toBeGreaterThanOrEqual(product - 1e-6)
  })
})

describe('the quick capital of the outcome test', () => {
  it.each([0.4, 0.5, 0.6])('finds a harm at the same block as the product: %d', (share) => {
    const random = seededRandom(7)
    const differences = Array.from({ length: 2_000 }, () => {
      const one = Number(random() < share) - Number(random() < 0.2)
      return random() < 0.5 ? one : one / 2
    })
    const block = quickHarm(differences)
    expect(block).not.toBeNull()
    expect(productHarm(differences)).toBe(block)
  })
})

const decides = ({ pairs, losses }: LossCounts): boolean => losses >= 2 + pairs / 4

describe('the exact chances of a decision', () => {
  it('are those of all sequences of pairs', () => {
    const decided = decidedBy(0.3, 10, decides)
    let chance = 0
    for (let bits = 0; bits < 2 ** 10; bits++) {
      let [weight, losses, isDecided] = [1, 0, false]
      for (let pairs = 1; pairs <= 10; pairs++) {
        const isLost = (bits >> (pairs - 1)) % 2 === 1
        weight *= isLost ? 0.3 : 0.7
        losses += isLost ? 1 : 0
        isDecided ||= decides({ pairs, losses, credits: 0 })
      }
      if (isDecided) chance += weight
    }
    expect(decided[10]).toBeCloseTo(chance, 12)
    expect(decided[2]).toBe(0)
    expect(decided[3]).toBeCloseTo(0.3 ** 3, 12)
  })

  it('reach 1 where every number of losses decides', () => {
    expect([...decidedBy(0.3, 4, ({ pairs }) => pairs === 2)]).toEqual([0, 0, 1, 1, 1])
    expect(quantile(Float64Array.of(0, 0.2, 0.5, 0.7), 0.5)).toBe(2)
    expect(() => quantile(Float64Array.of(0, 0.2), 0.5)).toThrow('later')
  })

  it('are those of streams that are drawn', () => {
    const limit = Math.log(20)
    const decided = decidedBy(0.1, 300, (counts) => evidenceAbove(counts, 0.05, 0) >= limit)
    const random = seededRandom(5)
    let hits = 0
    for (let draw = 0; draw < 2000; draw++) {
      const counts = { pairs: 0, losses: 0, credits: 0 }
      for (const { gap } of drawLosses(300, 0.1, random)) {
        counts.pairs += gap + 1
        counts.losses++
        if (evidenceAbove(counts, 0.05, 0) < limit) continue
        hits++
        break
      }
    }
    expect(Math.abs(hits / 2000 - decided[300]!)).toBeLessThan(0.04)
  })
})

describe('losses that are drawn', () => {
  it('befall the share of the pairs that they should, also where an event is no loss', () => {
    const random = seededRandom(8)
    const losses = drawLosses(100_000, 0.2, random, () => (random() < 0.25 ? 0.5 : 0))
    expect(losses.length / 100_000).toBeCloseTo(0.05, 2)
    const pairs = losses.reduce((sum, { gap }) => sum + gap + 1, 0)
    expect(pairs).toBeLessThanOrEqual(100_000)
    expect(pairs).toBeGreaterThan(99_000)
  })
})

const meanOf = (world: typeof AS_GOOD, asksAgain = true): number => {
  const { loss, credit } = chancesOf(world, asksAgain)
  return loss - credit
}

describe('the loss of pairs', () => {
  it('is what the promise is about, where the upstream tosses coins', () => {
    expect(meanOf(AS_GOOD)).toBeCloseTo(0, 12)
    expect(meanOf(AT_MARGIN)).toBeCloseTo(0.05, 12)
    // always wrong on a fifth of the requests, on which two answers of the upstream agree every second time
    expect(meanOf(BROKEN['coin']!)).toBeCloseTo(0.1, 12)
    expect(meanOf(BROKEN['noise']!)).toBeCloseTo(0.08, 12)
    expect(meanOf(AS_GOOD, false)).toBeCloseTo(0.1, 12)
  })
})

const after = (rule: typeof steadily) => live(HALF, rule(), seededRandom(20))

describe('audits whose money would be spent by noon', () => {
  it('find a loss of the afternoons', () => {
    const { isRolledBack, mostSpent } = after(steadily)
    expect(isRolledBack).toBe(true)
    expect(mostSpent).toBeLessThanOrEqual(1 + 1e-9)
  })

  it('would not, if they were made until it is spent', () => {
    expect(after(untilSpent)).toMatchObject({ isRolledBack: false, pairs: 10_000 })
  })
})
