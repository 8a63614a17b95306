import { reasonOf } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import {
  ALPHA,
  decide,
  levelOfTry,
  tryOfLevel,
  type GateInput,
  type HeldOutRow,
} from '../../src/core/gate/gate.ts'
import { LEAST_UPSTREAM_AGREEMENT } from '../../src/core/gate/figures.ts'
import { minimumRows } from '../../src/core/gate/samples.ts'
import { proportionLowerBound } from '../../src/core/gate/statistics.ts'
import { seededRandom } from '../../src/random.ts'
import { askedToday, heldOutRow } from '../kit/records/held-out-row.ts'

/** Rows that agree, the most confident first, as `changes` says. */
const rowsOf = (
  size: number,
  changes: (i: number) => Partial<HeldOutRow> = () => ({})
): HeldOutRow[] =>
  Array.from({ length: size }, (_, i) =>
    heldOutRow(i, { logprobSum: -i / size, logprobMin: -i / size, ...changes(i) })
  )

const armOf = (
  rows: HeldOutRow[],
  arm: 'query-only' | 'schedule' = 'query-only'
): GateInput['arms'][number] => ({ arm, statistic: 'sum', rows })

const verdictOf = (rows: HeldOutRow[], options: Partial<GateInput> = {}) =>
  decide({ arms: [armOf(rows)], responseType: 'label', margin: 0.05, burstMs: 0, ...options })

/** 1 or 0: one of `every` rows disagrees. */
const allButOneIn = (every: number) => (i: number) => ({ agrees: i % every > 0 })

/** All of the first `sure` rows agree, of the others every second. */
const sureUpTo = (sure: number) => (i: number) => ({ agrees: i < sure || i % 2 === 0 })

/** Traffic and unseen questions take turns. */
const apart = (unseenOnly: number) => (i: number) => ({
  isTraffic: i >= unseenOnly,
  isUnseen: i < unseenOnly,
})

const verdictAt = (traffic: number, unseen: number) =>
  verdictOf(
    rowsOf(2000, (i) => ({
      isTraffic: i % 2 === 1,
      isUnseen: i % 2 === 0,
      agrees: i % (2 * (i % 2 === 1 ? traffic : unseen)) > 1,
    }))
  )

// agreement is 0.949 wherever the threshold lies, so every promotion is a false one
const isPromoted = (seed: number) => {
  const random = seededRandom(seed)
  const rows = rowsOf(300, () => ({ agrees: random() < 0.949 }))
  return verdictOf(rows).verdict === 'promote'
}

/** One row in ten disagrees; of the rows that are asked, one in `noise` upstream answers does. */
const asked = (noise: number, isAsked: (i: number) => boolean = () => true) =>
  verdictOf(
    rowsOf(2000, (i) => ({
      ...allButOneIn(10)(i),
      ...(isAsked(i) && askedToday(i % 10 > 0, (i + 5) % noise > 0)),
    }))
  )

const some = (i: number) => i % 4 > 0

/** One row in forty asks for a refund, and every second of those disagrees. */
const refunds = (worth: number) =>
  rowsOf(3000, (i) => ({
    logprobSum: -i / 3000 - (i % 40 === 0 ? worth : 0),
    agrees: i % 80 > 0,
    slices: [i % 40 === 0 ? 'refunds' : 'cards', 'turn 1'],
  }))

/** A sample that needs 59 rows. */
const few = (sample: 'traffic' | 'unseen', rows: number, effectiveRows = rows) => ({
  sample,
  rows,
  effectiveRows,
  needed: 59,
})

const tooSmall = (...samples: ReturnType<typeof few>[]) =>
  reasonOf('samples-too-small', { samples, margin: 0.05 })

