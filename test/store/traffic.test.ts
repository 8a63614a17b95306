import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { HOUR_MS, mergeHours, trafficOf } from '../../src/core/log/traffic-hours.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { exampleOutcome, exampleRecord } from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'

const RECORDS = [0, 1, 2, 3, 4, 5].map((index) =>
  exampleRecord(index, {
    at: HOUR_MS * Math.floor(index / 2) + index,
    durationMs: 10 ** index,
    status: index === 3 ? 502 : 200,
    route: index % 2 === 0 ? null : exampleOutcome(),
  })
)

const expected = trafficOf(RECORDS.map((record) => ({ head: record, usage: record.usage })))

onEachStore((it) => {
  describe('figures of the traffic by the hour', () => {
    it('are the same however the records are written, and count each once', async ({
      store,
      open,
    }) => {
      const other = await open()
      await store.records.append(batchOf(RECORDS.slice(0, 3)))
      await other.records.append(batchOf(RECORDS.slice(2)))
      await store.records.append(batchOf(RECORDS))
      expect(await store.records.traffic(0, 3 * HOUR_MS)).toEqual(expected)
      const [all] = mergeHours(expected, 24 * HOUR_MS)
      expect(all).toMatchObject({ requests: 6, matched: 3, answered: 3, failed: 1 })
      expect(all!.asked).toEqual([expect.objectContaining({ answered: 3, discarded: 0 })])
      await other.close()
    })

    it('are read of the hours that have a part in the time', async ({ store }) => {
      await store.records.append(batchOf(RECORDS))
      const hours = async (from: number, until: number) =>
        (await store.records.traffic(from, until)).map(({ hour }) => hour / HOUR_MS)
      expect(await hours(0, HOUR_MS)).toEqual([0])
      expect(await hours(HOUR_MS - 1, HOUR_MS + 1)).toEqual([0, 1])
      expect(await hours(HOUR_MS, 9 * HOUR_MS)).toEqual([1, 2])
      expect(await hours(3 * HOUR_MS, 9 * HOUR_MS)).toEqual([])
    })

    it('stay when their records go, until their own time', async ({ store }) => {
      await store.records.append(batchOf(RECORDS))
      await store.records.forget({ recordIds: ['record-1'] })
      const all = { bodies: DAY_MS, records: DAY_MS }
      await store.records.prune(all)
      expect(await store.records.list({ limit: 10 })).toEqual([])
      expect(await store.records.traffic(0, 9 * HOUR_MS)).toEqual(expected)
      await store.records.prune({ ...all, traffic: HOUR_MS })
      expect(await store.records.traffic(0, 9 * HOUR_MS)).toEqual(expected.slice(1))
    })
  })
})
