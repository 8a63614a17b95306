/** The page and the sentences of a scan, from figures without a log. */
import { describe, expect, it } from 'vitest'
import { scanPage } from '../../src/cli/scan/page.tsx'
import { scanText, type ScanTexts, headline, remarkOf } from '../../src/cli/scan/words.ts'
import { titlesOf } from '../../src/cli/titles.ts'
import { nextStep, type Workshop } from '../../src/cli/scan/next-step.ts'
import type { ScanReport, TemplateReport } from '../../src/core/scan/report.ts'
import { labels, reportOf, waiting } from '../kit/records/scan-report.ts'

const LOG = {
  path: 'my chats.jsonl',
  kind: 'file' as const,
  unread: 0,
  at: Date.parse('2026-12-01'),
}
const SHOP: Workshop = {
  encoder: null,
  dataDir: 'data',
  hasEngine: false,
  bodyDays: 30,
  now: Date.parse('2026-10-22'),
}
const NEXT = { says: 'wait & see', command: null }
const FREE = { isEngineFree: true, next: NEXT }

const textOf = (report: ScanReport, texts: Partial<ScanTexts> = {}): string =>
  scanText(report, LOG, {
    isEngineFree: true,
    titles: titlesOf(new Map()),
    forms: new Map(),
    ...texts,
  })

