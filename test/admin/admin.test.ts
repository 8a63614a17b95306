import { saidBy } from '../../src/core/reason.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { parseConfig } from '../../src/config/config.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import { saveDecisionFacts } from '../../src/lifecycle/proof-file.ts'
import type { TemplateEconomics } from '../../src/core/cost/template-economics.ts'
import type { SavingsReport } from '../../src/savings/savings.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import type { OpenStore } from '../../src/store/store.ts'
import { addTraffic } from '../kit/store/add-traffic.ts'
import { adminApp, TOKEN } from '../kit/records/admin-app.ts'
import { requestOf } from '../kit/records/audited.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleInternalization,
  exampleOutcome,
  exampleRecord,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { exampleFacts, exampleJudged } from '../kit/records/facts.ts'
import { exampleStatus } from '../kit/records/process-status.ts'
import { exampleEvidence } from '../kit/records/rollout.ts'
import { changedConstants } from '../kit/process/loop-settings.ts'

const PRICES = { input: 1, cachedInput: 0.5, output: 10 }
const EXAMPLE_PRICE = { model: 'gpt-4o-mini', asOf: '2026-11-01', ...PRICES }
const DAY_MS = 86_400_000

/** A record whose request matches the example template. */
const matchingRecord = (index: number) => exampleRecord(index, { request: requestOf(index) })

interface Answer<T> {
  status: number
  body: T
}

