/** Why an internalization was rejected, in words: by the gate's own verdicts and the worker's own refusals. */
import { describe, expect, it } from 'vitest'
import { sayState } from '../../src/views/say-state.ts'
import { decide, type GateInput, type HeldOutRow, type Verdict } from '../../src/core/gate/gate.ts'
import type {
  Internalization,
  InternalizeOptions,
} from '../../src/core/internalization/internalization.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { reasonOf, saidBy } from '../../src/core/reason.ts'
import { exampleApproved, exampleInternalization } from '../kit/records/examples.ts'
import { STAGED } from '../kit/records/rollout.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { PLANNED_ROWS, useWorkerHarness, type HarnessOptions } from '../worker/harness.ts'
import { askedToday, heldOutRow } from '../kit/records/held-out-row.ts'

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

const NOT_ENOUGH = verdictOf(rowsOf(1000, (i) => ({ agrees: i % 5 > 0 })))

/** What the page says of a rejected one. */
const rejection = (row: Internalization) =>
  sayState({
    row,
    model: 'gpt-4o-mini',
    rollout: STAGED,
    report: null,
    progress: null,
    by: 'worker',
  })

const said = (verdict: Verdict, plan: Internalization['plan'] = null) => {
  expect(verdict.verdict).toBe('reject')
  const { reason } = verdict
  const state = { name: 'rejected', reason } as const
  const { says, ...more } = rejection(exampleApproved('a', { verdict, plan, state }))
  return { code: reason.code, says: says.join(' '), ...more }
}

/** Of a log whose repeated questions got different answers in this share of the requests. */
const repeated = (changedShare: number) => {
  const { plan } = exampleApproved()
  const repeats = { questions: 900, changed: 609, changedShare, examples: ['record-7'] }
  return said(NOT_ENOUGH, { ...plan!, population: { ...plan!.population, repeats } })
}

describe('a rejection by the gate', () => {
  it('for too little agreement says how much there is, and what raises it', () => {
    const { says, helps } = said(NOT_ENOUGH)
    expect(says).toBe(
      'No threshold with a coverage of at least 20.0 % keeps the loss under 5.0 %; answering everything that it may, ' +
        'arm query-only agrees on 80.0 %.'
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
    it('names that as the cause, with an example and no advice on training', () => {
      const { says, helps, example } = repeated(0.31)
      expect(says).toMatch(
        /^609 repeated questions got different answers from the upstream: 31.0 %/
      )
      expect(helps).toMatch(/temperature.*UPSTREAM_API_KEY/)
      expect(helps).not.toMatch(/TRAIN_MINUTES|base model|encoder/)
      expect(example).toBe('record-7')
    })

    it('does not blame it where the margin allows as many', () => {
      expect(repeated(0.04).says).toMatch(/^No threshold/)
    })
  })

  it.each([
    ['rows', rowsOf(50)],
    ['unseen questions', rowsOf(520, (i) => ({ isTraffic: i >= 20, isUnseen: i < 20 }))],
    ['conversations', rowsOf(400, (i) => ({ conversation: String(i % 40) }))],
  ])('for few %s asks for traffic', (_, rows) => {
    const { code, helps } = said(verdictOf(rows))
    expect(code).toBe('samples-too-small')
    expect(helps).toContain('ore traffic')
  })

  it('for an upstream that contradicts itself asks for other answers', () => {
    const rows = rowsOf(500, (i) => askedToday(false, i % 2 === 0))
    const { code, helps } = said(verdictOf(rows))
    expect(code).toBe('upstream-differs')
    expect(helps).toContain('temperature')
  })

  it('for requests that end in tool calls says how many may be answered', () => {
    const rows = rowsOf(1000, (i) => ({ deferred: i % 10 === 0 ? null : 'tool-calls' }))
    const { code, says, helps } = said(verdictOf(rows))
    expect(code).toBe('coverage-impossible')
    expect(says).toContain('10.0 % of the held-out traffic')
    expect(helps).toContain('separate prompt')
  })

  it('for a bad part of the traffic names it with its figures', () => {
    const rows = rowsOf(3000, (i) => ({
      agrees: i % 40 > 0,
      slices: [i % 10 === 0 ? 'plan=pro' : 'plan=free'],
    }))
    const { says } = said(verdictOf(rows))
    expect(says).toMatch(/plan=pro agrees on \d+\.\d % of \d+ rows/)
    expect(says).not.toContain('plan=free')
  })

  it.each([
    ['unjudged', verdictOf(rowsOf(50), { responseType: 'free-text' })],
    ['no-answers', verdictOf([])],
  ])('by %s has its code and what helps', (code, verdict) => {
    expect(said(verdict)).toMatchObject({ code, helps: expect.stringMatching(/.\.$/) as string })
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
    const { state } = row
    if (state.name !== 'rejected') throw new Error(state.name)
    return { code: state.reason.code, ...rejection(row) }
  }

  const UNCHECKED = {
    response_format: { type: 'json_schema', json_schema: { schema: { $ref: 'x' } } },
  }

  it.each([
    ['free text', orders(story), {}, 'free-text'],
    [
      'few held-out rows',
      orders(),
      { config: { holdoutRows: 20, trainRows: 64 } },
      'too-few-held-out',
    ],
    [
      'refusals',
      orders((number) => (number % 10 === 0 ? {} : { content: null, refusal: 'no' })),
      {},
      'few-text-answers',
    ],
    ['long questions', orders(), { engine: { maxModelLen: 12 } }, 'context-too-short'],
    ['no kind of training', orders(), { config: { arms: ['label-head' as const] } }, 'no-encoder'],
    ['an unknown format', orders(() => ({}), UNCHECKED), {}, 'unsupported-format'],
  ])('for %s is said in words, with what would help', async (_, records, options, code) => {
    const refused = await refusal(records, options)
    expect(refused.code).toBe(code)
    expect(refused.says[0]).toMatch(/^[A-Z\d].*\.$/)
    expect(refused.helps).not.toContain('cannot go live any more')
  })
})

describe('a rejection by a person', () => {
  it('is called one, whatever words the reason has', () => {
    const reason = saidBy('too few to train on, and the answers are free text')
    const { says } = rejection(exampleInternalization('a', { state: { name: 'rejected', reason } }))
    expect(says).toEqual(['A person rejected it.'])
  })

  it('who had records forgotten is told that', () => {
    const reason = reasonOf('forgotten', {})
    const { says } = rejection(exampleInternalization('a', { state: { name: 'rejected', reason } }))
    expect(says[0]).toContain('forgotten')
  })
})
