/** Numbers and conclusions of a scan in words, for the terminal and the page. Pure. */
import { pricesText } from '../../core/cost/price-list.ts'
import { retirementsOf, retirementText } from '../../core/cost/retirements.ts'
import { dayText } from '../../core/days.ts'
import { reasonText } from '../../core/reasons/say-reason.ts'
import type { Advice } from '../../core/scan/money.ts'
import type { ScanReport, TemplateReport } from '../../core/scan/report.ts'
import { termsText } from '../../core/terms/terms.ts'
import { formText, type ShownForm } from '../form-text.ts'
import { table } from '../output.ts'
import {
  otherTitle,
  type CacheReport,
  type OtherCache,
  cacheLines,
} from '../../core/cache/cache-report.ts'
import { visibleName } from '../../visible-text.ts'
import type { Titles } from '../titles.ts'
import { counted, percent, roundDollars, whole } from '../../core/figure-text.ts'

/** Two digits: more would say more than is known. */
export const about = (value: number): string => whole(Number(value.toPrecision(2)))

const daysText = ({ from, to }: ScanReport): string => {
  if (from === null || to === null) return ''
  return dayText(from) === dayText(to)
    ? ` of ${dayText(from)}`
    : ` from ${dayText(from)} to ${dayText(to)}`
}

/** In place of a tenant, of a file whose tenant is not known. */
export const NO_TENANT = 'file'

export const isReady = ({ expectedCoverage }: TemplateReport): boolean =>
  (expectedCoverage ?? 0) > 0

export const hasForm = ({ responseType }: TemplateReport): boolean => responseType === 'form'

/** An internalization may show what the scan did not. */
export const isUntriedForm = (row: TemplateReport): boolean =>
  hasForm(row) && row.expectedCoverage === null && row.missingExchanges === null

const savedText = ({ totals }: ScanReport): string => {
  const { netUsdPerMonth: net, leastNetUsdPerMonth: least } = totals
  if (net === null || least === null) return ''
  if (net <= 0)
    return `, but the engine would cost ${roundDollars(-net)} a month more than that saves`
  return ` and save about ${roundDollars(net)} a month (at least ${roundDollars(least)})`
}

/** Requests that heads would answer, and at least, over all requests of their templates. */
const answeredShare = (
  ready: TemplateReport[],
  coverage: 'expectedCoverage' | 'coverageLowerBound'
): number =>
  ready.reduce((sum, row) => sum + row.requests * (row[coverage] ?? 0), 0) /
  ready.reduce((sum, { requests }) => sum + requests, 0)

const whoseRequests = (ready: number, all: number): string => {
  if (all === 1) return 'its requests'
  return `the requests of ${ready === 1 ? 'one' : whole(ready)} of them`
}

/** The heads that would answer, as a subject. */
const headsOf = (ready: TemplateReport[]): string => {
  const forms = ready.filter(hasForm).length
  if (forms === 0) return 'A label head'
  return forms === ready.length ? 'A field head' : 'Heads'
}

/** Where no head is expected to answer. */
const notReadyText = ({ templates }: ScanReport): string => {
  if (templates.some(isUntriedForm))
    return 'Some answers have a form that a field head may learn; their coverage is not known.'
  return `${templates.some(hasForm) ? 'A head' : 'A label head'} cannot answer any of them yet.`
}

const readyText = (report: ScanReport): string => {
  const ready = report.templates.filter(isReady)
  if (ready.length === 0) return notReadyText(report)
  const agreement = percent(1 - report.gate.margin)
  return (
    `${headsOf(ready)} could answer ${percent(answeredShare(ready, 'expectedCoverage'))} of ` +
    `${whoseRequests(ready.length, report.templates.length)} (at least ` +
    `${percent(answeredShare(ready, 'coverageLowerBound'))}), with a proven agreement of ${agreement}` +
    `${savedText(report)}.`
  )
}

/** '' where the provider's cache needs no mend, or its dollars are not known. */
const mendText = ({ totals }: ScanReport): string => {
  const saved = totals.cacheUsdPerMonth ?? 0
  return saved > 0
    ? ` Mends of the provider's cache alone would save about ${roundDollars(saved)} a month.`
    : ''
}

/** What recurs, and what could be saved. */
export const headline = (report: ScanReport): string => {
  const { templates, exchanges, others, totals } = report
  const log = `${counted(exchanges, 'exchange')}${daysText(report)}`
  if (templates.length === 0) return `No prompt recurs in ${log}.${mendText(report)}`
  const cost =
    totals.usdPerMonth === null ? '' : `, which cost ${roundDollars(totals.usdPerMonth)} a month`
  return (
    `${counted(templates.length, 'prompt')} ${templates.length === 1 ? 'recurs' : 'recur'} in ` +
    `${percent(1 - others / Math.max(1, exchanges))} of ${log}${cost}. ${readyText(report)}${mendText(report)}`
  )
}

