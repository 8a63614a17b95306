/** A scan on the terminal: the conclusion and the next step first, then a table and remarks. */
import type { NextStep } from './next-step.ts'
import type { ScanReport, TemplateReport } from '../../core/scan/report.ts'
import type { ScannedCaches } from '../../core/scan/scan.ts'
import { termsText } from '../../core/terms/terms.ts'
import { formText, type ShownForm } from '../form-text.ts'
import { table } from '../output.ts'
import { cacheText, otherCachesText } from './cache-words.ts'
import type { Titles } from '../titles.ts'
import { count, share, usd } from '../../core/cost/figure-text.ts'
import { headline, notesOf, remarkOf, type ScannedLog } from './words.ts'

export const answersText = ({ responseType, labels, fields }: TemplateReport): string => {
  if (responseType === null) return 'none'
  if (responseType === 'form') return `${count(fields!.length)} fields`
  return responseType === 'label' ? `${count(labels ?? 1)} labels` : responseType
}

export const coverageText = (
  { expectedCoverage, coverageLowerBound }: TemplateReport,
  written: (value: number) => string = share
): string => {
  if (expectedCoverage === null || coverageLowerBound === null) return 'unknown'
  return expectedCoverage === 0
    ? 'none yet'
    : `${written(expectedCoverage)} (≥ ${written(coverageLowerBound)})`
}

/** Expected savings; where none are predicted, the most that is possible. */
export const savesText = ({ netUsdPerMonth, mostNetUsdPerMonth }: TemplateReport): string => {
  if (netUsdPerMonth !== null && netUsdPerMonth !== 0) return usd(netUsdPerMonth)
  return mostNetUsdPerMonth === null ? '?' : `≤ ${usd(mostNetUsdPerMonth)}`
}

export const orUnknown = (value: number | null, text: (value: number) => string): string =>
  value === null ? '?' : text(value)

const whole = (value: number): string => `${Math.floor(100 * value)} %`

/** Texts of the log, which the report has not, by version. */
export interface ScanTexts {
  titles: Titles
  forms: ReadonlyMap<string, ShownForm>
  caches: ScannedCaches
}

/** Fits 80 columns; what has no column stands in the remarks. */
const templatesTable = ({ templates }: ScanReport, titles: Titles): string =>
  table([
    ['template', 'requests', 'prompt', 'answers', 'coverage', 'costs', 'saves'],
    ...templates.map((row) => [
      titles.id(row.version),
      count(row.requests),
      orUnknown(row.promptTokens, count),
      answersText(row),
      coverageText(row, whole),
      orUnknown(row.usdPerMonth, usd),
      savesText(row),
    ]),
  ])

const LEGEND =
  'prompt: tokens of a request; coverage: share of the requests that a head would answer; costs and saves: a month'

/** The name of each template, and what is known of it beside its figures. */
const remarksText = ({ templates }: ScanReport, { titles, forms, caches }: ScanTexts): string =>
  templates
    .flatMap((row) => {
      const form = forms.get(row.version)
      const cache = caches.templates.get(row.version)
      const why = cache === undefined ? '' : cacheText(cache)
      return [
        [titles.title(row.version), remarkOf(row)].filter((text) => text !== '').join(': '),
        ...(form === undefined ? [] : [formText(form)]),
        ...(why === '' ? [] : [why]),
      ]
    })
    .join('\n')

/** What is read first; the command of the next step stands behind it, in a line of its own. */
export const conclusionText = (report: ScanReport, { says, command }: NextStep): string =>
  [headline(report), `next: ${says}${command === null ? '' : ':'}`].join('\n\n')

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
  const others = otherCachesText(texts.caches.others)
  return [
    ...(report.templates.length === 0
      ? []
      : [`${templatesTable(report, texts.titles)}\n${LEGEND}`, remarksText(report, texts)]),
    ...(others === '' ? [] : [others]),
    ...(notes.length === 0 ? [] : [notes.join('\n')]),
  ].join('\n\n')
}
