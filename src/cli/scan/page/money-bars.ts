/** What each template costs today, what the provider's cache already saves, and what a head could save. */
import type { ScanReport, TemplateReport } from '../../../core/scan/report.ts'
import { shortId } from '../../../core/template/name.ts'
import { count, usd } from '../../../core/cost/figure-text.ts'
import { escapeHtml } from './svg.ts'

const MAX_TEMPLATES = 12
/** Of the width, for the longest bar: its text stands beside it, on a phone too. */
const LONGEST_PERCENT = 55

interface Bar {
  className: string
  value: number
  text: string
}

interface Row {
  name: string
  detail: string
  /** one below the other */
  bars: Bar[]
}

const dollarRow = (row: TemplateReport): Row => {
  const cost = row.usdPerMonth ?? 0
  const cached = Math.max(0, row.cacheSavesUsdPerMonth ?? 0)
  const net = row.netUsdPerMonth ?? 0
  const most = Math.max(0, row.mostNetUsdPerMonth ?? 0)
  return {
    name: shortId(row.version),
    detail: `${count(row.requestsPerMonth ?? 0)} requests`,
    bars: [
      {
        className: 'cost',
        value: cost,
        text: `${usd(cost)}${cached > 0 ? `, the cache saves ${usd(cached)}` : ''}`,
      },
      net > 0
        ? { className: 'saved', value: net, text: `${usd(net)} saved` }
        : { className: 'possible', value: most, text: `at most ${usd(most)} saved` },
    ],
  }
}

const tokenRow = (row: TemplateReport): Row => {
  const tokens = row.requests * (row.promptTokens ?? 0)
  const removed = row.requests * (row.templateTokens ?? 0)
  return {
    name: shortId(row.version),
    detail: `${count(row.requests)} requests`,
    bars: [
      { className: 'cost', value: tokens, text: `${count(tokens)} prompt tokens` },
      { className: 'possible', value: removed, text: `${count(removed)} of the template` },
    ],
  }
}

const barMarkup = ({ className, value, text }: Bar, most: number): string => {
  const width = (LONGEST_PERCENT * value) / (most || 1)
  return `<div class="bar"><i class="${className}" style="width: ${width.toFixed(1)}%"></i><span>${escapeHtml(text)}</span></div>`
}

const rowMarkup = ({ name, detail, bars }: Row, most: number): string =>
  `<li><code>${escapeHtml(name)}</code> <span class="faint">${escapeHtml(detail)}</span>\n${bars
    .map((bar) => barMarkup(bar, most))
    .join('\n')}</li>`

/** In dollars a month, or where none are known, in tokens of the log. */
export const moneyBars = ({ templates }: ScanReport): string => {
  const shown = templates.slice(0, MAX_TEMPLATES)
  const isPriced = shown.some(({ usdPerMonth }) => usdPerMonth !== null)
  const rows = shown.map(isPriced ? dollarRow : tokenRow)
  const most = Math.max(...rows.flatMap(({ bars }) => bars.map(({ value }) => value)))
  return `<ul class="bars">\n${rows.map((row) => rowMarkup(row, most)).join('\n')}\n</ul>`
}
