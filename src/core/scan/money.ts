/**
 * What the requests of a template cost, what the provider's cache already saves of it, and what a route would
 * save, by the economics that `promptintern savings` uses.
 */
import { datedPrices, type DatedPrice } from '../cost/price-list.ts'
import { DAY_MS } from '../days.ts'
import {
  cacheReport,
  NO_RATE,
  type CacheReport,
  otherCachesOf,
  type OtherCache,
} from '../cache/cache-report.ts'
import type { CacheFinding } from '../cache/finding.ts'
import { callCosts, shareEngine, type Coverage, type Savings } from '../cost/economics.ts'
import {
  draftOf,
  economicsOf,
  engineHoursUsd,
  savedPerMonth,
  withCacheHits,
  type CallFigures,
  type Draft,
  type EconomicsSettings,
} from '../cost/template-economics.ts'
import { zip } from '../lists.ts'
import { callsPerMonth, type AskedCalls, type TrafficWindow } from '../cost/template-traffic.ts'
import type { Template } from '../template/template.ts'
import type { CoverageFigures } from './coverage.ts'
import type { HeadPlan } from './head-plan.ts'
import type { FoundTemplate, Tally } from './log-scan.ts'

const HOURS_PER_MONTH = (365 / 12) * 24
/** Of a head, with its evaluation. */
const TRAINING_SECONDS = 180

export interface TemplateMoney {
  /** tokens and shares of one call; null where no call has a count or an estimate */
  call: CallFigures | null
  /** null where the log has less than a day of known times */
  requestsPerMonth: number | null
  /** today, with the provider's cache */
  usdPerMonth: number | null
  /** of it, against the price without a cache; negative where writes cost more than reads save */
  cacheSavesUsdPerMonth: number | null
  /** a shorter prompt is not cached; null without a price */
  minCachedPrefixTokens: number | null
  /** at the expected coverage, after its share of the engine; null where either is not known */
  netUsdPerMonth: number | null
  /** at the lower bound of the coverage */
  leastNetUsdPerMonth: number | null
  /** if a route answered every request that it may */
  mostNetUsdPerMonth: number | null
  /** why the provider's cache is not read, and what mends save; null where too few requests were compared */
  cache: CacheReport | null
  /** that the dollars are made of; null: there is none */
  price: DatedPrice | null
  /** day on which the provider retires the model, YYYY-MM-DD; null: not known */
  retiresOn: string | null
  /** why there is no figure in dollars a month; null where there is */
  unknown: string | null
}

/** A template with what was found out of it. */
export interface Judged {
  found: FoundTemplate
  plan: HeadPlan
  /** null where no head was tried */
  coverage: CoverageFigures | null
  /** null: too few requests were compared */
  cacheFinding: CacheFinding | null
}

export interface PricedJudged extends Judged {
  money: TemplateMoney
}

export interface MoneySettings extends Omit<EconomicsSettings, 'arms' | 'proofUsd'> {
  /** of the whole log */
  window: TrafficWindow | null
  /** days that the log covers, where its records have no time */
  days: number | null
  /** texts of the log may be in the result */
  withText: boolean
}

/** A log has no routes. */
const NOT_ASKED: AskedCalls = { answered: 0, discarded: 0, unfitShare: 0 }

/** From the template's first request to the end of the log: traffic that has ended lowers the rate. */
const windowOf = (
  { requests, from }: Pick<Tally, 'requests' | 'from'>,
  { window, days }: MoneySettings
): TrafficWindow => {
  if (days !== null) return { calls: requests, from: 0, to: days * DAY_MS }
  return { calls: requests, from: from ?? 0, to: from === null ? 0 : (window?.to ?? from) }
}

const draftAt = ({ template, tally }: FoundTemplate, settings: MoneySettings): Draft => {
  const window = windowOf(tally, settings)
  return draftOf({
    template,
    traffic: {
      window,
      callsPerMonth: callsPerMonth(window, settings.captureShare),
      upstream: tally.tokens(),
      removedShare: tally.removedShare(),
      // the report says it by the answers of the whole log
      isFreeText: false,
      asked: NOT_ASKED,
    },
    internalizations: [],
    settings: { ...settings, trainSeconds: TRAINING_SECONDS, arms: [], proofUsd: null },
  })
}

/** @param answered share of the requests above the threshold */
const withCoverage = (draft: Draft, answered: number, { trafficShare }: MoneySettings): Draft => {
  const coverage: Coverage = {
    answered: answered * trafficShare,
    discarded: (1 - answered) * trafficShare,
    source: 'proven',
  }
  return { ...draft, coverage }
}

/**
 * Without the provider's counts a cache counts as warm; where the text of the log says that it cannot be read, it
 * counts as read so far as an earlier request left its start in it.
 */
