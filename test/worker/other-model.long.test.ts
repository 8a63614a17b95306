/** A cheaper model of the upstream competes as an arm: the gate that judges loras judges it. */
import type { Reason } from '../../src/core/reason.ts'
import { planInternalization } from '../../src/worker/plan/plan.ts'
import { unconsentedType } from '../../src/core/internalization/answer-type.ts'
import { reasonText } from '../../src/core/reasons/say-reason.ts'
import { reasonIn } from '../kit/records/examples.ts'
import { describe, expect, it } from 'vitest'
import {
  evaluationRows,
  heldOutIds,
  type InternalizeOptions,
} from '../../src/core/internalization/internalization.ts'
import type { Price } from '../../src/core/cost/prices.ts'
import { AppError } from '../../src/errors.ts'
import { createTrainingTerms } from '../../src/core/terms/terms.ts'
import type { ProofFile } from '../../src/core/proof/proof-file.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import { proofFile } from '../../src/lifecycle/proof-file.ts'
import { QUICK_PROMISE } from '../kit/records/facts.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import { modelsUsd } from '../../src/savings/model-proof.ts'
import type { Store } from '../../src/store/store.ts'
import type { AskUpstream, WorkerDeps } from '../../src/worker/deps.ts'
import { usageOf } from '../../src/openai/usage/usage.ts'
import { COLOURS, orderRecord } from '../kit/records/paint-orders.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { HOUR_MS, useWorkerHarness, type WorkerHarness } from './harness.ts'
import { Watched } from './watched-route.ts'

const ROWS = 150
const MODEL = 'cheap'

/** Tokens of each logged request. */
const USAGE = usageOf(1_000, 2)
const RECORDS = Array.from({ length: 2 * ROWS + 12 }, (_, i) => ({
  ...orderRecord(i),
  usage: USAGE,
}))

const ASKED_PRICES: Price[] = [
  { model: 'gpt-4o-mini', asOf: '2026-12-01', input: 10, cachedInput: 10, output: 100 },
  { model: MODEL, asOf: '2026-12-01', input: 1, cachedInput: 1, output: 10 },
  { model: 'dear', asOf: '2026-12-01', input: 20, cachedInput: 20, output: 10 },
]
/** Of one answer of the cheaper model. */
const ANSWER_USD = 1_000e-6 + 2 * 10e-6

const open = useWorkerHarness(RECORDS)

interface Given {
  status?: number
  text?: string
  logprobs?: number[]
}

/** What the cheaper model answers to an order. */
type Answers = (number: number, body: Record<string, unknown>) => Given

const numberIn = (request: string): number => Number(/Order (\d+)/.exec(request)![1])
const right = (number: number): string => COLOURS[number % 6]!
const wrong = (number: number): string => COLOURS[(number + 1) % 6]!

/** One of so many orders, spread by a hash of its number, is answered otherwise. */
const differs = (number: number, every: number): boolean => (number * 2_654_435_761) % every === 0

const disagreeing =
  (every: number): Answers =>
  (number) => ({ text: differs(number, every) ? wrong(number) : right(number) })

const standIn = (answers: Answers, usage: object | null = USAGE) => {
  const asked: string[] = []
  const askUpstream: AskUpstream = async ({ request }) => {
    asked.push(request)
    const body = JSON.parse(request) as Record<string, unknown>
    const { status = 200, text = '', logprobs } = answers(numberIn(request), body)
    const content = logprobs?.map((logprob) => ({ token: 'x', logprob, bytes: null }))
    const choice = {
      index: 0,
      message: { role: 'assistant', content: text },
      finish_reason: 'stop',
      logprobs: content === undefined ? null : { content },
    }
    const answer = status === 200 ? { choices: [choice], usage } : { error: { message: 'no' } }
    return { status, body: JSON.stringify(answer), retryAfterMs: null }
  }
  return { asked, askUpstream }
}

const CONFIG: Partial<InternalizeOptions> = {
  arms: [`model:${MODEL}`],
  trainRows: ROWS,
  holdoutRows: ROWS,
  proofUsd: 10,
}

