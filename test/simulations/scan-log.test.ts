/** A scan of records in memory: what it finds, keeps and says. */
import { describe, expect, it } from 'vitest'
import { APPLICATIONS, type LabelledRequest } from '../kit/traffic/scan-applications.ts'
import { recordOf } from '../kit/traffic/scan-draws.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { reasonOf, type ReasonOf } from '../../src/core/reason.ts'
import { LogScan, UNKNOWN_TIME } from '../../src/core/scan/log-scan.ts'
import type { FillForm } from '../../src/core/scan/field-head.ts'
import { planHead } from '../../src/core/scan/head-plan.ts'
import { scanLog, type ScanSettings } from '../../src/core/scan/scan.ts'
import { OWN_TERMS } from '../kit/upstream/own-terms.ts'
import { answered, labelled } from '../kit/traffic/scan-log.ts'

const PRICE = { model: 'gpt-4o-mini', asOf: '2026-11-01', input: 2, cachedInput: 1, output: 10 }

const settings = (changed: Partial<ScanSettings> = {}): ScanSettings => ({
  minSessions: 30,
  countTokens: (text) => text.split(' ').length,
  trainRows: 6_000,
  holdoutRows: 500,
  // the requests of these logs come within seconds
  burstMinutes: 0,
  now: Date.now(),
  margin: 0.05,
  minCoverage: 0.2,
  seed: 1,
  known: [],
  encoder: {
    name: 'test',
    dims: 0,
    encode: async () => null,
    encodeNames: async () => null,
    fillForm: null,
  },
  money: {
    prices: [PRICE],
    engineUsdPerHour: null,
    captureShare: 1,
    trafficShare: 1,
    trainSeconds: null,
    upstreamReplays: 0,
    days: 30,
  },
  terms: OWN_TERMS,
  withText: false,
  onTemplate: () => {},
  onFound: () => {},
  onForm: () => {},
  ...changed,
})

const scanRecords = (records: ExchangeRecord[], changed?: Partial<ScanSettings>) => {
  async function* read(): AsyncGenerator<ExchangeRecord> {
    yield* records
  }
  return scanLog({ read }, settings(changed))
}

const scanOf = (exchanges: LabelledRequest[], changed?: Partial<ScanSettings>) =>
  scanRecords(exchanges.map(recordOf), changed)

/** Both passes over records of one template. */
const sampled = (records: ExchangeRecord[], sampleRows = 10_000) => {
  const scan = new LogScan({
    minSessions: 30,
    known: [],
    sampleRows,
    sampleBytes: 2 ** 26,
    countTokens: null,
    now: Date.now(),
  })
  for (const record of records) scan.observe(record)
  scan.findTemplates()
  for (const record of records) scan.count(record)
  return { scan, found: scan.results()[0]! }
}

const planOf = (exchanges: LabelledRequest[]) =>
  planHead(sampled(exchanges.map(recordOf)).found.sample, null, {
    ...settings(),
    burstMinutes: 5,
    dims: 0,
  })

