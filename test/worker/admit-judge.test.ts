/** What a judge said of planted faults, over restarts of the worker. */
import { reasonOf } from '../../src/core/reason.ts'
import { expect, it } from 'vitest'
import { NO_FOLDS, type Comparison } from '../../src/core/answer/agreement.ts'
import { heldOutIds } from '../../src/core/internalization/internalization.ts'
import { exchangesByIds, type MatchedExchange } from '../../src/worker/exchanges/exchanges.ts'
import { NOT_ASKED_TODAY } from '../../src/worker/internalize/evaluate-row.ts'
import { admitJudge } from '../../src/worker/judge/admit-judge.ts'
import { RUBRIC, rubricDigest } from '../../src/core/judge/judge-prompt.ts'
import { otherJudge, withVersionsOf } from '../../src/worker/judge/judge-evaluation.ts'
import type { Judge } from '../../src/worker/judge/judge.ts'
import { WitnessUnavailable } from '../../src/worker/judge/witness.ts'
import type { EvaluationRow } from '../../src/store/store.ts'
import { JUDGE_COST } from '../kit/records/judged.ts'
import { refundOf, replyTo } from '../kit/records/written-replies.ts'
import { useWorkerHarness } from './harness.ts'

const open = useWorkerHarness()

const WHOLE: Comparison = { responseType: 'free-text', folds: NO_FOLDS }

const rowOf = ({ id }: MatchedExchange, number: number): EvaluationRow => ({
  internalizationId: 'judged',
  arm: 0,
  recordId: id,
  answer: '',
  logprobSum: 0,
  logprobMin: 0,
  longLogprobs: null,
  agrees: true,
  deferred: null,
  ...NOT_ASKED_TODAY,
  upstreamAnswer: replyTo(refundOf(number), 0),
  secondAnswer: replyTo(refundOf(number), 0.5),
  fresh: { repeats: true, asLogged: [false, false] },
  judged: { adapted: null, second: { verdict: 'same', isFactWrong: false, versions: ['1'] } },
})

/** It takes prose and JSON for the same. */
const blindJudge = (state: {
  asked: number
  until: number
  version: string
}): Pick<Judge, 'ask'> => ({
  ask(_request, pairs) {
    if (state.asked >= state.until)
      return Promise.reject(new WitnessUnavailable(reasonOf('judge-silent', { model: 'j' })))
    state.asked++
    return Promise.resolve({
      verdict: pairs[0]!.other.startsWith('{') ? ('same' as const) : ('different' as const),
      versions: [state.version],
    })
  },
})

const opened = async () => {
  const harness = await open({ from: 'approval' })
  const { store } = harness
  const { plan, templateVersion } = await harness.newest()
  const template = (await store.templates.get(templateVersion))!
  const all = await exchangesByIds(store, template, [...heldOutIds(plan!), ...plan!.trainRecordIds])
  const exchanges = all.map((exchange) => ({ ...exchange, conversation: exchange.id }))
  const state = { asked: 0, until: Infinity, version: '1' }
  const rows = exchanges.map(rowOf)
  const admitted = (kept: EvaluationRow[], known = exchanges, comparison = WHOLE) =>
    admitJudge(
      { judge: blindJudge(state), store, report: async () => undefined },
      { id: 'judged', templateVersion },
      {
        comparison,
        planned: { model: 'judge', rubric: 'rubric', rubricDigest: 'digest', expected: JUDGE_COST },
        seed: 1,
        rows: kept,
        exchanges: new Map(known.map((exchange) => [exchange.id, exchange])),
      }
    )
  return { state, rows, exchanges, admitted }
}

it('credits no class with what was caught of another, although half of the log is forgotten in between', async () => {
  const { state, rows, exchanges, admitted } = await opened()
  state.until = 5 * rows.length
  await expect(admitted(rows)).rejects.toThrow('the judge j does not answer')
  state.until = Infinity
  const { admission } = (await admitted(rows, exchanges.slice(0, rows.length / 2)))!
  const faults = Object.fromEntries(admission.faults.map(({ fault, ...counts }) => [fault, counts]))
  expect(faults['number']!.planted).toBeGreaterThan(10)
  expect(faults['number']!.caught).toBe(faults['number']!.planted)
  expect(faults['format']!.caught).toBe(0)
})