const depsOf = (
  harness: WorkerHarness,
  changes: Partial<WorkerDeps>,
  config: Partial<InternalizeOptions> = {}
) =>
  harness.deps(
    {
      priceOf: (model) => ASKED_PRICES.find((price) => price.model === model) ?? null,
      costUsd: () => 0.5,
      // before a request is sent again; the limits of the engine's answers are not reached
      sleep: (_ms, signal) => (signal === undefined ? Promise.resolve() : new Promise(() => {})),
      ...changes,
    },
    { ...CONFIG, ...config }
  )

const judged = async (changes: Partial<WorkerDeps>, config: Partial<InternalizeOptions> = {}) => {
  const harness = await open({ from: 'candidate', engine: { encoder: 'alone' } })
  const worker = await harness.worker(depsOf(harness, changes, config))
  const row = await harness.runTo(worker, 'approval', 'rejected', 'failed')
  return { harness, worker, row }
}

/** The standard upstream forbids training on its answers. */
const FORBIDDING = createTrainingTerms({
  standard: { baseUrl: 'https://api.x.ai/v1' },
  upstreams: [],
  consent: [],
})

describe('where the terms of the upstream forbid training', () => {
  it.each<[string, Partial<InternalizeOptions>, object[]]>([
    ['a cheaper model alone', {}, []],
    [
      'a cheaper model beside arms that would be trained',
      { arms: ['label-head', `model:${MODEL}`] },
      [{ code: 'consent-needed', figures: { consent: ['api.x.ai'] } }],
    ],
  ])('%s is proved, and nothing is trained', async (_name, config, leftOut) => {
    const { askUpstream } = standIn(disagreeing(100))
    const { row } = await judged({ askUpstream, terms: FORBIDDING }, config)
    expect(row.state.name).toBe('approval')
    expect(row.plan!.arms.map(({ name }) => name)).toEqual([`model:${MODEL}`])
    expect(row.plan!.population.modelsLeftOut ?? []).toMatchObject(leftOut)
  })

  it('all is refused where no cheaper model competes either, until the terms are consented to', async () => {
    const arms = ['label-head', 'model:dear'] as const
    const { askUpstream } = standIn(disagreeing(100))
    const { row } = await judged({ askUpstream, terms: FORBIDDING }, { arms: [...arms] })
    expect(unconsentedType(row.state)).toBe('label')
    expect(row.state).toMatchObject({ name: 'rejected', reason: { code: 'no-arm-left' } })
    expect(reasonIn(row)).toMatch(/TRAINING_CONSENT=api\.x\.ai.*dear/)
  })
})

