import { describe, expect } from 'vitest'
import {
  exampleAsk,
  exampleEvaluation,
  exampleInternalization,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'

const HOUR_MS = 3_600_000

onEachStore((it) => {
  describe('a lease', () => {
    it('has one holder, until it is released or has ended', async ({ store, open }) => {
      const { leases } = store
      const other = (await open()).leases
      expect(await leases.holder('a')).toBeNull()
      expect(await leases.acquire('a', 'one', HOUR_MS)).toEqual({ name: 'a', epoch: 1 })
      expect(await other.acquire('a', 'two', HOUR_MS)).toBeNull()
      expect(await other.holder('a')).toBe('one')
      expect(await other.acquire('b', 'two', HOUR_MS)).toEqual({ name: 'b', epoch: 1 })
      await leases.release({ name: 'a', epoch: 1 })
      expect(await leases.holder('a')).toBeNull()
      // ends at once
      expect(await other.acquire('a', 'two', 0)).toEqual({ name: 'a', epoch: 2 })
      expect(await leases.acquire('a', 'one', HOUR_MS)).toEqual({ name: 'a', epoch: 3 })
    })

    it('is given to one of many that ask at once', async ({ store: { leases } }) => {
      const asked = Array.from({ length: 12 }, (_, i) =>
        leases.acquire('a', `holder-${i}`, HOUR_MS)
      )
      const given = (await Promise.all(asked)).filter((lease) => lease !== null)
      expect(given).toEqual([{ name: 'a', epoch: 1 }])
    })

    it('is taken over by its own holder with a new epoch', async ({ store: { leases } }) => {
      await leases.acquire('a', 'one', HOUR_MS)
      expect(await leases.acquire('a', 'one', HOUR_MS)).toEqual({ name: 'a', epoch: 2 })
      expect(await leases.renew({ name: 'a', epoch: 1 }, HOUR_MS)).toBe(false)
    })

    it('is renewed after its end, unless it has passed on', async ({ store: { leases } }) => {
      const lease = (await leases.acquire('a', 'one', 0))!
      expect(await leases.renew(lease, HOUR_MS)).toBe(true)
      expect(await leases.acquire('a', 'two', HOUR_MS)).toBeNull()
      await leases.renew(lease, 0)
      await leases.acquire('a', 'two', HOUR_MS)
      expect(await leases.renew(lease, HOUR_MS)).toBe(false)
      await leases.release(lease)
      expect(await leases.holder('a')).toBe('two')
    })
  })

  describe('under a lease', () => {
    it('all is read and written as without it', async ({ store }) => {
      const { templates, snapshots } = store.under((await store.leases.acquire('a', 'one', 0))!)
      await templates.upsert([exampleTemplate('v1')])
      await snapshots.put('name', Buffer.from('value'))
      expect(await store.templates.list()).toEqual([exampleTemplate('v1')])
      expect(await templates.get('v1')).toEqual(exampleTemplate('v1'))
    })

    it('no write of a holder is made that comes after the next one', async ({ store, open }) => {
      const lease = (await store.leases.acquire('a', 'one', 0))!
      const late = store.under(lease)
      const row = exampleInternalization('id')
      await late.internalizations.create(row)
      await (await open()).leases.acquire('a', 'two', HOUR_MS)
      const writes = [
        () => late.templates.upsert([exampleTemplate('v1')]),
        () => late.snapshots.put('name', Buffer.from('value')),
        () => late.internalizations.save(row, 'worker', 1),
        () => late.internalizations.addEvaluations([exampleEvaluation('r')]),
        () => late.keys.renew('proxy', [exampleAsk('k')]),
        () => late.pairs.judge([]),
        () => late.records.prune({ bodies: 1, records: 1 }),
      ]
      for (const write of writes)
        await expect(write()).rejects.toMatchObject({
          code: 'conflict',
          message: 'the lease a has passed on to another process',
        })
      expect(await store.templates.list()).toEqual([])
      expect(await store.snapshots.get('name')).toBeNull()
      expect((await store.internalizations.get('id'))!.revision).toBe(row.revision)
      expect(await late.internalizations.list()).toHaveLength(1)
    })
  })
})
