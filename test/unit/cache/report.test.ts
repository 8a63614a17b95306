/** What is said of a finding, by the price of its model. */
import { describe, expect, it } from 'vitest'
import { parsePrices } from '../../../src/config/price-file.ts'
import { cacheReport, type CacheReport } from '../../../src/core/cache/cache-report.ts'
import type { CacheFinding, FoundCause } from '../../../src/core/cache/finding.ts'
import { cacheLifeMs, leastCachedTokens, type Price } from '../../../src/core/cost/prices.ts'

const PRICE: Price = {
  model: 'large',
  asOf: '2026-11-01',
  input: 2,
  cachedInput: 0.5,
  output: 8,
  minCachedPrefixTokens: 1024,
}

const cause = (changed: Partial<FoundCause> = {}): FoundCause => ({
  cause: 'time',
  tokens: 1500,
  difference: {
    message: { number: 1, role: 'system', line: 2 },
    lead: 'It is now ',
    value: '09:31',
    tail: '.',
  },
  ...changed,
})

const finding = (causes: FoundCause[], changed: Partial<CacheFinding> = {}): CacheFinding => ({
  version: 'v',
  model: 'large',
  requests: 900,
  from: 0,
  judged: 900,
  promptTokens: 2000,
  stablePrefixTokens: 12,
  mendedPrefixTokens: 1600,
  cachedShare: 0,
  readableShare: 0,
  lonelyShare: 0.25,
  places: { models: 1, credentials: 1 },
  causes,
  ...changed,
})

/** With so many tokens of constant text. */
const short = (tokens: number): CacheFinding =>
  finding([cause({ cause: 'below-minimum', tokens, difference: null })], {
    mendedPrefixTokens: tokens,
  })

const reportOf = (
  found: CacheFinding,
  { price = PRICE as Price | null, requestsPerMonth = 1e6 as number | null, withText = false } = {}
) => cacheReport(found, { prices: price === null ? [] : [price], requestsPerMonth, withText })

const mendOf = ({ causes }: CacheReport) => causes[0]!.mend

describe('the dollars of a mend', () => {
  it('are the tokens that it moves to the cache, at the difference of the prices', () => {
    const report = reportOf(finding([cause(), cause({ cause: 'id', tokens: 100 })]))
    expect(report.causes.map(({ usdPerMonth }) => usdPerMonth)).toEqual([2250, 150])
    expect(report).toMatchObject({ usdPerMonth: 2400, priceAsOf: '2026-11-01' })
  })

  it('are null with a reason where there is no price or no time', () => {
    expect(reportOf(finding([cause()]), { price: null })).toMatchObject({
      causes: [{ cause: 'time' }],
      usdPerMonth: null,
      usdUnknown: expect.stringMatching(/^no price of .* is known/) as string,
      providerMinimumTokens: 1024,
      priceAsOf: null,
    })
    expect(reportOf(finding([cause()], { model: 'other' }))).toMatchObject({
      usdPerMonth: null,
      usdUnknown: 'no price of other is known: add it to PRICES_FILE',
    })
    const untimed = reportOf(finding([cause()]), { requestsPerMonth: null })
    expect(untimed.usdPerMonth).toBeNull()
    expect(untimed.usdUnknown).toContain('--days')
    expect(untimed.causes[0]!.usdPerMonth).toBeNull()
  })

  it('are 0 for a model that costs nothing, and a cache without a discount has no cause', () => {
    const free = reportOf(finding([cause()]), { price: { ...PRICE, input: 0, cachedInput: 0 } })
    expect(free).toMatchObject({ causes: [{ cause: 'time' }], usdPerMonth: 0 })
    const flat = reportOf(finding([cause()]), { price: { ...PRICE, cachedInput: 2 } })
    expect(flat).toMatchObject({ causes: [], usdPerMonth: 0 })
  })

  it('of a prefix under the minimum pay for the text that fills it up, or advise to leave it', () => {
    // 900 tokens at 1.5 dollars less, and 124 more at 0.5
    expect(reportOf(short(900)).usdPerMonth).toBeCloseTo(900 * 1.5 - 124 * 0.5, 9)
    expect(mendOf(reportOf(short(900)))).toContain('from 900 to 1,024 tokens')
    expect(reportOf(short(200))).toMatchObject({ usdPerMonth: 0 })
    expect(mendOf(reportOf(short(200)))).toMatch(/^Leave it:/)
    expect(mendOf(reportOf(short(200), { price: null }))).toContain('without a price')
  })
})

describe('the sentence of a mend', () => {
  it('names the line only where texts are asked for', () => {
    const found = finding([cause()])
    expect(reportOf(found).causes[0]).toMatchObject({
      firstDifference: 'the time in line 2 of message 1 (system)',
      mend: 'Move the time behind the constant text, or leave it out.',
    })
    expect(reportOf(found, { withText: true }).causes[0]).toMatchObject({
      firstDifference: 'the time in line 2 of message 1 (system): It is now [09:31].',
      mend: 'Move the line `It is now …` behind the constant text, or leave it out.',
    })
  })

  it.each<[FoundCause['cause'], Partial<CacheFinding>, string]>([
    ['tools-order', {}, 'in one order'],
    ['tools-change', {}, 'one list of tools'],
    ['gap', {}, '25.0 % of them'],
    ['several-models', { places: { models: 3, credentials: 1 } }, 'its 3 models'],
    ['several-models', { places: { models: 1, credentials: 4 } }, 'each of its 4'],
    ['retrieved-examples', {}, 'Move the retrieved examples behind the constant text.'],
    ['user-text-first', {}, 'Move the text that differs behind the constant text.'],
  ])('of %s says what to do', (name, changed, words) => {
    const report = reportOf(finding([cause({ cause: name })], changed), { withText: true })
    expect(mendOf(report)).toContain(words)
  })
})

describe('a price row', () => {
  it('has the least prefix of the provider, 1,024 tokens by default', () => {
    const { minCachedPrefixTokens: _, ...others } = PRICE
    expect([
      leastCachedTokens({ ...PRICE, minCachedPrefixTokens: 0 }),
      leastCachedTokens(others),
    ]).toEqual([0, 1024])
  })

  it('has the life of the cache in minutes, 5 by default', () => {
    const [price] = parsePrices(JSON.stringify([{ ...PRICE, cacheLifeMinutes: 60 }]))
    expect([cacheLifeMs(price!), cacheLifeMs(PRICE), cacheLifeMs(null)]).toEqual([
      3_600_000, 300_000, 300_000,
    ])
    expect(() => parsePrices(JSON.stringify([{ ...PRICE, cacheLifeMinutes: -1 }]))).toThrow(
      'entry 0.cacheLifeMinutes: '
    )
  })
})
