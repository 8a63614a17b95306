/** The overview: what a person has to decide, what is wrong, and what was saved. */
import { lossRisen } from '../../src/core/internalization/change-reason.ts'
import { saidBy } from '../../src/core/reason.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { pausedStage } from '../../src/core/rollout/stages.ts'
import { newTaskName, saveTask } from '../../src/lifecycle/forget-task.ts'
import { saveRolloutReport, type RolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { addTraffic } from '../kit/store/add-traffic.ts'
import { routedRecord } from '../kit/records/audited.ts'
import {
  exampleApproved,
  exampleInternalization,
  exampleOutcome,
  exampleRecord,
  exampleTemplate,
  LIVE_STATE,
} from '../kit/records/examples.ts'
import { KNOWN_MODELS } from '../../src/models/known.ts'
import { modelFolder } from '../../src/models/pull.ts'
import { exampleStatus } from '../kit/records/process-status.ts'
import { exampleEvidence, exampleReport, liveAt, STAGED, stageOf } from '../kit/records/rollout.ts'
import { linkIn, openPage, type Page } from './harness.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const NOW = 400 * DAY_MS + 5 * HOUR_MS
const PRICE = { model: 'gpt-4o-mini', asOf: '2026-11-01', input: 1, cachedInput: 0.5, output: 10 }

const CANARY = liveAt(0.05)

/** So many minutes ago. */
const failing = (index: number, changes: Partial<ExchangeRecord> = {}): ExchangeRecord =>
  exampleRecord(index, { at: NOW - index * 60_000, status: 502, response: null, ...changes })

describe('the overview', () => {
  let page: Page
  let status = exampleStatus()

  const open = async (...[changes, environment]: Parameters<typeof openPage>) => {
    page = await openPage({ status: () => status, rollout: STAGED, ...changes }, environment)
    page.clock.now = NOW
    await page.signIn()
  }

  beforeEach(async () => {
    status = exampleStatus()
    await open()
  })

  afterEach(() => page.close())

  const log = (...records: ExchangeRecord[]) => page.store.records.append(batchOf(records))

  const report = (changes: Partial<RolloutReport>) =>
    saveRolloutReport(page.store, 'live-one', exampleReport({ stage: CANARY.stage, ...changes }))

  const goLive = async (changes: Partial<RolloutReport> = {}) => {
    await page.store.internalizations.create(exampleApproved('live-one', { state: CANARY }))
    await report(changes)
  }

  it('says that nothing waits, and how requests come here, while there are none', async () => {
    const markup = await page.view('/admin')
    expect(markup).toContain('Nothing waits for a decision, and nothing is wrong.')
    expect(markup).toContain('No request was logged in this time.')
    expect(markup).not.toContain('data-plot')
  })

  it('begins with what waits for a decision, in words that can be decided by', async () => {
    await page.store.templates.upsert([exampleTemplate()])
    await page.store.templates.label('version-1', 'Intents <i>')
    await page.store.internalizations.create(exampleApproved('waits'))
    const markup = await page.view('/admin')
    expect(markup).toContain('Intents &lt;i&gt;')
    expect(markup).toContain(
      'would answer 60.0 % of the requests; of these at least 96.0 % agree with the upstream (98.0 % observed on 1 held-out request).'
    )
    expect(markup).toContain(
      '<a href="/admin/internalizations/waits?open=approve">Review and decide</a>'
    )
    expect(markup).not.toContain('nothing is wrong')
  })

  it.each<[string, Partial<RolloutReport>, string]>([
    ['a route may step', { mayStep: true }, 'can enter the stage canary 25 %'],
    [
      'its traffic drifted',
      { driftedAt: 9_000, drift: lossRisen(exampleEvidence()) },
      'its traffic has changed: it disagrees',
    ],
  ])('tells that %s', async (_name, changes, said) => {
    await goLive()
    expect(await page.view('/admin')).toContain('nothing is wrong')
    await report(changes)
    expect(await page.view('/admin')).toContain(said)
  })

  it.each([
    [10, /notice bad[^<]*>The provider’s model .*gpt-4o-mini.* is retired on .*, in 10 days/],
    [40, /notice waits[^<]*>The provider’s model .*gpt-4o-mini.* is retired on .*, in 40 days/],
    [-3, /notice bad[^<]*>The provider’s model .*gpt-4o-mini.* was retired on/],
  ])('tells that the model of a template is retired, %d days before', async (days, said) => {
    await page.close()
    const deprecatedOn = new Date(NOW + days * DAY_MS).toISOString().slice(0, 10)
    const priced = { prices: [{ ...PRICE, deprecatedOn }] }
    await open(priced)
    await page.store.templates.upsert([exampleTemplate()])
    const markup = await page.view('/admin')
    expect(markup).toMatch(said)
    expect(markup).toContain('>1 template</a>')
  })

  it('tells of a template that is followed to another model without an alarm, and how far it is', async () => {
    await page.close()
    const deprecatedOn = new Date(NOW + 10 * DAY_MS).toISOString().slice(0, 10)
    const priced = { prices: [{ ...PRICE, deprecatedOn }] }
    await open(priced)
    const moved = { model: 'gpt-6-luna', movedFrom: 'version-1' }
    await page.store.templates.upsert([
      exampleTemplate(),
      { ...exampleTemplate('version-2'), ...moved },
    ])
    const shown = async () => (await page.view('/admin')).replaceAll(/<[^>]+>/g, '')
    expect(await page.view('/admin')).toMatch(/notice plain[^<]*>The provider’s model/)
    expect(await shown()).toMatch(/1 template followed by [^(]+\(gpt-6-luna, proving\)/)
    const live = { templateVersion: 'version-2', state: LIVE_STATE }
    await page.store.internalizations.create(exampleApproved('live-two', live))
    expect(await shown()).toContain('(gpt-6-luna, live)')
  })

  it('tells that a person has paused a route', async () => {
    await page.store.internalizations.create(
      exampleApproved('live-one', {
        state: { name: 'live', stage: pausedStage(stageOf(1)) },
      })
    )
    const markup = await page.view('/admin')
    expect(markup).toContain('has been paused since')
    expect(markup).toContain('/admin/internalizations/live-one')
  })

  it('tells nothing of a report whose route is live no more', async () => {
    await goLive({ driftedAt: 9_000 })
    const row = (await page.store.internalizations.get('live-one'))!
    await page.store.internalizations.save(
      { ...row, state: { name: 'retired', reason: saidBy('by a person') } },
      'admin',
      NOW
    )
    expect(await page.view('/admin')).toContain('nothing is wrong')
  })

  it.each([
    ['the engine is away', exampleStatus({ engineReachable: false }), 'The engine does not answer'],
    ['the worker restarts', exampleStatus({ worker: 'restarting' }), 'The worker is restarting'],
    [
      'the log dropped some',
      exampleStatus({ log: { ...exampleStatus().log, dropped: 7 } }),
      'has dropped 7 exchanges since the server started, because',
    ],
    [
      'the log takes none',
      exampleStatus({ logIsTaken: false, log: { ...exampleStatus().log, dropped: 7 } }),
      'The log accepts no records',
    ],
  ])('tells that %s', async (_name, now, said) => {
    status = now
    expect(await page.view('/admin')).toContain(said)
  })

  describe('of an upstream that fails', () => {
    it('says in red how many requests failed, why the newest did, and where they are', async () => {
      const error = { error: { message: 'the model is <b>overloaded', type: 'server_error' } }
      await log(
        failing(3),
        failing(2, { status: 503, response: JSON.stringify(error) }),
        exampleRecord(4, { at: NOW - 60_000 })
      )
      const markup = await page.view('/admin')
      expect(markup).toMatch(/<p class="notice bad" role="alert">2 of 3 requests since 04:00 UTC/)
      expect(markup).toContain('failed (66.7 %)')
      expect(markup).toMatch(/status 503, <bdi>the model is &lt;b&gt;overloaded<\/bdi>/)
      expect(markup).toContain('<a href="/admin/records?status=5xx">all that failed</a>')
      expect(markup).not.toContain('nothing is wrong')
      expect(markup).toContain('66.7 % of 3 requests failed')
    })

    it('says what to look at where no answer came', async () => {
      await log(failing(1))
      expect(await page.view('/admin')).toContain('check UPSTREAM_BASE_URL and the network')
    })

    it.each([
      ['of long ago is amber', [failing(30)]],
      [
        'of one in many is amber',
        [failing(1), ...Array.from({ length: 150 }, (_, i) => exampleRecord(i + 10, { at: NOW }))],
      ],
    ])('%s', async (_name, records) => {
      await log(...records)
      expect(await page.view('/admin')).toMatch(/<p class="notice waits" role="status">1 of /)
    })

    it('is forgotten after two hours, but for the share of the period', async () => {
      await log(failing(180))
      const markup = await page.view('/admin')
      expect(markup).toContain('nothing is wrong')
      expect(markup).toContain('100.0 % of 1 request failed')
      await log(exampleRecord(999, { at: NOW - 26 * HOUR_MS }))
      expect(await page.view('/admin?period=week')).toContain('50.0 % of 2 requests failed')
    })
  })

  describe('without an engine', () => {
    const folder = modelFolder(
      './data/models',
      KNOWN_MODELS.find(({ name }) => name === 'minilm')!.repository!
    )

    beforeEach(() => {
      status = exampleStatus({ engine: 'none', engineReachable: false, worker: 'running' })
    })

    it('says what waits for one, and which setting brings it', async () => {
      await page.store.internalizations.create(exampleInternalization('waits'))
      const markup = await page.view('/admin')
      expect(markup).toContain('1 internalization waits for an engine: ENGINE is none')
      expect(markup).toContain('npx promptintern models pull minilm')
      expect(markup).toContain(`ENGINE=onnx ENCODER_PATH=./${folder}`)
      expect(markup).toContain('notice waits')
      expect(markup).not.toContain('nothing is wrong')
    })

    it('says how many templates would pay, once that is worked out', async () => {
      await page.close()
      await open({ prices: [PRICE] })
      await page.store.templates.upsert([exampleTemplate()])
      const usage = { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_010 }
      const records = Array.from({ length: 48 }, (_, i) =>
        routedRecord(i, 'skipped', { at: NOW - i * HOUR_MS, route: null, usage })
      )
      await addTraffic(page.store, records)
      expect(await page.view('/admin')).toContain('1 recurring prompt found. ENGINE is none')
      await page.view('/admin/templates?economics=1')
      expect(await page.view('/admin')).toContain(
        '1 template would save money and waits for an engine'
      )
    })

    it('says in red that live routes answer nothing', async () => {
      await goLive()
      const markup = await page.view('/admin')
      expect(markup).toMatch(/notice bad"[^>]*>ENGINE is none, so 1 live route is inactive/)
    })
  })

  it('lists live routes with their promise, and the way to take one back', async () => {
    await page.store.templates.upsert([exampleTemplate()])
    await page.store.templates.label('version-1', 'Tickets')
    await goLive()
    const markup = await page.view('/admin')
    expect(markup).toContain('<a href="/admin/internalizations/live-one">Tickets</a>')
    expect(markup).toContain('97.5 % agree, at least 91.8 %; promised 95.0 %')
    expect(markup).toContain('<span class="badge waits">above the promise, not proven yet</span>')
    expect(markup).toContain('/admin/internalizations/live-one?open=roll-back')
  })

  it('lists what was rejected lately with its cause, unless a newer try is on', async () => {
    const rejected = (id: string, templateVersion: string, updatedAt: number) =>
      page.store.internalizations.create(
        exampleInternalization(id, {
          templateVersion,
          updatedAt,
          state: { name: 'rejected', reason: saidBy('the answers are free text') },
        })
      )
    await rejected('lately', 'v1', NOW - DAY_MS)
    await rejected('long-ago', 'v2', NOW - 8 * DAY_MS)
    await rejected('before', 'v3', NOW - DAY_MS)
    await page.store.internalizations.create(
      exampleInternalization('after', { templateVersion: 'v3', createdAt: NOW })
    )
    const markup = await page.view('/admin')
    expect(markup).toContain('<a href="/admin/internalizations/lately">')
    expect(markup).toContain('The answers are free text.')
    expect(markup).not.toContain('/admin/internalizations/long-ago')
    expect(markup).not.toContain('/admin/internalizations/before"')
  })

  it('does not miss an engine that was never wanted', async () => {
    status = exampleStatus({ engine: 'none', engineReachable: false, worker: 'elsewhere' })
    expect(await page.view('/admin')).toContain('nothing is wrong')
  })

  it('tells what failed in the last week, and that the worker has something to forget', async () => {
    const failed = { name: 'failed', reason: saidBy('out of <i>memory') } as const
    for (const [id, updatedAt] of [
      ['lately', NOW - DAY_MS],
      ['long-ago', NOW - 8 * DAY_MS],
    ] as const)
      await page.store.internalizations.create(
        exampleInternalization(id, { templateVersion: id, state: failed, updatedAt })
      )
    await saveTask(page.store, newTaskName('1'), {
      learned: [],
      loras: [],
      templates: [],
      isForgotten: true,
      isScrubbed: false,
    })
    const markup = await page.view('/admin')
    expect(markup).toContain('out of &lt;i&gt;memory')
    expect(markup).toContain('/admin/internalizations/lately')
    expect(markup).not.toContain('/admin/internalizations/long-ago')
    expect(markup).toContain('has not finished 1 forget request yet')
  })

  it('shows the first of many that wait, and how many more there are', async () => {
    for (let index = 0; index < 8; index++)
      await page.store.internalizations.create(
        exampleApproved(`waits-${index}`, { templateVersion: `v${index}` })
      )
    const markup = await page.view('/admin')
    expect(markup.match(/waits for a decision/g)).toHaveLength(3)
    expect(markup).toContain('<a href="/admin/templates?state=approval">5 more like these</a>')
  })

  it('adds up the chosen period alone', async () => {
    const answered = exampleOutcome({ promptTokensSaved: 1_000 })
    await log(
      exampleRecord(1, { at: NOW - HOUR_MS, route: answered, durationMs: 20 }),
      exampleRecord(2, { at: NOW - 3 * DAY_MS, route: answered, durationMs: 20 }),
      exampleRecord(3, { at: NOW - 3 * DAY_MS, durationMs: 2_000 }),
      exampleRecord(4, { at: NOW - 20 * DAY_MS }),
      exampleRecord(5, { at: NOW - 60 * DAY_MS })
    )
    const requests = async (query: string) =>
      /<dt>Requests<\/dt><dd><strong>(\d+)</.exec(await page.view(`/admin${query}`))![1]
    expect(await requests('?period=day')).toBe('1')
    expect(await requests('?period=month')).toBe('4')
    expect(await requests('?period=nonsense')).toBe('3')
    const week = await page.view('/admin')
    expect(week).toContain('<h2>The last 7 days</h2>')
    expect(week).toContain('66.7 % of all, 100.0 % of those with a live route')
    expect(week).toContain('<strong>2,000</strong>')
    expect(week).toContain('Latency of the small model')
    expect(week).toMatch(/median; 95 % are below 2\.\d s/)
    expect(week).toContain('<a href="/admin?period=week" aria-current="true">7 days</a>')
  })

  it('draws the period as plots, with times without a request as zero', async () => {
    await log(exampleRecord(1, { at: NOW - DAY_MS }))
    const markup = await page.view('/admin')
    const plots = [...markup.matchAll(/data-plot="([^"]*)"/g)].map(
      ([, text]) =>
        JSON.parse(text!.replaceAll('&quot;', '"')) as {
          x: { values: number[] }
          series: { values: (number | null)[] }[]
        }
    )
    expect(plots).toHaveLength(4)
    for (const { x, series } of plots) {
      expect(x.values).toHaveLength(28)
      expect(x.values.at(-1)! * 1000).toBeLessThanOrEqual(NOW)
      for (const { values } of series) expect(values).toHaveLength(28)
    }
    const [requests, , , latency] = plots
    expect(requests!.series[0]!.values.filter((value) => value === 1)).toHaveLength(1)
    expect(requests!.series[0]!.values.filter((value) => value === 0)).toHaveLength(27)
    expect(latency!.series[1]!.values.filter((value) => value !== null)).toHaveLength(1)
  })

  describe('net savings', () => {
    it('are told for each period beside what was spent, and worked out only when they are asked for', async () => {
      await page.close()
      await open({ prices: [PRICE] }, { ENGINE_USD_PER_HOUR: '2' })
      await page.store.templates.upsert([exampleTemplate()])
      const records = [exampleRecord(1), exampleRecord(2, { route: exampleOutcome() })]
      await addTraffic(page.store, records)
      await page.store.internalizations.create(exampleApproved())
      const before = await page.view('/admin')
      expect(before).toContain('This is calculated from the log.')
      const link = linkIn(before, 'Calculate it now')
      const after = await page.view(link)
      expect(after).not.toContain('Calculate it now')
      for (const name of ['Spent', 'Saved', 'Costs', 'Net saved', '24 hours', '7 days', '30 days'])
        expect(after).toContain(name)
      expect(await page.view('/admin')).toContain('Net saved')
    })

    it('are not known without a price, and say so', async () => {
      await log(exampleRecord(1, { route: exampleOutcome() }))
      const markup = await page.view('/admin')
      expect(markup).toContain('not known')
      expect(markup).toContain('1 answer without a price')
    })
  })
})
