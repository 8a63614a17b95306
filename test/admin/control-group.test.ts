import { describe, expect } from 'vitest'
import { compareWithControl, type RoutedCall } from '../../src/core/cost/control-group.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { RouteOutcome } from '../../src/core/log/record.ts'
import { loadControlGroup } from '../../src/savings/control-group.ts'
import { exampleApproved, exampleOutcome, exampleRecord } from '../kit/records/examples.ts'
import { it } from '../kit/store/local-store.ts'

const LORA = 'lora-abc'
const PRICES = [
  { model: 'gpt-4o-mini', asOf: '2026-11-01', input: 1, cachedInput: 0.5, output: 2 },
  { model: 'base', asOf: '2026-11-01', input: 0.1, cachedInput: 0.1, output: 0.1 },
]
const BY_HOUR = { prices: PRICES, adaptedPrice: null }

/** 1,000 tokens of the prompt and 10 of the answer: 0.00102 dollars */
const usage = { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_010 }

const call = (durationMs: number, route: Partial<RouteOutcome>, changes = {}): RoutedCall => ({
  model: 'gpt-4o-mini',
  status: 200,
  durationMs,
  usage,
  route: exampleOutcome({ lora: LORA, ...route }),
  ...changes,
})

const answered = (ms: number, changes = {}): RoutedCall =>
  call(ms, { outcome: 'answered', reason: null }, changes)
const fallback = (ms: number, changes = {}): RoutedCall =>
  call(ms, { outcome: 'fallback', reason: 'low-confidence' }, changes)
const audited = (ms: number, changes = {}): RoutedCall =>
  call(ms, { outcome: 'skipped', reason: 'audit' }, changes)

describe('the treated group against the control group', () => {
  it('has the mean cost and the median latency of each', () => {
    const calls = [
      ...[10, 20, 30].map((ms) => answered(ms)),
      fallback(400),
      ...[100, 200].map((ms) => audited(ms)),
    ]
    const { answered: ofLora, ...others } = compareWithControl(calls, LORA, BY_HOUR)
    expect(ofLora).toEqual({ requests: 3, meanUsd: 0, medianMs: 20 })
    expect(others).toMatchObject({
      fallback: { requests: 1, medianMs: 400 },
      treated: { requests: 4, medianMs: 25 },
      control: { requests: 2, medianMs: 150 },
    })
    expect(others.control.meanUsd).toBeCloseTo(0.00102, 12)
    expect(others.treated.meanUsd).toBeCloseTo(0.00102 / 4, 12)
  })

  it('prices an answer of the lora where the base model has a price', () => {
    const prices = { prices: PRICES, adaptedPrice: PRICES[1]! }
    const { answered: ofLora } = compareWithControl([answered(1)], LORA, prices)
    expect(ofLora.meanUsd).toBeCloseTo(0.000101, 12)
    const unknown = compareWithControl([answered(1, { usage: null })], LORA, prices)
    expect(unknown.treated).toEqual({ requests: 1, meanUsd: null, medianMs: 1 })
  })

  it('leaves out other loras, failed answers, and requests that are on neither side', () => {
    const calls = [
      call(1, { lora: 'lora-before', outcome: 'answered', reason: null }),
      audited(1, { status: 500 }),
      call(1, { outcome: 'skipped', reason: 'traffic-share' }),
      { ...audited(1), route: null },
    ]
    const none = { requests: 0, meanUsd: null, medianMs: null }
    expect(compareWithControl(calls, LORA, BY_HOUR)).toEqual({
      answered: none,
      fallback: none,
      treated: none,
      control: none,
    })
  })

  it('knows no cost without a price, and counts the requests all the same', () => {
    const calls = [fallback(1, { model: 'other' }), answered(3), audited(5, { model: 'other' })]
    const { treated, control } = compareWithControl(calls, LORA, BY_HOUR)
    expect(treated).toEqual({ requests: 2, meanUsd: null, medianMs: 2 })
    expect(control).toEqual({ requests: 1, meanUsd: null, medianMs: 5 })
  })
})

describe('reading it from the log', () => {
  it('takes the newest up to the thousandth answer of the lora', async ({ store }) => {
    const live = exampleApproved()
    const lora = 'lora-of-arm-1'
    const routes: (Partial<RouteOutcome> | null)[] = [
      null,
      ...Array.from({ length: 1_100 }, () => ({ outcome: 'answered', reason: null }) as const),
      { outcome: 'skipped', reason: 'audit' },
    ]
    const records = routes.map((route, index) =>
      exampleRecord(index, { route: route && exampleOutcome({ lora, ...route }) })
    )
    await store.records.append(batchOf(records))
    const groups = await loadControlGroup(store, live, PRICES)
    expect(groups).toMatchObject({ answered: { requests: 1_000 }, control: { requests: 1 } })
    expect(groups!.control.meanUsd).toBeGreaterThan(0)
    expect(await loadControlGroup(store, { ...live, verdict: null }, PRICES)).toBeNull()
  })

  it('looks behind answers that a move has bought since', async ({ store }) => {
    const route = exampleOutcome({ lora: 'lora-of-arm-1', outcome: 'answered', reason: null })
    const answers = Array.from({ length: 20 }, (_, index) => exampleRecord(index, { route }))
    const bought = Array.from({ length: 1_200 }, (_, index) =>
      exampleRecord(100 + index, {
        route: null,
        bought: { of: `other-${index}`, at: 1, conversation: 'a' },
      })
    )
    const live = exampleApproved()
    await store.records.append(batchOf([...answers, ...bought]))
    const ids = bought.map(({ id }) => id)
    await store.records.tagTemplate(ids, live.templateVersion)
    const groups = await loadControlGroup(store, live, PRICES)
    expect(groups).toMatchObject({ answered: { requests: 20 }, control: { requests: 0 } })
  })
})