describe('a cheaper model', () => {
  it('that agrees on 99 % goes live, and each request was asked for once', async () => {
    const { asked, askUpstream } = standIn(disagreeing(100))
    const { harness, row } = await judged({ askUpstream })
    expect(row.state.name).toBe('approval')
    const { plan, verdict } = row
    expect(plan!.arms).toMatchObject([{ name: 'model:cheap', stages: [], results: [] }])
    expect(verdict!.arms[0]).toMatchObject({ arm: 'model:cheap', coverage: 1, threshold: 0 })
    expect(verdict!.arms[0]!.agreement).toBeGreaterThan(0.97)
    // one to find out about log-probabilities
    expect(asked).toHaveLength(evaluationRows(plan!) + 1)
    const logged = JSON.parse(RECORDS[0]!.request!) as object
    expect(JSON.parse(asked.at(-1)!)).toMatchObject({
      ...logged,
      model: MODEL,
      messages: expect.any(Array) as unknown,
    })
    expect(JSON.parse(asked.at(-1)!)).not.toHaveProperty('logprobs')
    expect(await modelsUsd.read(harness.store, row.id)).toBeCloseTo(asked.length * ANSWER_USD)
    const file = JSON.parse(
      JSON.stringify(await proofFile(harness.store, row, harness.now))
    ) as ProofFile
    expect(verifyProof(file, QUICK_PROMISE).checks.filter(({ holds }) => !holds)).toEqual([])
    const context = { by: 'admin', now: harness.now, rollout: AT_ONCE }
    await goLive(harness.store, row, context)
    expect(await harness.store.routes.list()).toMatchObject([
      {
        lora: `model:cheap:${row.id.slice(0, 8)}`,
        model: { name: MODEL, hasLogprobs: false },
        templateTokens: 0,
      },
    ])
  })

  it('that agrees on 90 % is refused', async () => {
    const { askUpstream } = standIn(disagreeing(10))
    const { harness, row } = await judged({ askUpstream })
    expect(row.state).toMatchObject({ name: 'rejected' })
    expect(row.verdict!.verdict).toBe('reject')
    expect(row.verdict!.arms[0]!.agreement).toBeLessThan(0.95)
    expect(await harness.store.routes.list()).toEqual([])
  })

  it('that is sure of what it knows answers that part, by its log-probabilities', async () => {
    const { asked, askUpstream } = standIn((number) =>
      differs(number, 10)
        ? { text: wrong(number), logprobs: [-0.1, -2] }
        : { text: right(number), logprobs: [-0.1] }
    )
    const { row } = await judged({ askUpstream })
    expect(row.state.name).toBe('approval')
    const [figures] = row.verdict!.arms
    expect(figures!.coverage).toBeGreaterThan(0.8)
    expect(figures!.coverage).toBeLessThan(0.97)
    expect(figures!.agreementAnswered).toBe(1)
    expect(new Set(asked.map((body) => JSON.parse(body).logprobs as unknown))).toEqual(
      new Set([true])
    )
  })

  it('that does not know log-probabilities is asked without them', async () => {
    const { asked, askUpstream } = standIn((number, body) =>
      body['logprobs'] === true ? { status: 400 } : { text: right(number) }
    )
    const { row } = await judged({ askUpstream })
    expect(row.state.name).toBe('approval')
    expect(asked.filter((body) => body.includes('"logprobs"'))).toHaveLength(1)
  })

  it('whose refusals are too many is refused', async () => {
    const { askUpstream } = standIn((number) =>
      number % 10 < 9 && number % 10 > 0 ? { status: 400 } : { text: right(number) }
    )
    const { row } = await judged({ askUpstream })
    expect(row.state.name).toBe('rejected')
  })

  it('competes with a head', async () => {
    const { askUpstream } = standIn(disagreeing(100))
    const { row } = await judged({ askUpstream }, { arms: ['label-head', `model:${MODEL}`] })
    expect(row.plan!.arms.map(({ name }) => name)).toEqual(['label-head', 'model:cheap'])
    expect(row.verdict!.arms.map(({ arm }) => arm)).toEqual(['label-head', 'model:cheap'])
  })
})

/** What a person reads of it is told in the log, too. */
const refusal = async (
  changes: Partial<WorkerDeps>,
  config: Partial<InternalizeOptions> = {}
): Promise<Reason> => {
  const { harness, row } = await judged(changes, config)
  const { state } = row
  if (state.name !== 'rejected') throw new Error(state.name)
  expect(state.isUntrained).toBe(true)
  expect(harness.said(reasonIn(row))).not.toEqual([])
  return state.reason
}