describe('a scan', () => {
  it('predicts coverage for labels, and ranks what a head saves before what it may save at most', async () => {
    const json = answered(
      400,
      (number) => JSON.stringify({ id: number }),
      'You read forms.\n'.repeat(30)
    )
    const { templates, totals, exchanges, others } = await scanOf([...json, ...labelled(0, 1200)])
    expect([exchanges, others]).toEqual([1600, 0])
    expect(templates.map(({ responseType }) => responseType)).toEqual(['label', 'form'])
    const [label, other] = templates
    expect(label!.expectedCoverage).toBeGreaterThan(0.4)
    expect(label!.coverageLowerBound).toBeGreaterThan(label!.expectedCoverage! - 0.12)
    expect(label!.missingExchanges).toBe(0)
    expect(label!.netUsdPerMonth).toBeGreaterThan(0)
    expect(label!.netUsdPerMonth).toBeLessThan(label!.mostNetUsdPerMonth!)
    expect(other).toMatchObject({ expectedCoverage: null, netUsdPerMonth: null })
    expect(other!.coverageReason).toEqual({ code: 'form-without-encoder', figures: {} })
    expect(totals.ready).toBe(1)
    expect(totals.netUsdPerMonth).toBe(label!.netUsdPerMonth)
  })

  it('has no figure in dollars, and says why, without a price', async () => {
    const money = { ...settings().money, prices: [] }
    const { templates } = await scanOf(labelled(0, 600), { money })
    expect(templates[0]).toMatchObject({
      usdPerMonth: null,
      netUsdPerMonth: null,
      cacheHitShare: null,
      moneyUnknown: expect.stringMatching(/^no price of .* is known/) as string,
    })
    expect(templates[0]!.promptTokens).toBeGreaterThan(50)
  })

  it('charges the engine to the templates that a head answers', async () => {
    const free = await scanOf(labelled(0, 800))
    const money = { ...settings().money, engineUsdPerHour: 0.01 }
    const paid = await scanOf(labelled(0, 800), { money })
    const [before, after] = [free, paid].map(({ templates }) => templates[0]!.netUsdPerMonth!)
    // an engine hour, and the training
    expect(before! - after!).toBeCloseTo(7.3, 2)
  })

  it('says what the provider’s cache saves, at the prices of the provider', async () => {
    const exchanges = labelled(0, 300)
    const records = exchanges.map((exchange, number) => ({
      ...recordOf(exchange, number),
      usage: {
        prompt_tokens: 1000,
        completion_tokens: 10,
        total_tokens: 1010,
        prompt_tokens_details: { cached_tokens: 600 },
      },
    }))
    const money = { ...settings().money, days: 365 / 12 }
    const { templates } = await scanRecords(records, { money })
    // 300 calls a month: 600 of 1,000 tokens at 1 in place of 2 dollars a million, and 10 of output
    expect(templates[0]).toMatchObject({
      tokensCountedBy: 'upstream',
      cacheHitShare: 0.6,
      cacheIsMeasured: true,
      promptTokens: 1000,
    })
    expect(templates[0]!.requestsPerMonth).toBeCloseTo(300, 6)
    expect(templates[0]!.usdPerMonth).toBeCloseTo(300 * 1500e-6, 9)
    expect(templates[0]!.cacheSavesUsdPerMonth).toBeCloseTo(300 * 600e-6, 9)
  })

  it('gives the savings of a head and of a mended cache, each against what the requests cost today', async () => {
    const records = labelled(0, 1200).map((exchange, number) => {
      const { request, answer } = exchange
      const [first, ...others] = request.messages
      const content = `Trace ${(number * 50_021) % 99_991}.\n${first!.content as string}`
      const messages = [{ ...first!, content }, ...others]
      return {
        ...recordOf({ request: { ...request, messages }, answer }, number),
        usage: {
          prompt_tokens: 250,
          completion_tokens: 10,
          total_tokens: 260,
          prompt_tokens_details: { cached_tokens: 0 },
        },
      }
    })
    const money = { ...settings().money, prices: [{ ...PRICE, minCachedPrefixTokens: 0 }] }
    const { templates, totals } = await scanRecords(records, { money })
    const [row] = templates
    expect(row!.cache).toMatchObject({
      causes: [{ cause: 'id' }],
      cachedShare: 0,
      priceAsOf: '2026-11-01',
    })
    expect(row!.cache!.usdPerMonth).toBeGreaterThan(0)
    // and that of requests whose trace has a length of its own, which the template has not
    expect(totals.cacheUsdPerMonth).toBeGreaterThanOrEqual(row!.cache!.usdPerMonth!)
    expect(row!.advice.toSorted((a, b) => a.action.localeCompare(b.action))).toEqual([
      { action: 'internalize', usdPerMonth: row!.netUsdPerMonth },
      { action: 'mend', usdPerMonth: row!.cache!.usdPerMonth },
    ])
    expect(JSON.stringify(templates)).not.toContain('Trace')
    const withText = await scanRecords(records, { money, withText: true })
    expect(withText.templates[0]!.cache!.causes[0]!.firstDifference).toContain('Trace')
  })
})

