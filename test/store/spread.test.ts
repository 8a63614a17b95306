import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { SpreadQuery, Store } from '../../src/store/store.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { exampleOutcome, exampleRecord } from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'

const VERSION = 'version-1'
const START = Date.UTC(2026, 10, 1)
const HOUR_MS = 3_600_000

/** One an hour. */
const hourly = (
  count: number,
  changes: (index: number) => Partial<ExchangeRecord> = () => ({})
): ExchangeRecord[] =>
  Array.from({ length: count }, (_, index) =>
    exampleRecord(index, { at: START + index * HOUR_MS, ...changes(index) })
  )

const fill = async (store: Store, records: ExchangeRecord[]): Promise<void> => {
  await store.records.append(batchOf(records))
  await store.records.tagTemplate(
    records.filter(({ route }) => route === null).map(({ id }) => id),
    VERSION
  )
}

const query = (changes: Partial<SpreadQuery> = {}): SpreadQuery => ({
  templateVersions: [VERSION],
  from: 0,
  until: START + 1_000 * DAY_MS,
  limit: 1_000,
  seed: 1,
  ...changes,
})

const namesOf = (places: number[]): string[] => places.map((place) => `record-${place}`)

onEachStore((it) => {
  describe('a spread', () => {
    it('has all records of the template where they are few', async ({ store }) => {
      await fill(store, hourly(30))
      await store.records.append(batchOf([exampleRecord(99, { at: START })]))
      const { ids, every } = await store.records.spread(query())
      expect(ids).toEqual(namesOf([...Array(30).keys()]))
      expect(every).toBe(1)
      expect(await store.records.spread(query({ templateVersions: ['other'] }))).toEqual({
        ids: [],
        every: 1,
      })
    })

    it('has records of several templates, evenly and in the order of the log', async ({
      store,
    }) => {
      const records = hourly(120)
      await fill(store, records)
      const others = records.filter((_, index) => index % 3 === 0)
      await store.records.tagTemplate(
        others.map(({ id }) => id),
        'version-2'
      )
      const both = { templateVersions: ['version-2', VERSION] }
      expect(await store.records.spread(query(both))).toEqual({
        ids: namesOf([...Array(120).keys()]),
        every: 1,
      })
      const { ids, every } = await store.records.spread(query({ ...both, limit: 24 }))
      expect(every).toBe(5)
      const places = ids.map((id) => Number(id.split('-')[1]))
      expect(places).toEqual(places.toSorted((a, b) => a - b))
      expect(new Set(places).size).toBe(24)
      expect(places.filter((place) => place % 3 === 0).length).toBeGreaterThan(2)
    })

    it('has a random one of every so many, so that traffic in turns is there with all of them', async ({
      store,
    }) => {
      // of five days, which PostgreSQL keeps apart
      await fill(store, hourly(120))
      const { ids, every } = await store.records.spread(query({ limit: 12 }))
      expect(every).toBe(10)
      const places = ids.map((id) => Number(id.slice('record-'.length)))
      expect(places.map((place) => Math.floor(place / 10))).toEqual([...Array(12).keys()])
      expect(new Set(places.map((place) => place % 10)).size).toBeGreaterThan(4)
      expect(await store.records.spread(query({ limit: 12 }))).toEqual({ ids, every })
    })

    it('gives each record the same chance, and never more than the limit', async ({ store }) => {
      await fill(store, hourly(50))
      const times = new Map(namesOf([...Array(50).keys()]).map((id) => [id, 0]))
      for (let seed = 0; seed < 200; seed++) {
        const { ids, every } = await store.records.spread(query({ limit: 13, seed }))
        expect(every).toBe(4)
        expect(ids.length).toBeLessThanOrEqual(13)
        for (const id of ids) times.set(id, times.get(id)! + 1)
      }
      // a share of 1/4 of 200: 50, with a standard deviation of 6
      for (const count of times.values()) expect(Math.abs(count - 50)).toBeLessThan(31)
    })

    it('has records of the time only, also those that were appended later', async ({ store }) => {
      await fill(store, hourly(48))
      const imported = hourly(48, (index) => ({
        id: `imported-${index}`,
        at: START - 10 * DAY_MS + index * HOUR_MS,
      }))
      await fill(store, imported)
      const wanted = { from: START - 10 * DAY_MS + 2 * HOUR_MS, until: START + HOUR_MS }
      const { ids } = await store.records.spread(query(wanted))
      expect(ids.toSorted()).toEqual(
        [...namesOf([0, 1]), ...imported.slice(2).map(({ id }) => id)].toSorted()
      )
    })

    it('has neither answers of a lora nor errors', async ({ store }) => {
      const outcomes = ['answered', 'fallback', 'skipped'] as const
      const routed = hourly(9, (index) => ({
        id: `routed-${index}`,
        route: exampleOutcome({ templateVersion: VERSION, outcome: outcomes[index % 3]! }),
      }))
      const failed = hourly(2, (index) => ({ id: `failed-${index}`, status: 503 }))
      await fill(store, [...routed, ...failed])
      const { ids } = await store.records.spread(query())
      expect(ids).toEqual([1, 2, 4, 5, 7, 8].map((place) => `routed-${place}`))
    })
  })
})
