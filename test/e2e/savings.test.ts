/** The figures of `savings` and `status`, from a data directory with two days of log. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { RouteOutcome } from '../../src/core/log/record.ts'
import type { TemplateEconomics } from '../../src/core/cost/template-economics.ts'
import type { Template } from '../../src/core/template/template.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import type { SavingsReport } from '../../src/savings/savings.ts'
import { examplePair, routedRecord } from '../kit/records/audited.ts'
import { exampleApproved, exampleOutcome, exampleTemplate } from '../kit/records/examples.ts'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import { openStore } from '../kit/store/local-store.ts'
import { PROMPT } from '../kit/records/paint-orders.ts'
import { ORDER_PRICE, ORDER_USD, PRICED_ORDERS } from '../kit/records/priced-orders.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const HOUR_MS = 3_600_000
const ANSWERED = 40
const TEMPLATE: Template = {
  ...exampleTemplate(),
  messages: [
    { role: 'system', segments: [{ kind: 'anchor', text: PROMPT }] },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
}

const outcomeOf = (index: number): RouteOutcome | null => {
  if (index < ANSWERED) return exampleOutcome()
  if (index < ANSWERED + 10) return exampleOutcome({ outcome: 'fallback' })
  return index < ANSWERED + 20 ? exampleOutcome({ outcome: 'skipped' }) : null
}

const command = await builtCommand()

const oneLine = (text: string): string => text.replace(/\s+/g, ' ')

describe('savings on the command line', () => {
  const dataDir = sharedFolder()
  const pricesFile = join(dataDir, 'prices.json')

  const cli = async (env: Record<string, string>, ...words: string[]): Promise<string> =>
    (await endHere(command, { DATA_DIR: dataDir, ...env }, words)).stdout
  const priced = { PRICES_FILE: pricesFile, ENGINE_USD_PER_HOUR: '0.01' }

  beforeAll(async () => {
    writeFileSync(pricesFile, JSON.stringify([ORDER_PRICE]))
    const store = await openStore({ dataDir })
    await store.templates.upsert([TEMPLATE])
    await store.internalizations.create(exampleApproved('a'))
    await goLive(store, exampleApproved('a'), {
      by: 'cli',
      now: Date.now() - 10 * HOUR_MS,
      rollout: AT_ONCE,
    })
    const records = PRICED_ORDERS.map((order, index) => ({ ...order, route: outcomeOf(index) }))
    await store.records.append(batchOf(records))
    await store.records.tagTemplate(
      records.map(({ id }) => id),
      TEMPLATE.version
    )
    await store.close()
  })

  it('are gross and net figures with --json', async () => {
    const report = JSON.parse(await cli(priced, 'savings', '--json')) as SavingsReport & {
      economics: TemplateEconomics[]
    }
    const { all, day } = report.periods
    const usd = all.usd!
    const { now, ours } = report.economics[0]!.perCallUsd!
    expect(now).toBeCloseTo(ORDER_USD, 12)
    expect(ours).toBe(0)
    expect(all.spentUsd).toBeCloseTo((PRICED_ORDERS.length - ANSWERED) * ORDER_USD, 9)
    expect([all.unpricedSpent, day.spentUsd, day.usd!.grossUsd]).toEqual([0, 0, 0])
    // it is live since ten hours
    expect(day.usd!.engineUsd).toBeCloseTo(0.1, 3)
    expect(usd.grossUsd).toBeCloseTo(ANSWERED * now, 9)
    // half of the twenty forwarded requests had an answer of the lora, whose hours are paid
    expect(usd.discardedUsd).toBe(0)
    expect(usd.engineUsd).toBeCloseTo(0.1, 3)
    expect(usd.trainingUsd).toBeCloseTo((2 * 0.01) / 60, 9)
    expect(usd.netUsd).toBeCloseTo(
      usd.grossUsd - usd.discardedUsd - usd.engineUsd - usd.trainingUsd,
      9
    )
    const trafficShare = 0.97
    expect(report.economics[0]!.coverage).toEqual({
      answered: expect.closeTo((40 / 60) * trafficShare, 9),
      discarded: expect.closeTo((10 / 60) * trafficShare, 9),
      source: 'measured',
    })
  })

  it('are a text that says whether a template pays', async () => {
    const text = await cli(priced, 'savings')
    expect(text).toMatch(/^period +spent +saved +costs +net saved$/m)
    expect(text).toMatch(/^sort paint orders for a w… +version- +40 /m)
    expect(oneLine(text)).toMatch(
      /^.* version- \(sort paint orders[^)]*\) does not pay: it saves [\d.]+ USD a month, .* 7\.30 USD/
    )
    expect(text).toMatch(/engine: 10\.0 h live and 0\.0 h of training, at 0\.01 USD/)
    expect(await cli(priced, 'status')).toMatch(/^version- .* no$/m)
    expect(await cli(priced, 'template', 'version-1')).toMatch(
      /no: it saves [^]* the engine\s+costs/
    )
    const free = await cli({ ...priced, ENGINE_USD_PER_HOUR: '' }, 'savings')
    expect(oneLine(free)).toMatch(
      /version- \(sort paint orders[^)]*\) pays: it saves [\d.]+ USD a month/
    )
    expect(free).toContain('ENGINE_USD_PER_HOUR is not set')
  })

  it('say what audits cost', async () => {
    expect(await cli(priced, 'savings')).not.toContain('audits:')
    const store = await openStore({ dataDir })
    const at = Date.now() - HOUR_MS
    const audited = [0, 1, 2].map((i) => routedRecord(i, 'skipped', { id: `audit-${i}`, at }))
    await store.records.append(batchOf(audited))
    await store.pairs.judge([
      examplePair('audit-0', { costUsd: 0.3 }),
      examplePair('audit-1', { costUsd: 0.2, outcome: 'agreed' }),
      examplePair('audit-2', { costUsd: null, outcome: 'fallback' }),
    ])
    await store.close()
    const report = JSON.parse(await cli(priced, 'savings', '--json')) as SavingsReport
    const { auditsUsd, usd } = report.periods.all
    expect(auditsUsd).toBe(0.5)
    const share = (100 * 0.5) / (0.5 + usd!.grossUsd)
    expect(await cli(priced, 'savings')).toContain(
      `audits: 0.5 USD for answers that loras would have given, ${share.toFixed(1)} % of the sum of`
    )
  })

  it('have the prices that ship with the project, and name their day', async () => {
    const text = await cli({}, 'savings')
    expect(text).toMatch(/^prices of \d{4}-\d{2}-\d{2}/m)
    expect(text).not.toContain('have no price')
    const own = await cli(priced, 'savings', '--json')
    expect((JSON.parse(own) as SavingsReport).prices).toEqual([
      { model: ORDER_PRICE.model, asOf: ORDER_PRICE.asOf },
    ])
  })

  it('count models without a price as zero, and say so', async () => {
    const store = await openStore({ dataDir })
    const [order] = PRICED_ORDERS
    await store.records.append(batchOf([{ ...order!, id: 'unpriced', model: 'house-model' }]))
    await store.close()
    expect(await cli({}, 'savings')).toContain('1 answers of the upstream have no price')
  })
})