describe('the sample of a template', () => {
  it('has a part of the exchanges of the window, spread over it, and counts all', () => {
    const { sample, population, tally } = sampled(labelled(0, 900).map(recordOf), 100).found
    expect([population, tally.requests, sample.length]).toEqual([900, 900, 100])
    const numbers = sample.map(({ id }) => Number(id))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    for (const third of [0, 1, 2])
      expect(numbers.filter((number) => Math.floor(number / 300) === third).length).toBeGreaterThan(
        20
      )
  })

  it('keeps the order of the log where records have no time', () => {
    const records = labelled(0, 400).map((exchange, number) => ({
      ...recordOf(exchange, number),
      at: UNKNOWN_TIME,
    }))
    const { scan, found } = sampled(records, 50)
    const numbers = found.sample.map(({ id }) => Number(id))
    expect(numbers).toHaveLength(50)
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect([scan.from, scan.to, found.tally.from]).toEqual([null, null, null])
  })

  it('leaves out what a live route answered, and what it answered last', () => {
    const route = {
      templateVersion: 'v',
      lora: 'l',
      reason: null,
      confidence: null,
      promptTokensSaved: 0,
    }
    const outcomes = ['answered', 'fallback', 'skipped'] as const
    const records = labelled(0, 300).map((exchange, number): ExchangeRecord => ({
      ...recordOf(exchange, number),
      route: {
        ...route,
        outcome: outcomes[number % 3]!,
        reason: number % 3 === 2 ? 'audit' : null,
      },
    }))
    const { found } = sampled(records)
    expect(found.tally).toMatchObject({ requests: 300, answeredByRoute: 100 })
    // fallbacks are the questions that the lora was unsure of: they may train, and are no sample of traffic
    expect(found.population).toBe(200)
    expect(found.sample.filter(({ isSample }) => isSample)).toHaveLength(100)
  })
})

describe('the plan of a head', () => {
  it('asks for more exchanges of 500 labels with three rows each', () => {
    const { labels, obstacle } = planOf(answered(1500, (number) => `label ${number % 500}`))
    expect(labels).toBeNull()
    const { code, figures } = obstacle!.reason as ReasonOf<'labels-not-shown'>
    expect(code).toBe('labels-not-shown')
    // 1,000 to learn from have about two rows of each, and four are needed
    expect(obstacle!.missingExchanges).toBe(4 * figures.values - 1000)
  })

  it('does not try more labels than a head learns in a minute', () => {
    const plan = planOf(answered(3000, (number) => `label ${number % 450}`))
    expect(plan.responseType).toBe('label')
    expect(plan.obstacle).toEqual({
      reason: reasonOf('too-many-labels', { labels: 450, exchanges: 2500 }),
      missingExchanges: null,
    })
  })

  it.each([
    ['code', (n: number) => `SELECT name FROM parts WHERE id = ${n}`, 'code'],
    ['json', (n: number) => JSON.stringify({ n }), 'json'],
    ['free text', (n: number) => `${n} ${'and so on, at some length, '.repeat(20)}`, 'free-text'],
  ])('has a reason for %s whose values are not in the request', (_name, answerOf, type) => {
    const plan = planOf(answered(200, (number) => answerOf(100_000 + 7_919 * number)))
    expect(plan).toMatchObject({ responseType: type, form: null })
    expect(plan.obstacle).toEqual({
      reason: { code: 'no-estimate', figures: { type } },
      missingExchanges: null,
    })
  })

  it.each([
    ['code', (n: number) => `SELECT name FROM parts WHERE id = ${n}`],
    ['json', (n: number) => JSON.stringify({ n })],
    ['free text', (n: number) => `${n} ${'and so on, at some length, '.repeat(20)}`],
  ])('has a form for %s with values of the request, and wants an encoder', (_name, answerOf) => {
    const { form, obstacle } = planOf(answered(200, answerOf))
    expect(form).toMatchObject({ explained: 1, fields: [{ kind: 'copied' }] })
    expect(obstacle!.reason.code).toBe('form-without-encoder')
  })

  it('has as many rows for a form as a field head learns in its time', () => {
    const plan = planOf(answered(3_000, (number) => JSON.stringify({ number })))
    expect(plan.split.train.length).toBe(1_500)
  })

  it('knows how many held-out rows are missing', () => {
    const { obstacle } = planOf(answered(100, (number) => ['yes', 'no'][number % 2]!))
    // half of them are held out, and 59 are needed
    expect(obstacle).toEqual({
      reason: reasonOf('too-few-held-out', { rows: 50, needed: 59, margin: 0.05 }),
      missingExchanges: 18,
    })
  })

  it('has no more rows than a head can be trained on in a minute', () => {
    const plan = planOf(APPLICATIONS.slice(0, 1).flatMap(() => labelled(0, 3200)))
    expect(plan.split.train.length).toBe(2000)
    expect(plan.split.traffic.length).toBe(500)
  })
})