/** What twice the exchanges brought, as measured; null where one head was tried, or none. */
export const growthText = ({ growth }: TemplateReport): string | null => {
  const [half, all] = growth
  if (half === undefined || all === undefined) return null
  return all.coverage > 0
    ? `a head from ${whole(half.rows)} exchanges answers ${percent(half.coverage)}, one from ${whole(all.rows)} ${percent(all.coverage)}`
    : `a head from ${whole(half.rows)} exchanges agrees on ${percent(half.agreementOfAll)} of all answers, ` +
        `one from ${whole(all.rows)} on ${percent(all.agreementOfAll)}`
}

const missingText = ({ missingExchanges: missing }: TemplateReport): string | null =>
  missing === null || missing === 0 ? null : `about ${about(missing)} more exchanges are needed`

const readText = (row: TemplateReport): string | null => {
  const { cacheSavesUsdPerMonth: saved, cacheHitShare, minCachedPrefixTokens: least } = row
  if (saved === null || cacheHitShare === null || least === null) return null
  // a warm cache is assumed, and the text says that it is not read
  if (row.cacheIsMeasured === false && (row.cache?.causes.length ?? 0) > 0) return null
  if ((row.promptTokens ?? 0) < least)
    return `the provider's cache saves nothing: it needs prompts of at least ${whole(least)} tokens`
  return `the provider's cache saves ${roundDollars(saved)} a month already, with ${percent(cacheHitShare)} of the prompt tokens`
}

const STEPS = { mend: 'mend the cache', internalize: 'internalize', nothing: 'do nothing' }

/** '' where no advice can be given. */
const adviceText = (advice: readonly Advice[]): string => {
  const [first] = advice
  if (first === undefined) return ''
  if (first.action === 'nothing') return 'advice: do nothing'
  const steps = advice.map(
    ({ action, usdPerMonth }) => `${STEPS[action]} (${roundDollars(usdPerMonth)} a month)`
  )
  return `advice: ${steps.join(', or ')}`
}

/** What is known of one template beside its figures. */
export const remarkOf = (row: TemplateReport): string => {
  const { coverageReason, answeredByRoute, explained } = row
  const parts = [
    answeredByRoute > 0 && `a live route answered ${whole(answeredByRoute)} of the requests`,
    explained !== null && `a form reproduces ${percent(explained)} of the answers`,
    hasForm(row) &&
      isReady(row) &&
      `a head that learned from ${whole(row.rows.train)} rows in less than a minute would answer this share; an internalization trains longer`,
    coverageReason && reasonText(coverageReason),
    missingText(row),
    growthText(row),
    readText(row),
    adviceText(row.advice),
  ]
  return parts.filter((part) => typeof part === 'string' && part !== '').join('; ')
}

const isCacheAssumed = ({ cacheIsMeasured, cacheHitShare, cache }: TemplateReport): boolean =>
  cacheIsMeasured === false && (cacheHitShare ?? 0) > 0 && (cache?.causes.length ?? 0) === 0

/** What the figures in dollars and tokens assume. */
export const notesOf = (
  report: ScanReport,
  { unread, at: now }: ScannedLog,
  isEngineFree: boolean
): string[] => {
  const { templates, features, withoutBody, from } = report
  const some = (test: (row: TemplateReport) => boolean): boolean => templates.some(test)
  const unknown = new Set(templates.flatMap(({ moneyUnknown }) => moneyUnknown ?? []))
  const retired = retirementsOf(
    templates.map(({ model }) => model),
    (model) => templates.find((row) => row.model === model)?.retiresOn ?? null,
    now
  )
  return [
    pricesText(
      templates.flatMap(({ price }) => price ?? []),
      now
    ),
    ...retired.map(
      (one) => `${one.model} ${retirementText(one)}: promptintern move compares another model`
    ),
    ...[...unknown].map((reason) => `no dollars a month: ${reason}`),
    some((row) => row.growth.length > 0 && !hasForm(row)) && `heads were tried on ${features}`,
    some(({ growth }) => growth.length > 0) &&
      from === null &&
      'the lines have no times (at or created): each conversation counts as independent of all others',
    some(({ tokensCountedBy }) => tokensCountedBy === 'estimate') &&
      'tokens are estimated where the upstream counted none',
    some(isCacheAssumed) &&
      'a warm cache of the provider is assumed where the usage does not report cached tokens',
    some(({ netUsdPerMonth }) => (netUsdPerMonth ?? 0) > 0) &&
      isEngineFree &&
      'ENGINE_USD_PER_HOUR is not set, so the engine counts as 0',
    some(({ tenant }) => tenant === NO_TENANT) &&
      'the template ids change after an import: they depend on the tenant, which a file does not contain (set --tenant)',
    withoutBody > 0 && `${counted(withoutBody, 'record')} without a readable request are left out`,
    unread > 0 &&
      `${counted(unread, 'line')} of the file ${unread === 1 ? 'was' : 'were'} not read`,
  ].filter((note) => typeof note === 'string')
}

