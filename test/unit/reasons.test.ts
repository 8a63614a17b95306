/** Every reason has a sentence, a test that produces it, and a line in docs/reasons.md. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stateReason } from '../../src/core/internalization/change-reason.ts'
import {
  withQuotes,
  type Reason,
  type ReasonCode,
  type ReasonFigures,
} from '../../src/core/reason.ts'
import {
  REASON_CODES,
  reasonText,
  sayReason,
  sentenceOf,
} from '../../src/core/reasons/say-reason.ts'
import { createTrainingTerms } from '../../src/core/terms/terms.ts'
import { packageFolder } from '../../src/package-folder.ts'
import { whyNotSplit } from '../../src/worker/plan/choose-rows.ts'
import type { MatchedExchange } from '../../src/worker/exchanges/exchanges.ts'

/** Text of traffic, of a person or of another program. */
const QUOTE = 'a customer of gold'

const HELD = { rows: 20, needed: 59, margin: 0.05 }
const FOUND = { pairs: 160, losses: 21, credits: 3, interval: [0.08, 0.2], evidence: 6 } as const
const COVERAGE = { audited: 100, before: 50, after: 60 }
const ADMITTED = { pairs: 200, alarms: 3 }
const NO_JUDGE = { code: 'no-judge-named', figures: {} } as const
const CHECKER = { kind: 'command', digest: 'abc' } as const
const GATE = 'unit/gate.test.ts'
const HEADS = 'worker/label-head.long.test.ts'
const MODELS = 'worker/other-model.long.test.ts'
const OTHER_JUDGE = 'worker/admit-judge.test.ts'
const PLAN_JUDGE = 'worker/plan-judge.test.ts'
const POPULATION = 'worker/population.long.test.ts'
const REFUSALS = 'page/say-rejection.test.ts'
const ROUTE = 'unit/coverage-steps.test.ts'
const HERE = 'unit/reasons.test.ts'
const SCAN = 'simulations/scan-log.test.ts'

const terms = createTrainingTerms({
  standard: { baseUrl: 'https://api.x.ai/v1' },
  upstreams: [],
  consent: [],
})

