/** The result of a scan: figures for each template, ranked by money, and their totals. Has no texts of the log unless asked for. */
import type { OtherCache } from '../cache/cache-report.ts'
import type { FieldDescription } from '../form/describe-form.ts'
import type { Template } from '../template/template.ts'
import {
  adviceOf,
  type Advice,
  type Judged,
  type PricedJudged,
  type TemplateMoney,
} from './money.ts'
import type { Reason } from '../reason.ts'
import type { CurvePoint } from '../gate/coverage-curve.ts'
import type { GrowthPoint } from './coverage.ts'
import type { HeadPlan } from './head-plan.ts'
import type { AnswerType, AppliedTerms, TrainingTerms } from '../terms/terms.ts'
import type { LogScan } from './log-scan.ts'

/** Figures of one template. Tokens are means per request, dollars are per month. */
export interface TemplateReport extends Omit<TemplateMoney, 'call' | 'unknown'> {
  version: string
  tenant: string
  model: string
  requests: number
  /** exchanges that a route may learn from and answer by their form */
  exchanges: number
  /** of the requests, those that a live route answered */
  answeredByRoute: number
  /** null where no call has a count or an estimate, like all tokens */
  promptTokens: number | null
  /** of the prompt, those that a route does not read */
  templateTokens: number | null
  outputTokens: number | null
  tokensCountedBy: 'upstream' | 'estimate' | null
  /** of the prompt tokens, those that the provider's cache served; assumed where `cacheIsMeasured` is false */
  cacheHitShare: number | null
  cacheIsMeasured: boolean | null
  /** most money first */
  advice: Advice[]
  /** why dollars a month are not known; null where they are */
  moneyUnknown: string | null
  /** null without an answer in text or calls */
  responseType: AnswerType | null
  /** of the upstreams that may have answered, about training on answers of this type; empty without an answer */
  terms: AppliedTerms[]
  /** of the form, in the order of the answer, without examples unless texts were asked for; null without a form */
  fields: FieldDescription[] | null
  /** share of the answers that the form reproduces; null without one */
  explained: number | null
  /** distinct labels; null where the answers are no labels */
  labels: number | null
  /** of the head: trained on, held out of the traffic, and held-out questions that are new to training */
  rows: { train: number; heldOut: number; unseen: number }
  /** share of the requests that a head would answer; 0: the gate would refuse it; null: not predicted */
  expectedCoverage: number | null
  coverageLowerBound: number | null
  /** of the answered requests, and its one-sided 95 % lower bound */
  agreement: number | null
  agreementLowerBound: number | null
  /** if a head answered every request that it may */
  agreementOfAll: number | null
  /** why no coverage is expected; null where one is */
  coverageReason: Reason | null
  /** exchanges until a head can be tried; 0: one passes; null: not known */
  missingExchanges: number | null
  selective: CurvePoint[]
  /** of heads that learned from a half and from all of the rows; empty where none was tried */
  growth: GrowthPoint[]
  /** only where texts were asked for */
  text?: { messages: Template['messages']; labels: string[] }
}

export interface ScanTotals {
  /** templates that a head would answer a part of */
  ready: number
  /** null where it is not known of any template */
  usdPerMonth: number | null
  netUsdPerMonth: number | null
  leastNetUsdPerMonth: number | null
  /** what mends of the provider's cache save, of requests without a template too */
  cacheUsdPerMonth: number | null
}

export interface ScanReport {
  exchanges: number
  /** of the exchanges, those without a template */
  others: number
  /** records without a request that can be read, such as pruned ones */
  withoutBody: number
  /** known times, milliseconds since the epoch */
  from: number | null
  to: number | null
  /** what made the features of the heads */
  features: string
  gate: { margin: number; minCoverage: number; trainRows: number; holdoutRows: number }
  totals: ScanTotals
  /** most money first */
  templates: TemplateReport[]
  /** of requests without a template, most money first */
  otherCaches: OtherCache[]
}

interface Context {
  scan: Pick<LogScan, 'exchanges' | 'others' | 'withoutBody' | 'from' | 'to'>
  settings: ScanReport['gate'] & {
    encoder: { name: string }
    withText: boolean
    terms: TrainingTerms
  }
}

/** As measured; else as the money assumes: warm for a prompt that is long enough. */
const cacheHitShareOf = ({ call, minCachedPrefixTokens }: TemplateMoney): number | null => {
  if (call === null) return null
  if (call.cacheIsMeasured) return call.cacheHitShare
  if (minCachedPrefixTokens === null) return null
  return call.promptTokens < minCachedPrefixTokens ? 0 : call.cacheHitShare
}

