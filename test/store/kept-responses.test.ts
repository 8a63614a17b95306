/** Kept responses in the store: of their tenant alone, bounded, and gone with the log's bodies. */
import { describe, expect } from 'vitest'
import type { KeptResponse } from '../../src/core/log/kept-response.ts'
import { forget } from '../../src/lifecycle/forget.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { onEachStore } from '../kit/store/stores.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'

const CONTEXT = { by: 'test', now: 5_000, newId: () => 'task', rollout: AT_ONCE }

const kept = (id: string, changes: Partial<KeptResponse> = {}): KeptResponse => ({
  id,
  tenant: 'tenant-a',
  at: 1_000,
  request: JSON.stringify({ input: 'hi', user: 'ada' }),
  response: '{"object":"response"}',
  ...changes,
})

onEachStore((it) => {
  describe('a kept response', () => {
    it('is its tenant`s, also for another process, until it is removed', async ({
      store,
      open,
    }) => {
      await store.keptResponses.put(kept('one'))
      const other = await open()
      expect(await other.keptResponses.get('one', 'tenant-a')).toEqual(kept('one'))
      expect(await other.keptResponses.get('one', 'tenant-b')).toBeNull()
      expect(await other.keptResponses.remove('one', 'tenant-b')).toBe(false)
      expect(await other.keptResponses.remove('one', 'tenant-a')).toBe(true)
      expect(await store.keptResponses.get('one', 'tenant-a')).toBeNull()
      expect(await store.keptResponses.remove('one', 'tenant-a')).toBe(false)
      await other.close()
    })

    it('is pruned with the bodies of its age', async ({ store }) => {
      await store.keptResponses.put(kept('old'))
      await store.keptResponses.put(kept('new', { at: DAY_MS }))
      await store.records.prune({ bodies: DAY_MS, records: 0 })
      expect(await store.keptResponses.get('old', 'tenant-a')).toBeNull()
      expect(await store.keptResponses.get('new', 'tenant-a')).not.toBeNull()
    })

    it.for([
      ['its record', { recordIds: ['one'] }],
      ['its user', { user: 'ada' }],
      ['its tenant', { tenant: 'tenant-a' }],
    ] as const)(
      'is forgotten with %s, although the log has no record of it',
      async ([, selection], { store }) => {
        await store.keptResponses.put(kept('one'))
        const others = { tenant: 'tenant-b', request: '{"input":"hi"}' }
        await store.keptResponses.put(kept('two', others))
        await store.records.forget({ ...selection } as never)
        expect(await store.keptResponses.get('one', 'tenant-a')).toBeNull()
        expect(await store.keptResponses.get('two', 'tenant-b')).not.toBeNull()
      }
    )

    it('is forgotten with its user also where the log has nothing else', async ({ store }) => {
      await store.keptResponses.put(kept('one'))
      const asked = { selection: { user: 'ada' }, retire: false, dryRun: false }
      await forget(store, asked, CONTEXT)
      expect(await store.keptResponses.get('one', 'tenant-a')).toBeNull()
    })
  })
})
