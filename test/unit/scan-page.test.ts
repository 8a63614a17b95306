/** The page and the sentences of a scan, from figures without a log. */
import { describe, expect, it } from 'vitest'
import { scanPage } from '../../src/cli/scan/page/page.ts'
import { scanText } from '../../src/cli/scan/text.ts'
import { titlesOf } from '../../src/cli/titles.ts'
import { headline, nextStep, remarkOf } from '../../src/cli/scan/words.ts'
import { labels, reportOf, waiting } from '../kit/records/scan-report.ts'

const LOG = { path: 'my chats.jsonl', kind: 'file' as const, unread: 0 }
const FREE = { isEngineFree: true }

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
      'promptintern internalize 01234567 with TRAIN_ROWS=1500'
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
    const text = scanText(reportOf([labels(), waiting(), json]), LOG, {
      ...FREE,
      titles: titlesOf(new Map()),
    })
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
    expect(page.match(/<svg /g)).toHaveLength(4)
    expect(page.match(/<div class="bar">/g)).toHaveLength(4)
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
    expect(scanPage(reportOf([]), LOG, FREE)).not.toMatch(/<svg|class="bars"/)
  })
})