describe('the first sentences', () => {
  it('says of which day the prices are, and when the model is retired', () => {
    const page = scanPage(reportOf([labels()]), LOG, FREE)
    expect(page).toContain('<bdi>prices of 2026-11-20</bdi>')
    expect(page).toContain(
      'is retired on 2027-01-14, in 44 days: promptintern move compares another model'
    )
  })

  it('say what recurs, what it costs, what a head answers and what that saves', () => {
    expect(headline(reportOf([labels()]))).toMatch(/could answer 61\.2 % of its requests \(/)
    expect(headline(reportOf([labels(), waiting()]))).toBe(
      '2 prompts recur in 80.0 % of 10,000 exchanges from 2026-10-01 to 2026-10-21, which cost 1,235 USD ' +
        'a month. A label head could answer 61.2 % of the requests of one of them (at least 55.8 %), with a ' +
        'proven agreement of 95.0 % and save about 700 USD a month (at least 610 USD).'
    )
  })

  it('say that an engine costs more than it saves', () => {
    const totals = {
      ready: 1,
      usdPerMonth: 1,
      netUsdPerMonth: -3,
      leastNetUsdPerMonth: -3.1,
      cacheUsdPerMonth: null,
    }
    expect(headline(reportOf([labels()], { totals }))).toContain(
      'but the engine would cost 3.00 USD a month more than that saves'
    )
  })

  it('are two for a log without a template', () => {
    const report = reportOf([], { exchanges: 1, others: 1 })
    expect(headline(report)).toBe('No prompt recurs in 1 exchange from 2026-10-01 to 2026-10-21.')
    expect(nextStep(report, LOG, SHOP).says).toContain('needs 30 sessions with the same prompt')
  })
})

const commandOf = (log = LOG, shop: Partial<Workshop> = {}, report = reportOf([labels()])) =>
  nextStep(report, log, { ...SHOP, ...shop }).command

describe('the next step', () => {
  it('is one command that a shell takes, with all that the estimate assumes', () => {
    expect(commandOf()).toBe(
      "npx promptintern models pull minilm && npx promptintern import 'my chats.jsonl' && " +
        'ENGINE=onnx ENCODER_PATH=data/models/sentence-transformers--all-MiniLM-L6-v2 ' +
        'npx promptintern serve'
    )
  })

  it.each([
    ['--help.jsonl', './--help.jsonl'],
    ["it's $(id);`id`.jsonl", String.raw`'it'\''s $(id);` + '`id`' + String.raw`.jsonl'`],
    ['a&&b|c>d.jsonl', "'a&&b|c>d.jsonl'"],
    ['~root/!!.jsonl', "'~root/!!.jsonl'"],
    ['', "''"],
  ])('names the log %j as a path and nothing else', (path, word) => {
    expect(commandOf({ ...LOG, path })).toContain(`promptintern import ${word} && `)
  })

  // a terminal into which it is pasted would take what is behind the escape for typed
  it('has no control character of a file name on the page', () => {
    const report = reportOf([labels()])
    const log = { ...LOG, path: 'a\u001b[201~\nid\n\u202e.jsonl' }
    const page = scanPage(report, log, { ...FREE, next: nextStep(report, log, SHOP) })
    const [command] = /<pre.*<\/pre>/s.exec(page)!
    expect(command).toContain(String.raw`a\u001b[201~\nid\n\u202e.jsonl`)
  })

  it('has none of a field of the answers on the page, which would turn the text around', () => {
    const path = '["\u202e<b>\u001b[31m\u009b"]'
    const fields: TemplateReport['fields'] = [
      {
        path,
        kind: 'copied',
        rules: ['identity'],
        examples: [path],
        isOptional: false,
        isList: false,
      },
    ]
    const page = scanPage(reportOf([{ ...labels(), fields }]), LOG, FREE)
    expect(page).toContain('[&quot;‹RLO›&lt;b&gt;‹U+001B›[31m‹U+009B›&quot;]')
    for (const hidden of path.match(/\p{C}/gu)!) expect(page).not.toContain(hidden)
  })

  it('takes the encoder that is there, and keeps texts of an old log, or of one without times', () => {
    const encoder = '/models/mini lm'
    expect(commandOf(LOG, { encoder })).toMatch(
      /^npx promptintern import .* ENCODER_PATH='\/models\/mini lm' /
    )
    expect(commandOf(LOG, { now: Date.parse('2026-12-01') })).toContain(' BODY_RETENTION_DAYS=68 ')
    const timeless = reportOf([labels()], { from: null, to: null })
    expect(commandOf(LOG, {}, timeless)).toContain(' BURST_MINUTES=0 ')
  })

  it('of a data directory is a start with an engine, or the training of the template', () => {
    const data = { path: 'data', kind: 'data directory' as const, unread: 0, at: 0 }
    expect(nextStep(reportOf([labels()]), data, SHOP).command).toMatch(
      /^npx promptintern models pull minilm && ENGINE=onnx /
    )
    expect(nextStep(reportOf([labels()]), data, { ...SHOP, hasEngine: true }).command).toBe(
      'npx promptintern internalize 01234567'
    )
  })

  it('is to train a lora for one label, and to wait for exchanges that are missing, in two digits', () => {
    const constant = labels({ labels: 1, expectedCoverage: null, missingExchanges: null })
    const { says, command } = nextStep(reportOf([constant]), LOG, SHOP)
    expect(says).toMatch(/a lora may learn its answers/)
    expect(command).toContain(
      'MODEL_PATH=data/models/HuggingFaceTB--SmolLM2-135M-Instruct TRAIN_MINUTES=40'
    )
    const few = waiting({ expectedCoverage: null, missingExchanges: 884, growth: [] })
    expect(nextStep(reportOf([few]), LOG, SHOP)).toEqual({
      says: 'log about 880 more exchanges of fedcba98, then scan again',
      command: null,
    })
    expect(remarkOf(few)).toContain('no threshold passes; about 880 more exchanges are needed')
  })

  it('is to log twice as many where that has made the head better, and not where it has not', () => {
    expect(nextStep(reportOf([waiting()]), LOG, SHOP)).toEqual({
      says:
        'log twice as many exchanges of fedcba98, then scan again: a head from 250 exchanges agrees on 60.0 % ' +
        'of all answers, one from 500 on 72.0 %',
      command: null,
    })
    const [half, all] = waiting().growth
    const same = waiting({ growth: [half!, { ...all!, agreementOfAll: 0.6 }] })
    expect(nextStep(reportOf([same]), LOG, SHOP).says).toContain('no step to recommend')
  })
})

describe('what twice the exchanges brought', () => {
  it('is a remark, and is not told where one head was tried', () => {
    expect(remarkOf(labels())).toContain(
      'a head from 750 exchanges answers 41.0 %, one from 1,500 61.2 %'
    )
    expect(remarkOf(labels({ growth: labels().growth.slice(1) }))).not.toContain('one from')
  })
})

describe('a form', () => {
  const field = { rules: ['digits'], isOptional: true, isList: false }
  const fields = [
    { ...field, path: 'order.<id>', kind: 'copied' as const, examples: [] },
    { ...field, path: 'kind', kind: 'choice' as const, rules: [], examples: [] },
  ]
  const form = (changed: Partial<TemplateReport> = {}) =>
    labels({ responseType: 'form', labels: null, fields, explained: 0.974, ...changed })
  const untried = { expectedCoverage: null, coverageLowerBound: null, missingExchanges: null }

  it('is answered by a field head, and beside labels by heads', () => {
    expect(headline(reportOf([form()]))).toContain('A field head could answer 61.2 %')
    expect(headline(reportOf([form(), labels()]))).toContain('Heads could answer')
    expect(remarkOf(form())).toMatch(
      /^a form reproduces 97\.4 % of the answers; a head that learned from 1,500 rows/
    )
    expect(commandOf(LOG, {}, reportOf([form()]))).toContain('ENCODER_PATH=')
  })

  it('whose coverage is not known is tried next, before more is logged or a lora trained', () => {
    const report = reportOf([waiting(), form(untried), labels({ labels: 1, ...untried })])
    expect(headline(report)).toContain('a form that a field head may learn')
    const { says, command } = nextStep(report, LOG, SHOP)
    expect(says).toContain('a field head may learn its answers')
    expect(command).toContain('ENCODER_PATH=')
    expect(command).not.toContain('MODEL_PATH')
  })

  it('is shown with its fields, and with values of a choice only where the report has them', () => {
    const page = scanPage(reportOf([form()]), LOG, FREE)
    expect(page).toMatch(
      /<bdi>order.&lt;id&gt;<\/bdi><\/th><td>copied, digits<\/td><td>yes<\/td><\/tr>/
    )
    const named = fields.map((one) => ({ ...one, examples: ['<lost>'] }))
    expect(scanPage(reportOf([form({ fields: named })]), LOG, FREE)).toContain('&lt;lost&gt;')
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
    const text = textOf(reportOf([labels(), waiting(), json]))
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

  it('loads nothing and runs no script, also where a command is copied', () => {
    const next = { says: 'learn it', command: 'npx promptintern </pre><script>' }
    const withCommand = scanPage(reportOf([labels()]), LOG, { ...FREE, next })
    for (const markup of [page, withCommand]) {
      expect(markup).toContain(
        `content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;"`
      )
      expect(markup).not.toMatch(/<script|https?:|src=|url\(/)
    }
    expect(withCommand).toContain('npx promptintern &lt;/pre&gt;&lt;script&gt;</pre>')
  })

  it('escapes texts of the log', () => {
    expect(page).toContain('gpt&lt;script&gt;')
  })

  it('has the style of the page of the server, its figures, and no number that is none', () => {
    expect(page).toContain('color-scheme: light dark')
    expect(page).toContain('aria-label="coverage between 55.8 % and 61.2 %; all requests 100.0 %"')
    expect(page).toMatch(/<th scope="row">50.0 %<\/th><td class="number">99.0 %<\/td>/)
    expect(page).toContain('Heads that learned from a half and from all of the exchanges')
    expect(page.slice(page.indexOf('<body'))).not.toMatch(/NaN|Infinity|undefined/)
  })

  it('shows no dollars where there is no price, and nothing where no prompt recurs', () => {
    const unpriced = labels({ usdPerMonth: null, netUsdPerMonth: null, mostNetUsdPerMonth: null })
    expect(scanPage(reportOf([unpriced]), LOG, FREE)).not.toContain('<dt>Costs a month')
    expect(scanPage(reportOf([]), LOG, FREE)).not.toMatch(/<svg|<table/)
  })
})

const CACHE: NonNullable<TemplateReport['cache']> = {
  stablePrefixTokens: 12,
  providerMinimumTokens: 1024,
  cachedShare: 0.031,
  readableShare: 0,
  usdPerMonth: 900,
  usdUnknown: null,
  priceAsOf: '2026-11-01',
  causes: [
    {
      cause: 'time',
      firstDifference: 'the time in line 1 of message 1 (system)',
      mend: 'Move the time behind the constant text, or leave it out.',
      usdPerMonth: 900,
    },
  ],
}

const mended = (changed: Partial<TemplateReport> = {}): TemplateReport =>
  labels({
    cache: CACHE,
    netUsdPerMonth: 200,
    advice: [
      { action: 'mend', usdPerMonth: 900 },
      { action: 'internalize', usdPerMonth: 200 },
    ],
    ...changed,
  })

describe('a cache that is not read', () => {
  const totals = { ...reportOf([]).totals, cacheUsdPerMonth: 900 }

  it('is in the first sentences, the advice and the next step, by money', () => {
    const report = reportOf([mended()], { totals })
    expect(headline(report)).toMatch(
      /Mends of the provider's cache alone would save about 900 USD a month\.$/
    )
    expect(remarkOf(mended())).toMatch(
      /advice: mend the cache \(900 USD a month\), or internalize \(200 USD a month\)$/
    )
    const { says, command } = nextStep(report, LOG, SHOP)
    expect(says).toMatch(
      /^first mend the provider's cache for 01234567, .* Then train and prove it/
    )
    expect(command).toContain('promptintern serve')
    const dearer = reportOf([mended({ netUsdPerMonth: 2000 })], { totals })
    expect(nextStep(dearer, LOG, SHOP).says).toMatch(/^train and prove it .* Also mend the/)
  })

  it('is all that there is to do where no head can learn', () => {
    const untrained = mended({
      expectedCoverage: null,
      missingExchanges: null,
      responseType: 'free-text',
      labels: null,
    })
    expect(nextStep(reportOf([untrained], { totals }), LOG, SHOP)).toMatchObject({
      says: expect.stringMatching(/^mend the provider's cache/),
      command: null,
    })
    expect(remarkOf(mended({ advice: [{ action: 'nothing', usdPerMonth: 0 }] }))).toMatch(
      /advice: do nothing$/
    )
  })

  it('is on the page and in the text with its mend, its dollars and the day of the price', () => {
    const other = { model: 'gpt<b>', requests: 310, cache: CACHE }
    const report = reportOf([mended()], { totals, otherCaches: [other] })
    const page = scanPage(report, LOG, FREE)
    expect(page).toContain('cache is not read: nine of ten requests share their first 12 tokens')
    expect(page).toContain('Saves 900 USD a month.')
    expect(page).toContain('price of 2026-11-01')
    expect(page).toContain('about 310 requests to gpt&lt;b&gt; without a template')
    const text = textOf(report)
    expect(text).toContain('their first 12 tokens')
    expect(text).toContain('  time (the time in line 1 of message 1 (system)): Move the time')
    expect(text).toContain('about 310 requests to gpt<b> without a template: why')
  })

  it('has no block where there is nothing to mend', () => {
    const none = { ...CACHE, causes: [], usdPerMonth: 0 }
    expect(scanPage(reportOf([labels({ cache: none })]), LOG, FREE)).not.toContain(
      'class="notice waits"'
    )
    // the texts repeat, and the provider reads little of them
    const unread = { ...none, readableShare: 0.9 }
    expect(scanPage(reportOf([labels({ cache: unread })]), LOG, FREE)).toContain(
      '<div class="notice waits"><bdi>the provider read 3.1 % of the prompt tokens from its cache, and 90.0 %'
    )
  })
})
