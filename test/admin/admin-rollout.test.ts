/** The admin API of rollouts: evidence, the next stage, pairs to rate, ratings and their export. */
import { saidBy } from '../../src/core/reason.ts'
import { describe, expect } from 'vitest'
import { coverageStepSchema } from '../../src/views/rollout.ts'
import { DAY_MS } from '../../src/core/days.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { NO_STREAM, type LossStream } from '../../src/core/rollout/evidence.ts'
import { evidenceFigures, type RolloutStage } from '../../src/core/rollout/stages.ts'
import { adjustRoute, goLive } from '../../src/lifecycle/promote.ts'
import { saveRolloutReport, type RolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { ErrorBody } from '../../src/openai/error-body.ts'
import type { Store } from '../../src/store/store.ts'
import { adminApp, TOKEN } from '../kit/records/admin-app.ts'
import {
  addPairs,
  LORA,
  questionOf,
  routedRecord,
  UPSTREAM_ANSWER,
} from '../kit/records/audited.ts'
import { exampleApproved, exampleRecord, exampleTemplate } from '../kit/records/examples.ts'
import { it as base } from '../kit/store/local-store.ts'
import {
  exampleBorder,
  exampleReport,
  NO_PAIRS_YET,
  STAGED,
  stageOf,
} from '../kit/records/rollout.ts'

const NOW = 50_000
const LORA_ANSWER = 'intent_of_the_lora'

const openAdmin = (store: Store, blindSecret = 'blind') => {
  let refreshes = 0
  const refreshRoutes = async () => void refreshes++
  const app = adminApp(store, () => NOW, { refreshRoutes, rollout: STAGED, blindSecret })
  const send = async <T>(method: string, path: string, body?: unknown) => {
    const response = await app.request(`/admin/api${path}`, {
      method,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as T & ErrorBody }
  }
  return { send, refreshes: () => refreshes }
}

interface ShownPair {
  recordId: string | null
  query: string | null
  answers: { a: string; b: string } | null
  isRated: boolean
  revealed: { lora: 'a' | 'b'; rating: string | null } | null
}
type Pairs = { data: ShownPair[]; next: number | null }

interface Admin {
  store: Store
  send: ReturnType<typeof openAdmin>['send']
  refreshes: () => number
  get: <T>(path: string) => Promise<T>
  rate: (recordId: string, body: object) => ReturnType<ReturnType<typeof openAdmin>['send']>
  pairs: (query?: string) => Promise<Pairs>
  ratings: () => Promise<Record<string, unknown>[]>
}

const it = base.extend<{ admin: Admin }>({
  admin: async ({ store }, use) => {
    await store.templates.upsert([exampleTemplate()])
    await store.internalizations.create(exampleApproved('a'))
    const { send, refreshes } = openAdmin(store)
    const get = async <T>(path: string): Promise<T> => (await send<T>('GET', path)).body
    await use({
      store,
      send,
      refreshes,
      get,
      rate: (recordId, body) => send('PUT', `/records/${recordId}/rating`, body),
      pairs: (query = '') => get<Pairs>(`/internalizations/a/pairs${query}`),
      ratings: async () => (await get<{ data: Record<string, unknown>[] }>('/ratings')).data,
    })
  },
})

const reportOn = (
  stage: RolloutStage,
  stream: LossStream,
  changes: Partial<RolloutReport> = {}
): RolloutReport =>
  exampleReport({
    at: 40_000,
    stage,
    evidence: evidenceFigures(
      { stream, inStage: stream, startTimes: new Map() },
      { margin: 0.05, proven: 0.04, least: 0 }
    ),
    outcomes: { ...NO_PAIRS_YET, agreed: 40 },
    waiting: 0,
    ...changes,
  })

const FIRST = stageOf(0.05, NOW)
const FORTY: LossStream = { ...NO_STREAM, pairs: 40, losses: 0 }

const approve = (admin: Admin, body?: object) =>
  admin.send<{ state: object }>('POST', '/internalizations/a/approve', body)

describe('a pause', () => {
  it('is in force, with its reason, before it is answered, and so is its end', async ({
    admin,
  }) => {
    await approve(admin)
    const reason = 'an incident'
    for (const [given, trafficShare] of [
      [{ share: 0 }, 0],
      [{}, 0.05],
    ] as const) {
      const refreshes = admin.refreshes()
      const answer = await approve(admin, { ...given, reason })
      expect(answer).toMatchObject({ status: 200, body: { state: { name: 'live' } } })
      expect(admin.refreshes()).toBe(refreshes + 1)
      expect(await admin.store.routes.list()).toMatchObject([{ trafficShare }])
    }
    const { history } = await admin.get<{ history: object[] }>('/internalizations/a')
    expect(history.slice(-2)).toMatchObject([
      { note: reason, to: { stage: { isPaused: true, shareBefore: 0.05 } } },
      { note: reason, to: { stage: { share: 0.05 } } },
    ])
  })

  it('is refused before it is live', async ({ admin }) => {
    expect((await approve(admin, { share: 0 })).status).toBe(409)
  })
})

describe('an approval', () => {
  it('leads from approval to the first stage, and by evidence to the next one', async ({
    admin,
  }) => {
    expect(await approve(admin)).toMatchObject({
      status: 200,
      body: { state: { name: 'live', stage: FIRST } },
    })
    const report = reportOn(FIRST, FORTY, { mayStep: true })
    await saveRolloutReport(admin.store, 'a', report)
    const next = { share: 0.25, before: { pairs: 40, losses: 0, credits: 0 }, began: NOW }
    expect(await approve(admin)).toMatchObject({
      status: 200,
      body: { state: { name: 'live', stage: next, evidence: report.evidence } },
    })
    expect(admin.refreshes()).toBe(2)
    expect(await admin.store.routes.list()).toMatchObject([{ trafficShare: 0.25 }])
    expect((await admin.store.internalizations.history('a')).at(-1)).toMatchObject({
      by: 'admin',
      to: { stage: next },
    })
  })

  it('without the evidence is refused, and says what there is and what is needed', async ({
    admin,
  }) => {
    await approve(admin)
    await saveRolloutReport(admin.store, 'a', reportOn(FIRST, FORTY))
    const { status, body } = await approve(admin)
    expect(status).toBe(409)
    expect(body.error.code).toBe('invalid_state')
    expect(body.error.message).toMatch(
      /in the stage canary 5 % .* in 0 of 40 conversations, 0\.0 % .* the evidence is \d.* after 40 conversations of this stage, and 20 is needed\. Wait .* "now": true/
    )
    expect(await admin.store.routes.list()).toMatchObject([{ trafficShare: 0.05 }])
  })

  it('does not take the evidence of an earlier stage for that of the present one', async ({
    admin,
  }) => {
    await approve(admin)
    await saveRolloutReport(admin.store, 'a', reportOn(FIRST, FORTY, { mayStep: true }))
    await approve(admin)
    // the worker has not looked at the new stage yet
    const { status, body } = await approve(admin)
    expect(status).toBe(409)
    expect(body.error.message).toContain('judged no audited request of this stage yet')
  })

  it('by `now` needs no evidence, and the history shows that there was none', async ({ admin }) => {
    await approve(admin, { reason: 'the examples look good' })
    expect(await approve(admin, { now: true })).toMatchObject({
      status: 200,
      body: { state: { stage: { share: 0.25 }, evidence: { pairs: 0, stagePairs: 0 } } },
    })
    expect(await approve(admin, { now: true })).toMatchObject({
      body: { state: { stage: { share: 1 } } },
    })
    const history = await admin.store.internalizations.history('a')
    const entry = history.at(-1)
    expect(history.map(({ note }) => note)).toEqual([null, 'the examples look good', null, null])
    expect(entry).toMatchObject({ by: 'admin', to: { evidence: { step: expect.closeTo(0) } } })
  })

  it('changes nothing in the last stage', async ({ admin }) => {
    for (const body of [{}, { now: true }, { now: true }]) await approve(admin, body)
    const before = await admin.store.internalizations.history('a')
    expect(await approve(admin)).toMatchObject({ status: 200, body: { state: { name: 'live' } } })
    expect(await admin.store.internalizations.history('a')).toEqual(before)
  })

  it('leads to the stage of a share', async ({ admin }) => {
    expect(await approve(admin, { share: 0.1 })).toMatchObject({
      status: 200,
      body: { state: { stage: { share: 0.1 } } },
    })
    for (const share of [-0.1, 1.5, '0.1'])
      expect(await approve(admin, { share })).toMatchObject({
        status: 400,
        body: { error: { param: 'share' } },
      })
    expect((await approve(admin, { share: 0.5 })).status).toBe(409)
  })

  it('is refused for a word that is no boolean', async ({ admin }) => {
    expect(await approve(admin, { now: 'yes' })).toMatchObject({
      status: 400,
      body: { error: { param: 'now' } },
    })
  })

  it('is refused after a rollback by evidence', async ({ admin, store }) => {
    const row = (await store.internalizations.get('a'))!
    const live = await goLive(store, row, { by: 'admin', now: NOW, rollout: STAGED })
    const { evidence } = reportOn(FIRST, FORTY)
    const state = { name: 'retired' as const, reason: saidBy('rolled back: …'), evidence }
    await store.internalizations.save({ ...live, state }, 'worker', NOW)
    expect(await approve(admin, { now: true })).toMatchObject({
      status: 409,
      body: { error: { message: expect.stringContaining('only a new one can go live') } },
    })
  })
})

describe('an internalization', () => {
  it('shows the report of the worker on its rollout', async ({ admin }) => {
    expect(await admin.get('/internalizations/a')).toMatchObject({ rollout: null })
    const report = reportOn(FIRST, FORTY)
    await saveRolloutReport(admin.store, 'a', report)
    expect(await admin.get('/internalizations/a')).toMatchObject({ rollout: report })
  })

  it('shows what it has answered since the proof, and why that changed', async ({ admin }) => {
    const shown = () => admin.get<{ coverageSteps: object[] }>('/internalizations/a')
    expect(await shown()).toMatchObject({ coverageSteps: [] })
    await approve(admin)
    const border = exampleBorder(-0.5)
    const coverage = { audited: 1000, before: 580, after: 640 }
    const row = (await admin.store.internalizations.get('a'))!
    const context = { by: 'worker', now: NOW, rollout: STAGED }
    await adjustRoute(admin.store, row, { border, coverage }, context)
    const { coverageSteps } = await shown()
    expect(coverageSteps).toMatchObject([
      { cause: 'proof', share: 0.05, threshold: -0.125, coverage: 0.6, before: null },
      { cause: 'border', share: 0.05, threshold: -0.5, coverage: 0.64, before: 0.58 },
    ])
    expect(coverageStepSchema.strict().array().parse(coverageSteps)).toEqual(coverageSteps)
    expect(await shown()).toMatchObject({ state: { border, coverage } })
  })

  it('shows what applications sent on its answers, and on the upstream`s', async ({ admin }) => {
    const { store } = admin
    const records = [
      routedRecord(1, 'answered'),
      routedRecord(2, 'answered'),
      routedRecord(3, 'skipped'),
      exampleRecord(4),
    ]
    await store.records.append(batchOf(records))
    const put = (index: number, rating: 'good' | 'bad', by: 'application' | 'admin') =>
      store.feedback.put({ recordId: `record-${index}`, by, rating, comment: null, at: 1 }, null)
    for (const index of [1, 3, 4]) await put(index, 'good', 'application')
    await put(2, 'bad', 'application')
    await put(1, 'bad', 'admin')
    expect(await admin.get('/internalizations/a')).toMatchObject({
      feedback: { lora: { good: 1, bad: 1 }, upstream: { good: 1, bad: 0 } },
    })
    const untrained = exampleApproved('b', {
      templateVersion: 'version-2',
      plan: null,
      verdict: null,
      state: { name: 'candidate' },
    })
    await store.internalizations.create(untrained)
    expect(await admin.get('/internalizations/b')).toMatchObject({ feedback: null })
  })
})

describe('pairs', () => {
  it('are shown newest first, with both answers and not whose they are', async ({ admin }) => {
    await addPairs(
      admin.store,
      Array.from({ length: 12 }, () => ({}))
    )
    const { data, next } = await admin.pairs('?limit=5')
    expect(data.map(({ query }) => query)).toEqual([12, 11, 10, 9, 8].map(questionOf))
    for (const { answers, revealed, isRated } of data) {
      expect(Object.values(answers!).toSorted()).toEqual([LORA_ANSWER, UPSTREAM_ANSWER])
      expect([revealed, isRated]).toEqual([null, false])
    }
    expect(Object.keys(data[0]!).toSorted()).toEqual([
      'answers',
      'at',
      'isRated',
      'place',
      'query',
      'recordId',
      'revealed',
    ])
    const rest = await admin.pairs(`?before=${next}&limit=8`)
    expect(rest.data.map(({ query }) => query)).toEqual([7, 6, 5, 4, 3, 2, 1].map(questionOf))
    expect(rest.next).toBeNull()
  })

  it('have an order of their own, which stays and needs the secret', async ({ admin }) => {
    await addPairs(
      admin.store,
      Array.from({ length: 40 }, () => ({}))
    )
    const orderIn = ({ data }: Pairs) => data.map(({ answers }) => answers!.a === LORA_ANSWER)
    const order = orderIn(await admin.pairs('?limit=40'))
    expect(new Set(order).size).toBe(2)
    expect(orderIn(await admin.pairs('?limit=40'))).toEqual(order)
    const other = openAdmin(admin.store, 'another secret')
    const { body } = await other.send<Pairs>('GET', '/internalizations/a/pairs?limit=40')
    expect(orderIn(body)).not.toEqual(order)
  })

  it('reveal everything on request', async ({ admin }) => {
    await addPairs(admin.store, [
      { outcome: 'fallback', reason: 'low-confidence', confidence: -3 },
      {},
    ])
    const { data } = await admin.pairs('?revealed=true')
    expect(data).toMatchObject([
      {
        recordId: 'record-2',
        revealed: {
          outcome: 'disagreed',
          reason: null,
          confidence: -0.1,
          secondUpstreamAnswer: UPSTREAM_ANSWER,
          rating: null,
        },
      },
      { revealed: { outcome: 'fallback', reason: 'low-confidence', confidence: -3 } },
    ])
    for (const { answers, revealed } of data) expect(answers![revealed!.lora]).toBe(LORA_ANSWER)
  })

  it('can be chosen by their outcome, and are hidden without two answers', async ({ admin }) => {
    await addPairs(admin.store, [
      { outcome: 'agreed', answer: UPSTREAM_ANSWER },
      {},
      { outcome: 'fallback', reason: 'deferred', answer: '' },
      { outcome: 'unusable', reason: 'not-answered', answer: '' },
      { outcome: 'upstream-differs' },
    ])
    const ids = async (query: string) =>
      (await admin.pairs(query)).data.map(({ recordId }) => recordId)
    expect(await ids('')).toEqual(['record-5', 'record-2', 'record-1'])
    expect(await ids('?outcome=disagreed')).toEqual(['record-2'])
    expect(await ids('?outcome=fallback&revealed=true')).toEqual(['record-3'])
    expect(await admin.send('GET', '/internalizations/a/pairs?outcome=fallback')).toMatchObject({
      status: 400,
      body: { error: { param: 'outcome' } },
    })
  })

  it('name an answer that is not plain text', async ({ admin }) => {
    const message = { role: 'assistant', content: null, refusal: 'I cannot.' }
    const response = JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop' }] })
    await admin.store.records.append(batchOf([routedRecord(1, 'skipped', { response })]))
    await addPairs(admin.store, [{}])
    const [{ answers }] = (await admin.pairs()).data as [ShownPair]
    expect(Object.values(answers!)).toContain('[refusal]')
  })

  it('lose their texts with their record', async ({ admin }) => {
    await addPairs(admin.store, [{}, {}])
    await admin.store.records.forget({ recordIds: ['record-1'] })
    await admin.store.records.prune({ bodies: DAY_MS, records: 0 })
    expect((await admin.pairs()).data).toMatchObject([
      { recordId: 'record-2', query: null, answers: null },
      { recordId: null, query: null, answers: null },
    ])
  })

  it('are none before the verdict', async ({ admin, store }) => {
    const row = exampleApproved('b', { templateVersion: 'version-2', plan: null, verdict: null })
    await store.internalizations.create(row)
    expect(await admin.get('/internalizations/b/pairs')).toEqual({ data: [], next: null })
  })
})

describe('a rating of a pair', () => {
  it('by the place of the answer sets whose is right', async ({ admin }) => {
    await addPairs(admin.store, [{}, { outcome: 'agreed' }])
    const [, { revealed }] = (await admin.pairs('?revealed=true')).data as [ShownPair, ShownPair]
    const lora = revealed!.lora
    const upstream = lora === 'a' ? 'b' : 'a'
    const ratingOf = async () => (await admin.pairs('?revealed=true')).data[1]!.revealed!.rating
    expect(await admin.rate('record-1', { right: lora })).toEqual({
      status: 200,
      body: { record: 'record-1', right: lora },
    })
    expect(await ratingOf()).toBe('lora')
    await admin.rate('record-1', { right: upstream })
    expect(await ratingOf()).toBe('upstream')
    for (const right of ['lora', 'upstream', 'both', 'neither']) {
      await admin.rate('record-1', { right })
      expect(await ratingOf()).toBe(right)
    }
    expect((await admin.pairs()).data[1]).toMatchObject({ isRated: true, revealed: null })
  })

  it('can be taken back', async ({ admin }) => {
    await addPairs(admin.store, [{}, { outcome: 'agreed' }])
    await admin.rate('record-1', { right: 'both' })
    expect(await admin.rate('record-1', { right: null })).toMatchObject({ status: 200 })
    expect((await admin.pairs()).data[1]).toMatchObject({ isRated: false })
    expect(await admin.ratings()).toEqual([])
  })

  it.for<[string, string, object, number, object]>([
    ['of a record that never was', 'nothing', { right: 'both' }, 404, { code: 'not_found' }],
    ['of an unknown side', 'record-1', { right: 'c' }, 400, { param: 'right' }],
    ['that says nothing', 'record-1', {}, 400, { param: 'right' }],
    ['of two kinds', 'record-1', { right: 'a', rating: 'good' }, 400, { param: 'right' }],
    ['with a comment', 'record-1', { right: 'a', comment: 'x' }, 400, { param: 'comment' }],
    ['of one answer, unknown', 'record-1', { rating: 'fine' }, 400, { param: 'rating' }],
    [
      'of one answer, long',
      'record-1',
      { rating: 'bad', comment: 'x'.repeat(1001) },
      400,
      { param: 'comment' },
    ],
    ['of one answer, nowhere', 'nothing', { rating: 'bad' }, 404, { code: 'not_found' }],
  ])('is refused: one %s', async ([, recordId, body, status, error], { admin }) => {
    await addPairs(admin.store, [{}])
    expect(await admin.rate(recordId, body)).toMatchObject({ status, body: { error } })
    expect(await admin.ratings()).toEqual([])
  })

  it('is refused for a record that was forgotten', async ({ admin }) => {
    await addPairs(admin.store, [{}, { outcome: 'agreed' }])
    await admin.store.records.forget({ recordIds: ['record-1'] })
    for (const body of [{ right: 'both' }, { rating: 'good' }]) {
      const { status, body: answer } = await admin.rate('record-1', body)
      expect(status).toBe(404)
      expect(answer.error.message).toMatch(/no record record-1.*forgotten/)
    }
  })

  it('is refused for a record with one answer, and tells what can be rated', async ({ admin }) => {
    await addPairs(admin.store, [{}, { outcome: 'agreed' }])
    await admin.store.records.append(
      batchOf([routedRecord(7, 'answered'), routedRecord(8, 'skipped')])
    )
    for (const id of ['record-7', 'record-8']) {
      const { status, body } = await admin.rate(id, { right: 'upstream' })
      expect([status, body.error.code]).toEqual([409, 'invalid_state'])
      expect(body.error.message).toContain('"rating"')
    }
  })
})

describe('the export', () => {
  it('has ratings of pairs and feedback, and says which count', async ({ admin }) => {
    await addPairs(admin.store, [{}, { outcome: 'agreed' }, { outcome: 'upstream-differs' }])
    for (const id of ['record-1', 'record-2', 'record-3']) await admin.rate(id, { right: 'both' })
    await admin.store.records.append(
      batchOf([routedRecord(7, 'answered'), exampleRecord(8), routedRecord(9, 'skipped')])
    )
    await admin.rate('record-7', { rating: 'bad', comment: 'wrong team' })
    for (const recordId of ['record-8', 'record-9'])
      await admin.store.feedback.put(
        { recordId, by: 'application', rating: 'good', comment: null, at: 7 },
        'tenant-a'
      )
    const pair = {
      kind: 'pair',
      templateVersion: 'version-1',
      lora: LORA,
      answeredBy: 'upstream',
      side: 'audit',
      rating: 'both',
      comment: null,
      by: 'admin',
      at: NOW,
    }
    expect(await admin.ratings()).toEqual([
      { ...pair, recordId: 'record-1', conversation: 'record-1', counts: true },
      { ...pair, recordId: 'record-2', conversation: 'record-2', counts: true },
      { ...pair, recordId: 'record-3', conversation: 'record-3', counts: true },
    ])
    const page = await admin.get<{ data: object[] }>('/ratings?after=feedback-0')
    expect(page).toEqual({
      data: [
        {
          kind: 'feedback',
          recordId: 'record-7',
          templateVersion: 'version-1',
          lora: LORA,
          answeredBy: 'lora',
          side: 'lora',
          conversation: 'record-7',
          rating: 'bad',
          counts: false,
          comment: 'wrong team',
          by: 'admin',
          at: NOW,
        },
        {
          kind: 'feedback',
          recordId: 'record-8',
          templateVersion: null,
          lora: null,
          answeredBy: 'upstream',
          side: null,
          conversation: null,
          rating: 'good',
          counts: false,
          comment: null,
          by: 'application',
          at: 7,
        },
        {
          kind: 'feedback',
          recordId: 'record-9',
          templateVersion: 'version-1',
          lora: LORA,
          answeredBy: 'upstream',
          side: 'audit',
          conversation: 'record-9',
          rating: 'good',
          counts: true,
          comment: null,
          by: 'application',
          at: 7,
        },
      ],
      next: null,
    })
  })

  it('comes in pages, each rating once', async ({ admin }) => {
    const ids = await addPairs(
      admin.store,
      Array.from({ length: 5 }, () => ({}))
    )
    for (const id of ids) {
      await admin.rate(id, { right: 'upstream' })
      await admin.rate(id, { rating: 'good' })
    }
    const rows: object[] = []
    for (let after: string | null = ''; after !== null;) {
      const page: { data: object[]; next: string | null } = await admin.get(
        `/ratings?limit=2&after=${after}`
      )
      rows.push(...page.data)
      after = page.next
    }
    expect(rows).toHaveLength(10)
    expect(new Set(rows.map((row) => JSON.stringify(row))).size).toBe(10)
  })

  it('refuses a cursor that it has not given', async ({ admin }) => {
    for (const after of ['x', 'pair-', 'feedback-1e3', '7'])
      expect(await admin.send('GET', `/ratings?after=${after}`)).toMatchObject({
        status: 400,
        body: { error: { param: 'after' } },
      })
  })
})