describe('the verdict', () => {
  it('promotes the confident part of a model that plain parity must refuse, with its figures', () => {
    const rows = rowsOf(1000, sureUpTo(500))
    const verdict = verdictOf(rows)
    const figures = verdict.arms[0]!
    const chosen = figures.tests!.find(({ threshold }) => threshold === figures.threshold)!
    const answered = rows.filter(({ logprobSum }) => logprobSum >= figures.threshold!)
    const wrong = answered.filter(({ agrees }) => !agrees).length
    expect(figures).toMatchObject({
      rows: 1000,
      deferred: {},
      agreement: 0.75,
      coverage: answered.length / 1000,
      agreementAnswered: 1 - wrong / answered.length,
      agreementAnsweredBound: expect.closeTo(
        proportionLowerBound(answered.length - wrong, answered.length, chosen.level),
        9
      ),
      shortage: null,
    })
    // a loss of 0.03 is reached at 530 rows
    expect(figures.coverage).toBeGreaterThan(0.5)
    expect(figures.coverage).toBeLessThanOrEqual(0.53)
    expect(verdict).toMatchObject({
      verdict: 'promote',
      alpha: 0.05,
      minCoverage: 0.2,
      upstreamAgreement: 1,
      reason: reasonOf('passed', {
        arm: 'query-only',
        coverage: figures.coverage,
        agreement: figures.agreementAnswered,
      }),
    })
  })

  const nothing = { code: 'no-answers' } as const
  it.each<[string, object, HeldOutRow[], Partial<GateInput>?]>([
    [
      'with useless confidence',
      { code: 'loss-too-large', figures: { minCoverage: 0.2, margin: 0.05, agreement: 0.8 } },
      rowsOf(1000, allButOneIn(5)),
    ],
    ['at the only threshold', { code: 'loss-too-large' }, rowsOf(59, allButOneIn(30))],
    ['with few rows', tooSmall(few('traffic', 50), few('unseen', 50)), rowsOf(50)],
    ['with few unseen questions', tooSmall(few('unseen', 20)), rowsOf(520, apart(20))],
    [
      'with few conversations',
      tooSmall(few('traffic', 400, 40), few('unseen', 400, 40)),
      rowsOf(400, (i) => ({ conversation: String(i % 40) })),
    ],
    [
      'that defers most of the traffic',
      reasonOf('coverage-impossible', { answerable: 0.1, minCoverage: 0.2 }),
      rowsOf(1000, (i) => ({ deferred: i % 10 === 0 ? null : 'tool-calls' })),
    ],
    [
      'that defers all of the traffic',
      reasonOf('coverage-impossible', { answerable: 0, minCoverage: 0.2 }),
      rowsOf(10, () => ({ deferred: 'tool-calls' })),
    ],
    [
      'that may answer nothing, where nothing has to be answered',
      reasonOf('none-answerable', {}),
      rowsOf(10, () => ({ deferred: 'tool-calls' })),
      { minCoverage: 0 },
    ],
    [
      'with just enough traffic to answer',
      { code: 'samples-too-small', figures: { samples: [{ sample: 'traffic', rows: 20 }, {}] } },
      rowsOf(100, (i) => ({ deferred: i % 5 === 0 ? null : 'tool-calls' })),
    ],
    ['without traffic', nothing, rowsOf(100, apart(100))],
    ['without rows', nothing, []],
    ['without arms', nothing, [], { arms: [] }],
    ['with free text', { code: 'unjudged' }, rowsOf(50), { responseType: 'free-text' }],
  ])('rejects a model %s, and gives the reason', (_, reason, rows, options) => {
    const { verdict, arm, reason: given, arms } = verdictOf(rows, options)
    expect([verdict, arm]).toEqual(['reject', 0])
    expect(given).toMatchObject(reason)
    for (const figures of arms)
      expect(figures).toMatchObject({ threshold: null, coverage: 0, agreementAnswered: 0 })
  })

  it('has an agreement over the rows that it may answer', () => {
    expect(verdictOf(rowsOf(1)).arms[0]!.agreement).toBe(1)
    expect(verdictOf(rowsOf(1, () => ({ deferred: 'refusal' }))).arms[0]!.agreement).toBe(0)
  })

  it('shows a loss of at most 0.6 of the margin', () => {
    const rows = rowsOf(2000, (i) => ({ agrees: i < 1000 || i % 14 > 0 }))
    const figures = verdictOf(rows).arms[0]!
    expect(figures.tests!.at(-1)!.passed).toBe(true)
    expect(figures.agreementAnswered).toBeGreaterThanOrEqual(0.97 - 1e-9)
    expect(figures.agreementAnswered).toBeLessThan(0.975)
  })

  it('needs agreement in traffic and among unseen questions', () => {
    expect(verdictAt(200, 7).verdict).toBe('reject')
    expect(verdictAt(7, 200).verdict).toBe('reject')
    const { verdict, arms } = verdictAt(200, 50)
    expect(verdict).toBe('promote')
    const level = arms[0]!.tests!.at(-1)!.level
    expect(arms[0]!.samples).toEqual({
      traffic: {
        rows: 1000,
        answered: 1000,
        agreement: 0.995,
        bound: proportionLowerBound(995, 1000, level),
        lossBound: 1 - proportionLowerBound(995, 1000, level),
        effectiveRows: 1000,
      },
      unseen: {
        rows: 1000,
        answered: 1000,
        agreement: 0.98,
        bound: proportionLowerBound(980, 1000, level),
        lossBound: 1 - proportionLowerBound(980, 1000, level),
        effectiveRows: 1000,
      },
    })
  })

  it('never answers deferred rows: they count in coverage and in no agreement', () => {
    const rows = rowsOf(1000, (i) => {
      if (i % 4 === 0) return { agrees: false, deferred: 'tool-calls' }
      return i % 4 === 1 ? { logprobSum: Number.NaN } : {}
    })
    expect(verdictOf(rows)).toMatchObject({
      verdict: 'promote',
      arms: [
        {
          rows: 1000,
          deferred: { 'tool-calls': 250, 'no confidence': 250 },
          coverage: 0.5,
          agreement: 1,
          agreementAnswered: 1,
          threshold: -0.999,
        },
      ],
    })
    expect(verdictOf(rows, { minCoverage: 0.5 }).verdict).toBe('promote')
    expect(verdictOf(rows, { minCoverage: 0.5001 }).verdict).toBe('reject')
  })

  it('counts conversations, not rows, when turns of a conversation repeat each other', () => {
    const once = rowsOf(100, () => ({ agrees: true }))
    const repeated = once.flatMap((row) => Array.from({ length: 10 }, () => row))
    const all = verdictOf(repeated).arms[0]!
    expect(all.agreementAnsweredBound).toBeCloseTo(all.tests!.at(-1)!.level ** (1 / 100), 9)
  })

  it('ranks by the statistic that it was given', () => {
    const rows = rowsOf(1000, sureUpTo(500)).map((row) => ({ ...row, logprobSum: 0 }))
    const verdictBy = (statistic: 'sum' | 'min') =>
      verdictOf([], { arms: [{ arm: 'query-only', statistic, rows }] })
    expect(verdictBy('min')).toMatchObject({ verdict: 'promote', arms: [{ confidence: 'min' }] })
    expect(verdictBy('sum').verdict).toBe('reject')
  })

  it('keeps its promise: of rows just under it, fewer than one draw in twenty is promoted', () => {
    const promoted = Array.from({ length: 100 }, (_, seed) => isPromoted(seed)).filter(Boolean)
    expect(promoted.length).toBeLessThanOrEqual(5)
  })
})