export type SourceKind = 'file' | 'data directory' | 'database'

export interface ScannedLog {
  path: string
  kind: SourceKind
  /** lines that are not chat exchanges */
  unread: number
  /** when it was read, milliseconds since the epoch */
  at: number
}

export const answersText = ({ responseType, labels, fields }: TemplateReport): string => {
  if (responseType === null) return 'none'
  if (responseType === 'form') return `${whole(fields!.length)} fields`
  return responseType === 'label' ? `${whole(labels ?? 1)} labels` : responseType
}

export const coverageText = (
  { expectedCoverage, coverageLowerBound }: TemplateReport,
  written: (value: number) => string = percent
): string => {
  if (expectedCoverage === null || coverageLowerBound === null) return 'unknown'
  return expectedCoverage === 0
    ? 'none yet'
    : `${written(expectedCoverage)} (≥ ${written(coverageLowerBound)})`
}

/** Expected savings; where none are predicted, the most that is possible. */
export const savesText = ({ netUsdPerMonth, mostNetUsdPerMonth }: TemplateReport): string => {
  if (netUsdPerMonth !== null && netUsdPerMonth !== 0) return roundDollars(netUsdPerMonth)
  return mostNetUsdPerMonth === null ? '?' : `≤ ${roundDollars(mostNetUsdPerMonth)}`
}

export const orUnknown = (value: number | null, text: (value: number) => string): string =>
  value === null ? '?' : text(value)

/** Short, and no more than is expected. */
const floored = (share: number): string => `${Math.floor(100 * share)} %`

/** Texts of the log, which the report has not, by version. */
export interface ScanTexts {
  titles: Titles
  forms: ReadonlyMap<string, ShownForm>
}

/** Fits 80 columns; what has no column stands in the remarks. */
const templatesTable = ({ templates }: ScanReport, titles: Titles): string =>
  table([
    ['template', 'requests', 'prompt', 'answers', 'coverage', 'costs', 'saves'],
    ...templates.map((row) => [
      titles.id(row.version),
      whole(row.requests),
      orUnknown(row.promptTokens, whole),
      answersText(row),
      coverageText(row, floored),
      orUnknown(row.usdPerMonth, roundDollars),
      savesText(row),
    ]),
  ])

const LEGEND =
  'prompt: tokens of a request; coverage: share of the requests that a head would answer; costs and saves: a month'

/** The name of each template, and what is known of it beside its figures. */
const remarksText = ({ templates }: ScanReport, { titles, forms }: ScanTexts): string =>
  templates
    .flatMap((row) => {
      const form = forms.get(row.version)
      const why = row.cache === null ? '' : cacheText(row.cache)
      return [
        [titles.title(row.version), remarkOf(row)].filter((text) => text !== '').join(': '),
        ...(form === undefined ? [] : [formText(form)]),
        ...(why === '' ? [] : [why]),
      ]
    })
    .join('\n')

/** Of the operator's own servers there is nothing to say. The page has no hosts and no links. */
const termsNotes = ({ templates }: ScanReport): Set<string> =>
  new Set(
    templates
      .flatMap(({ terms }) => terms)
      .flatMap((terms) => (terms.stance === 'own' ? [] : termsText(terms)))
  )

/** Table and remarks. */
export const scanText = (
  report: ScanReport,
  log: ScannedLog,
  { isEngineFree, ...texts }: ScanTexts & { isEngineFree: boolean }
): string => {
  const notes = [...notesOf(report, log, isEngineFree), ...termsNotes(report)]
  const others = otherCachesText(report.otherCaches)
  return [
    ...(report.templates.length === 0
      ? []
      : [`${templatesTable(report, texts.titles)}\n${LEGEND}`, remarksText(report, texts)]),
    ...(others === '' ? [] : [others]),
    ...(notes.length === 0 ? [] : [notes.join('\n')]),
  ].join('\n\n')
}

/** '' where there is nothing to mend. */
export const cacheText = (cache: CacheReport): string => {
  const lines = cacheLines(cache)
  return lines === null
    ? ''
    : [lines.head, ...lines.causes.map((line) => `  ${visibleName(line)}`)].join('\n')
}

/** Of requests without a template; '' where there is nothing to mend. */
export const otherCachesText = (others: readonly OtherCache[]): string =>
  others
    .flatMap((other) => {
      const text = cacheText(other.cache)
      return text === '' ? [] : [`${visibleName(otherTitle(other))}: ${text}`]
    })
    .join('\n')
