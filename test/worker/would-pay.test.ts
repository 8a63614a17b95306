/** Before training: traffic for which a lora pays, and traffic for which it does not. */
import { beforeEach, describe, expect, it } from 'vitest'
import { economicsSettings } from '../../src/config/config-files.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Price } from '../../src/core/cost/prices.ts'
import { newInternalization } from '../../src/core/internalization/internalization.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import type { Worker } from '../../src/worker/worker.ts'
import {
  ORDER_PRICE,
  ORDER_USD,
  ORDERS_PER_MONTH,
  pricedOrder,
  PRICED_ORDERS,
} from '../kit/records/priced-orders.ts'
import { HOUR_MS, useWorkerHarness, type WorkerHarness } from './harness.ts'
import { changedConstants } from '../kit/process/loop-settings.ts'

const ROUNDS = 12

const openHarness = useWorkerHarness()

describe('before training', () => {
  let harness: WorkerHarness

  const workerWith = (prices: Price[], usdPerHour: string): Promise<Worker> => {
    const settings = economicsSettings(
      parseConfig({ ENGINE_USD_PER_HOUR: usdPerHour, ...changedConstants({ auditShare: 0 }) }),
      prices
    )
    const economics = openEconomics(harness.store, settings, () => harness.now)
    return harness.worker(harness.deps({ economics }))
  }

  const work = async (worker: Worker, records: ExchangeRecord[]): Promise<string[]> => {
    // the detector looks for templates at intervals
    harness.now += HOUR_MS
    await harness.log(records)
    for (let round = 0; round < ROUNDS; round++) await worker.step()
    return (await harness.store.internalizations.list()).map(({ state }) => state.name)
  }

  beforeEach(async () => {
    harness = await openHarness({ from: null })
  })

  it('does not start an internalization that does not pay, and logs that once', async () => {
    const worker = await workerWith([ORDER_PRICE], '1')
    expect(await work(worker, PRICED_ORDERS)).toEqual([])
    expect(harness.said('not internalized')).toEqual([
      `not internalized: it saves at most ${(ORDERS_PER_MONTH * ORDER_USD).toFixed(2)} USD a month, ` +
        'and its share of the engine costs 730.00 USD',
    ])
    const more = PRICED_ORDERS.map((_order, index) => pricedOrder(PRICED_ORDERS.length + index))
    expect(await work(worker, more)).toEqual([])
    expect(harness.said('not internalized')).toHaveLength(1)
  })

  it('starts an internalization that pays', async () => {
    expect(await work(await workerWith([ORDER_PRICE], '0.001'), PRICED_ORDERS)).toHaveLength(1)
    expect(harness.said('not internalized')).toEqual([])
  })

  it('starts an internalization without a price', async () => {
    expect(await work(await workerWith([], '1000'), PRICED_ORDERS)).toHaveLength(1)
  })

  it('starts an internalization with less than a day of traffic', async () => {
    const fast = PRICED_ORDERS.map((order, index) => ({ ...order, at: 1_700_000_000_000 + index }))
    expect(await work(await workerWith([ORDER_PRICE], '1000'), fast)).toHaveLength(1)
  })

  it('runs an internalization that an operator asked for, with a warning', async () => {
    const worker = await workerWith([ORDER_PRICE], '1')
    await work(worker, PRICED_ORDERS)
    const [template] = await harness.store.templates.list()
    await harness.store.internalizations.create(newInternalization('asked', template!, 1), 'admin')
    const [state] = await work(worker, [])
    expect(state).not.toBe('candidate')
    expect(state).not.toBe('failed')
    expect(harness.said('this does not pay: it saves at most')).toHaveLength(1)
  })
})