describe('admin API', () => {
  let dataDir: string
  let store: OpenStore
  let app: Hono
  let now = 50_000
  let refreshes: number
  let faults: unknown[]

  const send = async <T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` }
  ): Promise<Answer<T>> => {
    const response = await app.request(`/admin/api${path}`, {
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as T }
  }
  const get = <T = Record<string, unknown>>(path: string) => send<T>('GET', path)
  const post = <T = Record<string, unknown>>(path: string, body?: unknown) =>
    send<T>('POST', path, body)

  beforeEach(async () => {
    refreshes = 0
    faults = []
    dataDir = mkdtempSync(join(tmpdir(), 'admin-'))
    store = await openLocalStore({ dataDir })
    await store.templates.upsert([exampleTemplate()])
    app = adminApp(
      store,
      () => now,
      {
        onFault: (error) => void faults.push(error),
        now: () => now++,
        refreshRoutes: async () => void refreshes++,
        status: () => exampleStatus({ routes: 3 }),
        settings: () => parseConfig({ UPSTREAM_API_KEY: 'sk-secret', MARGIN: '0.1' }).settings,
        costUsd: (_model, usage) => usage && usage.prompt_tokens / 1000,
        prices: [EXAMPLE_PRICE],
        newId: () => 'new-id',
      },
      { ENGINE_USD_PER_HOUR: '2', ...changedConstants({ auditShare: 0 }) }
    ).all('*', () => {
      throw new Error('this would have reached the upstream')
    })
  })

  afterEach(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })

  describe('access', () => {
    it('requires the token for every path, the description included', async () => {
      for (const authorization of ['', 'Bearer wrong', TOKEN, `bearer ${TOKEN}`]) {
        const answer = await send('GET', '/openapi.json', undefined, { authorization })
        expect(answer).toMatchObject({
          status: 401,
          body: { error: { type: 'authentication_error', code: 'unauthorized' } },
        })
      }
      expect((await send('GET', '/status', undefined, {})).status).toBe(401)
    })

    it('keeps unknown paths from the upstream', async () => {
      const outside = await app.request('/admin/x', {
        headers: { authorization: `Bearer ${TOKEN}` },
      })
      // the page asks for a sign-in
      expect(outside.status).toBe(303)
    })

    it.each<[line: string, body: unknown, status: number, error: object]>([
      ['GET /nothing', undefined, 404, { message: 'there is no GET /admin/api/nothing' }],
      ['GET /templates/nothing', undefined, 404, { code: 'not_found' }],
      ['GET /internalizations/nothing', undefined, 404, { code: 'not_found' }],
      ['POST /internalizations/nothing/rollback', undefined, 404, { code: 'not_found' }],
      ['POST /internalizations/a/approve', undefined, 409, { code: 'invalid_state' }],
      ['POST /internalizations/a/approve', { share: 0 }, 409, { code: 'invalid_state' }],
      ['POST /internalizations/a/rollback', '{"reason":', 400, { code: 'invalid_request' }],
      ['POST /internalizations/a/rollback', { reason: 7 }, 400, { param: 'reason' }],
      ['POST /internalizations/a/approve', { reason: ' '.repeat(301) }, 400, { param: 'reason' }],
      ['GET /records?limit=501', undefined, 400, { param: 'limit' }],
      ['GET /records?from=yesterday', undefined, 400, { param: 'from' }],
      ['POST /forget', {}, 400, { code: 'invalid_request' }],
      ['POST /forget', { recordIds: [] }, 400, { param: 'recordIds' }],
    ])('refuses %s with %j, and changes nothing', async (line, body, status, error) => {
      const candidate = exampleInternalization('a')
      await store.internalizations.create(candidate)
      await store.records.append(batchOf([exampleRecord(1)]))
      const [method, path] = line.split(' ')
      expect(await send(method!, path!, body)).toMatchObject({ status, body: { error } })
      expect(await store.internalizations.get('a')).toMatchObject({ state: candidate.state })
      expect(await store.routes.list()).toEqual([])
      expect(await store.records.list({ limit: 9 })).toHaveLength(1)
    })

    it('describes every operation in OpenAPI', async () => {
      const { body } = await get<{ paths: Record<string, object>; servers: unknown }>(
        '/openapi.json'
      )
      const operations = Object.entries(body.paths).flatMap(([path, item]) =>
        Object.keys(item).map((method) => `${method} ${path}`)
      )
      expect(operations.toSorted()).toEqual([
        'get /internalizations',
        'get /internalizations/{id}',
        'get /internalizations/{id}/examples',
        'get /internalizations/{id}/pairs',
        'get /internalizations/{id}/proof',
        'get /ratings',
        'get /records',
        'get /savings',
        'get /settings',
        'get /status',
        'get /templates',
        'get /templates/{version}',
        'post /forget',
        'post /internalizations/{id}/approve',
        'post /internalizations/{id}/rollback',
        'post /templates/{version}/internalize',
        'put /records/{id}/rating',
        'put /templates/{version}/fields',
        'put /templates/{version}/label',
      ])
      expect(body.servers).toEqual([{ url: '/admin/api' }])
    })
  })

  const putRule = (given: object) => send('PUT', '/templates/version-1/fields', given)

  describe('templates', () => {
    it('lists anchors, slots, traffic and the newest internalization', async () => {
      await store.records.append(batchOf([exampleRecord(1, { route: exampleOutcome() })]))
      await store.internalizations.create(
        exampleInternalization('old', { state: { name: 'failed', reason: saidBy('x') } })
      )
      await store.internalizations.create(exampleApproved('new', { createdAt: 2_000 }))
      const { status, body } = await get<{ data: object[] }>('/templates')
      expect(status).toBe(200)
      expect(body.data).toMatchObject([
        {
          version: 'version-1',
          anchors: { count: 2 },
          slots: [{ name: 'date', type: 'short', kept: false }],
          removed: [
            { name: '', holds: 'constant' },
            { name: 'date', holds: 'shapes', count: 73, seen: [] },
          ],
          stats: { requests: 1, answered: 1, promptTokensSaved: 790 },
          internalization: { id: 'new', state: { name: 'approval' }, result: { coverage: 0.6 } },
          liveInternalizationId: null,
        },
      ])
    })

    it('shows one with its messages', async () => {
      const { body } = await get('/templates/version-1')
      expect(body).toMatchObject({ ...exampleTemplate() })
    })

    it('shows whether internalizing pays, with the figures', async () => {
      const records = [0, 1, 2, 3, 4].map((index) => ({
        ...matchingRecord(index),
        at: 1_000 + index * DAY_MS,
      }))
      await addTraffic(store, records)
      const { body } = await get<{ data: { economics: TemplateEconomics }[] }>('/templates')
      const [{ economics }] = body.data as [{ economics: TemplateEconomics }]
      expect(economics).toMatchObject({
        verdict: 'does-not-pay',
        price: EXAMPLE_PRICE,
        traffic: { calls: 5, from: 1_000, to: 1_000 + 4 * DAY_MS },
        coverage: { answered: 1, source: 'assumed' },
      })
      expect(economics.reason).toContain('its share of the engine costs 1460.00 USD')
      expect((await get('/templates/version-1')).body).toMatchObject({ economics })
    })

    it('takes a label of a person, and gives it back until it is taken away', async () => {
      const put = (label: unknown) => send('PUT', '/templates/version-1/label', { label })
      expect((await get('/templates/version-1')).body).toMatchObject({ label: null })
      expect(await put(' Intents ')).toMatchObject({ status: 200, body: { label: 'Intents' } })
      expect((await get('/templates')).body).toMatchObject({ data: [{ label: 'Intents' }] })
      for (const label of ['', 'x'.repeat(61), 7])
        expect(await put(label)).toMatchObject({ status: 400, body: { error: { param: 'label' } } })
      expect(await put(null)).toMatchObject({ status: 200, body: { label: null } })
      expect((await get('/templates/version-1')).body).toMatchObject({ label: null })
      const unknown = await send('PUT', '/templates/unknown/label', { label: 'x' })
      expect(unknown).toMatchObject({ status: 404 })
    })

    it('takes rules for fields with who and why, and gives them back until they are removed', async () => {
      const free = { path: '["order"].id', rule: { kind: 'free' }, why: ' thrown away ' }
      const stored = { path: 'order.id', rule: { kind: 'free' }, by: 'admin', why: 'thrown away' }
      const cents = { path: 'total', rule: { kind: 'rounded', to: 0.01 }, why: 'cents' }
      expect(await putRule(cents)).toMatchObject({ status: 200, body: { data: [cents] } })
      expect(await putRule(free)).toMatchObject({ status: 200, body: { data: [stored, cents] } })
      expect((await get('/templates/version-1')).body).toMatchObject({ fields: [stored, cents] })
      for (const [param, wrong] of [
        ['path', { ...free, path: 'a..b' }],
        ['rule', { ...free, path: '.' }],
        ['rule', { ...free, path: '.', rule: { kind: 'written' } }],
        ['rule.to', { ...cents, rule: { kind: 'rounded', to: 0 } }],
        ['rule.kind', { ...cents, rule: { kind: 'near' } }],
        ['why', { ...free, why: '  ' }],
        ['why', { ...free, why: 'x'.repeat(301) }],
      ] as const)
        expect(await putRule(wrong)).toMatchObject({ status: 400, body: { error: { param } } })
      const written = { path: 'reply', rule: { kind: 'written' }, why: 'no two are equal' }
      expect(await putRule(written)).toMatchObject({ body: { data: [stored, written, cents] } })
      expect(await putRule({ path: 'reply', rule: null })).toMatchObject({ status: 200 })
      const removal = { path: 'total', rule: null }
      expect(await putRule(removal)).toMatchObject({ status: 200, body: { data: [stored] } })
      expect(await putRule(removal)).toMatchObject({ status: 404 })
      expect(await send('PUT', '/templates/unknown/fields', free)).toMatchObject({ status: 404 })
    })

    it('has at most fifty rules for fields', async () => {
      const rule = { rule: { kind: 'set' }, why: 'x' }
      for (let i = 0; i < 50; i++) await putRule({ path: `field${i}`, ...rule })
      expect(await putRule({ path: 'field50', ...rule })).toMatchObject({ status: 400 })
      expect(await putRule({ path: 'field7', ...rule })).toMatchObject({ status: 200 })
    })

    it('starts an internalization once', async () => {
      const reason = 'it costs most'
      expect(await post('/templates/version-1/internalize', { reason })).toMatchObject({
        status: 201,
        body: { id: 'new-id', state: { name: 'candidate' }, result: null },
      })
      expect(await post('/templates/version-1/internalize')).toMatchObject({
        status: 409,
        body: { error: { code: 'conflict' } },
      })
      const [entry] = await store.internalizations.history('new-id')
      expect(entry).toMatchObject({ by: 'admin', note: reason })
    })
  })

  describe('internalizations', () => {
    it('shows plan, verdict, history and live progress', async () => {
      await store.internalizations.create(
        exampleApproved('a', { state: { name: 'training', arm: 0, stage: 1 } })
      )
      const progress = { stage: 1, metrics: { step: 5, eta_seconds: 60 } }
      await store.snapshots.put('progress:a', Buffer.from(JSON.stringify(progress)))
      const { body } = await get('/internalizations/a')
      const { plan, verdict } = exampleApproved()
      expect(body).toMatchObject({
        id: 'a',
        state: { name: 'training', arm: 0, stage: 1 },
        plan,
        holdout: plan!.holdout,
        earlierTries: 0,
        verdict,
        history: [{ from: null, by: 'worker' }],
        progress,
        evaluatedRows: 0,
      })
    })

    it('shows the slices of a verdict, and an empty list where none was large enough', async () => {
      const { verdict } = exampleApproved()
      const slice = {
        slice: 'turn 2',
        rows: 80,
        agreement: 0.95,
        lowerBound: 0.89,
        upstreamAgreement: 1,
        holds: true,
      }
      const arms = verdict!.arms.map((arm) => ({ ...arm, slices: [slice] }))
      await store.internalizations.create(exampleApproved('old'))
      const changes = { templateVersion: 'version-2', verdict: { ...verdict!, arms } }
      await store.internalizations.create(exampleApproved('new', changes))
      expect((await get('/internalizations/new')).body).toMatchObject({
        result: { agreementAnsweredBound: 0.96, slices: [slice] },
      })
      expect((await get('/internalizations/old')).body).toMatchObject({ result: { slices: [] } })
    })

    it('approves: the route is live, and the history names the admin', async () => {
      await store.internalizations.create(exampleApproved('a'))
      expect(await post('/internalizations/a/approve')).toMatchObject({
        status: 200,
        body: { state: { name: 'live' } },
      })
      const [route] = await store.routes.list()
      expect(route).toMatchObject({ internalizationId: 'a', lora: 'lora-of-arm-1' })
      expect(refreshes).toBe(1)
      expect((await store.internalizations.history('a')).at(-1)).toMatchObject({
        by: 'admin',
        to: { name: 'live' },
      })
    })

    it('rejects and retires with the reason given', async () => {
      await store.internalizations.create(exampleApproved('a'))
      const rejected = await post('/internalizations/a/rollback', { reason: 'too risky' })
      expect(rejected.body).toMatchObject({
        ended: {
          state: { name: 'rejected', reason: { code: 'said', figures: { text: 'too risky' } } },
          says: 'too risky',
          helps: null,
        },
      })
      await store.internalizations.create(exampleApproved('b'))
      await post('/internalizations/b/approve')
      const wanted = { reason: 'season is over', keepPreviousRetired: true }
      const retired = await post('/internalizations/b/rollback', wanted)
      expect(retired.body).toMatchObject({
        ended: { state: { name: 'retired', reason: saidBy('season is over') } },
        restored: null,
      })
      expect(await store.routes.list()).toEqual([])
    })

    it('rolls back to the previous internalization', async () => {
      for (const id of ['a', 'b']) {
        await store.internalizations.create(exampleApproved(id))
        await post(`/internalizations/${id}/approve`)
      }
      refreshes = 0
      const { status, body } = await post('/internalizations/b/rollback')
      expect(refreshes).toBe(1)
      expect(status).toBe(200)
      expect(body).toMatchObject({
        ended: { id: 'b', state: { name: 'retired', reason: { code: 'by-a-person' } } },
        restored: { id: 'a', state: { name: 'live' } },
      })
      expect((await store.routes.list())[0]).toMatchObject({ internalizationId: 'a' })
    })

    it('gives the proof file of a verdict', async () => {
      const path = '/internalizations/internalization-1/proof'
      await store.internalizations.create(exampleJudged())
      expect(await get(path)).toMatchObject({
        status: 409,
        body: { error: { code: 'invalid_state' } },
      })
      await saveDecisionFacts(store, 'internalization-1', exampleFacts())
      const { status, body } = await send('GET', path)
      expect(status).toBe(200)
      expect(verifyProof(body).checks.filter(({ holds }) => !holds)).toEqual([])
    })

    it('shows prompted and adapted answers side by side', async () => {
      await store.records.append(batchOf([matchingRecord(1), matchingRecord(2)]))
      const plan = exampleApproved().plan!
      const holdoutRecordIds = ['record-1', 'record-2', 'gone']
      await store.internalizations.create(
        exampleApproved('internalization-1', { plan: { ...plan, holdoutRecordIds } })
      )
      await store.internalizations.addEvaluations([
        // a validation row is not a held-out row
        exampleEvaluation('trained', { arm: 1, logprobMin: 0 }),
        exampleEvaluation('record-1', {
          arm: 1,
          logprobMin: -0.5,
          answer: 'other',
          agrees: false,
        }),
        exampleEvaluation('record-2', { arm: 1, logprobMin: -0.1, answer: 'intent_2' }),
        exampleEvaluation('gone', { arm: 1, logprobMin: -0.9 }),
        exampleEvaluation('record-1', { arm: 0 }),
      ])
      const path = '/internalizations/internalization-1/examples'
      const { body } = await get<{ data: object[] }>(`${path}?limit=3`)
      expect(body.data).toEqual([
        {
          recordId: 'record-1',
          query: 'question 1',
          outcome: 'text',
          promptedAnswer: 'intent_1',
          adaptedAnswer: 'other',
          deferred: null,
          agrees: false,
          confidence: -0.5,
          isAboveThreshold: false,
          freshUpstreamAnswer: null,
          fieldsApart: [],
        },
        {
          recordId: 'record-2',
          query: 'question 2',
          outcome: 'text',
          promptedAnswer: 'intent_2',
          adaptedAnswer: 'intent_2',
          deferred: null,
          agrees: true,
          confidence: -0.1,
          isAboveThreshold: true,
          freshUpstreamAnswer: null,
          fieldsApart: [],
        },
        expect.objectContaining({ recordId: 'gone', query: null, promptedAnswer: null }),
      ])
      const other = await get<{ data: object[] }>(`${path}?arm=0`)
      expect(other.body.data).toMatchObject([{ recordId: 'record-1', isAboveThreshold: null }])
      expect((await get<{ data: object[] }>(`${path}?field=id`)).body.data).toEqual([])
      expect((await get(`${path}?field=a..b`)).status).toBe(400)
    })
  })

  describe('log', () => {
    interface Page {
      data: { id: string; request?: string }[]
      next: number | null
    }

    it('pages through records, with bodies only on request', async () => {
      await store.records.append(batchOf([1, 2, 3].map((index) => exampleRecord(index))))
      const first = (await get<Page>('/records?limit=2')).body
      expect(first.data.map(({ id }) => id)).toEqual(['record-3', 'record-2'])
      expect(first.data[0]).not.toHaveProperty('request')
      const second = (await get<Page>(`/records?limit=2&after=${first.next}&bodies=true`)).body
      expect(second.data).toMatchObject([
        { id: 'record-1', request: exampleRecord(1).request, response: exampleRecord(1).response },
      ])
      expect(second.next).toBeNull()
      const oldest = (await get<Page>('/records?limit=1&order=asc&after=0')).body
      expect(oldest.data[0]!.id).toBe('record-1')
      expect((await get<Page>('/records?template=version-1')).body.data).toEqual([])
    })

    it('searches records by tenant, outcome, status and conversation', async () => {
      const other = { tenant: 'tenant-b', status: 500 }
      await store.records.append(
        batchOf([
          exampleRecord(1),
          exampleRecord(2, other),
          exampleRecord(3, { route: exampleOutcome() }),
        ])
      )
      const found = async (query: string): Promise<string[]> => {
        const { body } = await get<Page>(`/records?${query}`)
        expect(body).toMatchObject({ next: null, isPartial: false })
        return body.data.map(({ id }) => id)
      }
      expect(await found('tenant=tenant-b')).toEqual(['record-2'])
      expect(await found('outcome=none&status=2xx')).toEqual(['record-1'])
      expect(await found('outcome=answered&order=asc')).toEqual(['record-3'])
      expect(await found('conversation=record-3')).toEqual(['record-3'])
      expect(await found(`text=${encodeURIComponent('CARTE N° 15838')}`)).toEqual(['record-2'])
      expect(await found('text=intent_3&from=1970-01-01&to=1970-01-01')).toEqual(['record-3'])
      expect(await found('text=intent_3&from=1970-01-02')).toEqual([])
      expect((await get('/records?conversation=unknown')).status).toBe(404)
      expect((await get('/records?outcome=unknown')).status).toBe(400)
    })

    it('shows missing usage and its cost as null', async () => {
      await store.records.append(
        batchOf([
          exampleRecord(1),
          exampleRecord(2, { usage: null }),
          exampleRecord(3, { route: exampleOutcome() }),
        ])
      )
      expect((await get<Page>('/records?order=asc')).body.data).toMatchObject([
        { usage: exampleRecord(1).usage, estimatedUsage: null, costUsd: 0.801 },
        { usage: null, estimatedUsage: { completion_tokens: 3 }, costUsd: null },
        // a lora answered: the upstream charges nothing
        { costUsd: null },
      ])
    })

    it('tells the settings in force, without secrets', async () => {
      const { body } = await get<{ data: object[] }>('/settings')
      expect(body.data).toContainEqual({ name: 'MARGIN', value: '0.1', isDefault: false })
      expect(body.data).toContainEqual({ name: 'PORT', value: '8787', isDefault: true })
      expect(body.data).toContainEqual({ name: 'UPSTREAM_API_KEY', value: 'set', isDefault: false })
      expect(JSON.stringify(body)).not.toContain('sk-secret')
    })

    it('says what was spent and saved, by period and template', async () => {
      await store.templates.upsert([exampleTemplate('version-2')])
      await store.records.append(
        batchOf([
          exampleRecord(1, { route: exampleOutcome() }),
          exampleRecord(2, { route: exampleOutcome({ templateVersion: 'version-2' }) }),
          exampleRecord(3, {
            route: exampleOutcome({ outcome: 'fallback', promptTokensSaved: 0 }),
          }),
        ])
      )
      const body = (await get('/savings')).body as unknown as SavingsReport
      expect(body.engineUsdPerHour).toBe(2)
      expect(body.periods.all).toMatchObject({
        from: 0,
        unpricedSpent: 0,
        unpricedAnswers: 2,
        templates: [
          { version: 'version-1', answered: 1, discarded: 1, usd: null },
          { version: 'version-2', answered: 1, discarded: 0, usd: null },
        ],
      })
      expect(Object.keys(body.periods).toSorted()).toEqual(['all', 'day', 'month', 'week'])
    })

    it('shows the status of the process and counts states', async () => {
      await store.internalizations.create(exampleApproved('a'))
      expect((await get('/status')).body).toEqual({
        ...exampleStatus({ routes: 3 }),
        templates: 1,
        internalizations: { approval: 1 },
        forgetting: 0,
      })
    })
  })

  describe('forget', () => {
    beforeEach(async () => {
      await store.records.append(batchOf([1, 2, 3].map((index) => exampleRecord(index))))
      await store.internalizations.create(exampleApproved('a'))
    })

    it('deletes records and names the loras trained on them', async () => {
      const body = { recordIds: ['record-1', 'record-3', 'unknown'] }
      const learned = [
        {
          id: 'a',
          templateVersion: 'version-1',
          state: 'approval',
          trained: 1,
          heldOut: 1,
          loras: ['lora-of-arm-0', 'lora-of-arm-1'],
        },
      ]
      expect((await post('/forget', { ...body, dryRun: true })).body).toEqual({
        dryRun: true,
        records: 2,
        bodies: null,
        learned,
        task: null,
      })
      expect(await store.records.list({ limit: 9 })).toHaveLength(3)
      expect((await post('/forget', body)).body).toEqual({
        dryRun: false,
        records: 2,
        bodies: 4,
        learned,
        task: 'forget:new-id',
      })
      expect((await store.records.list({ limit: 9 })).map(({ id }) => id)).toEqual(['record-2'])
      expect((await get('/status')).body).toMatchObject({ forgetting: 1 })
    })

    it('retires routes before it answers, if the request says so', async () => {
      await post('/internalizations/a/approve')
      refreshes = 0
      await post('/forget', { recordIds: ['record-1'], retire: true, dryRun: true })
      expect(refreshes).toBe(0)
      await post('/forget', { recordIds: ['record-1'], retire: true })
      expect([refreshes, await store.routes.list()]).toEqual([1, []])
    })

    it('leaves what its evidence rolled back disproved: it never goes live again', async () => {
      const evidence = exampleEvidence()
      const state = { name: 'retired', reason: saidBy('its pairs'), evidence } as const
      await store.internalizations.create(exampleApproved('b', { state }))
      await post('/forget', { recordIds: ['record-1'], retire: true })
      expect((await get('/internalizations/b')).body).toMatchObject({ state: { evidence } })
      const again = await post('/internalizations/b/approve')
      expect(again).toMatchObject({
        status: 409,
        body: { error: { message: expect.stringContaining('rolled back by its evidence') } },
      })
    })
  })
})
