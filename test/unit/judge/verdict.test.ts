import { describe, expect, it } from 'vitest'
import type { FreshAnswers, HeldOutRow } from '../../../src/core/gate/figures.ts'
import { decide, type GateInput } from '../../../src/core/gate/gate.ts'
import {
  asJudged,
  judgedOutcome,
  rejectionsOf,
  verdictOf,
  type JudgedRequest,
  type JudgeVerdict,
} from '../../../src/core/judge/verdict.ts'
import { lossOf } from '../../../src/core/rollout/pair.ts'

const request = (
  adapted: JudgeVerdict,
  second: JudgeVerdict,
  facts: { adapted?: boolean; second?: boolean } = {}
): JudgedRequest => ({
  adapted: { verdict: adapted, isFactWrong: facts.adapted ?? false },
  second: { verdict: second, isFactWrong: facts.second ?? false },
})

/** The adapted texts never equal the upstream's, and no upstream answer equals the logged one. */
const textRow = (i: number): HeldOutRow & { fresh: FreshAnswers } => ({
  agrees: false,
  agreesToday: false,
  logprobSum: -i / 1000,
  logprobMin: -i / 1000,
  deferred: null,
  fresh: { repeats: false, asLogged: [false, false] },
  at: i * 3_600_000,
  conversation: String(i),
  isTraffic: true,
  isUnseen: true,
  slices: ['turn 1'],
})

const verdictOn = (
  judgedAs: (i: number) => JudgedRequest,
  options: Partial<GateInput> = { isJudged: true }
) =>
  decide({
    arms: [
      {
        arm: 'query-only',
        statistic: 'sum',
        rows: Array.from({ length: 600 }, (_, i) =>
          asJudged({ ...textRow(i), judged: judgedAs(i) })
        ),
      },
    ],
    responseType: 'free-text',
    margin: 0.05,
    burstMs: 0,
    ...options,
  })

const everyNth = (n: number) => (i: number) => i % n === 0

describe('two replies', () => {
  it('make a verdict only where they are equal', () => {
    expect(verdictOf('same', 'same')).toBe('same')
    expect(verdictOf('different', 'different')).toBe('different')
    expect(verdictOf('same', 'different')).toBe('flipped')
    expect(verdictOf('different', 'same')).toBe('flipped')
    expect(verdictOf('same', 'none')).toBe('none')
    expect(verdictOf('none', 'different')).toBe('none')
  })
})

describe('a judged request', () => {
  it.each<[JudgeVerdict, JudgeVerdict, boolean, boolean]>([
    ['same', 'same', false, false],
    ['different', 'same', true, false],
    ['flipped', 'flipped', true, true],
    ['same', 'different', false, true],
    ['none', 'none', true, false],
  ])('%s and %s', (adapted, second, rejected, upstreamRejected) => {
    expect(rejectionsOf(request(adapted, second))).toEqual({ rejected, upstreamRejected })
  })

  it('rejects a wrong fact whatever the judge says', () => {
    expect(rejectionsOf(request('same', 'same', { adapted: true })).rejected).toBe(true)
    expect(rejectionsOf(request('same', 'same', { second: true })).upstreamRejected).toBe(true)
  })

  it('has the same loss as an audit as in the gate', () => {
    const verdicts: JudgeVerdict[] = ['same', 'different', 'flipped', 'none']
    for (const adapted of verdicts)
      for (const second of verdicts) {
        const judged = request(adapted, second)
        const { rejected, upstreamRejected } = rejectionsOf(judged)
        const loss = lossOf({ outcome: judgedOutcome(judged), rating: null })
        expect(loss).toBe(Number(rejected) - Number(upstreamRejected))
      }
  })
})

describe('the gate over judged rows', () => {
  it('promotes texts whose answers are rejected as often as the second answer of the upstream', () => {
    const verdict = verdictOn((i) =>
      request(everyNth(25)(i) ? 'different' : 'same', everyNth(24)(i) ? 'flipped' : 'same')
    )
    expect(verdict).toMatchObject({ verdict: 'promote', change: null })
    expect(verdict.upstreamAgreement).toBeCloseTo(0.96, 1)
  })

  it('rejects texts that are rejected more often', () => {
    const verdict = verdictOn((i) => request(everyNth(12)(i) ? 'different' : 'same', 'same'))
    expect(verdict).toMatchObject({
      verdict: 'reject',
      reason: { code: 'loss-too-large', figures: { isJudged: true } },
    })
  })

  it('promotes nothing of a judge that gives no verdict', () => {
    expect(verdictOn(() => request('none', 'none')).verdict).toBe('reject')
  })

  it('names a judge that rejects the second answer of the upstream too often', () => {
    const verdict = verdictOn((i) => request('same', i % 10 < 3 ? 'different' : 'same'))
    expect(verdict.reason).toMatchObject({
      code: 'upstream-differs',
      figures: { repeats: 0.7, least: 0.8, isJudged: true },
    })
  })

  it('rejects free text where no judge has compared it', () => {
    expect(verdictOn(() => request('same', 'same'), {}).reason.code).toBe('unjudged')
  })
})