const withComparison = (draft: Draft, finding: CacheFinding | null): Draft =>
  draft.call === null ||
  draft.call.cacheIsMeasured ||
  finding === null ||
  finding.causes.length === 0
    ? draft
    : withCacheHits(draft, finding.readableShare, draft.call.cacheWriteShare)

const netOf = (
  draft: Draft,
  { model }: Template,
  engineUsd: number,
  settings: MoneySettings
): Savings | null => economicsOf(draft, { model, engineUsd, settings }).monthly

/** Dollars per call without a cache, less those with it. */
const cacheSaves = ({ call, price }: Draft): number | null => {
  if (call === null || price === null) return null
  const uncached = callCosts({ ...call, cacheHitShare: 0, cacheWriteShare: 0 }, price, null)
  return uncached.now - callCosts(call, price, null).now
}

const whyUnknown = ({ price, call, traffic }: Draft, { model }: Template): string | null => {
  if (price === null) return `no price of ${model} is known: add it to PRICES_FILE`
  if (call === null) return 'the log has no call of this template with token counts'
  return traffic?.callsPerMonth == null ? NO_RATE : null
}

const timesMonth = (usd: number | null | undefined, perMonth: number | null): number | null =>
  usd == null || perMonth === null ? null : usd * perMonth

const moneyOf = (
  { found: { template }, coverage, cacheFinding: finding }: Judged,
  draft: Draft,
  engineUsd: number,
  settings: MoneySettings
): TemplateMoney => {
  const requestsPerMonth = draft.traffic?.callsPerMonth ?? null
  const { prices, withText } = settings
  const cache = finding && cacheReport(finding, { prices, requestsPerMonth, withText })
  const net = (answered: number): number | null => {
    // a template that no route answers pays no engine
    if (answered === 0) return draft.perCallUsd === null || requestsPerMonth === null ? null : 0
    const at = withCoverage(draft, answered, settings)
    return netOf(at, template, engineUsd, settings)?.netUsd ?? null
  }
  return {
    call: draft.call,
    requestsPerMonth,
    usdPerMonth: timesMonth(draft.perCallUsd?.now, requestsPerMonth),
    cacheSavesUsdPerMonth: timesMonth(cacheSaves(draft), requestsPerMonth),
    minCachedPrefixTokens: draft.price === null ? null : (draft.price.minCachedPrefixTokens ?? 0),
    netUsdPerMonth: coverage === null ? null : net(coverage.expectedCoverage),
    leastNetUsdPerMonth: coverage === null ? null : net(coverage.coverageLowerBound),
    mostNetUsdPerMonth: net(1),
    cache,
    price: datedPrices(prices, [template.model])[0] ?? null,
    retiresOn: draft.price?.deprecatedOn ?? null,
    unknown: whyUnknown(draft, template),
  }
}

/** The engine is shared by the templates that a route is expected for, in proportion to what they save. */
export const priceTemplates = (
  templates: readonly Judged[],
  settings: MoneySettings
): PricedJudged[] => {
  const drafts = templates.map((own) => ({
    own,
    draft: withComparison(draftAt(own.found, settings), own.cacheFinding),
  }))
  const saved = drafts.map(({ own: { coverage }, draft }) =>
    savedPerMonth(withCoverage(draft, coverage?.expectedCoverage ?? 0, settings))
  )
  const shares = shareEngine(engineHoursUsd(HOURS_PER_MONTH, settings), saved)
  return zip(drafts, shares).map(([{ own, draft }, share]) => ({
    ...own,
    money: moneyOf(own, draft, share, settings),
  }))
}

/** Of requests without a template. @returns most money first, then most requests */
export const otherCachesIn = (
  findings: readonly CacheFinding[],
  settings: MoneySettings
): OtherCache[] =>
  otherCachesOf(findings, settings, ({ requests }) =>
    callsPerMonth(
      windowOf({ requests, from: settings.window?.from ?? null }, settings),
      settings.captureShare
    )
  )

export interface Advice {
  action: 'mend' | 'internalize' | 'nothing'
  /** what it saves alone, against what the requests cost today: the savings of two steps do not add up */
  usdPerMonth: number
}

type Figures = Pick<TemplateMoney, 'cache' | 'netUsdPerMonth'>

/** @returns most money first; empty where neither is known */
export const adviceOf = ({ cache, netUsdPerMonth: net }: Figures): Advice[] => {
  const mend = cache?.usdPerMonth ?? 0
  const steps: Advice[] = [
    ...(mend > 0 ? [{ action: 'mend' as const, usdPerMonth: mend }] : []),
    ...(net !== null && net > 0 ? [{ action: 'internalize' as const, usdPerMonth: net }] : []),
  ]
  if (steps.length === 0 && net !== null) return [{ action: 'nothing', usdPerMonth: 0 }]
  return steps.toSorted((a, b) => b.usdPerMonth - a.usdPerMonth)
}