describe('several arms', () => {
  const sure = (count: number) => rowsOf(1000, sureUpTo(count))
  it.each([
    ['answers more', sure(400), sure(700), 1],
    ['answers more, though it is the first', sure(700), sure(400), 0],
    ['agrees more among its answers', rowsOf(300, (i) => ({ agrees: i !== 1 })), rowsOf(300), 1],
    ['agrees more over all rows, where none answers', rowsOf(50, sureUpTo(0)), rowsOf(50), 1],
    ['comes first, where all is equal', sure(500), sure(500), 0],
  ])('lose to the one that %s', (_, first, second, winner) => {
    const verdict = verdictOf([], { arms: [armOf(first), armOf(second, 'schedule')] })
    expect(verdict.arm).toBe(winner)
    expect(verdict.arms.map(({ arm }) => arm)).toEqual(['query-only', 'schedule'])
  })

  it.each([
    [null, [1 / 3, 1 / 3, 1 / 3]],
    [0, [0.8, 0.1, 0.1]],
    [2, [0.1, 0.1, 0.8]],
  ])('share alpha, four fifths for the favoured one: %j', (favouredArm, shares) => {
    const three = [sure(1000), sure(1000), sure(1000)].map((rows) => armOf(rows))
    const { arms } = verdictOf([], { arms: three, favouredArm })
    arms.forEach((arm, i) => expect(arm.tests!.at(-1)!.level).toBeCloseTo(0.05 * shares[i]!, 12))
    const alone = verdictOf(sure(1000), { favouredArm: 0, alpha: 0.1 }).arms[0]!
    expect(alone.tests!.at(-1)!.level).toBeCloseTo(0.1, 12)
    // a shortage is counted at the level of the arm
    const short = verdictOf([], {
      arms: three.map((arm) => armOf(arm.rows.slice(0, 50))),
      favouredArm,
    })
    const needed = minimumRows(0.05, 0.05 * shares[0]!)
    expect(short.reason).toMatchObject({ figures: { samples: [{ needed }, { needed }] } })
  })
})

