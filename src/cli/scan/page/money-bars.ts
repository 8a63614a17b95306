/** What each template costs today, what the provider's cache already saves, and what a head could save. */
import type { ScanReport, TemplateReport } from '../../../core/scan/report.ts'
import { count, shortVersion, usd } from '../words.ts'
import { element, label, picture } from './svg.ts'

const MAX_TEMPLATES = 12
const WIDTH = 720
const LEFT = 150
const RIGHT = 130
const ROW = 58
const BAR = 14

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
    name: shortVersion(row),
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
    name: shortVersion(row),
    detail: `${count(row.requests)} requests`,
    bars: [
      { className: 'cost', value: tokens, text: `${count(tokens)} prompt tokens` },
      { className: 'possible', value: removed, text: `${count(removed)} of the template` },
    ],
  }
}

const rowMarkup = ({ name, detail, bars }: Row, place: number, most: number): string => {
  const top = place * ROW + 8
  const width = (value: number): number => (value / (most || 1)) * (WIDTH - LEFT - RIGHT)
  return [
    label(name, { x: LEFT - 10, y: top + 11, 'text-anchor': 'end', class: 'name' }),
    label(detail, { x: LEFT - 10, y: top + 29, 'text-anchor': 'end', class: 'faint' }),
    ...bars.flatMap(({ className, value, text }, i) => {
      const y = top + i * (BAR + 4)
      const length = Math.max(1, width(value))
      // behind a long bar there is no room
      const isInside = length > 0.6 * (WIDTH - LEFT - RIGHT)
      return [
        element('rect', { class: className, x: LEFT, y, width: length, height: BAR, rx: 2 }),
        label(text, {
          x: isInside ? LEFT + 6 : LEFT + length + 6,
          y: y + 11,
          class: isInside ? 'inside' : 'value',
        }),
      ]
    }),
  ].join('')
}

/** In dollars a month, or where none are known, in tokens of the log. */
export const moneyBars = ({ templates }: ScanReport): string => {
  const shown = templates.slice(0, MAX_TEMPLATES)
  const isPriced = shown.some(({ usdPerMonth }) => usdPerMonth !== null)
  const rows = shown.map(isPriced ? dollarRow : tokenRow)
  const most = Math.max(...rows.flatMap(({ bars }) => bars.map(({ value }) => value)))
  return picture(
    {
      width: WIDTH,
      height: rows.length * ROW,
      title: isPriced ? 'dollars a month by template' : 'prompt tokens by template',
    },
    rows.map((row, place) => rowMarkup(row, place, most))
  )
}