describe('a model is left out', () => {
  const figures = { model: MODEL }

  it.each<[string, object, Partial<WorkerDeps>, Partial<InternalizeOptions>]>([
    [
      'while nobody has allowed the cost, which is told',
      { code: 'model-unpaid', figures },
      {},
      { proofUsd: null },
    ],
    [
      'that would cost more than is allowed',
      { code: 'model-over-budget', figures: { ...figures, leftUsd: 0.01 } },
      {},
      { proofUsd: 0.01 },
    ],
    ['that would cost more than is allowed', /PROOF_USD leaves 0.01 USD/, {}, { proofUsd: 0.01 }],
    [
      'that is not cheaper',
      { code: 'model-not-cheaper', figures: { model: 'dear', present: 'gpt-4o-mini' } },
      {},
      { arms: ['model:dear'] },
    ],
    [
      'that has no price',
      { code: 'model-without-price', figures: { of: 'unpriced' } },
      {},
      { arms: ['model:unpriced'] },
    ],
    ['that is the present one', { code: 'model-is-present' }, {}, { arms: ['model:gpt-4o-mini'] }],
    ['without a key', { code: 'model-without-key', figures }, { askUpstream: null }, {}],
  ])('%s, and nothing is paid', async (_why, reason, changes, config) => {
    const { asked, askUpstream } = standIn(disagreeing(100))
    expect(await refusal({ askUpstream, ...changes }, config)).toMatchObject(reason)
    expect(asked).toEqual([])
  })

  it('while a head competes', async () => {
    const { row, harness } = await judged(
      { askUpstream: standIn(disagreeing(100)).askUpstream },
      { arms: ['label-head', 'model:dear'] }
    )
    expect(row.plan!.arms.map(({ name }) => name)).toEqual(['label-head'])
    expect(row.plan!.population.modelsLeftOut!.map(reasonText)).toEqual(
      harness.said('dear does not compete')
    )
  })

  it.each<[string, object, AskUpstream]>([
    [
      'where the upstream does not know it',
      { code: 'model-refused', figures: { status: 404, message: 'no' } },
      standIn(() => ({ status: 404 })).askUpstream,
    ],
    [
      'where its requests name another host',
      { code: 'model-not-sendable' },
      () => Promise.resolve(null),
    ],
    [
      'where the upstream breaks off',
      { code: 'model-silent' },
      () => Promise.reject(new Error('lost')),
    ],
    [
      'where its answer is none',
      { code: 'model-no-completion' },
      () => Promise.resolve({ status: 200, body: '<html>', retryAfterMs: null }),
    ],
  ])('%s', async (_why, reason, askUpstream) => {
    expect(await refusal({ askUpstream })).toMatchObject({ ...reason, figures })
  })

  it('where its money was spent before', async () => {
    const { harness } = await judged({ askUpstream: null })
    const { askUpstream } = standIn(disagreeing(100))
    await modelsUsd.save(harness.store, 'new', 10)
    const row = await harness.newest()
    const template = (await harness.store.templates.get(row.templateVersion))!
    const deps = depsOf(harness, { askUpstream })
    expect(await planInternalization(deps, harness.engine, template, { id: 'new' })).toMatchObject({
      refused: { code: 'model-budget-spent' },
    })
  })

  it('where the requests are of the Responses API', async () => {
    const { harness } = await judged({ askUpstream: null })
    const row = await harness.newest()
    const template = (await harness.store.templates.get(row.templateVersion))!
    const { records } = harness.store
    const byIds = records.byIds.bind(records)
    // the rows are chosen before the prompt is measured, and the requests are read after it
    let path = '/v1/chat/completions'
    Object.assign(records, {
      byIds: async (ids: string[]) => (await byIds(ids)).map((record) => ({ ...record, path })),
    })
    const countTokens = harness.engine.countTokens.bind(harness.engine)
    Object.assign(harness.engine, {
      countTokens: (...given: Parameters<typeof countTokens>) => {
        path = '/v1/responses'
        return countTokens(...given)
      },
    })
    const { askUpstream } = standIn(disagreeing(100))
    const deps = depsOf(harness, { askUpstream })
    expect(await planInternalization(deps, harness.engine, template, { id: 'new' })).toMatchObject({
      refused: { code: 'model-without-chat' },
    })
  })
})

/** A store in which a crash of the process follows every batch of answers. */
const crashing = ({ internalizations, ...store }: Store): Store => ({
  ...store,
  internalizations: {
    ...internalizations,
    addEvaluations: async (rows) => {
      await internalizations.addEvaluations(rows)
      throw new AppError('store-unavailable', 'the process died here')
    },
  },
})

describe('the money', () => {
  it('buys no answer twice when the worker dies after each batch', async () => {
    const { asked, askUpstream } = standIn(disagreeing(100))
    const harness = await open({ from: 'candidate', engine: { encoder: 'alone' } })
    const deps = depsOf(harness, { askUpstream, store: crashing(harness.store) })
    const row = await harness.runTo(await harness.worker(deps), 'approval', 'rejected', 'failed')
    expect(row.state.name).toBe('approval')
    expect(asked).toHaveLength(evaluationRows(row.plan!) + 1)
  })

  it('goes beyond the limit by one request at most, and the rest goes to the upstream', async () => {
    // ten times as long as the logged answers, and without a bound
    const { asked, askUpstream } = standIn(disagreeing(1_000), usageOf(10_000, 20))
    const limit = 0.5
    const { harness, row } = await judged({ askUpstream }, { proofUsd: limit })
    const one = 10 * ANSWER_USD
    const spent = await modelsUsd.read(harness.store, row.id)
    expect(spent).toBeCloseTo(asked.length * one)
    expect(spent).toBeGreaterThan(limit - one)
    expect(spent).toBeLessThan(limit + one)
    const rows = await harness.store.internalizations.evaluations(row.id)
    expect(rows).toHaveLength(evaluationRows(row.plan!))
    expect(rows.filter(({ deferred }) => deferred === 'budget-spent').length).toBe(
      rows.length - asked.length + 1
    )
  })

  it('waits for an upstream that has no room, and buys the rest later', async () => {
    let refusals = 30
    const { askUpstream } = standIn((number) =>
      refusals > 0 && --refusals < 20 ? { status: 429 } : { text: right(number) }
    )
    const { row } = await judged({ askUpstream })
    expect(row.state.name).toBe('approval')
    expect(row.verdict!.arms[0]!.coverage).toBe(1)
  })
})