describe('fresh upstream answers', () => {
  it('forgive disagreement that the upstream has with itself', () => {
    expect(asked(10, () => false).verdict).toBe('reject')
    expect(asked(10)).toMatchObject({ verdict: 'promote', upstreamAgreement: 0.9 })
  })

  it('show less than the log where all agree, at a low level', () => {
    const rows = rowsOf(150, () => askedToday(true, true))
    expect(verdictOf(rows, { alpha: 0.001 }).reason).toEqual(
      reasonOf('too-few-fresh-answers', { margin: 0.05 })
    )
  })

  it('may be bought for a part of the rows only', () => {
    expect(asked(5, some)).toMatchObject({ verdict: 'promote' })
    expect(asked(5, some).upstreamAgreement).toBeCloseTo(0.8, 9)
    expect(asked(10_000, some).verdict).toBe('reject')
  })
})

describe('slices', () => {
  it('that lose more than ten points narrow the route', () => {
    const { verdict, arms } = verdictOf(refunds(1))
    const { tests, coverage, slices } = arms[0]!
    expect(verdict).toBe('promote')
    expect(tests!.at(-1)).toMatchObject({ rows: 3000, passed: true })
    expect(coverage).toBeGreaterThan(0.9)
    expect(coverage).toBeLessThan(1)
    expect(slices).toMatchObject([
      { slice: 'cards', holds: true },
      { slice: 'turn 1', holds: true, rows: 3000 * coverage },
    ])
    const all = rowsOf(100, () => ({ slices: ['turn 1'] }))
    expect(verdictOf(all).arms[0]!.slices![0]!.rows).toBe(100)
  })

  it('that fail at every threshold reject it, with their figures', () => {
    // so many that every threshold answers enough of them
    const verdict = verdictOf(refunds(0), { minCoverage: 0.9 })
    expect(verdict.reason).toEqual(
      reasonOf('slices-worse', {
        slices: [{ slice: 'refunds', agreement: 37 / 75, rows: 75, upstreamAgreement: 1 }],
      })
    )
    expect(verdict.arms[0]!.slices!.map(({ slice }) => slice)).toContain('cards')
  })
})

/** Rows of an upstream that was asked twice more, with what the lora, and it itself, say to its first answer. */
const today = (size: number, said: (i: number) => [agrees: boolean, repeats: boolean]) =>
  rowsOf(size, (i) => askedToday(...said(i)))

/** Why a lora is rejected that is wrong on half, where the upstream repeats such a share of its answers. */
const repeating = (share: number) =>
  verdictOf(today(1000, (i) => [i % 2 === 0, i < share * 1000])).reason.code

