/** What an engine of a provider says of itself reaches the store, the log and the savings. */
import { beforeEach, describe, expect, it } from 'vitest'
import { economicsSettings } from '../../src/config/config-files.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { DeletionReceipt, EngineState } from '../../src/openai/engine-state.ts'
import { AppError } from '../../src/errors.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import { readEngineNote, readReceipts } from '../../src/savings/engine-note.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { ORDER_PRICE, PRICED_ORDERS } from '../kit/records/priced-orders.ts'
import { HOUR_MS, useWorkerHarness, type WorkerHarness } from './harness.ts'

const MINUTE_MS = 60_000
const CALM: EngineState = {
  object: 'engine',
  provider: 'Example',
  prices: { input: 0.1, output: 0.4, training: 0.4 },
  conditions: [],
}
const THROTTLED = { kind: 'throttled' as const, message: 'it takes fewer calls', since: 1 }
const RECEIPT: DeletionReceipt = {
  provider: 'Example',
  object: 'lora-1',
  requested_at: 10,
  confirmed_at: null,
}

const openHarness = useWorkerHarness()

describe('an engine of a provider', () => {
  let harness: WorkerHarness
  let worker: Worker
  let state: EngineState
  let receipts: DeletionReceipt[]
  let asked = 0
  let isAway = false

  const open = async (settings: Record<string, string> = {}) => {
    const { prices } = { prices: [ORDER_PRICE] }
    const economics = openEconomics(
      harness.store,
      economicsSettings(parseConfig({ AUDIT_SHARE: '0', ...settings }), prices),
      () => harness.now
    )
    const engine = {
      ...harness.engine,
      state: async () => {
        asked++
        if (isAway) throw new AppError('engine-unavailable', 'it is away')
        return state
      },
      receipts: async () => receipts,
    }
    worker = await harness.worker(harness.deps({ engine, economics }))
    return economics
  }

  const stepAfter = async (ms: number): Promise<void> => {
    harness.now += ms
    await worker.step()
  }

  beforeEach(async () => {
    harness = await openHarness({ from: null })
    state = CALM
    receipts = []
    asked = 0
    isAway = false
  })

  it('logs a condition once when it begins and once when it ends', async () => {
    await open()
    await stepAfter(0)
    expect((await readEngineNote(harness.store))!.state).toEqual(CALM)
    state = { ...CALM, conditions: [THROTTLED] }
    await stepAfter(MINUTE_MS)
    await stepAfter(MINUTE_MS)
    // a new worker knows that it is logged
    await open()
    await stepAfter(MINUTE_MS)
    state = CALM
    await stepAfter(MINUTE_MS)
    await stepAfter(MINUTE_MS)
    expect(harness.said('the engine says')).toEqual([
      'the engine says: it takes fewer calls',
      'the engine says: throttled is over',
    ])
  })

  it('is asked once a minute, also while it is away, and keeps what it said', async () => {
    await open()
    await stepAfter(0)
    await stepAfter(1000)
    expect(asked).toBe(1)
    isAway = true
    await stepAfter(MINUTE_MS)
    await stepAfter(1000)
    expect(asked).toBe(2)
    expect((await readEngineNote(harness.store))!.state).toEqual(CALM)
  })

  it('keeps receipts for good, and confirms them', async () => {
    await open()
    receipts = [RECEIPT]
    await stepAfter(0)
    expect(await readReceipts(harness.store)).toEqual([RECEIPT])
    const gone = { ...RECEIPT, confirmed_at: 20 }
    receipts = [{ ...RECEIPT, object: 'lora-2', requested_at: 30 }, gone]
    await stepAfter(MINUTE_MS)
    receipts = []
    await stepAfter(MINUTE_MS)
    expect((await readReceipts(harness.store)).map(({ confirmed_at }) => confirmed_at)).toEqual([
      null,
      20,
    ])
  })

  it('is judged by its prices before training, and not by the hour of a machine', async () => {
    const economics = await open({ ENGINE_USD_PER_HOUR: '1000' })
    harness.now += HOUR_MS
    await harness.log(PRICED_ORDERS)
    for (let round = 0; round < 12; round++) await worker.step()
    expect(harness.said('not internalized')).toEqual([])
    expect(await harness.store.internalizations.list()).toHaveLength(1)
    const { provider, prices } = await economics.savings()
    expect(provider).toMatchObject({ provider: 'Example', model: 'fake-base', training: 0.4 })
    expect(prices.map(({ source }) => source)).toContain('Example, as the engine says')
  })

  it('is not worth training where its tokens cost more than the upstream’s', async () => {
    state = { ...CALM, prices: { input: 100, output: 1000, training: 1 } }
    await open()
    harness.now += HOUR_MS
    await harness.log(PRICED_ORDERS)
    for (let round = 0; round < 12; round++) await worker.step()
    expect(harness.said('not internalized')[0]).toMatch(/an answer of the adapted model costs/)
  })
})
