import { describe, expect, it } from 'vitest'
import { decide, type GateInput, type HeldOutRow } from '../../src/core/gate/gate.ts'
import { seededRandom } from '../../src/random.ts'

/** Rows whose chance to agree falls with the place; `chance` maps place 0..1 to it. */
const heldOut = (
  size: number,
  chance: (place: number) => number,
  { seed = 1, upstream = null as number | null } = {}
): HeldOutRow[] => {
  const random = seededRandom(seed)
  return Array.from({ length: size }, (_, i) => {
    const place = random()
    return {
      similarity: random() < chance(place) ? 1 : 0,
      logprobSum: -place,
      logprobMin: -place * place - 0.1 * random(),
      deferred: null,
      upstreamSimilarity: upstream === null ? null : Number(random() < upstream),
      conversation: `conversation-${i}`,
      isTraffic: true,
      isUnseen: true,
      slices: [],
    }
  })
}

const wellRanked = (place: number): number => {
  if (place < 0.55) return 0.985
  return place < 0.7 ? 0.87 : 0.52
}

const input = (rows: HeldOutRow[], options: Partial<GateInput> = {}): GateInput => ({
  arms: [{ arm: 'query-only', statistic: 'sum', rows }],
  responseType: 'label',
  margin: 0.05,
  seed: 1,
  ...options,
})

const noisy = (upstream: number | null) => decide(input(heldOut(2000, () => 0.9, { upstream })))

const partly = (upstream: number) =>
  heldOut(2000, () => 0.9, { upstream }).map((row, i) =>
    i % 4 === 0 ? row : { ...row, upstreamSimilarity: null }
  )

/** Every row in one of the samples alone. */
const apart = (traffic: HeldOutRow[], unseen: HeldOutRow[]): HeldOutRow[] => [
  ...traffic.map((row) => ({ ...row, isUnseen: false })),
  ...unseen.map((row, i) => ({ ...row, isTraffic: false, conversation: `unseen-${i}` })),
]

/** By the chance to agree in each sample. */
const verdictOfSamples = (traffic: number, unseen: number) => {
  const rows = apart(
    heldOut(1000, () => traffic),
    heldOut(1000, () => unseen, { seed: 2 })
  )
  return decide(input(rows))
}

