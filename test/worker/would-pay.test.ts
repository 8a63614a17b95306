/** Before training: the worker on a real store, with traffic that pays and traffic that does not. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EngineHost } from '../../adapters/contract/host.ts'
import { parseConfig } from '../../src/config/config.ts'
import { economicsSettings } from '../../src/config/config-files.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { newInternalization } from '../../src/core/lifecycle/internalization.ts'
import type { Price } from '../../src/core/cost/prices.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import type { WorkerEvent } from '../../src/worker/deps.ts'
import { createWorker, type Worker } from '../../src/worker/worker.ts'
import {
  ORDER_PRICE,
  ORDER_USD,
  ORDERS_PER_MONTH,
  pricedOrder,
  PRICED_ORDERS,
} from '../fixtures/priced-orders.ts'
import { openFakeEngine } from './fake-engine.ts'
import { workerDeps } from './worker-deps.ts'

const ROUNDS = 12

describe('before training', () => {
  let folder: string
  let store: Store
  let host: EngineHost
  let engine: Engine
  let events: WorkerEvent[]
  let now = 1_800_000_000_000

  const workerWith = (prices: Price[], usdPerHour: string): Promise<Worker> => {
    const settings = economicsSettings(parseConfig({ ENGINE_USD_PER_HOUR: usdPerHour }), prices)
    const deps = workerDeps({
      store,
      engine,
      now: () => now,
      sleep: async () => {},
      log: (event) => void events.push(event),
      economics: openEconomics(store, settings, () => now),
    })
    return createWorker(deps)
  }

  const work = async (worker: Worker, records: ExchangeRecord[]): Promise<string[]> => {
    // the detector looks for templates every now and then
    now += 3_600_000
    await store.records.append(batchOf(records))
    for (let round = 0; round < ROUNDS; round++) await worker.step()
    return (await store.internalizations.list()).map(({ state }) => state.name)
  }

  const messages = (part: string): string[] =>
    events.map(({ message }) => message).filter((message) => message.includes(part))

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'promptintern-pay-'))
    store = await openSqliteStore({ dataDir: folder })
    events = []
    ;({ host, engine } = await openFakeEngine(folder))
  })

  afterEach(async () => {
    await host.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('does not start what clearly does not pay, and says so once', async () => {
    const worker = await workerWith([ORDER_PRICE], '1')
    expect(await work(worker, PRICED_ORDERS)).toEqual([])
    expect(messages('not internalized')).toEqual([
      `not internalized: it saves at most ${(ORDERS_PER_MONTH * ORDER_USD).toFixed(2)} USD a month, ` +
        'and its share of the engine costs 730.00 USD',
    ])
    const more = PRICED_ORDERS.map((_order, index) => pricedOrder(PRICED_ORDERS.length + index))
    expect(await work(worker, more)).toEqual([])
    expect(messages('not internalized')).toHaveLength(1)
  })

  it('starts what pays', async () => {
    expect(await work(await workerWith([ORDER_PRICE], '0.001'), PRICED_ORDERS)).toHaveLength(1)
    expect(messages('not internalized')).toEqual([])
  })

  it('starts what is not known to pay, without a price', async () => {
    expect(await work(await workerWith([], '1000'), PRICED_ORDERS)).toHaveLength(1)
  })

  it('starts what is not known to pay, with less than a day of traffic', async () => {
    const fast = PRICED_ORDERS.map((order, index) => ({ ...order, at: 1_700_000_000_000 + index }))
    expect(await work(await workerWith([ORDER_PRICE], '1000'), fast)).toHaveLength(1)
  })

  it('does what a person asked for, with a warning', async () => {
    const worker = await workerWith([ORDER_PRICE], '1')
    await work(worker, PRICED_ORDERS)
    const [template] = await store.templates.list()
    await store.internalizations.create(newInternalization('asked', template!, 1), 'admin')
    const [state] = await work(worker, [])
    expect(state).not.toBe('candidate')
    expect(state).not.toBe('failed')
    expect(messages('this does not pay: it saves at most')).toHaveLength(1)
  })

  it('has the price of the base model where the file has one', async () => {
    const [base] = await engine.models()
    const dear = { ...ORDER_PRICE, model: base!.id, input: 200, cachedInput: 200, output: 200 }
    expect(await work(await workerWith([ORDER_PRICE, dear], ''), PRICED_ORDERS)).toEqual([])
    expect(messages('not internalized')[0]).toContain('an answer of the adapted model costs')
  })
})
