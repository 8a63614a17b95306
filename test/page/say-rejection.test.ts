/** Why an internalization was rejected, in words: by the gate's own verdicts and the worker's own refusals. */
import { describe, expect, it } from 'vitest'
import { whyNotSplit } from '../../src/worker/plan/choose-rows.ts'
import type { MatchedExchange } from '../../src/worker/exchanges/exchanges.ts'
import { sayRejection } from '../../src/admin/page/internalization/say/say-rejection.ts'
import {
  compareRoutes,
  replacementObjection,
  type Routed,
} from '../../src/core/gate/replacement.ts'
import { createTrainingTerms } from '../../src/core/terms/terms.ts'
import { decide, type GateInput, type HeldOutRow, type Verdict } from '../../src/core/gate/gate.ts'
import type { InternalizeOptions } from '../../src/core/internalization/internalization.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { exampleApproved } from '../kit/records/examples.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { PLANNED_ROWS, useWorkerHarness, type HarnessOptions } from '../worker/harness.ts'
import { askedToday, heldOutRow } from '../kit/records/held-out-row.ts'

const MODEL = 'gpt-4o-mini'
const WORKER = { model: MODEL, by: 'worker' }

const rowsOf = (
  size: number,
  changes: (i: number) => Partial<HeldOutRow> = () => ({})
): HeldOutRow[] =>
  Array.from({ length: size }, (_, i) =>
    heldOutRow(i, { logprobSum: -i / size, logprobMin: -i / size, ...changes(i) })
  )

const verdictOf = (rows: HeldOutRow[], options: Partial<GateInput> = {}): Verdict =>
  decide({
    arms: [{ arm: 'query-only', statistic: 'sum', rows }],
    responseType: 'label',
    margin: 0.05,
    burstMs: 0,
    ...options,
  })

const said = (verdict: Verdict) => {
  expect(verdict.verdict).toBe('reject')
  return sayRejection({ verdict }, verdict.reason, WORKER)
}

const compared = (present: Routed, successor: Routed): Verdict => {
  const verdict = verdictOf(rowsOf(500))
  const rows = Array.from({ length: 400 }, (_, i) => ({
    present: i < 240 ? ('right' as const) : present,
    successor: i < 240 ? ('right' as const) : successor,
    at: i,
    conversation: String(i),
  }))
  const replacement = compareRoutes(rows, 0)
  const reason = replacementObjection(replacement, { margin: 0.05, hasDrifted: false })
  return { ...verdict, replacement, verdict: 'reject', reason: reason! }
}

