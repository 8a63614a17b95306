/** The page and the sentences of a scan, from figures without a log. */
import { describe, expect, it } from 'vitest'
import { scanPage } from '../../src/cli/scan/page/page.ts'
import { scanText } from '../../src/cli/scan/text.ts'
import { headline, nextStep, remarkOf } from '../../src/cli/scan/words.ts'
import type { ScanReport, TemplateReport } from '../../src/core/scan/report.ts'

const LOG = { path: 'my chats.jsonl', kind: 'file' as const, unread: 0 }
const FREE = { isEngineFree: true }

const labels = (changed: Partial<TemplateReport> = {}): TemplateReport => ({
  version: '0123456789abcdef0123456789abcdef',
  tenant: 'file',
  model: 'gpt<script>',
  requests: 4000,
  exchanges: 4000,
  answeredByRoute: 0,
  promptTokens: 1100,
  templateTokens: 1050,
  outputTokens: 4,
  tokensCountedBy: 'estimate',
  cacheHitShare: 0.9,
  cacheIsMeasured: false,
  minCachedPrefixTokens: 1024,
  requestsPerMonth: 100_000,
  usdPerMonth: 1234.5,
  cacheSavesUsdPerMonth: 400,
  netUsdPerMonth: 700,
  leastNetUsdPerMonth: 610,
  mostNetUsdPerMonth: 1200,
  moneyUnknown: null,
  responseType: 'label',
  labels: 77,
  rows: { train: 1500, heldOut: 500, unseen: 500 },
  expectedCoverage: 0.612,
  coverageLowerBound: 0.558,
  agreement: 0.97,
  agreementLowerBound: 0.95,
  agreementOfAll: 0.84,
  coverageReason: null,
  missingExchanges: 0,
  more: { coverage: 0.7, trainRows: 2400, exchanges: 900 },
  selective: [
    { coverage: 0.5, agreement: 0.99 },
    { coverage: 1, agreement: 0.84 },
  ],
  curve: {
    points: [
      { rows: 375, agreement: 0.6, losses: [] },
      { rows: 1500, agreement: 0.84, losses: [] },
    ],
    targets: [],
  },
  ...changed,
})

const waiting = (): TemplateReport =>
  labels({
    version: 'fedcba9876543210fedcba9876543210',
    expectedCoverage: 0,
    coverageLowerBound: 0,
    coverageReason: 'no threshold passes',
    missingExchanges: 880,
    netUsdPerMonth: 0,
    more: { coverage: 0.2, trainRows: 1380, exchanges: 880 },
  })

const reportOf = (templates: TemplateReport[], changed: Partial<ScanReport> = {}): ScanReport => ({
  exchanges: 10_000,
  others: 2000,
  withoutBody: 0,
  from: Date.UTC(2026, 9, 1),
  to: Date.UTC(2026, 9, 21),
  features: 'hashed words',
  gate: { margin: 0.05, minCoverage: 0.2, trainRows: 500, holdoutRows: 500 },
  totals: { ready: 1, usdPerMonth: 1234.5, netUsdPerMonth: 700, leastNetUsdPerMonth: 610 },
  templates,
  ...changed,
})