/** Code → an example of its figures, and a test in which the program gives it. */
const CODES: { [Code in ReasonCode]: [figures: ReasonFigures[Code], test: string] } = {
  said: [{ text: QUOTE }, 'admin/admin.test.ts'],
  'by-a-person': [{}, 'admin/admin.test.ts'],
  replaced: [{ by: 'b' }, 'store/promote.test.ts'],
  forgotten: [{}, 'worker/forget.long.test.ts'],
  error: [{ code: 'internal', message: QUOTE }, 'worker/loop.long.test.ts'],
  follows: [{ of: 'a', why: 'drifted' }, HERE],
  'tries-again': [{ of: 'a', isOfNewTraffic: true }, HERE],
  'predecessor-rolled-back': [
    { because: { code: 'rolled-back', figures: { ...FOUND, margin: 0.05 } } },
    'worker/successor.long.test.ts',
  ],
  'too-few-to-split': [{ exchanges: 3 }, HERE],
  'one-conversation': [{ exchanges: 3 }, HERE],
  'one-burst': [{ exchanges: 3, burstMinutes: 5, since: 0 }, 'worker/plan.test.ts'],
  'one-key': [{}, 'worker/one-key.test.ts'],
  'context-too-short': [{ tokens: 12, model: 'base' }, REFUSALS],
  'few-text-answers': [{ answerable: 0.1, minCoverage: 0.2, others: { refusal: 9 } }, REFUSALS],
  'too-few-held-out': [HELD, REFUSALS],
  'held-out-in-bursts': [{ ...HELD, worth: 4.5 }, 'worker/plan.test.ts'],
  'too-few-unseen': [HELD, POPULATION],
  'too-varied': [{ proven: 0, least: 5, minCoverage: 0.2 }, POPULATION],
  'unsupported-format': [{ message: QUOTE }, REFUSALS],
  'free-text': [{ fieldHead: 'encoder', judge: NO_JUDGE }, 'worker/form.test.ts'],
  'written-fields': [{ paths: [QUOTE], judge: NO_JUDGE }, 'worker/judge-fields.long.test.ts'],
  'rules-without-json': [{}, 'worker/field-rules.test.ts'],
  'no-judge-named': [{}, PLAN_JUDGE],
  'no-key-for-judge': [{}, PLAN_JUDGE],
  'replays-limited': [{}, PLAN_JUDGE],
  'no-price-of-judge': [{ model: 'j' }, PLAN_JUDGE],
  'judge-of-same-maker': [{ sibling: 'gpt-4o' }, PLAN_JUDGE],
  'consent-needed': [terms.whyNot('any', 'label')!, 'worker/terms.test.ts'],
  'no-arm-left': [{ reasons: [NO_JUDGE] }, MODELS],
  'not-labels': [{ hasLoras: false }, HEADS],
  'labels-not-shown': [{ answers: 150, values: 50, missing: 40, hasLoras: true }, HEADS],
  'no-encoder': [{ hasLoras: true }, HEADS],
  'one-label': [{ hasLoras: true }, HEADS],
  'no-label-head': [{ hasLoras: true }, HEADS],
  'prompt-too-long': [{ tokens: 40, model: 'base' }, POPULATION],
  'model-is-present': [{ model: 'm' }, MODELS],
  'model-without-chat': [{ model: 'm' }, MODELS],
  'model-without-price': [{ model: 'm', of: 'm' }, MODELS],
  'model-not-cheaper': [{ model: 'm', usd: 2, present: 'n', presentUsd: 1 }, MODELS],
  'model-without-key': [{ model: 'm' }, MODELS],
  'model-unpaid': [{ model: 'm', requests: 9, usd: 2 }, MODELS],
  'model-over-budget': [{ model: 'm', requests: 9, usd: 2, leftUsd: 1 }, MODELS],
  'model-budget-spent': [{ model: 'm' }, MODELS],
  'model-not-sendable': [{ model: 'm' }, MODELS],
  'model-silent': [{ model: 'm' }, MODELS],
  'model-refused': [{ model: 'm', status: 404, message: QUOTE }, MODELS],
  'model-no-completion': [{ model: 'm' }, MODELS],
  'no-estimate': [{ type: 'free-text' }, SCAN],
  'too-many-labels': [{ labels: 450, exchanges: 2500 }, SCAN],
  'form-without-encoder': [{}, SCAN],
  'field-head-untried': [{ seconds: 60, rowsPerSecond: 0.4 }, SCAN],
  'field-head-cut': [{ rows: 390, agreement: 0.9 }, SCAN],
  passed: [{ arm: 'query-only', coverage: 0.6, agreement: 0.98 }, GATE],
  'no-answers': [{}, GATE],
  unjudged: [{}, GATE],
  'upstream-changed': [{ changed: 10, rows: 1000 }, GATE],
  'upstream-differs': [{ repeats: 0.5, least: 0.8, isJudged: true }, GATE],
  'coverage-impossible': [{ answerable: 0.1, minCoverage: 0.2 }, GATE],
  'none-answerable': [{}, GATE],
  'samples-too-small': [
    { samples: [{ sample: 'unseen', rows: 50, effectiveRows: 40, needed: 59 }], margin: 0.05 },
    GATE,
  ],
  'too-few-fresh-answers': [{ margin: 0.05 }, GATE],
  'slices-worse': [
    { slices: [{ slice: QUOTE, agreement: 0.7, rows: 60, upstreamAgreement: 1 }] },
    GATE,
  ],
  'loss-too-large': [
    {
      arm: 'label-head',
      agreement: 0.8,
      upstreamAgreement: null,
      minCoverage: 0.2,
      margin: 0.05,
      isJudged: true,
    },
    GATE,
  ],
  'more-wrong': [{ moreWrong: 0.1, successor: 0.2, present: 0 }, 'worker/successor.long.test.ts'],
  'not-more-answered': [{ successor: 0.6, present: 0.6 }, 'unit/replacement.test.ts'],
  'judge-unfinished': [{}, 'unit/judge/admission.test.ts'],
  'judge-alarms': [{ ...ADMITTED, upperBound: 0.1, most: 0.1 }, 'unit/judge/admission.test.ts'],
  'judge-misses': [{ least: 0.95 }, 'unit/judge/admission.test.ts'],
  'judge-admitted': [
    { ...ADMITTED, least: 0.95, faults: ['number'] },
    'unit/judge/admission.test.ts',
  ],
  'proof-money-spent': [{ usd: 0.2 }, 'worker/judge.long.test.ts'],
  'judge-unset': [{ planned: 'j' }, OTHER_JUDGE],
  'judge-changed': [{ planned: 'j', set: 'k' }, OTHER_JUDGE],
  'rubric-changed': [{ rubric: 'r' }, OTHER_JUDGE],
  'judge-version-changed': [{ model: 'j', version: '1', other: '' }, 'worker/judge.long.test.ts'],
  'judge-silent': [{ model: 'j' }, 'worker/judge-budget.test.ts'],
  'judge-refused': [{ model: 'j', status: 401, message: null }, 'worker/judge-budget.test.ts'],
  'judge-version-unknown': [{ version: '2', admitted: null }, 'worker/judged-audits.test.ts'],
  'checker-unset': [{ planned: CHECKER }, 'unit/checker-promise.test.ts'],
  'checker-changed': [{ planned: CHECKER, set: CHECKER }, 'worker/checker.long.test.ts'],
  'checker-away': [{ message: QUOTE }, 'worker/checker.long.test.ts'],
  'stage-entered': [FOUND, 'worker/webhook.test.ts'],
  'border-widened': [{ ...FOUND, threshold: -0.5, coverage: COVERAGE }, ROUTE],
  'border-narrowed': [{ ...FOUND, threshold: -0.1, coverage: null }, ROUTE],
  withheld: [{ parts: [{ ...FOUND, kind: 'answer', count: 2 }], coverage: COVERAGE }, ROUTE],
  'rolled-back': [{ ...FOUND, margin: 0.05 }, 'worker/rollout.long.test.ts'],
  'rated-worse': [
    {
      bad: { lora: 0.2, audit: 0.1 },
      conversations: { lora: 20, audit: 20 },
      interval: [0.05, 0.15],
      margin: 0.05,
      evidence: 6,
    },
    'worker/rollout.long.test.ts',
  ],
  'loss-risen': [{ ...FOUND, interval: null, proven: 0.03 }, 'worker/webhook.test.ts'],
  'questions-changed': [
    {
      indicator: 'new-labels',
      seen: 31,
      requests: 100,
      share: 0.1,
      bound: 0.15,
      evidence: 8,
    },
    'worker/drift.test.ts',
  ],
  'stage-too-young': [{ until: 0 }, 'unit/stage-time.test.ts'],
  'part-of-day-missing': [{ part: 5, pairs: 0, needed: 3 }, 'unit/stage-time.test.ts'],
}

