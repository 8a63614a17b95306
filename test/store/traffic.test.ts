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

    it('have no bought answers, but what they cost, in the hour in which they were bought', async ({
      store,
    }) => {
      const bought = RECORDS.slice(0, 4).map((record, index) => ({
        ...record,
        id: `bought-${index}`,
        model: 'new-model',
        status: 200,
        route: null,
        usage: { prompt_tokens: 100, completion_tokens: 2, total_tokens: 102 },
        bought: { of: record.id, at: 5 * HOUR_MS + index, conversation: record.id },
      }))
      await store.records.append(batchOf(RECORDS))
      await store.records.append(batchOf(bought))
      await store.records.append(batchOf(bought))
      const [last, ...others] = (await store.records.traffic(0, 9 * HOUR_MS)).toReversed()
      expect(others.toReversed()).toEqual(expected)
      expect(last).toMatchObject({ hour: 5 * HOUR_MS, requests: 0, charged: [], uncounted: 0 })
      expect(last!.bought).toMatchObject([
        { model: 'new-model', answers: 4, input: 400, output: 8 },
      ])
      expect(mergeHours([...expected, last!], 24 * HOUR_MS)[0]!.bought).toEqual(last!.bought)
    })

    it('count bought answers of a template apart from its requests', async ({ store }) => {
      const bought = { of: 'record-0', at: 0, conversation: 'record-0' }
      const records = [exampleRecord(1), { ...exampleRecord(2), id: 'bought', bought }]
      await store.records.append(batchOf(records))
      const ids = records.map(({ id }) => id)
      await store.records.tagTemplate(ids, 'first')
      expect(await store.templates.stats('first')).toMatchObject({ requests: 1, bought: 1 })
      await store.records.tagTemplate(ids, 'second')
      expect(await store.templates.stats('first')).toMatchObject({ requests: 0, bought: 0 })
      expect(await store.templates.totals()).toMatchObject([{}, { requests: 1, bought: 1 }])
      const found = await store.records.search({ outcome: 'bought', limit: 9 })
      expect(found.data.map(({ id }) => id)).toEqual(['bought'])
      expect((await store.records.search({ outcome: 'none', limit: 9 })).data).toHaveLength(1)
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