const inJson = (text: string | null, id: number): string => JSON.stringify({ id, reply: text })

it('asks about the written field alone, and takes no other field for an alarm of the judge', async () => {
  const { rows, admitted } = await opened()
  const noisy = rows.map((row, at) => ({
    ...row,
    upstreamAnswer: inJson(row.upstreamAnswer, 1),
    secondAnswer: inJson(row.secondAnswer, at % 5 === 0 ? 2 : 1),
    judged:
      at % 5 === 0
        ? { adapted: null, second: { verdict: 'different' as const, isFactWrong: false } }
        : row.judged,
  }))
  const rule = { path: 'reply', rule: { kind: 'written' }, by: 'cli', why: 'x', at: 1 } as const
  const { admission } = (await admitted(noisy, undefined, {
    ...WHOLE,
    responseType: 'json',
    fields: [rule],
  }))!
  expect(admission.falseAlarms).toMatchObject({ alarms: 0 })
  expect(admission.falseAlarms.pairs).toBe(rows.filter((_, at) => at % 5 !== 0).length)
  // what begins with a bracket is a fault of the text: the answer itself is not shown
  const faults = Object.fromEntries(admission.faults.map(({ fault, ...counts }) => [fault, counts]))
  expect(faults['number']!.planted).toBeGreaterThan(10)
  expect(faults['number']!.caught).toBe(faults['number']!.planted)
  expect(faults['format']).toMatchObject({ caught: 0 })
})

it('asks nothing twice after a restart, in whatever order the store has the rows', async () => {
  const { state, rows, admitted } = await opened()
  state.until = 4 * rows.length
  await expect(admitted(rows)).rejects.toThrow('the judge j does not answer')
  state.until = Infinity
  const { admission } = (await admitted(rows.toReversed()))!
  const planted = admission.faults.reduce((sum, one) => sum + one.planted, 0)
  expect(state.asked).toBeLessThanOrEqual(planted)
})

it('knows every version that has replied, also before a restart', async () => {
  const { state, rows, admitted } = await opened()
  state.until = rows.length
  await expect(admitted(rows)).rejects.toThrow('the judge j does not answer')
  Object.assign(state, { until: Infinity, version: '2' })
  expect((await admitted(rows))!.versions).toEqual(['1', '2'])
})

it('promotes nothing where a live route was compared by another version', async () => {
  const { rows, admitted } = await opened()
  const { admission } = (await admitted(rows))!
  const facts = { admission, hindrance: null }
  const comparedBy = (version: string) =>
    rows.map((row) => ({
      ...row,
      judged: {
        second: null,
        adapted: { verdict: 'same' as const, isFactWrong: false, versions: [version] },
      },
    }))
  expect(withVersionsOf(facts, comparedBy('1'))).toEqual(facts)
  expect(withVersionsOf(facts, comparedBy('2'))?.hindrance).toMatchObject({
    figures: { version: '1', other: '2' },
  })
})

it.each([
  ['no judge', null, 'judge-unset'],
  ['another model', { model: 'other' }, 'judge-changed'],
  ['another text of the rubric', { rubric: { ...RUBRIC, text: 'other' } }, 'rubric-changed'],
])('is another judge than the planned one with %s', async (_name, change, code) => {
  const set = { model: 'judge', rubric: RUBRIC }
  const harness = await open({ from: 'approval' })
  const { plan } = await harness.newest()
  const judge = {
    model: 'judge',
    rubric: RUBRIC.name,
    rubricDigest: rubricDigest(RUBRIC),
    expected: JUDGE_COST,
  }
  expect(otherJudge({ judge: set }, { ...plan!, judge })).toBeNull()
  expect(otherJudge({ judge: change && { ...set, ...change } }, { ...plan!, judge })).toMatchObject(
    {
      code,
    }
  )
})
