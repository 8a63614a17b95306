/** Feedback in the store: whose record, one of each source, and gone with its record. */
import { describe, expect } from 'vitest'
import type { Feedback } from '../../src/core/log/feedback.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord, RouteOutcome } from '../../src/core/log/record.ts'
import type { Store } from '../../src/store/store.ts'
import { addPairs, examplePair, LORA, routedRecord } from '../kit/records/audited.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { exampleOutcome, exampleRecord } from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'

const TENANT = 'tenant-a'

const feedbackOn = (recordId: string, changes: Partial<Feedback> = {}): Feedback => ({
  recordId,
  by: 'application',
  rating: 'good',
  comment: null,
  at: 5_000,
  ...changes,
})

const log = (store: Store, ...records: ExchangeRecord[]): Promise<void> =>
  store.records.append(batchOf(records))

const all = (store: Store) => store.feedback.list(0, 100)

const routed = (
  index: number,
  outcome: RouteOutcome['outcome'],
  changes: Partial<RouteOutcome> = {}
): ExchangeRecord => ({
  ...exampleRecord(index),
  route: exampleOutcome({ lora: LORA, outcome, ...changes }),
})

const drawn = (store: Store, after = 0) => store.feedback.drawn(LORA, after, 2)

onEachStore((it) => {
  describe('feedback', () => {
    it('is kept with who answered and which lora had the route', async ({ store }) => {
      await log(store, routedRecord(1, 'answered'), routedRecord(2, 'skipped'), exampleRecord(3))
      for (const index of [1, 2, 3]) await store.feedback.put(feedbackOn(`record-${index}`), TENANT)
      const stored = { by: 'application', rating: 'good', comment: null, at: 5_000 }
      expect(await all(store)).toEqual([
        {
          ...stored,
          place: 1,
          recordId: 'record-1',
          lora: LORA,
          answeredBy: 'lora',
          side: 'lora',
          conversation: 'record-1',
          templateVersion: 'version-1',
        },
        {
          ...stored,
          place: 2,
          recordId: 'record-2',
          lora: LORA,
          answeredBy: 'upstream',
          side: 'audit',
          conversation: 'record-2',
          templateVersion: 'version-1',
        },
        {
          ...stored,
          place: 3,
          recordId: 'record-3',
          lora: null,
          answeredBy: 'upstream',
          side: null,
          conversation: null,
          templateVersion: null,
        },
      ])
    })

    it('replaces the earlier one of its source, and no other', async ({ store }) => {
      await log(store, exampleRecord(1))
      await store.feedback.put(feedbackOn('record-1', { comment: 'fine' }), TENANT)
      await store.feedback.put(feedbackOn('record-1', { by: 'admin', rating: 'bad' }), null)
      await store.feedback.put(feedbackOn('record-1', { rating: 'bad', at: 6_000 }), TENANT)
      expect(await all(store)).toMatchObject([
        { place: 1, by: 'application', rating: 'bad', comment: null, at: 6_000 },
        { place: 2, by: 'admin', rating: 'bad' },
      ])
      expect(await store.feedback.ofRecord('record-1')).toEqual([
        feedbackOn('record-1', { by: 'admin', rating: 'bad' }),
        feedbackOn('record-1', { rating: 'bad', at: 6_000 }),
      ])
      expect(await store.feedback.ofRecord('record-2')).toEqual([])
      await store.feedback.remove('record-1', 'application', TENANT)
      await store.feedback.remove('record-1', 'application', TENANT)
      expect(await all(store)).toMatchObject([{ by: 'admin' }])
    })

    it('is refused for a record of another tenant as for one that never was', async ({ store }) => {
      await log(store, exampleRecord(1))
      const refusals = await Promise.all(
        [
          store.feedback.put(feedbackOn('record-1'), 'tenant-b'),
          store.feedback.put(feedbackOn('record-2'), TENANT),
          store.feedback.remove('record-1', 'application', 'tenant-b'),
          store.feedback.remove('record-2', 'application', TENANT),
        ].map((call) => call.catch((error: Error) => error.message.replace(/record-\d/, 'record')))
      )
      expect(new Set(refusals).size).toBe(1)
      expect(refusals[0]).toMatch(/^the log has no record record of this key/)
      expect(await all(store)).toEqual([])
    })

    it('counts what applications sent, by who answered', async ({ store }) => {
      await log(store, ...[1, 2, 3].map((index) => routedRecord(index, 'answered')))
      await log(store, ...[4, 5].map((index) => routedRecord(index, 'skipped')), exampleRecord(6))
      for (const index of [1, 2, 4, 6])
        await store.feedback.put(feedbackOn(`record-${index}`), TENANT)
      for (const index of [3, 5])
        await store.feedback.put(feedbackOn(`record-${index}`, { rating: 'bad' }), TENANT)
      await store.feedback.put(feedbackOn('record-1', { by: 'admin', rating: 'bad' }), null)
      expect(await store.feedback.counts(LORA)).toEqual({
        lora: { good: 2, bad: 1 },
        upstream: { good: 1, bad: 1 },
      })
      expect(await store.feedback.counts('another lora')).toEqual({
        lora: { good: 0, bad: 0 },
        upstream: { good: 0, bad: 0 },
      })
    })

    it('is read with the side and the conversation that its record was drawn for', async ({
      store,
    }) => {
      await log(
        store,
        routed(1, 'skipped', { reason: 'audit', position: 0.75 }),
        routed(2, 'fallback', { reason: 'low-confidence' }),
        routed(3, 'skipped', { reason: 'traffic-share' }),
        routed(4, 'skipped', { reason: 'engine-paused', position: 0.25 }),
        routed(5, 'answered', { position: 0.25 })
      )
      for (const index of [1, 2, 3, 4, 5])
        await store.feedback.put(feedbackOn(`record-${index}`, { at: index }), TENANT)
      await store.feedback.put(feedbackOn('record-1', { by: 'admin' }), null)
      const first = await drawn(store)
      expect(first).toEqual([
        { place: 1, firstAt: 1, side: 'audit', conversation: '0.75', rating: 'good' },
        { place: 2, firstAt: 2, side: 'lora', conversation: 'record-2', rating: 'good' },
      ])
      expect(await drawn(store, first.at(-1)!.place)).toEqual([
        { place: 4, firstAt: 4, side: 'lora', conversation: '0.25', rating: 'good' },
        { place: 5, firstAt: 5, side: 'lora', conversation: '0.25', rating: 'good' },
      ])
      expect(await store.feedback.drawn('another lora', 0, 2)).toEqual([])
    })

    it('keeps its place and first time when it is replaced, and gets new ones after it was taken back', async ({
      store,
    }) => {
      await log(store, routed(1, 'answered'), routed(2, 'answered'))
      await store.feedback.put(feedbackOn('record-1', { at: 10 }), TENANT)
      await store.feedback.put(feedbackOn('record-2', { at: 11 }), TENANT)
      await store.feedback.put(feedbackOn('record-1', { at: 12, rating: 'bad' }), TENANT)
      expect(await drawn(store)).toMatchObject([
        { place: 1, firstAt: 10, rating: 'bad' },
        { place: 2, firstAt: 11 },
      ])
      await store.feedback.remove('record-1', 'application', TENANT)
      await store.feedback.put(feedbackOn('record-1', { at: 9 }), TENANT)
      const again = await drawn(store)
      expect(again).toMatchObject([{ conversation: 'record-2' }, { firstAt: 9 }])
      expect(again[1]!.place).toBeGreaterThan(again[0]!.place)
    })

    it('has a revision of its lora that changes with what was counted already', async ({
      store,
    }) => {
      await log(
        store,
        ...[1, 2, 3].map((day) => ({ ...routed(day, 'answered'), at: day * DAY_MS }))
      )
      const revision = () => store.feedback.revision(LORA)
      for (const id of ['record-1', 'record-2', 'record-3'])
        await store.feedback.put(feedbackOn(id), TENANT)
      await store.feedback.put(feedbackOn('record-2', { at: 6_000 }), TENANT)
      await store.feedback.remove('record-2', 'admin', null)
      expect(await revision()).toBe(0)
      await store.feedback.put(feedbackOn('record-2', { rating: 'bad' }), TENANT)
      expect(await revision()).toBe(1)
      await store.feedback.remove('record-2', 'application', TENANT)
      expect(await revision()).toBe(2)
      await store.records.forget({ recordIds: ['record-3'] })
      expect(await revision()).toBe(3)
      await store.records.prune({ records: 2 * DAY_MS, bodies: 2 * DAY_MS })
      expect(await revision()).toBe(4)
      expect(await store.feedback.revision('another lora')).toBe(0)
    })

    it('is forgotten with its record', async ({ store }) => {
      await log(store, exampleRecord(1), exampleRecord(2))
      for (const id of ['record-1', 'record-2']) await store.feedback.put(feedbackOn(id), TENANT)
      await store.records.forget({ recordIds: ['record-1'] })
      expect(await all(store)).toMatchObject([{ recordId: 'record-2' }])
      await expect(store.feedback.put(feedbackOn('record-1'), TENANT)).rejects.toMatchObject({
        code: 'not-found',
      })
    })

    it('is pruned with its record, and loses its comment with the bodies', async ({ store }) => {
      await log(store, ...[1, 2, 3].map((day) => exampleRecord(day, { at: day * DAY_MS })))
      for (const id of ['record-1', 'record-2', 'record-3'])
        await store.feedback.put(feedbackOn(id, { comment: `of ${id}` }), TENANT)
      await store.records.prune({ records: 2 * DAY_MS, bodies: 3 * DAY_MS })
      expect(await all(store)).toMatchObject([
        { recordId: 'record-2', comment: null },
        { recordId: 'record-3', comment: 'of record-3' },
      ])
    })

    it('has comments without secrets, where the log has none', async ({ open }) => {
      const store = await open({ redact: { detectors: ['email'], patterns: {} } })
      await log(store, exampleRecord(1))
      const comment = 'write to jo@example.com'
      await store.feedback.put(feedbackOn('record-1', { comment }), TENANT)
      expect((await all(store))[0]!.comment).toBe('write to [EMAIL_1]')
      await store.close()
    })

    it('comes in pages', async ({ store }) => {
      await log(store, ...[1, 2, 3].map((index) => exampleRecord(index)))
      for (const index of [3, 1, 2]) await store.feedback.put(feedbackOn(`record-${index}`), TENANT)
      const [first, second] = await store.feedback.list(0, 2)
      expect([first!.recordId, second!.recordId]).toEqual(['record-3', 'record-1'])
      expect(await store.feedback.list(second!.place, 2)).toMatchObject([{ recordId: 'record-2' }])
    })
  })

  describe('ratings of pairs', () => {
    it('are listed with their lora and time, until they are taken back', async ({ store }) => {
      await addPairs(store, [{}, {}, {}])
      await store.pairs.rate('record-3', 'both', 7_000)
      await store.pairs.rate('record-1', 'lora', 8_000)
      await store.pairs.rate('record-2', 'neither', 8_000)
      await store.pairs.rate('record-2', null, 9_000)
      expect(await store.pairs.rated(0, 9)).toMatchObject([
        { place: 1, recordId: 'record-1', lora: LORA, rating: 'lora', ratedAt: 8_000 },
        {
          place: 3,
          recordId: 'record-3',
          templateVersion: 'version-1',
          rating: 'both',
          ratedAt: 7_000,
        },
      ])
      expect(await store.pairs.rated(1, 9)).toHaveLength(1)
      expect(await store.pairs.ofRecord('record-3')).toMatchObject({ place: 3, rating: 'both' })
      expect(await store.pairs.list({ lora: LORA, limit: 9 })).toMatchObject([
        { ratedAt: 7_000 },
        { rating: null, ratedAt: 9_000 },
        { ratedAt: 8_000 },
      ])
    })

    it('have a cost, summed over a time', async ({ store }) => {
      await addPairs(
        store,
        Array.from({ length: 6 }, () => ({ costUsd: 0.01 }))
      )
      const { usd, wholeUsd, firstAt } = await store.pairs.spent(0, DAY_MS)
      expect([usd, firstAt]).toEqual([0.06, exampleRecord(1).at])
      expect(wholeUsd).toBeCloseTo(0.06, 12)
      const none = { usd: 0, wholeUsd: 0, firstAt: null }
      expect(await store.pairs.spent(DAY_MS, 2 * DAY_MS)).toEqual(none)
    })

    it('know the part at which their request was drawn, for the cost of all audits', async ({
      store,
    }) => {
      const [whole, part] = [routedRecord(1, 'skipped'), routedRecord(2, 'skipped')]
      await log(store, whole)
      await log(store, { ...part, route: { ...part.route!, auditPart: 0.25 } })
      const costUsd = 0.01
      await store.pairs.judge([whole, part].map(({ id }) => examplePair(id, { costUsd })))
      expect(await store.pairs.since(LORA, 0, 9)).toMatchObject([{ drawn: 1 }, { drawn: 0.25 }])
      const { usd, wholeUsd } = await store.pairs.spent(0, DAY_MS)
      expect(usd).toBe(0.02)
      expect(wholeUsd).toBeCloseTo(0.05, 12)
    })

    it('are those of a record only once it was judged', async ({ store }) => {
      await log(store, routedRecord(1, 'skipped'))
      expect(await store.pairs.ofRecord('record-1')).toBeNull()
      await store.pairs.judge([examplePair('record-1')])
      expect(await store.pairs.ofRecord('record-1')).toMatchObject({ outcome: 'disagreed' })
    })

    it('stay when their record is forgotten, without its id', async ({ store }) => {
      await addPairs(store, [{}])
      await store.pairs.rate('record-1', 'upstream', 7_000)
      await store.records.forget({ recordIds: ['record-1'] })
      expect(await store.pairs.rated(0, 9)).toMatchObject([
        { recordId: null, templateVersion: null, lora: LORA, rating: 'upstream' },
      ])
    })
  })
})
