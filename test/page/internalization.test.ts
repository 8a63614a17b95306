/** The page of one internalization, from candidate to live route: what a person reads in each state. */
import { lossRisen } from '../../src/core/internalization/change-reason.ts'
import { reasonOf, saidBy } from '../../src/core/reason.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import { decide, type HeldOutRow } from '../../src/core/gate/gate.ts'
import type {
  Internalization,
  InternalizationState,
} from '../../src/core/internalization/internalization.ts'
import { progressSnapshot } from '../../src/core/internalization/internalization.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { OutcomeFigures } from '../../src/core/outcomes/outcome-figures.ts'
import { saveDecisionFacts } from '../../src/lifecycle/proof-file.ts'
import { saveJsonSnapshot } from '../../src/store/json-snapshot.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { addTraffic } from '../kit/store/add-traffic.ts'
import { answerBody } from '../kit/records/completion.ts'
import { addPairs, routedRecord } from '../kit/records/audited.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleInternalization,
  exampleRecord,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { exampleFacts, exampleJudged } from '../kit/records/facts.ts'
import {
  exampleBorder,
  exampleEvidence,
  exampleFeedback,
  exampleReport,
  exampleWithheld,
  noFeedback,
  STAGED,
} from '../kit/records/rollout.ts'
import { openPage, type Page } from './harness.ts'
import { heldOutRow } from '../kit/records/held-out-row.ts'

const VIEW = '/admin/internalizations/a'
const HOSTILE = '<svg onload=alert(1)>\u202egnp.exe'

const PRICE = {
  model: 'gpt-4o-mini',
  asOf: '2026-11-01',
  input: 1,
  cachedInput: 0.5,
  output: 10,
}

const rows = (slice: string): HeldOutRow[] =>
  Array.from({ length: 600 }, (_, i) =>
    heldOutRow(i, {
      agrees: i < 400 || i % 3 > 0,
      logprobSum: -i / 600,
      logprobMin: -i / 600,
      deferred: i % 30 === 0 ? 'tool-calls' : null,
      slices: [slice],
    })
  )

/** Requests of two days, with usage, so that their template has a price. */
const addPriced = async (outcome: 'answered' | 'skipped'): Promise<void> => {
  const usage = { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_010 }
  const records = Array.from({ length: 48 }, (_, i) =>
    routedRecord(i + 1, i % 2 === 0 ? outcome : 'skipped', { at: i * 3_600_000, usage })
  )
  await addTraffic(page.store, records)
  page.clock.now = 48 * 3_600_000
  // the session of before is over
  await page.signIn()
}

const judgedOn = (slice: string): Pick<Internalization, 'verdict'> => ({
  verdict: decide({
    arms: (['schedule', 'query-only'] as const).map((arm) => ({
      arm,
      statistic: 'sum',
      rows: rows(slice),
    })),
    responseType: 'label',
    margin: 0.05,
    burstMs: 0,
  }),
})

const headings = (markup: string): string[] =>
  [...markup.matchAll(/<h2>([^<]*)<\/h2>/g)].map(([, text]) => text!)

/** Text between two tags of a row of a table, by its first cell. */
const rowOf = (markup: string, first: string): string[] => {
  const row = new RegExp(`<tr><th[^>]*>(?:<bdi>)?${first}.*?</tr>`).exec(markup)?.[0] ?? ''
  return [...row.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, cell]) =>
    cell!.replace(/<[^>]*>/g, '').trim()
  )
}

let page: Page

const open = async (...[changes, environment]: Parameters<typeof openPage>): Promise<void> => {
  page = await openPage({ rollout: STAGED, ...changes }, environment)
  await page.store.templates.upsert([exampleTemplate()])
  await page.signIn()
}

const create = (row: Internalization): Promise<void> => page.store.internalizations.create(row)

beforeEach(() => open())
afterEach(() => page.close())

