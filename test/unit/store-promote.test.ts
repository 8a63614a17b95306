import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Internalization } from '../../src/core/lifecycle/internalization.ts'
import { goLive, retire, rollBack, settleRoutes } from '../../src/lifecycle/promote.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import type { Store } from '../../src/store/store.ts'
import { exampleApproved, exampleTemplate } from '../fixtures/examples.ts'
import { ANSWERS, KINDS } from '../fixtures/route-rules.ts'

const VERSION = 'version-1'

describe('promotion', () => {
  let dataDir: string
  let store: Store
  let now = 10_000

  const context = () => ({ by: 'admin', now: now++, trafficShare: 0.5 })
  const stateOf = async (id: string) => (await store.internalizations.get(id))!.state
  const routedTo = async () => (await store.routes.list()).map((route) => route.internalizationId)

  const create = async (id: string, changes: Partial<Internalization> = {}) => {
    await store.internalizations.create(exampleApproved(id, changes))
    return (await store.internalizations.get(id))!
  }

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'promote-'))
    store = await openLocalStore({ dataDir }, Date.now)
    await store.templates.upsert([exampleTemplate()])
  })

  afterEach(async () => {
    await store.close()
    rmSync(dataDir, { recursive: true })
  })

  it('routes the template to the winning arm behind its threshold', async () => {
    const live = await goLive(store, await create('a'), context())
    expect(live.state).toEqual({ name: 'live' })
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
        templateTokens: 804,
      },
    ])
    expect((await store.internalizations.history('a')).at(-1)).toMatchObject({ by: 'admin' })
  })

  it('retires what an earlier version proved for fewer requests than a route answers', async () => {
    await goLive(store, await create('a'), context())
    const live = (await store.internalizations.get('a'))!
    const { kinds: _, ...plan } = live.plan!
    await store.internalizations.save({ ...live, plan: plan as typeof live.plan }, 'worker', now++)
    await settleRoutes(store, context())
    expect(await stateOf('a')).toMatchObject({
      name: 'retired',
      reason: expect.stringContaining('internalize again') as string,
    })
    expect(await routedTo()).toEqual([])
  })

  it('refuses what has not passed, and leaves it where it is', async () => {
    const { verdict } = exampleApproved('a')
    const rejected = await create('a', { verdict: { ...verdict!, verdict: 'reject' } })
    await expect(goLive(store, rejected, context())).rejects.toMatchObject({
      code: 'invalid-state',
    })
    expect(await stateOf('a')).toEqual({ name: 'approval' })
    expect(await store.routes.list()).toEqual([])
  })

  it('refuses what does not wait for approval', async () => {
    const candidate = await create('a', { state: { name: 'candidate' } })
    await expect(goLive(store, candidate, context())).rejects.toMatchObject({
      code: 'invalid-state',
    })
  })

  it('retires what it replaces', async () => {
    await goLive(store, await create('a'), context())
    await goLive(store, await create('b'), context())
    expect(await stateOf('a')).toEqual({ name: 'retired', reason: 'replaced by b' })
    expect(await routedTo()).toEqual(['b'])
  })

  it('rolls back to what was replaced, and then to the upstream', async () => {
    await goLive(store, await create('a'), context())
    await goLive(store, await create('b'), context())
    const { retired, restored } = await rollBack(store, VERSION, 'wrong answers', context())
    expect([retired.id, restored?.id]).toEqual(['b', 'a'])
    expect(await stateOf('b')).toEqual({ name: 'retired', reason: 'wrong answers' })
    expect(await routedTo()).toEqual(['a'])
    expect((await rollBack(store, VERSION, 'also wrong', context())).restored).toBeNull()
    expect(await routedTo()).toEqual([])
    await expect(rollBack(store, VERSION, 'again', context())).rejects.toMatchObject({
      code: 'not-found',
    })
  })

  it('retires without a successor', async () => {
    const live = await goLive(store, await create('a'), context())
    await retire(store, live, 'not needed', context())
    expect(await routedTo()).toEqual([])
  })

  it('settles what a crash left between state and route', async () => {
    const a = await create('a')
    await store.internalizations.save({ ...a, state: { name: 'live' } }, 'admin', 1)
    await settleRoutes(store, context())
    expect(await routedTo()).toEqual(['a'])

    const b = await create('b')
    await store.internalizations.save({ ...b, state: { name: 'live' } }, 'admin', 20_000)
    await settleRoutes(store, context())
    expect(await routedTo()).toEqual(['b'])
    expect(await stateOf('a')).toEqual({ name: 'retired', reason: 'replaced by b' })

    const live = (await store.internalizations.get('b'))!
    const state = { name: 'retired', reason: 'x' } as const
    await store.internalizations.save({ ...live, state }, 'admin', 20_001)
    await settleRoutes(store, context())
    expect(await routedTo()).toEqual([])
  })

  it.each(['rolled back', 'retired'])(
    'ends what failed halfway when it is %s again',
    async (how) => {
      const live = await goLive(store, await create('a'), context())
      const broken: Store = {
        ...store,
        routes: { ...store.routes, remove: () => Promise.reject(new Error('disk full')) },
      }
      const decide = (where: Store) =>
        how === 'retired'
          ? retire(where, live, 'wrong', context())
          : rollBack(where, VERSION, 'wrong', context())
      await expect(decide(broken)).rejects.toThrow('disk full')
      expect([await stateOf('a'), await routedTo()]).toEqual([
        { name: 'retired', reason: 'wrong' },
        ['a'],
      ])
      const repeated =
        how === 'retired'
          ? retire(store, (await store.internalizations.get('a'))!, 'wrong', context())
          : rollBack(store, VERSION, 'wrong', context())
      if (how === 'retired') await repeated
      else await expect(repeated).rejects.toMatchObject({ code: 'not-found' })
      expect(await routedTo()).toEqual([])
    }
  )

  it('writes nothing when all agrees, so that nobody compiles routes anew', async () => {
    await goLive(store, await create('a'), context())
    const revision = await store.routes.revision()
    await settleRoutes(store, context())
    expect(await store.routes.revision()).toBe(revision)
  })
})
