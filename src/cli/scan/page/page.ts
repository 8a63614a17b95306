/**
 * A scan as one HTML page, to be sent to a colleague: it loads nothing, runs no script, and holds no text of
 * the log unless the report does. Pure.
 */
import type { FieldDescription } from '../../../core/form/describe-form.ts'
import type { NextStep } from '../next-step.ts'
import type { ScanReport, TemplateReport } from '../../../core/scan/report.ts'
import { shortId } from '../../../core/template/name.ts'
import type { Segment } from '../../../core/template/template.ts'
import { visibleName } from '../../../visible-text.ts'
import { answersText, coverageText, orUnknown, savesText } from '../text.ts'
import { cacheLines } from '../../../core/cache/cache-text.ts'
import { otherTitle } from '../../../core/cache/other-caches.ts'
import type { CacheReport } from '../../../core/cache/cache-report.ts'
import { count, share, usd } from '../../../core/cost/figure-text.ts'
import { about, headline, notesOf, remarkOf, type ScannedLog } from '../words.ts'
import { coveragePlot } from './curves.ts'
import { moneyBars } from './money-bars.ts'
import { htmlDocument, htmlTable } from './document.ts'
import { escapeHtml } from './svg.ts'

/** A command is copied with one click. */
const SCRIPT = `document.querySelector('.next button').addEventListener('click', async (event) => {
  await navigator.clipboard.writeText(document.querySelector('.next pre').textContent)
  event.target.textContent = 'Copied'
})`
/** Templates with plots of their own. */
const MAX_PLOTTED = 8

const HEADER = [
  'template',
  'model',
  'requests',
  'prompt tokens',
  'from the cache',
  'answers',
  'coverage (at least)',
  'missing exchanges',
  'costs a month',
  'cache saves',
  'a head saves',
]

const cellsOf = (row: TemplateReport): string[] => [
  shortId(row.version),
  row.model,
  count(row.requests),
  orUnknown(row.promptTokens, count),
  orUnknown(row.cacheHitShare, share),
  answersText(row),
  coverageText(row),
  orUnknown(row.missingExchanges, about),
  orUnknown(row.usdPerMonth, usd),
  orUnknown(row.cacheSavesUsdPerMonth, usd),
  savesText(row),
]

const tableOf = ({ templates }: ScanReport): string => htmlTable(HEADER, templates.map(cellsOf))

const segmentText = (segment: Segment): string => {
  if (segment.kind === 'anchor') return segment.text
  return segment.kind === 'query' ? '{query}' : `{${segment.kind} ${segment.name}}`
}

const FIELD_HEADER = ['field', 'value', 'optional', 'examples']

const fieldCells = ({ path, kind, rules, isOptional, examples }: FieldDescription): string[] => [
  path === '' ? 'the whole answer' : path,
  [kind, ...rules].join(', '),
  isOptional ? 'yes' : '',
  examples.join(', '),
]

/** Examples only where the report has texts. */
const fieldsOf = ({ fields }: TemplateReport): string => {
  if (fields === null) return ''
  const hasExamples = fields.some(({ examples }) => examples.length > 0)
  const shown = (cells: string[]): string[] => (hasExamples ? cells : cells.slice(0, -1))
  return (
    `<details><summary>Fields</summary>` +
    `${htmlTable(
      shown(FIELD_HEADER),
      fields.map((field) => shown(fieldCells(field)))
    )}</details>`
  )
}

const textOf = ({ text }: TemplateReport): string => {
  if (text === undefined) return ''
  const messages = text.messages.map(
    ({ role, segments }) => `${role}: ${segments.map(segmentText).join('')}`
  )
  const labels = text.labels.length === 0 ? [] : [`labels: ${text.labels.join(', ')}`]
  return `<details><summary>Text</summary><pre>${escapeHtml([...messages, ...labels].join('\n\n'))}</pre></details>`
}

const plotOf = (row: TemplateReport, margin: number): string =>
  row.selective.length === 0 ? '' : coveragePlot(row, margin)