describe('a candidate', () => {
  it('that was begun a moment ago shows its state and history, and no empty section', async () => {
    await create(exampleInternalization('a'))
    const markup = await page.view(VIEW)
    expect(markup).toContain('waits for the worker')
    expect(headings(markup)).toEqual(['History'])
    expect(markup).not.toContain('Held-out answers')
  })

  it('in training shows its step, and the stages that are over', async () => {
    const { plan } = exampleApproved()
    const [first, second] = plan!.arms
    const arms = [first!, { ...second!, results: [] }]
    await create(
      exampleInternalization('a', {
        plan: { ...plan!, arms },
        state: { name: 'training', arm: 1, stage: 0 },
      })
    )
    const metrics = { step: 40, total_steps: 100, eta_seconds: 600, train_loss: 0.5 }
    await saveJsonSnapshot(page.store, progressSnapshot('a'), { arm: 1, stage: 0, metrics })
    const markup = await page.view(VIEW)
    expect(markup).toContain('Step 40 of 100; about 10 min to go in this stage.')
    expect(rowOf(markup, 'schedule, 1 of 1')).toEqual([
      '0 %',
      '0',
      '0',
      '100',
      '1 min',
      '0.0100',
      '0.0200',
    ])
    expect(rowOf(markup, 'query-only, 1 of 1')).toContain('not trained yet')
  })

  it('that waits for approval shows the proof: samples, parts, candidates, and what is never answered', async () => {
    await create(exampleApproved('a', judgedOn('plan=pro')))
    const markup = await page.view(VIEW)
    expect(markup).toContain('waits for a decision')
    expect(headings(markup)).toEqual([
      'Its most confident mistakes',
      'Proof',
      'How much it could answer, and how well',
      'Does internalizing it pay?',
      'Training',
      'History',
    ])
    expect(rowOf(markup, 'traffic')[0]).toBe('600')
    expect(markup).toMatch(
      /Held out: \d+ requests from 1970-01-01 00:00 to 1970-01-01 02:00 UTC, in 2 hours\./
    )
    expect(rowOf(markup, 'unseen questions')[0]).toBe('600')
    expect(rowOf(markup, 'plan=pro')[4]).toBe('keeps the promise')
    expect(rowOf(markup, 'schedule')[0]).toBe('600')
    expect(rowOf(markup, 'tool-calls')).toEqual(['20', '3.3 %'])
    expect(markup).toContain(`href="${VIEW}/answers"`)
  })

  it('that was rejected says why, what helps, and the reason as it was recorded', async () => {
    const verdict = decide({ arms: [], responseType: 'label', margin: 0.05, burstMs: 0 })
    await create(
      exampleApproved('a', { verdict, state: { name: 'rejected', reason: saidBy(HOSTILE) } })
    )
    const markup = await page.view(VIEW)
    expect(markup).toContain('What helps:')
    expect(markup).toContain('&lt;svg onload=alert(1)&gt;‹RLO›')
    expect(markup).not.toContain('<svg onload')
  })

  it('that was rejected is praised by no badge, and begins with the cause', async () => {
    await page.close()
    await open({ prices: [PRICE] })
    const { plan } = exampleApproved()
    const repeats = { questions: 900, changed: 609, changedShare: 0.31, examples: ['record-7'] }
    const arms = [{ ...plan!.arms[1]!, name: 'label-head' as const, encoder: 'minilm' }]
    const judged = Array.from({ length: 1_000 }, (_, i) =>
      heldOutRow(i, { agrees: i % 3 > 0, logprobSum: -i / 1_000, logprobMin: -i / 1_000 })
    )
    const verdict = decide({
      arms: [{ arm: 'label-head', statistic: 'sum', rows: judged }],
      responseType: 'label',
      margin: 0.05,
      burstMs: 0,
    })
    await create(
      exampleApproved('a', {
        verdict,
        plan: { ...plan!, arms, population: { ...plan!.population, repeats } },
        state: { name: 'rejected', reason: verdict.reason },
      })
    )
    await addPriced('skipped')
    const markup = await page.view(VIEW)
    const [first] = /<p class="lead">.*?<\/p>/.exec(markup)!
    expect(first.replace(/<[^>]*>/g, '')).toMatch(/^rejected 609 repeated questions got different/)
    expect(markup).toContain('<a href="/admin/records/record-7">An example</a>')
    expect(markup).not.toMatch(/TRAIN_MINUTES|larger base model/)
    expect(markup).not.toContain('badge good')
    expect(markup).not.toContain('winner')
    const [, address] = /hx-get="(\/admin\/templates[^"]+)"/.exec(markup)!
    const economics = await page.view(address!)
    expect(economics).toContain('<span class="badge plain">cannot go live</span>')
    expect(await page.view('/admin/templates?economics=1')).not.toContain('badge good')
  })

  it('shows the surest mistakes that a client would get, to those who may read them', async () => {
    const ids = Array.from({ length: 6 }, (_, i) => `record-${i + 1}`)
    const { plan } = exampleApproved()
    await create(
      exampleApproved('a', { plan: { ...plan!, holdoutRecordIds: ids, unseenRecordIds: [] } })
    )
    await page.store.records.append(batchOf(ids.map((_, i) => routedRecord(i + 1, 'skipped'))))
    await page.store.internalizations.addEvaluations(
      ids.map((id, i) =>
        exampleEvaluation(id, {
          internalizationId: 'a',
          arm: 1,
          answer: `answer ${i + 1}`,
          agrees: i === 0,
          agreesToday: null,
          logprobMin: i === 5 ? -9 : -0.01 * (6 - i),
          logprobSum: -1,
        })
      )
    )
    const markup = await page.view(VIEW)
    // the sixth is not sure enough to be given, the first agrees
    expect(markup).toContain(`href="${VIEW}/answers?kind=wrong"`)
    expect(markup.match(/<del>/g)).toHaveLength(3)
    expect(markup).toMatch(/question 5.*question 4.*question 3/s)
    expect(markup).not.toContain('question 6')
    const all = await page.view(`${VIEW}/answers?kind=wrong`)
    expect(all).toContain('4 answers.')
  })

  it('tells of repeated questions with different answers, and links an example', async () => {
    const { plan } = exampleApproved()
    const withoutPrompt = reasonOf('prompt-too-long', { tokens: 40, model: 'base' })
    const repeats = { questions: 20, changed: 4, changedShare: 0.02, examples: ['record-7'] }
    const population = { ...plan!.population, repeats, tooLong: 3, withoutPrompt }
    await create(exampleApproved('a', { plan: { ...plan!, population } }))
    const markup = await page.view(VIEW)
    expect(markup).toContain('20 questions were repeated. 4 of them (2.0 % of the requests)')
    expect(markup).toContain('href="/admin/records/record-7"')
    expect(markup).toContain('3 questions were left out')
    expect(markup).toContain('the prompt does not fit the 40 tokens of base')
  })

  it('plots losses of several stages', async () => {
    const { plan } = exampleApproved()
    const [arm] = plan!.arms
    const [stage, result] = [arm!.stages[0]!, arm!.results[0]!]
    const arms = [{ ...arm!, stages: [stage, stage], results: [result, result] }]
    await create(exampleApproved('a', { plan: { ...plan!, arms }, verdict: null }))
    expect(await page.view(VIEW)).toContain('Loss of schedule by stage')
  })

  it('says of what the answers are made, but not to those who may read no text', async () => {
    const { plan } = exampleApproved()
    const field = { path: 'order.<b>id</b>', rules: ['digits'], isOptional: true, isList: false }
    const form = {
      explained: 0.973,
      unexplained: [],
      fields: [
        { ...field, kind: 'copied' as const, examples: [] },
        { ...field, path: 'intent', kind: 'choice' as const, rules: [], examples: ['refund'] },
      ],
    }
    await create(exampleApproved('a', { plan: { ...plan!, form } }))
    const markup = await page.view(VIEW)
    expect(markup).toContain('This form reproduces 97.3 % of the answers')
    expect(markup).toContain('order.&lt;b&gt;id&lt;/b&gt;')
    expect(markup).toContain('copied from the request (digits)')
    expect(markup).toContain('refund')
  })

  it('shows three answers that the form does not reproduce', async () => {
    const { plan } = exampleApproved()
    const answers = ['<b>none</b>', 'ask', 'later', 'never']
    const ids = answers.map((_, place) => `record-${place}`)
    const records = answers.map((content, place) =>
      exampleRecord(place, {
        response: answerBody(content),
      })
    )
    await page.store.records.append(batchOf(records))
    const form = { explained: 0.9, fields: [], unexplained: ['deleted', ...ids] }
    await create(exampleApproved('a', { plan: { ...plan!, form } }))
    const markup = await page.view(VIEW)
    const caption = 'Answers that the form does not reproduce'
    const table = markup.slice(markup.indexOf(caption), markup.indexOf('Stages of training'))
    expect(table).toContain('&lt;b&gt;none&lt;/b&gt;')
    expect(table).toContain('later')
    expect(table).not.toContain('never')
    expect(table).toContain('href="/admin/records/record-1"')
  })

  it('of a person shows in its history who did what, and why', async () => {
    await create(exampleApproved('a'))
    const row = (await page.store.internalizations.get('a'))!
    await page.store.internalizations.save(
      { ...row, state: { name: 'rejected', reason: saidBy('the examples confuse two teams') } },
      'admin (Ada)',
      60_000,
      'asked by the team'
    )
    const markup = await page.view(VIEW)
    const history = markup.slice(markup.indexOf('History'))
    for (const words of ['admin (Ada)', 'the examples confuse two teams', 'asked by the team'])
      expect(history).toContain(words)
  })

  it('has names of slices, labels and templates as text', async () => {
    await create(exampleApproved('a', judgedOn(`plan=${HOSTILE}`)))
    await page.store.templates.label('version-1', HOSTILE)
    const markup = await page.view(VIEW)
    expect(markup).not.toContain('<svg onload')
    expect(markup).toContain('Internalization of &lt;svg onload=alert(1)&gt;‹RLO›gnp.exe</h1>')
  })

  it('shows the fields that disagree, and the rules that it was judged under, to who may read answers', async () => {
    const { plan, verdict, ...rest } = exampleApproved('a')
    const rule = { kind: 'rounded', to: 0.01 } as const
    const rules = [{ path: 'total', rule, by: 'admin (Ada)', why: 'cents <i>', at: 1_000 }]
    const figures = {
      rows: 200,
      answered: 150,
      fields: [{ path: `order.["${HOSTILE}"]`, rows: 20, answered: 3 }],
      others: 7,
    }
    await create({
      ...rest,
      plan: { ...plan!, answers: { ...plan!.answers, responseType: 'json', fields: rules } },
      verdict: { ...verdict!, fields: figures },
    })
    const markup = await page.view(VIEW)
    expect(markup).toContain('Fields that disagree, in 200 held-out answers')
    expect(markup).toMatch(
      /order\.\[.*?<\/th><td[^>]*>20<\/td><td[^>]*>10.0 %<\/td><td[^>]*>3<\/td>/
    )
    expect(markup).toContain('7 further fields disagree')
    expect(rowOf(markup, 'total')).toEqual(
      expect.arrayContaining(['rounded to 0.01', 'admin (Ada)', 'cents &lt;i&gt;'])
    )
    expect(markup).not.toContain('<svg onload')
  })

  it('of a template that was deleted is shown', async () => {
    await create(exampleApproved('a', { templateVersion: 'gone' }))
    expect(await page.view(VIEW)).toContain('agree with the upstream')
  })

  it('that does not exist is not found', async () => {
    expect((await page.request('/admin/internalizations/x')).status).toBe(404)
  })

  it('fits in 30 KB', async () => {
    await create(exampleApproved('a', judgedOn('plan=pro')))
    const response = await page.request(VIEW, { headers: { 'accept-encoding': 'gzip' } })
    expect(response.headers.get('content-encoding')).toBe('gzip')
    expect((await response.arrayBuffer()).byteLength).toBeLessThan(30_000)
  })
})