describe('a rejection by the gate', () => {
  it('for too little agreement says how much there is, and what raises it', () => {
    const { says, helps } = said(verdictOf(rowsOf(1000, (i) => ({ agrees: i % 5 > 0 }))))
    expect(says).toBe(
      'It does not agree with gpt-4o-mini often enough: 80.0 % if it answered every request that it may answer. ' +
        'At a coverage of 20.0 %, no confidence threshold keeps it within the margin of 5 points.'
    )
    expect(helps).toMatch(/TRAIN_MINUTES.*larger base model.*MARGIN/)
    expect(helps).not.toContain('encoder')
  })

  it('of a head for too little agreement advises nothing that only helps a lora', () => {
    const rows = rowsOf(1000, (i) => ({ agrees: i % 5 > 0 }))
    const verdict = verdictOf([], { arms: [{ arm: 'label-head', statistic: 'sum', rows }] })
    const { helps } = said(verdict)
    expect(helps).toMatch(/encoder.*ARMS.*MARGIN/)
    expect(helps).not.toMatch(/TRAIN_MINUTES|larger base model/)
  })

  describe('where the log contradicts itself', () => {
    const verdict = verdictOf(rowsOf(1000, (i) => ({ agrees: i % 5 > 0 })))
    const repeated = (changedShare: number) => {
      const { plan } = exampleApproved()
      const repeats = { questions: 900, changed: 609, changedShare, examples: ['record-7'] }
      const population = { ...plan!.population, repeats }
      const row = { verdict, plan: { ...plan!, population } }
      return sayRejection(row, verdict.reason, WORKER)
    }

    it('names that as the cause, with an example and no advice on training', () => {
      const { says, helps, example } = repeated(0.31)
      expect(says).toMatch(/^609 repeated questions got different answers from gpt-4o-mini: 31.0 %/)
      expect(helps).toMatch(/temperature.*UPSTREAM_API_KEY/)
      expect(helps).not.toMatch(/TRAIN_MINUTES|base model|encoder/)
      expect(example).toBe('record-7')
    })

    it('does not blame it where the margin allows as many', () => {
      expect(repeated(0.04).says).toContain('does not agree with gpt-4o-mini often enough')
    })
  })

  it.each([
    ['rows', rowsOf(50)],
    ['unseen questions', rowsOf(520, (i) => ({ isTraffic: i >= 20, isUnseen: i < 20 }))],
    ['conversations', rowsOf(400, (i) => ({ conversation: String(i % 40) }))],
  ])('for few %s asks for traffic', (_, rows) => {
    const { says, helps } = said(verdictOf(rows))
    expect(says).toContain('too little traffic')
    expect(helps).toContain('More traffic')
  })

  it('for an upstream that has changed asks for newer traffic', () => {
    const rows = rowsOf(500, (i) => ({
      ...askedToday(true, true),
      ...(i % 50 === 0 && {
        agreesToday: false,
        fresh: { repeats: true, asLogged: [false, false] },
      }),
    }))
    const { says, helps } = said(verdictOf(rows))
    expect(says).toContain(
      `${MODEL} has changed: for 10 of 500 held-out requests, it gave the same new answer twice`
    )
    expect(helps).toContain('Newer traffic')
  })

  it('for an upstream that contradicts itself asks for other answers', () => {
    const rows = rowsOf(500, (i) => askedToday(false, i % 2 === 0))
    const { says, helps } = said(verdictOf(rows))
    expect(says).toContain(`${MODEL} repeats its own answer on only 50.0 % of the requests`)
    expect(helps).toContain('temperature')
  })

  it('for requests that end in tool calls says how many may be answered', () => {
    const rows = rowsOf(1000, (i) => ({ deferred: i % 10 === 0 ? null : 'tool-calls' }))
    const { says, helps } = said(verdictOf(rows))
    expect(says).toContain('only 10.0 % of the held-out requests, and a route must answer 20.0 %')
    expect(helps).toContain('A separate prompt')
  })

  it('for a bad part of the traffic names it with its figures', () => {
    const rows = rowsOf(3000, (i) => ({
      agrees: i % 40 > 0,
      slices: [i % 10 === 0 ? 'plan=pro' : 'plan=free'],
    }))
    const { says } = said(verdictOf(rows))
    expect(says).toMatch(/“plan=pro” \(\d+\.\d % of \d+ answers agree/)
    expect(says).not.toContain('plan=free')
  })

  it.each([
    ['free text', verdictOf(rowsOf(50), { responseType: 'free-text' }), 'free text'],
    ['nothing that was answered', verdictOf([]), 'No held-out request was answered'],
    ['more wrong answers than the route that is live', compared('right', 'wrong'), 'wrong'],
    [
      'no more answers than the route that is live',
      compared('upstream', 'upstream'),
      'not shown to answer more than the route that is live (60.0 % against 60.0 %',
    ],
  ])('for %s says so', (_, verdict, words) => {
    expect(said(verdict).says).toContain(words)
  })
})

const orders = (
  change: (number: number) => object = () => ({}),
  request: object = {}
): ExchangeRecord[] =>
  Array.from({ length: 2 * PLANNED_ROWS + 22 }, (_, number) => {
    const record = orderRecord(number)
    const response = JSON.parse(record.response!) as { choices: { message: object }[] }
    response.choices[0]!.message = { ...response.choices[0]!.message, ...change(number) }
    return {
      ...record,
      request: JSON.stringify({ ...(JSON.parse(record.request) as object), ...request }),
      response: JSON.stringify(response),
    }
  })

const story = (number: number) => ({
  content: `Order ${number} left. ${'It is on its way, and nothing holds it up. '.repeat(8)}${number}`,
})

describe('a refusal before training', () => {
  const open = useWorkerHarness()

  const refusal = async (
    records: ExchangeRecord[],
    {
      config = {},
      engine = {},
    }: { config?: Partial<InternalizeOptions>; engine?: HarnessOptions['engine'] } = {}
  ) => {
    const harness = await open({ from: null, ...(engine && { engine }) })
    await harness.log(records)
    const worker = await harness.worker(harness.deps({}, config))
    const row = await harness.runTo(worker, 'rejected', 'approval', 'failed')
    expect([row.state.name, row.verdict]).toEqual(['rejected', null])
    const { reason } = row.state as { reason: string }
    return { reason, ...sayRejection(row, reason, WORKER) }
  }

  const UNCHECKED = {
    response_format: { type: 'json_schema', json_schema: { schema: { $ref: 'x' } } },
  }

  it.each([
    ['free text', orders(story), {}, 'free text'],
    [
      'few held-out rows',
      orders(),
      { config: { holdoutRows: 20, trainRows: 64 } },
      'too little traffic',
    ],
    [
      'refusals',
      orders((number) => (number % 10 === 0 ? {} : { content: null, refusal: 'no' })),
      {},
      'plain text',
    ],
    ['long questions', orders(), { engine: { maxModelLen: 12 } }, 'too long'],
    ['no kind of training', orders(), { config: { arms: ['label-head' as const] } }, 'training'],
    ['an unknown format', orders(() => ({}), UNCHECKED), {}, 'response format'],
  ])('for %s is said in words, with what would help', async (_, records, options, words) => {
    const { reason, says, helps } = await refusal(records, options)
    expect(says).toContain(words)
    expect(says).not.toContain('The worker rejected it')
    expect(helps).not.toContain('cannot go live any more')
    expect(reason).not.toBe('')
  })
})

describe('a refusal by the terms of the upstream', () => {
  it('says that consent helps', () => {
    const standard = { baseUrl: 'https://api.x.ai/v1' }
    const terms = createTrainingTerms({ standard, upstreams: [], consent: [] })
    const rejection = sayRejection({ verdict: null }, terms.whyNot(MODEL, 'label')!, WORKER)
    expect(rejection.says).toMatch(/^The terms of its upstream/)
    expect(rejection.helps).toContain('TRAINING_CONSENT')
  })
})

describe('a log of one conversation', () => {
  it('is named as the cause', () => {
    const reason = whyNotSplit(
      [1, 2].map((turn) => ({ conversation: 'a', at: turn }) as MatchedExchange),
      { burstMinutes: 5 }
    )
    const { says } = sayRejection({ verdict: null }, reason, WORKER)
    expect(says).toContain('one conversation')
  })
})

describe('a rejection by a person', () => {
  it('is called one, whatever words the reason has', () => {
    const reason = 'too few to train on, and the answers are free text'
    const { says } = sayRejection({ verdict: null }, reason, { model: MODEL, by: 'admin (Ada)' })
    expect(says).toBe('A person rejected it.')
  })

  it('who had records forgotten is told that', () => {
    const reason = 'it was trained on records that were forgotten'
    const { says } = sayRejection({ verdict: null }, reason, { model: MODEL, by: 'cli' })
    expect(says).toContain('forgotten')
  })
})