describe('decide', () => {
  it('answers the confident part of a model that plain parity must refuse', () => {
    const rows = heldOut(1000, wellRanked)
    const verdict = decide(input(rows))
    const [arm] = verdict.arms
    expect(verdict.verdict).toBe('promote')
    expect(arm!.agreement).toBeLessThan(0.86)
    expect(arm!.differenceBound).toBeLessThan(-0.05)
    expect(arm!.coverage).toBeGreaterThan(0.5)
    expect(arm!.agreementAnsweredBound).toBeGreaterThanOrEqual(0.95)
    const answered = rows.filter(
      (row) => (arm!.confidence === 'sum' ? row.logprobSum : row.logprobMin) >= arm!.threshold!
    )
    expect(answered.length / rows.length).toBeCloseTo(arm!.coverage, 9)
  })

  it('answers no confidence below the lowest that it has seen, even when all answers agree', () => {
    const rows = heldOut(1000, () => 1)
    const [arm] = decide(input(rows)).arms
    expect(arm!.coverage).toBe(1)
    expect(arm!.threshold).toBe(Math.min(...rows.map(({ logprobSum }) => logprobSum)))
  })

  it('rejects a model whose confidence says nothing', () => {
    const verdict = decide(input(heldOut(2000, () => 0.82)))
    expect(verdict.verdict).toBe('reject')
    expect(verdict.reason).toContain('no threshold')
    expect(verdict.arms[0]).toMatchObject({ threshold: null, coverage: 0 })
  })

  it.each([
    [300, 50],
    [500, 50],
    [1000, 60],
  ])('promotes when all of %i rows agree, %i of them equally confident', (size, tied) => {
    const rows = heldOut(size, () => 1).map((row, i) =>
      i < tied ? { ...row, logprobSum: -0.5 } : row
    )
    expect(decide(input(rows))).toMatchObject({ verdict: 'promote', arms: [{ coverage: 1 }] })
  })

  it('rejects when even flawless answers would be too few to prove anything, and says how few', () => {
    const verdict = decide(input(heldOut(50, () => 1)))
    expect(verdict.verdict).toBe('reject')
    expect(verdict.reason).toContain('the sample of traffic has 50 answerable rows and needs 59')
    expect(verdict.reason).toContain('the sample of unseen questions has 50')
  })

  it('names the sample that is too small alone', () => {
    const { reason } = decide(
      input(
        apart(
          heldOut(500, () => 1),
          heldOut(20, () => 1)
        )
      )
    )
    expect(reason).toContain('the sample of unseen questions has 20 answerable rows and needs 59')
    expect(reason).not.toContain('the sample of traffic')
  })

  it('says what the rows of few conversations are worth', () => {
    const rows = heldOut(400, () => 1).map((row, i) => ({ ...row, conversation: String(i % 40) }))
    const { reason } = decide(input(rows))
    expect(reason).toContain(
      '400 answerable rows of conversations worth 40.0 single rows and needs 59'
    )
  })

  it('needs agreement in traffic and among unseen questions', () => {
    expect(verdictOfSamples(0.995, 0.995).verdict).toBe('promote')
    expect(verdictOfSamples(0.995, 0.85).verdict).toBe('reject')
    expect(verdictOfSamples(0.85, 0.995).verdict).toBe('reject')
    const { samples } = verdictOfSamples(0.995, 0.98).arms[0]!
    expect(samples!.traffic).toMatchObject({ rows: 1000, agreement: expect.closeTo(0.995, 2) })
    expect(samples!.unseen).toMatchObject({ rows: 1000, agreement: expect.closeTo(0.98, 1) })
    expect(samples!.unseen.bound).toBeGreaterThanOrEqual(0.95)
  })

  it('never answers deferred rows: they count in coverage and in no agreement', () => {
    const rows = heldOut(1000, () => 1).map((row, i) =>
      i % 4 === 0 ? { ...row, similarity: 0, logprobSum: 0, deferred: 'tool-calls' } : row
    )
    const verdict = decide(input(rows))
    expect(verdict).toMatchObject({
      verdict: 'promote',
      arms: [
        {
          rows: 1000,
          deferred: { 'tool-calls': 250 },
          coverage: 0.75,
          agreement: 1,
          agreementAnswered: 1,
        },
      ],
    })
    const mostly = rows.map((row, i) => (i % 10 === 0 ? row : { ...row, deferred: 'tool-calls' }))
    expect(decide(input(mostly)).reason).toContain('less than the least coverage of 20.0 %')
  })

  it('never answers without a finite confidence', () => {
    const rows = heldOut(1000, () => 1).map((row, i) =>
      i % 2 === 0 ? { ...row, logprobSum: Number.NaN } : row
    )
    const [arm] = decide(input(rows)).arms
    expect(arm).toMatchObject({ coverage: 0.5, deferred: { 'no confidence': 500 } })
    expect(Number.isFinite(arm!.threshold)).toBe(true)
  })

  it('rejects an evaluation without rows', () => {
    expect(decide(input([])).verdict).toBe('reject')
    expect(decide(input([], { arms: [] })).verdict).toBe('reject')
  })

  it('rejects free text, for which there is no judge', () => {
    expect(
      decide(
        input(
          heldOut(1000, () => 1),
          { responseType: 'free-text' }
        )
      ).verdict
    ).toBe('reject')
  })

  it('lets the arm win that answers more, and keeps the figures of both', () => {
    const arms: GateInput['arms'] = [
      {
        arm: 'query-only',
        statistic: 'sum',
        rows: heldOut(1000, (place) => (place < 0.4 ? 0.99 : 0.5)),
      },
      {
        arm: 'schedule',
        statistic: 'sum',
        rows: heldOut(1000, (place) => (place < 0.7 ? 0.99 : 0.5)),
      },
    ]
    const verdict = decide(input([], { arms }))
    expect(verdict.arm).toBe(1)
    expect(verdict.arms.map(({ arm }) => arm)).toEqual(['query-only', 'schedule'])
    expect(verdict.arms[1]!.coverage).toBeGreaterThan(verdict.arms[0]!.coverage)
  })

  it('gives four fifths of alpha to the favoured arm, and lets the other one win all the same', () => {
    const arms: GateInput['arms'] = [
      { arm: 'query-only', statistic: 'sum', rows: heldOut(1000, wellRanked) },
      {
        arm: 'schedule',
        statistic: 'sum',
        rows: heldOut(1000, (place) => wellRanked(place) - 0.3),
      },
    ]
    const levelOf = (favouredArm: number | null): number =>
      decide({ ...input([]), arms, favouredArm }).arms[0]!.tests![0]!.level
    expect(levelOf(0) / levelOf(null)).toBeCloseTo(0.8 / 0.5, 12)
    expect(levelOf(0) + levelOf(1)).toBeCloseTo(2 * levelOf(null), 12)
    const verdict = decide({ ...input([]), arms, favouredArm: 1 })
    expect(verdict).toMatchObject({ arm: 0, verdict: 'promote' })
  })

  it('forgives disagreement that the upstream has with itself', () => {
    expect(noisy(null).verdict).toBe('reject')
    const verdict = noisy(0.9)
    expect(verdict.verdict).toBe('promote')
    expect(verdict.upstreamAgreement).toBeCloseTo(0.9, 1)
  })

  it('uses fresh upstream answers that were bought for a part of the rows only', () => {
    expect(decide(input(partly(0.82))).verdict).toBe('promote')
    expect(decide(input(partly(1))).verdict).toBe('reject')
  })

  it('counts conversations, not rows, when turns of a conversation repeat each other', () => {
    const once = heldOut(100, () => 0.99, { seed: 5 })
    const repeated = once.flatMap((row) => Array.from({ length: 10 }, () => row))
    expect(decide(input(heldOut(1000, () => 0.99))).verdict).toBe('promote')
    expect(decide(input(repeated)).arms[0]!.agreementAnsweredBound).toBeLessThan(0.97)
  })

  it('leaves a slice that loses more than ten points out of the route', () => {
    const rows = heldOut(3000, () => 0.999).map((row, i) => {
      const isHard = i % 40 === 0
      return isHard
        ? {
            ...row,
            logprobSum: row.logprobSum - 1,
            similarity: i % 80 === 0 ? 0 : row.similarity,
            slices: ['refunds', 'turn 1'],
          }
        : { ...row, slices: ['cards', 'turn 1'] }
    })
    const verdict = decide(input(rows))
    const [arm] = verdict.arms
    expect(verdict.verdict).toBe('promote')
    expect(arm!.tests!.at(-1)).toMatchObject({ rows: 3000, passed: true })
    expect(arm!.coverage).toBeGreaterThan(0.9)
    expect(arm!.coverage).toBeLessThan(1)
    expect(arm!.slices!.every(({ holds }) => holds)).toBe(true)
    expect(arm!.slices!.map(({ slice }) => slice)).toContain('turn 1')
  })

  it('rejects with the figures of a slice that fails at every threshold', () => {
    const rows = heldOut(3000, () => 0.999).map((row, i) => ({
      ...row,
      similarity: i % 40 === 0 && i % 80 === 0 ? 0 : row.similarity,
      slices: [i % 40 === 0 ? 'refunds' : 'cards'],
    }))
    // so many that every threshold answers enough of them
    const verdict = decide(input(rows, { minCoverage: 0.9 }))
    expect(verdict.verdict).toBe('reject')
    expect(verdict.reason).toMatch(/refunds agrees on \d+\.\d % of \d+ rows/)
    expect(verdict.reason).not.toContain('cards')
    expect(verdict.arms[0]!.slices!.map(({ slice }) => slice).sort()).toEqual(['cards', 'refunds'])
  })

  it('calls agreement what the promise counts, in figures and sentences, and similarity by its name', () => {
    // seven of ten agree, the others are near: 0.7, under the cut of 0.8
    const rows = heldOut(700, () => 1).map((row, i) => ({
      ...row,
      similarity: i % 10 < 7 ? 0.9 : 0.7,
      upstreamSimilarity: i % 10 < 8 ? 1 : 0.7,
    }))
    const verdict = decide(input(rows, { responseType: 'short-text' }))
    const [arm] = verdict.arms
    expect(arm!.agreement).toBeCloseTo(0.7, 9)
    expect(arm!.meanSimilarity).toBeCloseTo(0.84, 9)
    expect(verdict.upstreamAgreement).toBeCloseTo(0.8, 9)
    expect(arm!.differenceBound).toBeLessThan(-0.1)
    expect(arm!.similarityDifferenceBound).toBeCloseTo(-0.1, 2)
    expect(verdict.reason).toContain('agrees on 70.0 %')
  })

  it('bounds graded similarities by the bootstrap, the same for the same seed', () => {
    const rows = heldOut(400, () => 1).map((row, i) => ({
      ...row,
      similarity: 0.9 + 0.1 * (i % 2),
      upstreamSimilarity: 0.95,
    }))
    const verdict = decide(input(rows, { responseType: 'short-text' }))
    expect(verdict).toEqual(decide(input(rows, { responseType: 'short-text' })))
    expect(verdict.arms[0]!.similarityDifferenceBound).toBeCloseTo(-0.004, 2)
    expect(verdict.verdict).toBe('promote')
  })

  it('ranks by the statistic that it was given', () => {
    const rows = heldOut(1000, wellRanked).map((row) => ({
      ...row,
      logprobMin: row.logprobSum,
      logprobSum: 0,
    }))
    const verdictOf = (statistic: 'sum' | 'min') =>
      decide(input([], { arms: [{ arm: 'query-only', statistic, rows }] }))
    expect(verdictOf('min').verdict).toBe('promote')
    expect(verdictOf('sum').verdict).toBe('reject')
    expect(verdictOf('min').arms[0]!.confidence).toBe('min')
  })

  it('has all of the alpha of an arm for its thresholds, whatever the type of the answers', () => {
    const rows = heldOut(199, () => 0.99)
    expect(decide(input(rows, { responseType: 'json' })).arms[0]!.tests![0]!.level).toBe(0.05)
  })

  it('keeps its promise on fresh rows: thresholds that break it are rarer than one in twenty', () => {
    // agreement is 0.949 wherever the threshold lies, so every promotion is a false one
    let promoted = 0
    for (let seed = 0; seed < 200; seed++)
      if (decide(input(heldOut(600, () => 0.949, { seed }))).verdict === 'promote') promoted++
    expect(promoted).toBeLessThanOrEqual(14)
  })
})
