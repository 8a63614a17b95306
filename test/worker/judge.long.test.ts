/** Written answers go live where a judge vouches for them, and not without. */
import type { ReasonCode } from '../../src/core/reason.ts'
import { reasonIn } from '../kit/records/examples.ts'
import { describe, expect, it } from 'vitest'
import { RUBRIC } from '../../src/core/judge/judge-prompt.ts'
import { progressSnapshot } from '../../src/core/internalization/internalization.ts'
import type { JudgeProgress } from '../../src/core/internalization/stage-progress.ts'
import { readJsonSnapshot } from '../../src/store/json-snapshot.ts'
import type { ProofFile } from '../../src/core/proof/proof-file.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import { judgeCostText } from '../../src/lifecycle/read-judge.ts'
import { proofFile } from '../../src/lifecycle/proof-file.ts'
import { judgeUsd, modelsUsd } from '../../src/savings/model-proof.ts'
import { QUICK_PROMISE } from '../kit/records/facts.ts'
import { AS_TEXT } from '../kit/records/written-replies.ts'
import {
  CHEAP,
  JUDGE,
  outcomesOf,
  PRICES,
  ROWS,
  rule,
  SETTINGS,
  useJudgedReplies,
  type Behaviour,
  type Message,
} from './judged-harness.ts'

/** Enough to be judged. */
const FEW_ROWS = 80
const ACCEPTING = { ...QUICK_PROMISE, acceptsJudge: true }

const { anyWording, begin, judged, live } = useJudgedReplies(AS_TEXT)

