/** Retention goes by the day, in both stores. */
import { expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Store } from '../../src/store/store.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { onEachStore } from '../kit/store/stores.ts'

const append = (store: Store, ...records: ExchangeRecord[]): Promise<void> =>
  store.records.append(batchOf(records))

const range = (length: number): number[] => Array.from({ length }, (_, index) => index)

onEachStore((it) => {
  it('deletes a day when all of it is too old', async ({ store }) => {
    const noon = range(4).map((day) => exampleRecord(day, { at: (day + 0.5) * DAY_MS }))
    await append(store, ...noon)
    // the second day is not over by then
    expect(await store.records.prune({ bodies: 2.9 * DAY_MS, records: 1.9 * DAY_MS })).toEqual({
      records: 1,
      bodies: 4,
    })
    const left = await store.records.list({ limit: 9 })
    expect(left.map(({ id, response }) => [id, response !== null])).toEqual([
      ['record-1', false],
      ['record-2', true],
      ['record-3', true],
    ])
    expect(await store.records.list({ limit: 9, answeredOnly: true })).toEqual(left.slice(1))
  })

  it('takes records of a day whose bodies are gone', async ({ store }) => {
    await append(store, exampleRecord(1), exampleRecord(2, { at: DAY_MS }))
    await store.records.prune({ bodies: DAY_MS, records: 0 })
    await append(store, exampleRecord(3))
    const answered = await store.records.list({ limit: 9, answeredOnly: true })
    expect(answered.map(({ id }) => id)).toEqual(['record-2', 'record-3'])
    expect(await store.records.byIds(['record-3'])).toMatchObject([exampleRecord(3)])
    expect(await store.records.byIds(['record-1'])).toMatchObject([{ request: '', response: null }])
  })

  it('deletes a day of more rows than one transaction', async ({ store }) => {
    const records = range(4_500).map((index) =>
      exampleRecord(index, { request: `{"prompt":"number ${index}"}`, response: '{}' })
    )
    await append(store, ...records, exampleRecord(9_000, { at: DAY_MS }))
    const pruned = await store.records.prune({ bodies: DAY_MS, records: DAY_MS })
    expect(pruned).toEqual({ records: 4_500, bodies: 9_000 })
    expect(await store.records.list({ limit: 9 })).toMatchObject([{ id: 'record-9000' }])
  })

  it('runs while others append to the same days', async ({ store, open }) => {
    const other = await open()
    const writing = range(30).map((index) =>
      append(other, exampleRecord(index, { at: (index % 6) * DAY_MS }))
    )
    for (const day of [1, 2, 3])
      await store.records.prune({ bodies: (day + 1) * DAY_MS, records: day * DAY_MS })
    await Promise.all(writing)
    const left = await store.records.list({ limit: 100 })
    expect(left.filter(({ at }) => at >= 4 * DAY_MS)).toHaveLength(10)
    await other.close()
  })
})