describe('coverage against agreement', () => {
  it('is loaded behind the page, and is a view of its own without a script', async () => {
    await create(exampleApproved('a'))
    const facts = exampleFacts()
    const records = Array.from({ length: 40 }, (_, i) => ({
      ...facts.records[0]!,
      id: `record-${i}`,
      conversation: String(i),
      isTraffic: true,
      fresh: null,
    }))
    const answers = records.map((_, i) => ({
      agrees: i < 30,
      agreesToday: null,
      logprobSum: -i,
      logprobMin: -i,
      deferred: null,
    }))
    const arms = facts.arms.map((arm) => ({ ...arm, answers }))
    await saveDecisionFacts(page.store, 'a', { ...facts, burstMs: 0, records, arms })
    const markup = await page.view(VIEW)
    expect(markup).toContain(`hx-get="${VIEW}/coverage"`)
    expect(markup).toContain(`<a href="${VIEW}/coverage">`)
    const part = await page.view(`${VIEW}/coverage`)
    expect(part).toContain('<section id="coverage"')
    expect(rowOf(part, '75.0 %').at(-1)).toBe('100.0 %')
    expect(rowOf(part, '100.0 %').at(-1)).toBe('75.0 %')
    expect(rowOf(part, '12.5 %')).toEqual([])
    expect(part).toContain('promise 95.0 %')
    expect(part).toContain('chosen 60.0 %')
  })

  it('counts turns of a conversation together', async () => {
    await create({ ...exampleJudged(), id: 'a' })
    await saveDecisionFacts(page.store, 'a', exampleFacts())
    const part = await page.view(`${VIEW}/coverage`)
    const shares = [...part.matchAll(/<tr><th[^>]*>(\d+\.\d) %/g)].map(([, share]) => Number(share))
    expect(shares.length).toBeGreaterThan(40)
    expect(shares.length).toBeLessThanOrEqual(50)
    expect(shares).toEqual(shares.toSorted((a, b) => a - b))
    expect(part).toContain('The promise is proven for the chosen threshold.')
  })

  it('is not there before a verdict', async () => {
    await create(exampleApproved('a', { verdict: null }))
    expect(await page.view(VIEW)).not.toContain('/coverage')
    expect((await page.request(`${VIEW}/coverage`)).status).toBe(404)
  })
})