describe('an upstream that contradicts itself', () => {
  it('allows for its contradictions where the route answers, and for no others', () => {
    // the sure half: the lora is wrong on 8 %, the upstream never; the other half: noise of 24 %
    const rows = today(2000, (i) =>
      i < 1000 ? [i % 100 >= 8, true] : [i % 100 >= 24, (i + 50) % 100 >= 24]
    )
    const { verdict, arms, upstreamAgreement } = verdictOf(rows)
    expect(verdict).toBe('reject')
    expect(upstreamAgreement).toBeGreaterThan(0.8)
    expect(arms[0]!.tests.filter(({ passed }) => passed)).toEqual([])
  })

  it('gives no credit to a lora that is always wrong where it tosses a coin', () => {
    // one request in five has two answers: the upstream gives the other one every second time
    const rows = today(2000, (i) => (i % 5 > 0 ? [true, true] : [false, i % 10 === 0]))
    expect(verdictOf(rows)).toMatchObject({ verdict: 'reject' })
  })

  it('lets a lora through that is as good as it', () => {
    const rows = today(2000, (i) => [i % 10 > 0, (i + 5) % 10 > 0])
    expect(verdictOf(rows)).toMatchObject({ verdict: 'promote', upstreamAgreement: 0.9 })
  })

  it('is no measure of right and wrong where it never answers the same twice', () => {
    const { verdict, reason } = verdictOf(today(1000, () => [false, false]))
    expect(verdict).toBe('reject')
    expect(reason).toEqual(
      reasonOf('upstream-differs', { repeats: 0, least: 0.8, isJudged: false })
    )
  })

  it('is one where it repeats exactly the share that is needed', () => {
    expect(repeating(LEAST_UPSTREAM_AGREEMENT)).toBe('loss-too-large')
    expect(repeating(LEAST_UPSTREAM_AGREEMENT - 0.001)).toBe('upstream-differs')
  })
})

describe('an upstream that has changed', () => {
  it('is named and stops the promotion, also of a lora that agrees with it today', () => {
    const changed = { repeats: true, asLogged: [false, false] as const }
    const rows = rowsOf(1000, (i) => ({
      ...askedToday(true, true),
      ...(i % 100 === 0 && { agrees: false, fresh: changed }),
    }))
    const verdict = verdictOf(rows)
    expect(verdict).toMatchObject({
      verdict: 'reject',
      change: { rows: 1000, changed: 10, noisy: 0, isChanged: true },
    })
    expect(verdict.reason).toEqual(reasonOf('upstream-changed', { changed: 10, rows: 1000 }))
  })

  it('is no allowance: the lora is compared with its answers of today', () => {
    // 3 % off the log, the upstream changed on another 5 %
    const rows = rowsOf(3000, (i) => ({
      agrees: i % 100 >= 3,
      agreesToday: i % 100 >= 8,
      fresh: {
        repeats: true,
        asLogged: i % 100 < 3 || i % 100 >= 8 ? [true, true] : [false, false],
      },
    }))
    expect(verdictOf(rows).arms[0]).toMatchObject({ threshold: null, agreement: 0.92 })
  })

  it('is compared with the log where it was not asked, and nothing is allowed for there', () => {
    const rows = rowsOf(1000, (i) => (i < 500 ? askedToday(true, true) : { agrees: i % 10 > 0 }))
    expect(verdictOf(rows).arms[0]!.agreement).toBe(0.95)
  })
})

describe('tries on the same rows', () => {
  it('share one level, most of it for the first', () => {
    const levels = Array.from({ length: 30 }, (_, tries) => levelOfTry(tries))
    expect(levels[0]).toBeCloseTo(0.04, 12)
    expect(levels.reduce((sum, level) => sum + level, 0)).toBeCloseTo(ALPHA, 9)
    expect(levels.reduce((sum, level) => sum + level, 0)).toBeLessThanOrEqual(ALPHA + 1e-12)
  })

  it.each([0, 1, 2, 5])('are told by their level: after %d others', (earlier) => {
    expect(tryOfLevel(levelOfTry(earlier))).toBe(earlier + 1)
  })

  it.each([ALPHA, 0.2, 0.0401, 0.009, 0])('have no other level, such as %d', (level) => {
    expect(tryOfLevel(level)).toBe(null)
  })
})