/** Why the provider's cache is not read; '' where there is nothing to mend. */
const cacheHtml = (cache: CacheReport | null): string => {
  const lines = cache && cacheLines(cache)
  if (lines === null) return ''
  const items = lines.causes.map((line) => `<li>${escapeHtml(visibleName(line))}</li>`).join('')
  const list = items === '' ? '' : `<ul>${items}</ul>`
  return `<div class="cache"><p>${escapeHtml(lines.head)}</p>${list}</div>`
}

const otherSections = ({ otherCaches }: ScanReport): string => {
  const shown = otherCaches.flatMap((other) => {
    const html = cacheHtml(other.cache)
    return html === ''
      ? []
      : [`<p class="remark">${escapeHtml(visibleName(otherTitle(other)))}</p>${html}`]
  })
  return shown.length === 0 ? '' : `<h2>Requests without a template</h2>\n${shown.join('\n')}`
}

const templateSection = (row: TemplateReport, place: number, margin: number): string => {
  const plot = place < MAX_PLOTTED ? plotOf(row, margin) : ''
  const remark = remarkOf(row)
  return [
    `<h3>${escapeHtml(shortId(row.version))}</h3>`,
    `<p class="remark">${escapeHtml(
      [`${count(row.requests)} requests to ${row.model}`, answersText(row), coverageText(row)].join(
        ' · '
      )
    )}</p>`,
    ...(remark === '' ? [] : [`<p class="remark">${escapeHtml(remark)}</p>`]),
    cacheHtml(row.cache),
    plot,
    fieldsOf(row),
    textOf(row),
  ].join('\n')
}

const key = (className: string, text: string): string =>
  `<span class="key" style="background: var(--${className})"></span>${text}`

const moneySection = (report: ScanReport): string => {
  const isPriced = report.templates.some(({ usdPerMonth }) => usdPerMonth !== null)
  const keys = isPriced
    ? [
        key('cost', 'cost a month today'),
        key('saved', 'expected savings'),
        key('possible', 'at most'),
      ]
    : [key('cost', 'prompt tokens'), key('possible', 'of these, not needed by a route')]
  return `<h2>${isPriced ? 'Cost and possible savings' : 'Where the tokens go'}</h2>
<p class="faint">${keys.join('')}</p>
${moneyBars(report)}`
}

const promiseText = ({ gate: { margin } }: ScanReport): string =>
  `A head answers only when its confidence is high enough. The dashed line is the promised agreement of ${share(1 - margin)} with the upstream. The vertical line is the coverage at which the gate proves this agreement on held-out exchanges. The band extends to the lower bound: on later traffic, the head answers at least this share (95 % confidence).`

const nextHtml = ({ says, command }: NextStep): string =>
  command === null
    ? `<p class="next">Next: ${escapeHtml(says)}</p>`
    : `<div class="next"><p>Next: ${escapeHtml(says)}</p>
<pre>${escapeHtml(visibleName(command))}</pre>
<button>Copy</button></div>`

/** @returns a whole HTML document */
export const scanPage = (
  report: ScanReport,
  log: ScannedLog,
  { isEngineFree, next }: { isEngineFree: boolean; next: NextStep }
): string => {
  const { templates, gate } = report
  const sections =
    templates.length === 0
      ? ''
      : `${moneySection(report)}
<h2>Each prompt</h2>
<p class="faint">${escapeHtml(promiseText(report))}</p>
${templates.map((row, place) => templateSection(row, place, gate.margin)).join('\n')}
<h2>All figures</h2>
${tableOf(report)}`
  const notes = notesOf(report, log, isEngineFree).map((note) => `<li>${escapeHtml(note)}</li>`)
  return htmlDocument({
    title: 'A first look at a log',
    script: next.command === null ? null : SCRIPT,
    body: `<h1>A first look at a log · promptintern scan</h1>
<p class="lead">${escapeHtml(headline(report))}</p>
${nextHtml(next)}
${sections}
${otherSections(report)}
<ul class="faint">
${notes.join('\n')}
</ul>`,
  })
}