describe('a live route', () => {
  const stage = { share: 0.05, before: { pairs: 32, losses: 1, credits: 0 }, began: 0 }

  const goLive = async (report = exampleReport()): Promise<void> => {
    await create(exampleApproved('a', { state: { name: 'live', stage } }))
    await saveRolloutReport(page.store, 'a', report)
  }

  it('shows its stage, its evidence and its audits', async () => {
    await goLive()
    const markup = await page.view(VIEW)
    expect(markup).toContain('live, canary 5 %')
    expect(markup).toMatch(/aria-current="step"><span class="badge plain">5 % of the requests, now/)
    expect(markup).toMatch(
      /Evidence for the next stage<\/dt><dd><strong>2.2<\/strong><small>decides at 20/
    )
    expect(markup).toMatch(
      /Evidence for a rollback<\/dt><dd><strong>0.0536<\/strong><small>decides at 300/
    )
    expect(markup).toMatch(/Audits that wait<\/dt><dd><strong>3</)
    expect(markup).toMatch(
      /Audits today, all templates<\/dt><dd><strong>\$0.0123\d*<\/strong><small>of \$1.00 a day/
    )
    expect(rowOf(markup, 'none')).toEqual(['71'])
    expect(markup).toMatch(
      /Sure enough to answer<\/dt><dd><strong>61.2 %<\/strong><small>next 63.0 %: evidence 3.1 of 20/
    )
    expect(markup).toContain(
      'aria-label="Disagreement with the upstream between 0.3 % and 8.2 %; proven at most 3.9 %; margin 5.0 %"'
    )
  })

  it('draws how much it answered over time, with the evidence of each step, once that has changed', async () => {
    await goLive()
    expect(await page.view(VIEW)).not.toContain('sure enough to answer</figcaption>')
    const withheld = [exampleWithheld('card_arrival', 20)]
    for (const [at, changes] of [
      [
        60_000,
        { border: exampleBorder(-0.5), coverage: { audited: 1000, before: 580, after: 640 } },
      ],
      [
        120_000,
        {
          border: exampleBorder(-0.5),
          withheld,
          coverage: { audited: 2000, before: 1280, after: 1260 },
        },
      ],
    ] as const) {
      const row = (await page.store.internalizations.get('a'))!
      const state = { name: 'live', stage, ...changes } as InternalizationState
      await page.store.internalizations.save({ ...row, state }, 'worker', at)
    }
    await saveRolloutReport(page.store, 'a', exampleReport({ at: 180_000 }))
    const markup = await page.view(VIEW)
    expect(markup).toContain(
      'Since the proof: +6.0 points by wider borders, -1.0 points by withheld answers.'
    )
    const title = 'Share of the requests that it is sure enough to answer'
    expect(markup).toContain(`aria-label="${title}; the table below has its figures"`)
    const drawn = /data-plot="([^"]*answered[^"]*)"/.exec(markup)![1]!.replaceAll('&quot;', '"')
    const { x, series, marks } = JSON.parse(drawn)
    const pairs = x.values.map((second: number, i: number) => [second, series[0].values[i]])
    expect(pairs.slice(1)).toEqual([
      [60, 0.6],
      [60, 0.64],
      [120, 0.64],
      [120, 0.63],
      [180, 0.63],
      [180, 0.63],
    ])
    expect(marks).toEqual([
      { name: 'border -0.500: evidence 25', x: 60 },
      { name: 'withheld: evidence 31000', x: 120 },
    ])
    const table = markup.slice(markup.indexOf(`Figures of “${title}”`))
    expect(rowOf(table, '1970-01-01 00:01')).toEqual([
      '64.0 %',
      'border -0.500: answers from a confidence of -0.500 on: it disagrees with the upstream in ' +
        '21 of 1000 requests, 2.1 % of that confidence; evidence 25; it answers 64.0 % of the ' +
        'audited requests, 58.0 % before',
    ])
    expect(rowOf(table, '1970-01-01 00:02')[1]).toMatch(
      /^withheld: no longer gives 1 of its answers: wrong in 20 of 20 requests/
    )
  })

  it.each<[string, Parameters<typeof exampleEvidence>[0], string, string]>([
    ['keeps it', { interval: [0, 0.04] }, 'good', 'keeps the promise'],
    ['may keep it', {}, 'waits', 'above the promise, not proven yet'],
    ['breaks it', { losses: 20, interval: [0.03, 0.3] }, 'bad', 'below the promise'],
  ])('says in the colour of its promise that it %s', async (_, changes, tone, words) => {
    await goLive(exampleReport({ evidence: exampleEvidence(changes) }))
    const markup = await page.view(VIEW)
    expect(markup).toContain('<dt>Agreement, promised 95.0 %</dt>')
    expect(markup).toContain(`<span class="badge ${tone}">${words}</span>`)
  })

  it('says what it saved and leaves a month, at once or loaded behind the page', async () => {
    await page.close()
    await open({ prices: [PRICE] }, { ENGINE_USD_PER_HOUR: '0.1' })
    await goLive()
    await addPriced('answered')
    const markup = await page.view(VIEW)
    expect(markup).toMatch(new RegExp(`<section id="money"><p class="slow" hx-get="${VIEW}/money"`))
    const loaded = await page.view(`${VIEW}/money`)
    expect(loaded).toMatch(/<dt>Saved so far<\/dt><dd><strong>\$0\.01443</)
    expect(loaded).toMatch(
      /<dt>Net a month<\/dt><dd><strong>[^<]+<\/strong><small>after \$73 of costs/
    )
    // the figures of the log are known now
    expect(await page.view(VIEW)).toMatch(/<dt>Saved so far<\/dt>/)
  })

  it('shows signs of change in words, models of the upstream, and warnings', async () => {
    await goLive(
      exampleReport({
        indicators: [
          {
            indicator: 'new-labels',
            requests: 400,
            seen: 60,
            share: 0.01,
            bound: 0.02,
            evidence: 40,
          },
          {
            indicator: 'fallbacks',
            requests: 400,
            seen: 80,
            share: 0.2,
            bound: 0.25,
            evidence: -1,
          },
        ],
        upstreamVersions: [{ name: HOSTILE, pairs: 100, losses: 2, credits: 0, from: 1, to: 2 }],
        deprecatedOn: '2027-01-01',
        driftedAt: 5,
        drift: lossRisen(exampleEvidence()),
      })
    )
    const markup = await page.view(VIEW)
    expect(rowOf(markup, 'answers of the upstream with a new label').at(-1)).toBe('has risen')
    expect(rowOf(markup, 'requests that it would not answer').at(-1)).toBe('as in the proof')
    expect(rowOf(markup, '&lt;svg').slice(-2)).toEqual(['100', '2.0 %'])
    expect(markup).not.toContain('<svg onload')
    expect(markup).toContain('retires the upstream’s model on 2027-01-01')
    expect(markup).toContain('A warning: Its traffic has changed: it disagrees')
  })

  it('shows the newest disagreements with both answers, and where the others are', async () => {
    await goLive()
    await addPairs(page.store, [
      {},
      { outcome: 'agreed', isEqual: true },
      {},
      {},
      { outcome: 'fallback' },
      {},
    ])
    const markup = await page.view(VIEW)
    const questions = [...markup.matchAll(/question (\d+)/g)].map(([, number]) => number)
    expect(questions).toEqual(['6', '4', '3'])
    expect(markup).toContain('<del>intent_of_the_lora</del>')
    expect(markup).toContain(`${VIEW}/pairs?revealed=true&amp;outcome=disagreed`)
  })

  it('counts feedback', async () => {
    await goLive()
    await page.store.records.append(batchOf([routedRecord(1, 'answered')]))
    const feedback = {
      recordId: 'record-1',
      by: 'application',
      rating: 'bad',
      comment: null,
      at: 1,
    }
    await page.store.feedback.put(feedback as never, null)
    expect(rowOf(await page.view(VIEW), 'the small model')).toEqual(['0', '1'])
  })

  it('compares what users say of both sides, in figures and a picture', async () => {
    await goLive()
    await page.store.records.append(batchOf([routedRecord(1, 'answered')]))
    const given = { recordId: 'record-1', by: 'application', rating: 'bad', comment: null } as const
    await page.store.feedback.put({ ...given, at: 1 }, null)
    const show = async (feedback: OutcomeFigures): Promise<string> => {
      await saveRolloutReport(page.store, 'a', exampleReport({ feedback }))
      return page.view(VIEW)
    }
    const compared = await show(exampleFeedback())
    expect(compared).toContain('of 3,811 audited ones: +3.9 points (-4.1 to +11.9).')
    expect(compared).toContain('About 340,000 more rated conversations are needed')
    // the picture is of the audited side's 4.1 % and the interval of the difference
    expect(compared).toContain(
      'between 0.0 % and 16.0 %; audited side 4.1 %; allowed at most 9.1 %'
    )
    const unsure = await show(noFeedback({ lora: 3, audit: 0 }))
    expect(unsure).toContain('Not enough yet: no conversation of the audited side is rated.')
    expect(unsure).not.toContain(' points (')
  })

  it('shows what became of its newest requests, in words', async () => {
    await page.close()
    await open({ prices: [PRICE] })
    await goLive()
    const { route } = routedRecord(0, 'answered')
    await page.store.records.append(
      batchOf([
        routedRecord(1, 'answered', { durationMs: 10 }),
        routedRecord(2, 'answered', { durationMs: 30 }),
        routedRecord(3, 'skipped', { durationMs: 400 }),
        routedRecord(4, 'skipped', {
          route: { ...route!, outcome: 'fallback', reason: 'low-confidence' },
        }),
      ])
    )
    expect(await page.view(VIEW)).toContain(`hx-get="${VIEW}/traffic"`)
    const markup = await page.view(`${VIEW}/traffic`)
    expect(markup).toContain('its confidence was below the threshold')
    expect(rowOf(markup, 'the small model answered').slice(1)).toEqual(['2', '50.0 %'])
  })

  it('plots its evidence with both capitals that decide', async () => {
    await goLive(exampleReport({ evidence: exampleEvidence({ pairs: 3 }) }))
    await addPairs(page.store, [{}, { outcome: 'agreed' }, { outcome: 'agreed' }])
    const markup = await page.view(`${VIEW}/evidence`)
    expect(markup).toContain('rollback at 300')
    expect(markup).toContain('next stage at 20')
    expect(markup).toContain('canary 5 %')
    expect(markup).toContain('margin 5.0 %')
  })

  it('that ended keeps its figures, without a next stage', async () => {
    const evidence = exampleEvidence()
    await create(
      exampleApproved('a', { state: { name: 'retired', reason: saidBy('x'), evidence } })
    )
    await saveRolloutReport(page.store, 'a', exampleReport())
    const markup = await page.view(VIEW)
    expect(headings(markup)).toContain('Live route')
    expect(markup).not.toContain('Evidence for the next stage')
    expect(markup).not.toContain('class="stages"')
  })
})

describe('the proof file', () => {
  it('is a download with which the decision is computed again', async () => {
    await create({ ...exampleJudged(), id: 'a' })
    await saveDecisionFacts(page.store, 'a', exampleFacts())
    expect(await page.view(VIEW)).toContain(`href="${VIEW}/proof.json"`)
    const response = await page.request(`${VIEW}/proof.json`)
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="proof-a.json"')
    expect(verifyProof(await response.json()).holds).toBe(true)
  })

  it('does not exist before the verdict', async () => {
    await create(exampleInternalization('a'))
    const response = await page.request(`${VIEW}/proof.json`)
    expect(response.status).toBe(409)
    expect(await response.text()).toContain('no verdict yet')
  })
})

describe('costs and savings', () => {
  it('are loaded behind the page from that of the template', async () => {
    await create(exampleApproved('a'))
    const [, address] = /hx-get="(\/admin\/templates[^"]+)"/.exec(await page.view(VIEW))!
    const markup = await page.view(address!)
    expect(markup).toContain('<section id="economics"')
    expect(markup).toContain('no price of gpt-4o-mini is known')
    expect(markup).toMatch(/Training and its test<\/dt><dd><strong>\$0.00/)
  })
})
