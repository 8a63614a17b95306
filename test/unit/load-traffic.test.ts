import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { loadTraffic } from '../../src/savings/load-traffic.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import type { Store } from '../../src/store/store.ts'
import { exampleOutcome, exampleRecord, exampleTemplate } from '../fixtures/examples.ts'

const DAY_MS = 86_400_000
const OPTIONS = { captureShare: 1, estimatesUsage: true, heldOutIds: [] }

describe('loadTraffic', () => {
  let dataDir: string
  let store: Store

  const log = async (records: ExchangeRecord[]): Promise<void> => {
    await store.records.append(batchOf(records))
    const ids = records.map(({ id }) => id)
    await store.records.tagTemplate(ids, 'version-1')
  }

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'traffic-'))
    store = await openLocalStore({ dataDir }, Date.now)
  })

  afterEach(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })

  it('is null when the log has no record of the template', async () => {
    expect(await loadTraffic(store, exampleTemplate(), OPTIONS)).toBeNull()
  })

  it('reads the whole log when the newest calls cover only minutes', async () => {
    const busy = Array.from({ length: 599 }, (_, index) =>
      exampleRecord(index + 1, { at: 3 * DAY_MS + index })
    )
    await log([exampleRecord(0, { at: 0 }), ...busy])
    const traffic = await loadTraffic(store, exampleTemplate(), OPTIONS)
    expect(traffic!.window).toEqual({ calls: 600, from: 0, to: 3 * DAY_MS + 598 })
    expect(traffic!.callsPerMonth).toBeCloseTo((200 * 365) / 12, 0)
  })

  it('has a window up to the end of the log, so that ended traffic lowers the rate', async () => {
    await log([exampleRecord(1, { at: 0 }), exampleRecord(2, { at: DAY_MS })])
    await store.records.append(batchOf([exampleRecord(3, { at: 100 * DAY_MS })]))
    const { window } = (await loadTraffic(store, exampleTemplate(), OPTIONS))!
    expect(window).toEqual({ calls: 2, from: 0, to: 100 * DAY_MS })
  })

  it('takes the upstream`s tokens from held-out records when a lora answers all calls', async () => {
    await log([exampleRecord(1)])
    await store.records.tagTemplate(['record-1'], 'another')
    await log([exampleRecord(2, { route: exampleOutcome() })])
    expect((await loadTraffic(store, exampleTemplate(), OPTIONS))!.upstream).toBeNull()
    const options = { ...OPTIONS, heldOutIds: ['record-1'] }
    expect((await loadTraffic(store, exampleTemplate(), options))!.upstream).toMatchObject({
      calls: 1,
      promptTokens: 801,
      isEstimated: false,
    })
  })

  it('estimates tokens only when configured', async () => {
    await log([exampleRecord(1, { usage: null })])
    expect((await loadTraffic(store, exampleTemplate(), OPTIONS))!.upstream).toMatchObject({
      isEstimated: true,
    })
    const exact = { ...OPTIONS, estimatesUsage: false }
    expect((await loadTraffic(store, exampleTemplate(), exact))!.upstream).toBeNull()
  })
})
