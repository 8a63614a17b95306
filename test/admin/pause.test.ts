/** What a person decides of a rollout: stages of any share, and pauses. */
import { describe, expect } from 'vitest'
import { rolloutStageOf } from '../../src/core/internalization/internalization.ts'
import type { RolloutStage } from '../../src/core/rollout/stages.ts'
import { approve, type Approval } from '../../src/lifecycle/approve.ts'
import { pause, resume } from '../../src/lifecycle/pause.ts'
import { enterNextStage, settleRoutes, type PromotionContext } from '../../src/lifecycle/promote.ts'
import { saveRolloutReport, type RolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { Store } from '../../src/store/store.ts'
import { exampleApproved, exampleTemplate } from '../kit/records/examples.ts'
import { it as base } from '../kit/store/local-store.ts'
import { exampleEvidence, exampleReport, STAGED, stageOf } from '../kit/records/rollout.ts'

const ID = 'internalization-1'
/** as many as the example report has */
const COUNTED = { pairs: 160, losses: 4, credits: 0 }

const context = (note?: string): PromotionContext => ({
  by: 'admin',
  now: 9_000,
  rollout: STAGED,
  note,
})

const killed = () => Promise.reject(new Error('killed'))

const actingOn = (store: Store) => {
  const row = async () => (await store.internalizations.get(ID))!
  const stage = async (): Promise<RolloutStage> => rolloutStageOf((await row()).state)!
  return {
    stage,
    row,
    approve: async (approval: Partial<Approval> = {}) =>
      approve(store, await row(), { isForced: false, ...approval }, context()),
    pause: async (note?: string) => pause(store, await row(), context(note)),
    resume: async (note?: string) => resume(store, await row(), context(note)),
    report: async (changes: Partial<RolloutReport> = {}) =>
      saveRolloutReport(store, ID, exampleReport({ stage: await stage(), ...changes })),
    route: async () => (await store.routes.list())[0]!,
  }
}

const it = base.extend<{ at: ReturnType<typeof actingOn> }>({
  at: async ({ store }, use) => {
    await store.templates.upsert([exampleTemplate()])
    await store.internalizations.create(exampleApproved(ID))
    await use(actingOn(store))
  },
})

describe('an approval with a share', () => {
  it('leads from approval to the stage of that share, and then to the next larger one', async ({
    at,
  }) => {
    await at.approve({ share: 0.1 })
    expect(await at.stage()).toEqual(stageOf(0.1, 9_000))
    expect(await at.route()).toMatchObject({ trafficShare: 0.1, auditShare: 0.9 })
    await at.report({ mayStep: true })
    await at.approve()
    expect(await at.stage()).toEqual({ share: 0.25, before: COUNTED, began: 9_000 })
  })

  it('takes the evidence of the present stage, or the word of a person', async ({ at }) => {
    await at.approve()
    await at.report()
    await expect(at.approve({ share: 0.5 })).rejects.toMatchObject({ code: 'invalid-state' })
    expect(await at.stage()).toEqual(stageOf(0.05, 9_000))
    await at.approve({ share: 0.5, isForced: true })
    expect(await at.stage()).toEqual({ share: 0.5, before: COUNTED, began: 9_000 })
    await at.report({ mayStep: true })
    await at.approve({ share: 0.6 })
    expect(await at.stage()).toEqual({ share: 0.6, before: COUNTED, began: 9_000 })
  })

  it('gives less of the traffic without evidence, and counts for the next stage anew', async ({
    at,
  }) => {
    await at.approve({ share: 1 })
    expect(await at.route()).toMatchObject({ trafficShare: 0.97, auditShare: 0.03 })
    await at.report()
    await at.approve({ share: 0.2 })
    expect(await at.stage()).toEqual({ share: 0.2, before: COUNTED, began: 9_000 })
    expect((await at.row()).state).toMatchObject({ evidence: exampleEvidence() })
    expect(await at.route()).toMatchObject({ trafficShare: 0.2, auditShare: 0.8 })
  })

  it('changes nothing for the present share', async ({ at, store }) => {
    await at.approve({ share: 0.1 })
    const before = await store.internalizations.history(ID)
    await at.approve({ share: 0.1, isForced: true })
    expect(await store.internalizations.history(ID)).toEqual(before)
  })

  it.for([-0.1, 1.1, Number.NaN])('refuses %d', async (share, { at }) => {
    await expect(at.approve({ share })).rejects.toMatchObject({ code: 'invalid-request' })
    expect((await at.row()).state).toEqual({ name: 'approval' })
  })
})

describe('a pause', () => {
  it('takes all traffic away and audits it, until the share before comes back', async ({
    at,
    store,
  }) => {
    await at.approve({ share: 0.25 })
    await at.report()
    await at.pause('a customer complained')
    expect(await at.stage()).toEqual({ ...stageOf(0, 9_000), isPaused: true, shareBefore: 0.25 })
    expect(await at.route()).toMatchObject({ trafficShare: 0, auditShare: 1 })
    await at.resume('it was the customer')
    // its pairs go on being counted
    expect(await at.stage()).toEqual(stageOf(0.25, 9_000))
    expect(await at.route()).toMatchObject({ trafficShare: 0.25, auditShare: 0.75 })
    const history = await store.internalizations.history(ID)
    expect(history.slice(-2)).toMatchObject([
      { by: 'admin', note: 'a customer complained', to: { stage: { isPaused: true } } },
      { by: 'admin', note: 'it was the customer', to: { stage: { share: 0.25 } } },
    ])
  })

  it('may be repeated, as its end may', async ({ at, store }) => {
    await at.approve()
    for (const decide of [at.pause, at.resume]) {
      await decide()
      const before = await store.internalizations.history(ID)
      await decide()
      expect(await store.internalizations.history(ID)).toEqual(before)
    }
    expect(await at.stage()).toEqual(stageOf(0.05, 9_000))
  })

  it('of the shadow and of the last stage ends where it began', async ({ at, store }) => {
    const rollout = { ...STAGED, stages: [0, 1] }
    await approve(store, await at.row(), { isForced: false }, { ...context(), rollout })
    await at.pause()
    await at.resume()
    expect(await at.stage()).toEqual(stageOf(0, 9_000))
    await at.approve({ share: 1, isForced: true })
    await at.pause()
    await at.resume()
    expect(await at.stage()).toMatchObject({ share: 1 })
  })

  it('lets neither evidence nor a larger share open the next stage', async ({ at, store }) => {
    await at.approve()
    await at.pause()
    await at.report({ mayStep: true })
    await expect(at.approve({ share: 0.1 })).rejects.toThrow('is paused: promote it without a')
    const step = enterNextStage(store, await at.row(), exampleEvidence(), context())
    await expect(step).rejects.toMatchObject({ code: 'invalid-state' })
    expect((await at.stage()).isPaused).toBe(true)
  })

  it('begins with the share 0, and ends without a share or with the one before', async ({ at }) => {
    await at.approve({ share: 0.25 })
    for (const share of [undefined, 0.25]) {
      await at.approve({ share: 0 })
      expect(await at.stage()).toMatchObject({ share: 0, isPaused: true })
      await at.approve({ share })
      expect(await at.stage()).toEqual(stageOf(0.25, 9_000))
    }
  })

  it('is ended by a share that is not larger, and by a larger one without evidence', async ({
    at,
  }) => {
    await at.approve({ share: 0.25 })
    await at.pause()
    await at.report()
    await at.approve({ share: 0.1 })
    expect(await at.stage()).toEqual({ share: 0.1, before: COUNTED, began: 9_000 })
    await at.pause()
    await at.approve({ share: 1, isForced: true })
    expect(await at.stage()).toMatchObject({ share: 1 })
  })

  it('has no route that answers, wherever it was killed', async ({ at, store }) => {
    await at.approve({ share: 0.25 })
    const dying = { ...store, routes: { ...store.routes, put: killed } }
    await expect(pause(dying, await at.row(), context())).rejects.toThrow('killed')
    expect(await at.route()).toMatchObject({ trafficShare: 0.25 })
    await at.pause()
    expect(await at.route()).toMatchObject({ trafficShare: 0 })
    await expect(resume(dying, await at.row(), context())).rejects.toThrow('killed')
    expect(await at.route()).toMatchObject({ trafficShare: 0 })
    await settleRoutes(store, context())
    expect(await at.route()).toMatchObject({ trafficShare: 0.25 })
  })

  it('is refused before it is live', async ({ at }) => {
    for (const decide of [at.pause, at.resume, () => at.approve({ share: 0 })])
      await expect(decide()).rejects.toMatchObject({ code: 'invalid-state' })
  })
})
