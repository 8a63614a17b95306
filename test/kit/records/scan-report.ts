/** Reports of a scan with figures of no log. */
import { saidBy } from '../../../src/core/reason.ts'
import type { ScanReport, TemplateReport } from '../../../src/core/scan/report.ts'

/** One with a head that the gate would promote. */
export const labels = (changed: Partial<TemplateReport> = {}): TemplateReport => ({
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
  cache: null,
  price: { model: 'gpt-4o-mini', asOf: '2026-11-20' },
  retiresOn: '2027-01-14',
  advice: [{ action: 'internalize', usdPerMonth: 700 }],
  moneyUnknown: null,
  terms: [],
  responseType: 'label',
  labels: 77,
  fields: null,
  explained: null,
  rows: { train: 1500, heldOut: 500, unseen: 500 },
  expectedCoverage: 0.612,
  coverageLowerBound: 0.558,
  agreement: 0.97,
  agreementLowerBound: 0.95,
  agreementOfAll: 0.84,
  coverageReason: null,
  missingExchanges: 0,
  selective: [
    { coverage: 0.5, agreement: 0.99, lower: 0.97, upper: 1, confidence: -0.1 },
    { coverage: 1, agreement: 0.84, lower: 0.8, upper: 0.87, confidence: -1 },
  ],
  growth: [
    { rows: 750, coverage: 0.41, agreementOfAll: 0.7 },
    { rows: 1500, coverage: 0.612, agreementOfAll: 0.84 },
  ],
  ...changed,
})

/** One whose head the gate refuses, and that twice the exchanges made better. */
export const waiting = (changed: Partial<TemplateReport> = {}): TemplateReport =>
  labels({
    version: 'fedcba9876543210fedcba9876543210',
    expectedCoverage: 0,
    coverageLowerBound: 0,
    coverageReason: saidBy('no threshold passes'),
    missingExchanges: null,
    netUsdPerMonth: 0,
    advice: [],
    growth: [
      { rows: 250, coverage: 0, agreementOfAll: 0.6 },
      { rows: 500, coverage: 0, agreementOfAll: 0.72 },
    ],
    ...changed,
  })

export const reportOf = (
  templates: TemplateReport[],
  changed: Partial<ScanReport> = {}
): ScanReport => ({
  exchanges: 10_000,
  others: 2000,
  withoutBody: 0,
  from: Date.UTC(2026, 9, 1),
  to: Date.UTC(2026, 9, 21),
  features: 'hashed words',
  gate: { margin: 0.05, minCoverage: 0.2, trainRows: 500, holdoutRows: 500 },
  totals: {
    ready: 1,
    usdPerMonth: 1234.5,
    netUsdPerMonth: 700,
    leastNetUsdPerMonth: 610,
    cacheUsdPerMonth: null,
  },
  templates,
  otherCaches: [],
  ...changed,
})
