/** For which answers a judge is planned, and what it is expected to cost. */
import { describe, expect, it } from 'vitest'
import { NO_FOLDS, type Comparison } from '../../src/core/answer/agreement.ts'
import type { FieldKind } from '../../src/core/answer/field-rules.ts'
import type { ResponseType } from '../../src/core/answer/response-type.ts'
import { answerTypeOf } from '../../src/core/internalization/answer-type.ts'
import { RUBRIC } from '../../src/core/judge/judge-prompt.ts'
import type { WorkerDeps } from '../../src/worker/deps.ts'
import type { MatchedExchange } from '../../src/worker/exchanges/exchanges.ts'
import { planJudge, whyNoJudge } from '../../src/worker/judge/plan-judge.ts'
import { exampleTemplate } from '../kit/records/examples.ts'

const DEPS = {
  judge: { model: 'claude-judge', rubric: RUBRIC },
  askUpstream: () => Promise.reject(new Error('nothing is asked for a plan')),
  replayUpstream: () => Promise.reject(new Error('nothing is asked for a plan')),
  priceOf: (model: string) => ({
    model,
    asOf: '2026-12-01',
    input: 1,
    cachedInput: 1,
    output: 10,
  }),
  config: { arms: ['query-only'], upstreamReplays: null } as unknown as WorkerDeps['config'],
  log: () => {},
} satisfies Partial<WorkerDeps>

const WRITTEN: FieldKind = { kind: 'written' }

const comparisonOf = (responseType: ResponseType, rule?: FieldKind): Comparison => ({
  responseType,
  folds: NO_FOLDS,
  ...(rule && { fields: [{ path: 'reply', rule, by: 'cli', why: 'x', at: 1 }] }),
})

const exchangeOf = (text: string) =>
  ({
    match: { template: exampleTemplate(), query: 'Where is it?', slots: [], turns: [] },
    outcome: { kind: 'text', text },
  }) as unknown as MatchedExchange

const planned = (comparison: Comparison, hasForm = false, answers = ['{"id":1,"reply":"A."}']) =>
  planJudge(DEPS, exampleTemplate(), {
    comparison,
    hasForm,
    heldOut: answers.map(exchangeOf),
    arms: 1,
  })

const costOf = (...answers: string[]) =>
  planned(comparisonOf('json', WRITTEN), false, answers)!.expected

describe('a judge is planned', () => {
  it.each<[string, Comparison, boolean, boolean]>([
    ['texts', comparisonOf('short-text'), false, true],
    ['texts of a form', comparisonOf('short-text'), true, false],
    ['JSON', comparisonOf('json'), false, false],
    ['JSON with a free field', comparisonOf('json', { kind: 'free' }), false, false],
    ['JSON with a written field', comparisonOf('json', WRITTEN), false, true],
    ['JSON with a written field and a form', comparisonOf('json', WRITTEN), true, true],
    ['a closed list of JSON with a written field', comparisonOf('label', WRITTEN), false, true],
  ])('or not, for %s', (_name, comparison, hasForm, isPlanned) => {
    expect(planned(comparison, hasForm) !== null).toBe(isPlanned)
  })

  it('at the cost of the written texts alone', () => {
    const id = 'x'.repeat(10_000)
    const one = costOf('{"id":1,"reply":"A."}')
    expect(costOf(`{"id":"${id}","reply":"A."}`)).toEqual(one)
    expect(costOf(`{"id":1,"reply":"${id}"}`).usd).toBeGreaterThan(one.usd)
    // nothing is asked about an answer without a text
    expect(costOf('{"id":1,"reply":"A."}', '{"id":1,"reply":null}').requests).toBe(one.requests)
  })
})

it.each<[string, Partial<Parameters<typeof whyNoJudge>[0]>, string]>([
  ['no-judge-named', { judge: null }, 'gpt-4o-mini'],
  ['no-key-for-judge', { askUpstream: null }, 'gpt-4o-mini'],
  ['no-key-for-judge', { replayUpstream: null }, 'gpt-4o-mini'],
  ['replays-limited', { config: { ...DEPS.config, upstreamReplays: 9 } }, 'gpt-4o-mini'],
  ['no-price-of-judge', { priceOf: () => null }, 'gpt-4o-mini'],
  ['judge-of-same-maker', {}, 'claude-3-haiku'],
])('none is planned: %s', (code, changes, model) => {
  expect(whyNoJudge(DEPS, 'gpt-4o-mini')).toBeNull()
  expect(whyNoJudge({ ...DEPS, ...changes }, model)).toMatchObject({ code })
})

describe('the terms of JSON with a written field', () => {
  it('are those of written answers, also where it has a form', () => {
    expect(answerTypeOf(comparisonOf('json'), true)).toBe('form')
    expect(answerTypeOf(comparisonOf('json', WRITTEN), true)).toBe('json')
    expect(answerTypeOf(comparisonOf('json', WRITTEN), false)).toBe('json')
    expect(answerTypeOf(comparisonOf('label', WRITTEN), false)).toBe('label')
  })
})