const reasons = REASON_CODES.map((code) => ({ code, figures: CODES[code][0] }) as Reason)

describe('every reason', () => {
  it.each(reasons)('$code is said in a sentence', (reason) => {
    const { says, helps } = sayReason(reason)
    expect(reasonText(reason)).not.toMatch(/undefined|NaN|\[object|null/)
    for (const clause of [says, helps ?? says]) {
      expect(clause).toMatch(/^\S.*[^.\s]$/s)
      expect(sentenceOf(clause)).toMatch(/\.$/)
    }
  })

  it.each(reasons)('$code quotes nothing that cannot be taken out', (reason) => {
    const hidden = withQuotes(reason, () => '…')
    expect(JSON.stringify(hidden)).not.toContain(QUOTE)
    expect(reasonText(hidden)).not.toContain(QUOTE)
    expect(JSON.stringify(hidden)).toBe(JSON.stringify(reason).replaceAll(QUOTE, '…'))
  })

  it.each(REASON_CODES)('%s is given in a test', (code) => {
    const text = readFileSync(join(packageFolder(), 'test', CODES[code][1]), 'utf8')
    expect(text.slice(CODES[code][1] === HERE ? text.indexOf('describe(') : 0)).toContain(
      `'${code}'`
    )
  })

  it('is a line of docs/reasons.md', () => {
    const page = readFileSync(join(packageFolder(), 'docs/reasons.md'), 'utf8')
    const decisions = page.slice(page.indexOf('## Decisions'), page.indexOf('## Faults'))
    const listed = [...decisions.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code!)
    expect(listed.toSorted()).toEqual(REASON_CODES.toSorted())
  })
})

it('a candidate says what it comes after', () => {
  const why = 'new-traffic' as const
  const successor = { of: 'a', why, since: 0 }
  expect(stateReason({ name: 'candidate', successor })).toEqual({
    code: 'follows',
    figures: { of: 'a', why },
  })
  const retry = { of: 'a', since: 1 }
  expect(stateReason({ name: 'candidate', retry })).toEqual({
    code: 'tries-again',
    figures: { of: 'a', isOfNewTraffic: true },
  })
  expect(stateReason({ name: 'candidate' })).toBeNull()
})

it.each([
  ['too-few-to-split', [['a', 0]]],
  [
    'too-few-to-split',
    [
      ['a', 0],
      ['b', 9_000_000],
    ],
  ],
  [
    'one-conversation',
    [
      ['a', 0],
      ['a', 1],
    ],
  ],
  [
    'one-burst',
    [
      ['a', 0],
      ['b', 1],
    ],
  ],
] as [ReasonCode, [string, number][]][])('a log that cannot be split is %s: %j', (code, turns) => {
  const exchanges = turns.map(([conversation, at]) => ({ conversation, at }) as MatchedExchange)
  expect(whyNotSplit(exchanges, { burstMinutes: 5 }).code).toBe(code)
})
