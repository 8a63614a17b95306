/** Forgetting, in what is stored: the text is gone, and all other records read as before. */
import { expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Store } from '../../src/store/store.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { exampleEvaluation, exampleInternalization } from '../kit/records/examples.ts'
import { MARKED, MARKER, shortRecord } from '../kit/store/marked-records.ts'
import { onEachStore } from '../kit/store/stores.ts'

const append = (store: Store, ...records: ExchangeRecord[]): Promise<void> =>
  store.records.append(batchOf(records))

const forgetMarked = (store: Store) => store.records.forget({ recordIds: ['record-0'] })

onEachStore((it) => {
  it('removes a body that others were differences to', async ({ store, isStored }) => {
    await append(store, ...MARKED)
    expect(await isStored(MARKER)).toBe(true)
    expect(await forgetMarked(store)).toEqual({ records: 1, bodies: 2 })
    await store.records.scrub()
    expect(await isStored(MARKER)).toBe(false)
    expect(await store.records.list({ limit: 100 })).toMatchObject(MARKED.slice(1))
  })

  it('is not undone by the memory of another process', async ({ store, open, isStored }) => {
    const other = await open()
    await append(other, ...MARKED)
    await forgetMarked(store)
    await store.records.scrub()
    const later = [shortRecord(60, 'one more'), shortRecord(61, 'and more')]
    await append(other, ...later)
    expect(await isStored(MARKER)).toBe(false)
    expect(await other.records.byIds(['record-60', 'record-61'])).toMatchObject(later)
  })

  it('keeps a body that another record has, too', async ({ store, isStored }) => {
    const again = shortRecord(1, MARKER, { tenant: 'tenant-b' })
    await append(store, shortRecord(0, MARKER), again)
    await store.records.forget({ tenant: 'tenant-a' })
    expect(await store.records.list({ limit: 10 })).toMatchObject([again])
    await store.records.forget({ tenant: 'tenant-b' })
    await store.records.scrub()
    expect(await isStored(MARKER)).toBe(false)
  })

  it('takes what was written of the record meanwhile', async ({ store, isStored }) => {
    await append(store, ...MARKED)
    await store.internalizations.create(exampleInternalization())
    await forgetMarked(store)
    await store.internalizations.addEvaluations([
      exampleEvaluation('record-0', { answer: MARKER, upstreamAnswer: MARKER }),
      exampleEvaluation('record-1', { answer: 'stays' }),
    ])
    await store.records.scrub()
    expect(await isStored(MARKER)).toBe(false)
    expect(await store.internalizations.evaluations('internalization-1')).toMatchObject([
      { answer: '' },
      { answer: 'stays' },
    ])
  })

  it('goes through all days of a tenant', async ({ store, isStored }) => {
    const days = [0, 1, 2, 3].map((day) => ({ at: day * DAY_MS }))
    const own = days.map((at, index) => shortRecord(index, `${MARKER} ${index}`, at))
    const others = days.map((at, index) =>
      shortRecord(10 + index, `question ${index}`, { ...at, tenant: 'tenant-b' })
    )
    for (const record of [...own, ...others]) await append(store, record)
    expect(await store.records.forget({ tenant: 'tenant-a' })).toEqual({ records: 4, bodies: 8 })
    await store.records.scrub()
    expect(await isStored(MARKER)).toBe(false)
    expect(await store.records.list({ limit: 100 })).toMatchObject(others)
  })

  it('runs while another process appends', async ({ store, open }) => {
    const other = await open()
    await append(store, ...MARKED)
    const appended = Array.from({ length: 40 }, (_, index) =>
      shortRecord(100 + index, `q ${index}`)
    )
    const [, forgotten] = await Promise.all([
      Promise.all(appended.map((record) => append(other, record))),
      forgetMarked(store),
    ])
    expect(forgotten.records).toBe(1)
    const left = [...MARKED.slice(1), ...appended]
    expect(await other.records.byIds(left.map(({ id }) => id))).toMatchObject(left)
  })
})