/** Answers as the log has them; the surest ones first. @param isRight by the place of the request */
const headThat =
  (isRight: (place: number) => boolean, isCut: boolean): FillForm =>
  async ({ asked, rows: learned, onProgress }) => {
    onProgress(0.5)
    return {
      answers: asked.map(([source], place) => {
        const [, number] = /message (\d+)/.exec(source!.text)!
        const text = JSON.stringify({ number: Number(number) + (isRight(place) ? 0 : 1) })
        return { text, logprob: -place / 1_000 }
      }),
      rows: learned.length - 10,
      isCut,
    }
  }

describe('the coverage of a form', () => {
  const rows = 800
  // one of a hundred answers has a value that its request lacks
  const log = answered(rows, (number) =>
    JSON.stringify({ number: number % 100 === 7 ? `n${number}` : number })
  )

  const scanned = async (fillForm: FillForm, changed: Partial<ScanSettings> = {}) => {
    const encoder = {
      name: 'test',
      dims: 4,
      encode: async () => null,
      encodeNames: async () => null,
      fillForm,
    }
    const report = await scanOf(log, { encoder, ...changed })
    return report.templates[0]!
  }

  it('is that of the gate, of a head that learned a part of the rows', async () => {
    const told: number[] = []
    const found: string[] = []
    const template = await scanned(
      headThat((place) => place < 330, true),
      {
        onTemplate: (done) => told.push(done),
        onForm: ({ version }, { unexplained }) =>
          found.push(version, ...unexplained.map(({ query }) => query)),
      }
    )
    expect(template).toMatchObject({
      responseType: 'form',
      fields: [{ path: 'number', kind: 'copied', examples: [] }],
      labels: null,
      rows: { train: 390, heldOut: 400 },
      coverageReason: null,
      missingExchanges: 0,
    })
    expect(template.explained).toBeCloseTo(0.99, 2)
    expect(template.expectedCoverage).toBeGreaterThan(0.6)
    expect(template.expectedCoverage).toBeLessThan(0.9)
    expect(told).toEqual([0, 0.5, 1])
    expect(found[0]).toBe(template.version)
    expect(found.length).toBeGreaterThan(1)
    for (const query of found.slice(1)) expect(Number(/\d+/.exec(query)![0]) % 100).toBe(7)
  })

  it('is not known where its training was cut and the gate refuses, and 0 where it was not', async () => {
    const [cut, whole] = [
      await scanned(headThat(() => false, true)),
      await scanned(headThat(() => false, false)),
    ]
    expect(cut).toMatchObject({ expectedCoverage: null, missingExchanges: null })
    expect(cut.coverageReason).toEqual(reasonOf('field-head-cut', { rows: 390, agreement: 0 }))
    expect(whole.expectedCoverage).toBe(0)
    expect(whole.coverageReason).toMatchObject({
      code: 'loss-too-large',
      figures: { arm: 'field-head' },
    })
  })

  it('is not known where the head could not be tried, with the reason', async () => {
    const slow = reasonOf('field-head-untried', { rowsPerSecond: 0.4, seconds: 60 })
    const template = await scanned(async () => ({ refused: slow }))
    expect(template).toMatchObject({ expectedCoverage: null, coverageReason: slow })
  })
})
