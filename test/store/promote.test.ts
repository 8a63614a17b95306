import { reasonOf, saidBy } from '../../src/core/reason.ts'
import { describe, expect } from 'vitest'
import type {
  Internalization,
  InternalizationState,
} from '../../src/core/internalization/internalization.ts'
import { goLive, retire, rollBack, settleRoutes } from '../../src/lifecycle/promote.ts'
import type { Store } from '../../src/store/store.ts'
import { exampleApproved, exampleTemplate, LIVE_STATE } from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'
import { ANSWERS, KINDS } from '../kit/records/route-rules.ts'
import { AT_ONCE, exampleEvidence } from '../kit/records/rollout.ts'

const VERSION = 'version-1'

const fail = () => Promise.reject(new Error('disk full'))

const promotionIn = (store: Store) => {
  let now = 10_000
  const context = () => ({ by: 'admin', now: now++, rollout: { ...AT_ONCE, auditShare: 0.5 } })
  const get = async (id: string) => (await store.internalizations.get(id))!
  const create = async (id: string, changes: Partial<Internalization> = {}) => {
    await store.internalizations.create(exampleApproved(id, changes))
    return get(id)
  }
  return {
    create,
    get,
    goLive: async (id: string) => goLive(store, await create(id), context()),
    promote: (row: Internalization) => goLive(store, row, context()),
    retire: async (id: string, where = store) =>
      retire(where, await get(id), saidBy('wrong'), context()),
    rollBack: (where = store) => rollBack(where, VERSION, saidBy('wrong'), context()),
    settle: () => settleRoutes(store, context()),
    /** writes a state without its route, as a crash in between leaves it */
    saveState: async (id: string, state: InternalizationState) =>
      store.internalizations.save({ ...(await get(id)), state }, 'admin', now++),
    stateOf: async (id: string) => (await get(id)).state,
    routedTo: async () => (await store.routes.list()).map((route) => route.internalizationId),
  }
}

onEachStore((base) => {
  /** A store with the template, and the functions under test called on it. */
  const it = base.extend<{ at: ReturnType<typeof promotionIn> }>({
    at: async ({ store }, use) => {
      await store.templates.upsert([exampleTemplate()])
      await use(promotionIn(store))
    },
  })

  describe('promotion', () => {
    it('routes the template to the winning arm with its threshold', async ({ store, at }) => {
      expect((await at.goLive('a')).state).toEqual({
        name: 'live',
        stage: { ...LIVE_STATE.stage, began: 10_000 },
      })
      expect(await store.routes.list()).toEqual([
        {
          template: exampleTemplate(),
          internalizationId: 'a',
          engine: 'default',
          lora: 'lora-of-arm-1',
          confidence: 'min',
          threshold: -0.125,
          answers: { ...ANSWERS, responseType: 'label', labels: ['intent_1', 'intent_2'] },
          kinds: KINDS,
          trafficShare: 0.5,
          auditShare: 0.5,
          auditPart: 1,
          templateTokens: 804,
        },
      ])
      expect((await store.internalizations.history('a')).at(-1)).toMatchObject({ by: 'admin' })
    })

    it.for([
      ['is not to promote', { verdict: { ...exampleApproved().verdict!, verdict: 'reject' } }],
      ['is missing', { state: { name: 'candidate' } }],
    ] satisfies [string, Partial<Internalization>][])(
      'refuses an internalization whose verdict %s, and writes nothing',
      async ([, changes], { at }) => {
        const row = await at.create('a', changes)
        await expect(at.promote(row)).rejects.toMatchObject({ code: 'invalid-state' })
        expect(await at.get('a')).toEqual(row)
        expect(await at.routedTo()).toEqual([])
      }
    )

    it('rolls back to the replaced one, then to the upstream', async ({ at }) => {
      await at.goLive('a')
      await at.goLive('b')
      expect(await at.stateOf('a')).toEqual({
        name: 'retired',
        reason: reasonOf('replaced', { by: 'b' }),
      })
      expect(await at.routedTo()).toEqual(['b'])
      const { retired, restored } = await at.rollBack()
      expect([retired.id, restored?.id]).toEqual(['b', 'a'])
      expect(await at.stateOf('b')).toEqual({ name: 'retired', reason: saidBy('wrong') })
      expect(await at.routedTo()).toEqual(['a'])
      expect((await at.rollBack()).restored).toBeNull()
      expect(await at.routedTo()).toEqual([])
      await expect(at.rollBack()).rejects.toMatchObject({ code: 'not-found' })
    })

    it('restores a route without the evidence of the step that it was in', async ({ at }) => {
      await at.goLive('a')
      await at.saveState('a', { ...LIVE_STATE, evidence: exampleEvidence() })
      await at.goLive('b')
      await at.rollBack()
      expect(await at.stateOf('a')).toEqual({ name: 'live', stage: LIVE_STATE.stage })
    })

    it('settles what a crash left between state and route', async ({ at }) => {
      await at.create('a')
      await at.saveState('a', LIVE_STATE)
      await at.settle()
      expect(await at.routedTo()).toEqual(['a'])
      await at.create('b')
      await at.saveState('b', LIVE_STATE)
      await at.settle()
      expect(await at.routedTo()).toEqual(['b'])
      expect(await at.stateOf('a')).toEqual({
        name: 'retired',
        reason: reasonOf('replaced', { by: 'b' }),
      })
      await at.saveState('b', { name: 'retired', reason: saidBy('x') })
      await at.settle()
      expect(await at.routedTo()).toEqual([])
    })

    it.for(['retire', 'rollBack'] as const)(
      '%s takes the route away with the state, so a crash leaves both or none',
      async (call, { store, at }) => {
        await at.goLive('a')
        const revision = await store.routes.revision()
        const decide = (where: Store) =>
          call === 'retire' ? at.retire('a', where) : at.rollBack(where)
        // a process that is killed once the state is written
        await expect(
          decide({ ...store, routes: { ...store.routes, remove: fail } })
        ).rejects.toThrow('disk full')
        expect(await at.stateOf('a')).toEqual({ name: 'retired', reason: saidBy('wrong') })
        expect(await at.routedTo()).toEqual([])
        expect(await store.routes.revision()).toBeGreaterThan(revision)
        if (call === 'retire') await decide(store)
        else await expect(decide(store)).rejects.toMatchObject({ code: 'not-found' })
        expect(await at.routedTo()).toEqual([])
      }
    )

    it('brings no route back that another process has retired meanwhile', async ({ store, at }) => {
      await at.goLive('a')
      const [route] = await store.routes.list()
      await at.retire('a')
      // what a worker writes that read the state before
      await store.routes.put({ ...route!, trafficShare: 1 })
      expect(await at.routedTo()).toEqual([])
    })

    it('takes no route away that another process has made meanwhile', async ({ store, at }) => {
      await at.goLive('a')
      await at.retire('a')
      await at.goLive('b')
      await store.routes.remove(VERSION)
      expect(await at.routedTo()).toEqual(['b'])
    })

    it('does not write an unchanged route', async ({ store, at }) => {
      await at.goLive('a')
      const revision = await store.routes.revision()
      await at.settle()
      expect(await store.routes.revision()).toBe(revision)
    })
  })
})
