/** The commands that report money, for a data directory with two days of log. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { TemplateEconomics } from '../../src/core/cost/template-economics.ts'
import type { Template } from '../../src/core/template/template.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import type { SavingsReport } from '../../src/savings/savings.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { exampleApproved, exampleOutcome, exampleTemplate } from '../fixtures/examples.ts'
import { PROMPT } from '../fixtures/paint-orders.ts'
import { runCli } from '../fixtures/built.ts'
import { ORDER_PRICE, ORDER_USD, PRICED_ORDERS } from '../fixtures/priced-orders.ts'

const HOUR_MS = 3_600_000
const ANSWERED = 40
const TEMPLATE: Template = {
  ...exampleTemplate(),
  messages: [
    { role: 'system', segments: [{ kind: 'anchor', text: PROMPT }] },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
}

describe('the command line', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-savings-'))
  const pricesFile = join(dataDir, 'prices.json')

  const cli = (env: Record<string, string>, ...words: string[]): Promise<string> =>
    runCli({ DATA_DIR: dataDir, ...env }, ...words)
  const priced = { PRICES_FILE: pricesFile, ENGINE_USD_PER_HOUR: '0.01' }

  beforeAll(async () => {
    // the base model of the loras has a fifth of the model's price
    const base = { ...ORDER_PRICE, model: 'base', input: 0.4, cachedInput: 0.2, output: 2 }
    writeFileSync(pricesFile, JSON.stringify([ORDER_PRICE, base]))
    const store = await openSqliteStore({ dataDir })
    await store.templates.upsert([TEMPLATE])
    await store.internalizations.create(exampleApproved('a'))
    await goLive(store, exampleApproved('a'), {
      by: 'cli',
      now: Date.now() - 10 * HOUR_MS,
      trafficShare: 1,
    })
    const routes = [
      ...Array.from({ length: ANSWERED }, () => exampleOutcome()),
      ...Array.from({ length: 10 }, () =>
        exampleOutcome({ outcome: 'fallback', savedUsd: null, asked: true })
      ),
      ...Array.from({ length: 10 }, () => exampleOutcome({ outcome: 'fallback', savedUsd: null })),
    ]
    const records = PRICED_ORDERS.map((order, index) => ({
      ...order,
      route: routes[index] ?? null,
    }))
    await store.records.append(batchOf(records))
    await store.records.tagTemplate(
      records.map(({ id }) => id),
      TEMPLATE.version
    )
    await store.close()
  })

  afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

  it('shows savings so far, gross and net', async () => {
    const report = JSON.parse(await cli(priced, 'savings', '--json')) as SavingsReport & {
      forecasts: TemplateEconomics[]
    }
    const usd = report.usd!
    const { keep, adapted, now } = report.forecasts[0]!.perCallUsd!
    expect(now).toBeCloseTo(ORDER_USD, 12)
    expect(keep).toBeCloseTo(ORDER_USD / 5, 12)
    expect(usd.byModelUsd).toBeCloseTo(ANSWERED * (now - keep), 9)
    expect(usd.byPromptUsd).toBeCloseTo(ANSWERED * (keep - adapted), 9)
    expect(usd.byPromptUsd).toBeGreaterThan(0)
    // the loras' answers to half of the twenty fallbacks were discarded
    expect(usd.discardedUsd).toBeCloseTo(10 * adapted, 9)
    expect(usd.engineUsd).toBeCloseTo(0.1, 3)
    expect(usd.trainingUsd).toBeCloseTo((2 * 0.01) / 60, 9)
    expect(usd.netUsd).toBeCloseTo(
      usd.grossUsd - usd.discardedUsd - usd.engineUsd - usd.trainingUsd,
      9
    )
    expect(report.forecasts[0]!.coverage).toEqual({
      answered: 40 / 60,
      discarded: 10 / 60,
      source: 'measured',
    })
  })

  it('explains in words whether a template pays', async () => {
    const text = await cli(priced, 'savings')
    expect(text).toContain('by prompt')
    expect(text).toMatch(/version-1 {2}does not pay: it saves [\d.]+ USD a month, .* 7\.30 USD/)
    expect(text).toMatch(/engine: 10\.0 h live and 0\.0 h of training at 0\.01 USD/)
    expect(await cli(priced, 'status')).toMatch(/version-1 .*no: it saves .* the engine costs/)
    const free = await cli({ ...priced, ENGINE_USD_PER_HOUR: '' }, 'savings')
    expect(free).toMatch(/version-1 {2}pays: it saves [\d.]+ USD a month/)
    expect(free).toContain('ENGINE_USD_PER_HOUR is not set')
  })

  it('does not guess figures without a price', async () => {
    const text = await cli({}, 'savings')
    expect(text).toContain('unknown: there is no price of gpt-4o-mini in PRICES_FILE')
    expect(text).toContain(`${ANSWERED} answers have no price and count as zero`)
  })
})