describe('the first sentences', () => {
  it('say what recurs, what it costs, what a head answers and what that saves', () => {
    expect(headline(reportOf([labels()]))).toMatch(/could answer 61\.2 % of its requests \(/)
    expect(headline(reportOf([labels(), waiting()]))).toBe(
      '2 prompts recur in 80.0 % of 10,000 exchanges from 2026-10-01 to 2026-10-21, which cost 1,235 USD ' +
        'a month. A label head could answer 61.2 % of the requests of one of them (at least 55.8 %), with a ' +
        'proven agreement of 95.0 % and save about 700 USD a month (at least 610 USD).'
    )
  })

  it('say that an engine costs more than it saves', () => {
    const totals = { ready: 1, usdPerMonth: 1, netUsdPerMonth: -3, leastNetUsdPerMonth: -3.1 }
    expect(headline(reportOf([labels()], { totals }))).toContain(
      'but the engine would cost 3.00 USD a month more than that saves'
    )
  })

  it('are two for a log without a template', () => {
    const report = reportOf([], { exchanges: 1, others: 1 })
    expect(headline(report)).toBe('No prompt recurs in 1 exchange from 2026-10-01 to 2026-10-21.')
    expect(nextStep(report, LOG)).toContain('DETECT_MIN_SESSIONS')
  })
})

describe('the next step', () => {
  it('is a command that a shell takes, with the rows that the estimate is of', () => {
    expect(nextStep(reportOf([labels()]), LOG)).toMatch(
      /^promptintern import 'my chats\.jsonl', then promptintern serve with TRAIN_ROWS=1500/
    )
    const data = { path: 'data', kind: 'data directory' as const, unread: 0 }
    expect(nextStep(reportOf([labels()]), data)).toBe(
      'promptintern internalize 0123456789abcdef0123456789abcdef with TRAIN_ROWS=1500'
    )
  })

  it('is to train a lora for one label, and to wait for exchanges that are missing, in two digits', () => {
    const constant = labels({ labels: 1, expectedCoverage: null, missingExchanges: null })
    expect(nextStep(reportOf([constant]), LOG)).toMatch(/a lora may learn its answers/)
    expect(nextStep(reportOf([waiting()]), LOG)).toBe(
      'log about 880 more exchanges of fedcba98, then scan again'
    )
    expect(remarkOf(waiting())).toContain(
      'no threshold passes; about 880 more exchanges with new questions would bring 20.0 % coverage'
    )
  })
})

describe('the table', () => {
  it('fits 80 columns, and marks what is only possible', () => {
    const json = labels({
      responseType: 'json',
      labels: null,
      expectedCoverage: null,
      coverageLowerBound: null,
      netUsdPerMonth: null,
    })
    const text = scanText(reportOf([labels(), waiting(), json]), LOG, FREE)
    const rows = text.split('\n').filter((line) => /^(template|0123|fedc)/.test(line))
    expect(rows[0]).toMatch(/^template +requests +prompt +answers +coverage +costs +saves$/)
    expect(rows[1]).toMatch(
      /^01234567 +4,000 +1,100 +77 labels +61 % \(≥ 55 %\) +1,235 USD +700 USD$/
    )
    expect(rows[2]).toMatch(/none yet +1,235 USD +≤ 1,200 USD$/)
    expect(rows[3]).toMatch(/json +unknown +1,235 USD +≤ 1,200 USD$/)
  })
})

describe('the page', () => {
  const page = scanPage(reportOf([labels(), waiting()]), LOG, FREE)

  it('loads nothing, runs no script and forbids both', () => {
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`)
    expect(page).not.toMatch(/<script|<link|<img|@import|url\(|\bsrc=|\bhref=|https?:/)
  })

  it('escapes texts of the log', () => {
    expect(page).toContain('gpt&lt;script&gt;')
  })

  it('has plots in light and dark, without a number that is none', () => {
    expect(page.match(/<svg /g)).toHaveLength(5)
    expect(page).toContain('prefers-color-scheme: dark')
    expect(page).not.toMatch(/NaN|Infinity|undefined/)
  })

  it('has texts only where the report has them', () => {
    expect(page).not.toContain('<pre>')
    const text = {
      messages: [{ role: 'system', segments: [{ kind: 'anchor' as const, text: 'Be <brief>.' }] }],
      labels: ['yes', 'no'],
    }
    const withText = scanPage(reportOf([labels({ text })]), LOG, FREE)
    expect(withText).toContain('<pre>system: Be &lt;brief&gt;.\n\nlabels: yes, no</pre>')
  })

  it('shows tokens where there is no price, and nothing where no prompt recurs', () => {
    const unpriced = labels({ usdPerMonth: null, netUsdPerMonth: null, mostNetUsdPerMonth: null })
    expect(scanPage(reportOf([unpriced]), LOG, FREE)).toContain('4,400,000 prompt tokens')
    expect(scanPage(reportOf([]), LOG, FREE)).not.toContain('<svg')
  })
})