/** Answers while the plan is made, and rejects so many requests then. */
const failing = (failures: number, error: Error) => {
  const { asked, askUpstream } = standIn((number) => ({ text: right(number) }))
  let left = failures
  const failingAsk: AskUpstream = async (given) => {
    if (asked.length > 2 && left-- > 0) throw error
    return askUpstream(given)
  }
  return { asked, askUpstream: failingAsk }
}

describe('an upstream that is away', () => {
  it('costs nothing and is waited for where nothing was sent', async () => {
    const refused = new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })
    const { asked, askUpstream } = failing(40, refused)
    const { harness, row } = await judged({ askUpstream })
    expect(row.verdict!.arms[0]!.coverage).toBe(1)
    expect(await modelsUsd.read(harness.store, row.id)).toBeCloseTo(asked.length * ANSWER_USD)
  })

  it('may have charged what was lost, which is not sent again', async () => {
    const lost = new TypeError('fetch failed', { cause: { code: 'ECONNRESET' } })
    const { asked, askUpstream } = failing(3, lost)
    const { harness, row } = await judged({ askUpstream })
    expect(asked).toHaveLength(evaluationRows(row.plan!) + 1 - 3)
    const paid = await modelsUsd.read(harness.store, row.id)
    expect(paid).toBeCloseTo((asked.length + 3) * ANSWER_USD)
    expect(row.state.name).toBe('approval')
  })

  it('for an hour is given up, so that others can be judged', async () => {
    let asked = 0
    const { askUpstream } = standIn((number) =>
      ++asked > 2 ? { status: 429 } : { text: right(number) }
    )
    const harness = await open({ from: 'candidate', engine: { encoder: 'alone' } })
    const worker = await harness.worker(depsOf(harness, { askUpstream }))
    const isOver = async () => ['rejected', 'failed'].includes(await harness.state())
    await harness.runUntil(worker, isOver, HOUR_MS / 4)
    expect((await harness.newest()).state).toMatchObject({ name: 'rejected' })
  })
})

const live = async (answers: Answers) => {
  const { harness, row } = await judged({ askUpstream: standIn(disagreeing(100)).askUpstream })
  const context = { by: 'admin', now: harness.now, rollout: AT_ONCE }
  const alive = await goLive(harness.store, row, context)
  const changes = depsOf(harness, { askUpstream: standIn(answers).askUpstream, engine: null })
  const worker = await harness.worker({ ...changes, config: { ...changes.config, auto: false } })
  return new Watched(harness, worker, alive)
}

describe('a live route', () => {
  it('is audited by the other model, without an engine, and its cost counts', async () => {
    const watched = await live((number) => ({ text: right(number) }))
    await watched.audit(20)
    await watched.judged(20)
    const pairs = await watched.pairs()
    expect(new Set(pairs.map(({ outcome }) => outcome))).toEqual(new Set(['agreed']))
    const { usd } = await watched.harness.store.pairs.spent(0, watched.harness.now + 1)
    expect(usd).toBeCloseTo(20 * (ANSWER_USD + 0.5))
  })

  it('is rolled back when the other model has become worse', async () => {
    const watched = await live((number) => ({ text: wrong(number) }))
    await watched.audit(40)
    await watched.ended()
    expect(await watched.state()).toMatchObject({ name: 'retired' })
    expect(await watched.routes()).toEqual([])
  })
})

it('holds out what it is judged on', async () => {
  const { row } = await judged({ askUpstream: standIn(disagreeing(100)).askUpstream })
  expect(heldOutIds(row.plan!).length).toBeGreaterThanOrEqual(ROWS)
})