const moneyFigures = (money: TemplateMoney) => {
  const { call, unknown, ...figures } = money
  return {
    promptTokens: call?.promptTokens ?? null,
    templateTokens: call?.templateTokens ?? null,
    outputTokens: call?.outputTokens ?? null,
    tokensCountedBy: call?.countedBy ?? null,
    cacheHitShare: cacheHitShareOf(money),
    cacheIsMeasured: call?.cacheIsMeasured ?? null,
    ...figures,
    advice: adviceOf(money),
    moneyUnknown: unknown,
  }
}

/** Until a head can be tried: 0 where one passes, null where it is not known. */
const missingOf = ({ plan: { obstacle }, coverage }: Judged): number | null => {
  if (coverage === null) return obstacle?.missingExchanges ?? null
  return coverage.refusal === null ? 0 : null
}

const coverageFigures = (judged: Judged) => {
  const { plan, coverage } = judged
  return {
    expectedCoverage: coverage?.expectedCoverage ?? null,
    coverageLowerBound: coverage?.coverageLowerBound ?? null,
    agreement: coverage?.agreement ?? null,
    agreementLowerBound: coverage?.agreementLowerBound ?? null,
    agreementOfAll: coverage?.agreementOfAll ?? null,
    coverageReason: plan.obstacle?.reason ?? coverage?.refusal ?? null,
    missingExchanges: missingOf(judged),
    selective: coverage?.selective ?? [],
    growth: coverage?.growth ?? [],
  }
}

/** The values of a choice are texts of the log. */
const formFigures = ({ form }: HeadPlan, withText: boolean) => ({
  explained: form && form.explained,
  fields: form && form.fields.map((field) => (withText ? field : { ...field, examples: [] })),
})

const templateReport = (
  judged: PricedJudged,
  { withText, terms }: Context['settings']
): TemplateReport => {
  const {
    found: { template, tally, population },
    plan,
    coverage,
    money,
  } = judged
  const { split, labels, form, responseType } = plan
  const { version, tenant, model, messages } = template
  const type = form === null ? responseType : 'form'
  return {
    version,
    tenant,
    model,
    requests: tally.requests,
    exchanges: population,
    answeredByRoute: tally.answeredByRoute,
    ...moneyFigures(money),
    responseType: type,
    terms: type === null ? [] : terms.of(model, type),
    labels: labels?.length ?? null,
    ...formFigures(plan, withText),
    rows: {
      // in its time a field head may learn a part
      train: coverage?.growth.at(-1)?.rows ?? split.train.length,
      heldOut: split.traffic.length,
      unseen: split.unseen.length,
    },
    ...coverageFigures(judged),
    ...(withText && { text: { messages, labels: labels ?? [] } }),
  }
}

/** The expected savings of a mend or a head first, then those that are possible at most, then tokens. */
const byMoney = (a: TemplateReport, b: TemplateReport): number => {
  const expected = ({ advice: [first] }: TemplateReport) => first?.usdPerMonth ?? 0
  const possible = ({ mostNetUsdPerMonth }: TemplateReport) => Math.max(0, mostNetUsdPerMonth ?? 0)
  const tokens = ({ requests, promptTokens }: TemplateReport) => requests * (promptTokens ?? 1)
  // without prices: what a head would answer counts before what it would not
  const answered = (row: TemplateReport) => (row.expectedCoverage ?? 0) * tokens(row)
  return (
    expected(b) - expected(a) ||
    answered(b) - answered(a) ||
    possible(b) - possible(a) ||
    tokens(b) - tokens(a)
  )
}

/** Null where all are. */
const sumOf = (values: (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0)
}

/** @param otherCaches most money first */
export const reportOf = (
  judged: readonly PricedJudged[],
  otherCaches: readonly OtherCache[],
  { scan, settings }: Context
): ScanReport => {
  const { exchanges, others, withoutBody, from, to } = scan
  const { margin, minCoverage, trainRows, holdoutRows, encoder } = settings
  const templates = judged.map((one) => templateReport(one, settings)).toSorted(byMoney)
  return {
    exchanges,
    others,
    withoutBody,
    from,
    to,
    features: encoder.name,
    gate: { margin, minCoverage, trainRows, holdoutRows },
    totals: {
      ready: templates.filter(({ expectedCoverage }) => (expectedCoverage ?? 0) > 0).length,
      usdPerMonth: sumOf(templates.map(({ usdPerMonth }) => usdPerMonth)),
      netUsdPerMonth: sumOf(templates.map(({ netUsdPerMonth }) => netUsdPerMonth)),
      leastNetUsdPerMonth: sumOf(templates.map(({ leastNetUsdPerMonth }) => leastNetUsdPerMonth)),
      cacheUsdPerMonth: sumOf(
        [...templates, ...otherCaches].map(({ cache }) => cache?.usdPerMonth ?? null)
      ),
    },
    templates,
    otherCaches: [...otherCaches],
  }
}
