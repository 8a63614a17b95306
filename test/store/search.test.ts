import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { RecordFilter } from '../../src/core/log/record-filter.ts'
import type { Store } from '../../src/store/store.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { exampleOutcome, exampleRecord } from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'

const append = (store: Store, records: ExchangeRecord[]): Promise<void> =>
  store.records.append(batchOf(records))

const forwarded = (outcome: 'skipped' | 'fallback') =>
  exampleOutcome({ outcome, promptTokensSaved: 0 })

/** A turn of a chat; each user message but the last was answered by `ok`. */
const turn = (index: number, asked: string[], changes: Partial<ExchangeRecord> = {}) => {
  const messages = asked.flatMap((content, i) => [
    { role: 'user', content },
    ...(i < asked.length - 1 ? [{ role: 'assistant', content: 'ok' }] : []),
  ])
  const system = { role: 'system', content: `It is ${index} o'clock.` }
  const request = JSON.stringify({ model: 'm', messages: [system, ...messages] })
  return exampleRecord(index, { request, ...changes })
}

onEachStore((it) => {
  describe('searching the log', () => {
    it('finds by tenant, outcome and status, newest first', async ({ store }) => {
      await append(store, [
        exampleRecord(1, { route: exampleOutcome() }),
        exampleRecord(2, { route: forwarded('skipped'), tenant: 'tenant-b' }),
        exampleRecord(3, { route: forwarded('fallback'), status: 503, response: null }),
        exampleRecord(4, { status: 499, response: null }),
        exampleRecord(5, { tenant: 'tenant-b' }),
      ])
      const found = async (filter: RecordFilter): Promise<string[]> => {
        const page = await store.records.search({ ...filter, limit: 10 })
        expect(page).toMatchObject({ next: null, isPartial: false })
        return page.data.map(({ id }) => id.replace('record-', ''))
      }
      expect(await found({})).toEqual(['5', '4', '3', '2', '1'])
      expect(await found({ tenant: 'tenant-b' })).toEqual(['5', '2'])
      expect(await found({ outcome: 'answered' })).toEqual(['1'])
      expect(await found({ outcome: 'fallback' })).toEqual(['3'])
      expect(await found({ outcome: 'none', tenant: 'tenant-a' })).toEqual(['4'])
      expect(await found({ status: '4xx' })).toEqual(['4'])
      expect(await found({ status: '2xx', outcome: 'skipped' })).toEqual(['2'])
    })

    it('finds a text and a time, with the other fields, and says how many it read', async ({
      store,
    }) => {
      await append(store, [
        turn(1, ['Where is my card?'], { at: 100 }),
        turn(2, ['WHERE IS it?'], { at: 200, response: null }),
        turn(3, ['nothing'], { at: 300 }),
        turn(4, ['where is it?'], { at: 400, tenant: 'tenant-b' }),
      ])
      const found = async (filter: RecordFilter) => {
        const { data, searched } = await store.records.search({ ...filter, limit: 10 })
        return [data.map(({ at }) => at), searched]
      }
      expect(await found({ text: 'where is' })).toEqual([[400, 200, 100], 4])
      expect(await found({ text: 'where is', tenant: 'tenant-a' })).toEqual([[200, 100], 3])
      expect(await found({ text: "o'clock" })).toEqual([[], 4])
      expect(await found({ from: 200, until: 300 })).toEqual([[300, 200], 2])
      expect(await found({ text: 'where', from: 150, until: 350 })).toEqual([[200], 2])
      expect(await found({ conversation: 'record-1', from: 101 })).toEqual([[], 0])
    })

    it('finds the other turns of a conversation, whichever of them is known', async ({ store }) => {
      await append(store, [
        turn(1, ['Hello "there"', 'Grüße', 'and?']),
        turn(2, ['Hello "there"']),
        turn(3, ['Hello "there"', 'something else']),
        turn(4, ['Hello "there"', 'Grüße']),
        turn(5, ['Hello "there"', 'Grüße'], { tenant: 'tenant-b' }),
        turn(6, ['Hello "there"', 'Grüße'], { at: 1_000 + 2 * DAY_MS }),
        turn(7, ['Grüße']),
        exampleRecord(8, { request: '' }),
      ])
      const found = async (id: number): Promise<string[]> => {
        const { data } = await store.records.search({ conversation: `record-${id}`, limit: 10 })
        return data.map((record) => record.id.replace('record-', ''))
      }
      expect(await found(4)).toEqual(['4', '2', '1'])
      expect(await found(1)).toEqual(['4', '2', '1'])
      expect(await found(2)).toEqual(['4', '3', '2', '1'])
      expect(await found(7)).toEqual(['7'])
      // its body is gone
      expect(await found(8)).toEqual(['8'])
      await expect(found(9)).rejects.toMatchObject({ code: 'not-found' })
    })

    it('finds a turn whose client writes letters as escapes', async ({ store }) => {
      const { request, ...second } = turn(2, ['Grüße', 'more'])
      const escaped = { ...second, request: request.replaceAll('ü', '\\u00fc') }
      await append(store, [turn(1, ['Grüße']), escaped])
      const { data } = await store.records.search({ conversation: 'record-1', limit: 10 })
      expect(data.map(({ id }) => id)).toEqual(['record-2', 'record-1'])
    })

    it('pages through what it finds without a gap, with bodies only if wanted', async ({
      store,
    }) => {
      const records = Array.from({ length: 25 }, (_, index) =>
        exampleRecord(index, index % 2 === 0 ? { route: exampleOutcome() } : {})
      )
      await append(store, records)
      const seen: string[] = []
      const query = { outcome: 'answered', limit: 5, bodies: false } as const
      for (let after: number | null = null, pages = 0; after !== null || pages === 0; pages++) {
        const page = await store.records.search({ ...query, ...(after !== null && { after }) })
        expect(
          page.data.every(({ request, response }) => request === '' && response === null)
        ).toBe(true)
        seen.push(...page.data.map(({ id }) => id))
        after = page.next
      }
      const answered = records.filter(({ route }) => route !== null).map(({ id }) => id)
      expect(seen).toEqual(answered.toReversed())
    })

    it('finds what is rare behind thousands of other records', async ({ store }) => {
      const bodies = { request: '{}', response: '{}' }
      const rare: Partial<ExchangeRecord>[] = [
        { tenant: 'tenant-b' },
        { route: forwarded('fallback') },
        { status: 500 },
      ]
      await append(
        store,
        rare.map((changes, i) => exampleRecord(i, { ...bodies, ...changes }))
      )
      await append(
        store,
        Array.from({ length: 5_500 }, (_, i) => exampleRecord(10 + i, bodies))
      )
      const filters = [{ tenant: 'tenant-b' }, { outcome: 'fallback' }, { status: '5xx' }] as const
      for (const [i, filter] of filters.entries()) {
        const found = await store.records.search({ ...filter, limit: 1 })
        expect(found).toMatchObject({ data: [{ id: `record-${i}` }], isPartial: false })
        const { next } = found
        const behind = await store.records.search({ ...filter, limit: 1, after: next! })
        expect(behind).toMatchObject({ data: [], next: null, isPartial: false })
        const oldest = await store.records.search({ ...filter, limit: 1, order: 'asc' })
        expect(oldest.data).toMatchObject([{ id: `record-${i}` }])
      }
      const both = await store.records.search({ status: '5xx', tenant: 'tenant-b', limit: 1 })
      expect(both).toMatchObject({ data: [], next: null, isPartial: false })
    })

    it('reads 5,000 records at most where texts decide, says so and where it goes on', async ({
      store,
    }) => {
      const { request } = turn(1, ['Hello', 'another question'])
      const others = Array.from({ length: 5_500 }, (_, i) =>
        exampleRecord(1 + i, { request, response: '{}' })
      )
      await append(store, [turn(0, ['Hello', 'a question'])])
      await append(store, others)
      const query = { conversation: 'record-0', limit: 1 } as const
      const first = await store.records.search(query)
      expect(first).toMatchObject({ data: [], isPartial: true })
      const second = await store.records.search({ ...query, after: first.next! })
      expect(second).toMatchObject({ data: [{ id: 'record-0' }], isPartial: false })
      await store.records.tagTemplate(['record-0', 'record-1'], 'version-1')
      const tagged = await store.records.search({ ...query, templateVersion: 'version-1' })
      expect(tagged).toMatchObject({ data: [{ id: 'record-0' }], isPartial: false })
    })

    it('passes what is a day older or younger than a turn of a conversation', async ({ store }) => {
      const far = Array.from({ length: 5_500 }, (_, i) =>
        exampleRecord(1 + i, { at: 5 * DAY_MS + i, request: '{}', response: '{}' })
      )
      await append(store, [turn(0, ['Hello'])])
      await append(store, far)
      const found = await store.records.search({ conversation: 'record-0', limit: 9 })
      expect(found).toMatchObject({ data: [{ id: 'record-0' }], next: null, isPartial: false })
    })
  })
})