describe('a model that writes replies by the rule', () => {
  it('is proved by a judge that catches planted faults, in other words than the upstream', async () => {
    const { harness, row, asked } = await judged({})
    expect(row.state.name, JSON.stringify(row.state)).toBe('approval')
    const { verdict, plan } = row
    const { requests, usd, limitUsd } = plan!.judge!.expected!
    // what the texts decide alone is not asked
    expect(asked / requests).toBeGreaterThan(0.5)
    expect(asked / requests).toBeLessThan(1.1)
    expect([usd > 0, limitUsd]).toEqual([true, 100])
    const progress = await readJsonSnapshot<JudgeProgress>(harness.store, progressSnapshot(row.id))
    expect(progress).toMatchObject({ compares: 'adapted' })
    expect(progress!.done).toBe(progress!.of)
    expect(plan!.judge).toMatchObject({ model: JUDGE, rubric: RUBRIC.name })
    expect(verdict!.judge).toMatchObject({ isAdmitted: true, judge: { version: 'claude-judge-1' } })
    expect(verdict!.judge!.faults.filter(({ isWatched }) => isWatched).length).toBeGreaterThan(5)
    expect(verdict!.arms[0]!.agreementAnswered).toBeGreaterThan(0.95)
    const file = JSON.parse(
      JSON.stringify(await proofFile(harness.store, row, harness.now))
    ) as ProofFile
    const { checks } = verifyProof(file, ACCEPTING)
    expect(checks.filter(({ holds }) => !holds)).toEqual([])
    expect(checks.find(({ name }) => name === 'promise')!.said).toMatch(
      /judge claude-judge\. Judge claude-judge \(version claude-judge-1, .* Nothing is claimed about people or users\.$/
    )
    expect(await judgeUsd.read(harness.store, row.id)).toBeGreaterThan(0)
  })

  it('is rejected where it decides otherwise in 8 of 100', async () => {
    const { row } = await judged({
      writes: (refund, number) =>
        anyWording(number % 12 === 5 ? { ...refund, isGranted: !refund.isGranted } : refund),
    })
    expect(row.state.name).toBe('rejected')
    expect(row.verdict!.judge!.isAdmitted).toBe(true)
  })

  it('gives no answer with a day that the request does not have', async () => {
    const { row } = await judged({
      writes: (refund, number) => anyWording(number % 12 === 5 ? { ...refund, day: 29 } : refund),
    })
    const { deferred, agreementAnswered } = row.verdict!.arms[0]!
    expect(deferred['invented-fact']).toBeGreaterThan(10)
    expect(agreementAnswered).toBeGreaterThan(0.95)
  })
})

/** Calls of the judge, from the first on. */
const counted = (
  judges: (call: number, messages: Message[]) => ReturnType<NonNullable<Behaviour['judges']>>
) => {
  let call = 0
  return (messages: Message[]) => judges(call++, messages)
}

describe('a judge', () => {
  it.each<[string, NonNullable<Behaviour['judges']>, ReasonCode]>([
    ['that says the same of everything', () => ({ reply: 'same' }), 'judge-misses'],
    [
      'that says what the order is',
      counted((call) => ({ reply: call % 2 === 0 ? 'same' : 'different' })),
      'judge-alarms',
    ],
    ['that refuses', () => ({ reply: 'I cannot compare these.' }), 'judge-alarms'],
    ['that prints garbage', () => ({ reply: '{"verdict":"same"} {"verdict":' }), 'judge-alarms'],
    ['whose requests are refused', () => ({ status: 400 }), 'judge-alarms'],
    [
      'that changes in the middle',
      counted((call, messages) => ({
        ...rule(messages),
        model: call < 300 ? 'claude-judge-1' : 'claude-judge-2',
      })),
      'judge-version-changed',
    ],
  ])('%s promotes nothing', async (_name, judges, code) => {
    const { row, harness } = await judged({ judges }, { rows: FEW_ROWS })
    expect(row.state).toMatchObject({ name: 'rejected', reason: { code } })
    expect(await harness.store.routes.list()).toEqual([])
  })

  it('that costs too much ends within its budget', async () => {
    const proofUsd = 0.5
    const { row, harness } = await judged({}, { proofUsd })
    expect(row.state).toMatchObject({
      name: 'rejected',
      reason: { code: 'proof-money-spent', figures: { usd: proofUsd } },
    })
    // it was said before
    const { expected } = row.plan!.judge!
    expect(expected!.usd).toBeGreaterThan(proofUsd)
    expect(judgeCostText(row.plan!.judge!)).toContain('likely to end without a verdict')
    // what the other model's answers have cost is not there for the judge
    const [ofModel, ofJudge] = [
      await modelsUsd.read(harness.store, row.id),
      await judgeUsd.read(harness.store, row.id),
    ]
    expect(ofModel).toBeGreaterThan(0.3)
    expect(ofJudge).toBeGreaterThan(0.1)
    expect(ofModel + ofJudge).toBeGreaterThan(proofUsd - 0.05)
    // one request beyond it at most
    expect(ofModel + ofJudge).toBeLessThan(proofUsd + 0.01)
  })

  it('that is away is waited for, and what it said before is not asked again', async () => {
    let isAway = false
    const { harness, worker, comparisons } = await begin({
      judges: counted((call, messages) => {
        isAway ||= call === 100
        return isAway ? { status: 503 } : rule(messages)
      }),
    })
    await harness.runUntil(worker, () => comparisons.length > 200)
    expect(await harness.state()).toBe('evaluating')
    isAway = false
    const before = comparisons.length
    const row = await harness.runTo(worker, 'approval', 'rejected', 'failed')
    expect(row.state.name).toBe('approval')
    const { judge } = row.verdict!
    const most =
      2 * (judge!.falseAlarms.pairs + ROWS + 64) +
      judge!.faults.reduce((sum, { planted }) => sum + 2 * planted, 0)
    expect(comparisons.length - before).toBeLessThan(most)
  })

  it.each([
    ['the upstream’s', 'gpt-5-mini', 'gpt-4o-mini'],
    ['a competing model’s', 'small-judge', CHEAP],
  ])('of %s own family is not asked', async (_name, model, sibling) => {
    const changes = { judge: { ...SETTINGS, model }, priceOf: () => PRICES[1]! }
    const { row } = await judged({}, { changes })
    expect(reasonIn(row)).toContain(`another maker than ${sibling},`)
  })
})

describe('a live route of written answers', () => {
  it('is audited by its judge, with a second answer of the upstream each, and their cost counts', async () => {
    const { watched } = await live({})
    expect(new Set(await outcomesOf(watched, 12))).toEqual(new Set(['agreed']))
    const { usd } = await watched.harness.store.pairs.spent(0, watched.harness.now + 1)
    // the upstream's first answer and the second, which have a price, and more than that
    expect(usd).toBeGreaterThan(12 * 2 * 0.5)
  })

  it('is rolled back when it decides otherwise', async () => {
    const { watched } = await live({
      writes: (refund) => anyWording({ ...refund, isGranted: !refund.isGranted }),
    })
    await watched.audit(40)
    await watched.ended()
    expect(await watched.state()).toMatchObject({ name: 'retired' })
    expect(await watched.routes()).toEqual([])
  })
})
