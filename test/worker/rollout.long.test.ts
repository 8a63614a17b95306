/** A live route is watched: audited requests become pairs, and their evidence decides. */
import { reasonOf } from '../../src/core/reason.ts'
import { reasonIn } from '../kit/records/examples.ts'
import { describe, expect, it } from 'vitest'
import { rolloutStageOf } from '../../src/core/internalization/internalization.ts'
import type { Thumb } from '../../src/core/log/feedback.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Route } from '../../src/core/route/route.ts'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import type { WorkerDeps } from '../../src/worker/deps.ts'
import { AppError } from '../../src/errors.ts'
import { pause, resume } from '../../src/lifecycle/pause.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { HOUR_MS } from './harness.ts'
import { answerBody } from '../kit/records/completion.ts'
import { useWatchedRoute, type Watched as WatchedRoute } from './watched-route.ts'

const Watched = { open: useWatchedRoute() }

const STAGED: RolloutSettings = { ...AT_ONCE, stages: [0, 0.05, 1], auditShare: 0.03 }

describe('a rollout', () => {
  it('serves nothing in the shadow stage and audits all of the traffic', async () => {
    const watched = await Watched.open(STAGED)
    expect(await watched.routes()).toMatchObject([{ trafficShare: 0, auditShare: 1 }])
    await watched.audit(20)
    await watched.judged(20)
    expect((await watched.report()).outcomes).toMatchObject({ agreed: 20 })
  })

  it('enters the next stage by its evidence, and counts anew there', async () => {
    const watched = await Watched.open({ ...STAGED, steps: true })
    await watched.audit(60)
    await watched.judged(60)
    expect(await watched.routes()).toMatchObject([{ trafficShare: 0, auditShare: 1 }])
    await watched.audit(40)
    await watched.judged(100)
    expect(rolloutStageOf(await watched.state())).toMatchObject({ share: 0.05 })
    expect(await watched.state()).toMatchObject({ evidence: { losses: 0 } })
    expect(await watched.routes()).toMatchObject([{ trafficShare: 0.05, auditShare: 0.95 }])
    await watched.harness.round(watched.worker)
    expect((await watched.report()).evidence.stagePairs).toBeLessThan(40)
    await watched.audit(100)
    await watched.judged(200)
    expect(rolloutStageOf(await watched.state())).toMatchObject({ share: 1 })
    expect(await watched.routes()).toMatchObject([{ trafficShare: 0.97, auditShare: 0.03 }])
    expect(watched.events('rollout.stage')).toMatchObject([
      { internalization: watched.id, stage: 'canary 5 %', losses: 0 },
      { internalization: watched.id, stage: 'full', losses: 0 },
    ])
  })

  it('stays in a stage for a day, and says until when, whatever its evidence is', async () => {
    const watched = await Watched.open({ ...STAGED, minHours: 24, steps: true })
    const { harness, worker } = watched
    const began = rolloutStageOf(await watched.state())!.began
    await watched.audit(120)
    await watched.judged(120)
    const { waitsFor, mayStep, evidence } = await watched.report()
    expect(evidence.step).toBeGreaterThan(Math.log(20))
    expect([mayStep, waitsFor[0]]).toEqual([
      false,
      reasonOf('stage-too-young', { until: began + 24 * HOUR_MS }),
    ])
    // meanwhile pairs of every part of the day
    for (let hour = 0; hour < 24; hour += 4) {
      await watched.audit(3)
      await harness.runFor(worker, 4 * HOUR_MS, HOUR_MS)
    }
    expect(rolloutStageOf(await watched.state())).toMatchObject({ share: 0.05, began: harness.now })
  })

  it('stays in a stage that has no pairs of a part of the day', async () => {
    const watched = await Watched.open({ ...STAGED, minHours: 24, steps: true })
    const { parts } = (await watched.harness.newest()).verdict!.baseline!
    expect(parts.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9)
    await watched.harness.runFor(watched.worker, 30 * HOUR_MS, HOUR_MS)
    const { waitsFor } = await watched.report()
    expect(waitsFor).toHaveLength(parts.filter((share) => share >= 0.05).length)
    expect(waitsFor[0]).toMatchObject({ code: 'part-of-day-missing', figures: { pairs: 0 } })
  })

  it('waits for a person where stages are not entered by themselves', async () => {
    const watched = await Watched.open(STAGED)
    await watched.audit(200)
    await watched.judged(200)
    expect(rolloutStageOf(await watched.state())).toMatchObject({ share: 0 })
    expect((await watched.report()).mayStep).toBe(true)
    // meanwhile it is watched like a route in its last stage
    expect(await watched.routes()).toMatchObject([{ trafficShare: 0, auditShare: 0.03 }])
  })

  it('is rolled back when its answers disagree, and cannot go live again', async () => {
    const watched = await Watched.open({ ...AT_ONCE, auditShare: 0.03 })
    await watched.audit(40, { response: answerBody('violet') })
    await watched.ended()
    const state = await watched.state()
    expect(state).toMatchObject({
      reason: { code: 'rolled-back', figures: { margin: 0.05 } },
      evidence: { margin: 0.05, losses: expect.any(Number) as number },
    })
    expect(await watched.routes()).toEqual([])
    const { pairs, losses, evidence } = watched.events('rollout.rolled_back')[0]!
    expect({ pairs, evidence }).toMatchObject({
      pairs: losses,
      evidence: { rollback: expect.any(Number) as number, drift: expect.any(Number) as number },
    })
    expect(watched.events('rollout.drift')).toMatchObject([{ internalization: watched.id }])
    const row = (await watched.harness.store.internalizations.get(watched.id))!
    await expect(
      goLive(watched.harness.store, row, { by: 'admin', now: 1, rollout: AT_ONCE })
    ).rejects.toThrow('rolled back by its evidence')
  })

  it('is rolled back when the upstream refuses the turns after its answers', async () => {
    const watched = await Watched.open({ ...STAGED, stages: [0.05, 1] })
    await watched.audit(60)
    await watched.judged(60)
    expect((await watched.state()).name).toBe('live')
    await watched.refuse(20)
    await watched.ended()
    expect(await watched.state()).toMatchObject({
      reason: { code: 'rolled-back' },
    })
    expect(await watched.routes()).toEqual([])
    const pairs = await watched.pairs()
    // those that were judged until then
    expect(pairs.filter(({ outcome }) => outcome === 'refused').length).toBeGreaterThan(5)
  })

  it('counts as large a part of the refusals as of the audits', async () => {
    const watched = await Watched.open({ ...AT_ONCE, auditShare: 0.03 })
    await watched.audit(60)
    await watched.judged(60)
    await watched.refuse(40)
    await watched.judged(100)
    const { outcomes } = await watched.report()
    expect(outcomes.refused + outcomes.unusable).toBe(40)
    // 1.2 are expected
    expect(outcomes.refused).toBeLessThan(6)
    expect((await watched.state()).name).toBe('live')
  })

  it('counts the same after a crash at any moment', async () => {
    const watched = await Watched.open({ ...AT_ONCE, auditShare: 0.03 })
    await watched.audit(50)
    await watched.judged(50)
    const before = await watched.report()
    const again = await watched.harness.worker(
      watched.harness.deps({ rollout: { ...AT_ONCE, auditShare: 0.03 } })
    )
    await watched.harness.round(again)
    expect((await watched.report()).evidence).toEqual(before.evidence)
    expect(before.evidence.pairs).toBe(50)
  })
})

const CANARY: RolloutSettings = { ...STAGED, stages: [0.05, 1] }

/** Pairs of a rated conversation of each side. */
const rateBoth = async (watched: WatchedRoute, count: number, lora: Thumb): Promise<string[]> => {
  const [ours, theirs] = [await watched.answer(count), await watched.audit(count)]
  for (const [i, record] of ours.entries()) {
    await watched.rate([record], lora)
    await watched.rate([theirs[i]!], 'good')
  }
  return ours
}

describe('feedback of users', () => {
  it('rolls a route back that users rate worse than the audited side, and it cannot go live again', async () => {
    const watched = await Watched.open(CANARY)
    const { harness } = watched
    await rateBoth(watched, 20, 'bad')
    await watched.ended()
    const state = await watched.state()
    expect(reasonIn({ state })).toMatch(
      /^rolled back: users rate it worse: 100\.0 % of 20 rated conversations of the lora's side are bad, 0\.0 % of 20 audited ones; the difference is \+100\.0 points \(.* the limit is 5\.0; evidence \d+:/
    )
    expect(state).toMatchObject({
      reason: { code: 'rated-worse' },
      evidence: { losses: 0 },
      feedback: { blocks: 20, margin: 0.05 },
    })
    expect(await watched.routes()).toEqual([])
    expect(watched.events('rollout.rolled_back')).toMatchObject([{ internalization: watched.id }])
    const row = (await harness.store.internalizations.get(watched.id))!
    await expect(
      goLive(harness.store, row, { by: 'admin', now: 1, rollout: AT_ONCE })
    ).rejects.toThrow('rolled back by its evidence')
  })

  it('rolls a paused route back as well, when it comes late', async () => {
    const watched = await Watched.open(CANARY)
    const { harness, worker, id } = watched
    const [ours, theirs] = [await watched.answer(20), await watched.audit(20)]
    const row = (await harness.store.internalizations.get(id))!
    await pause(harness.store, row, { by: 'admin', now: 1, rollout: STAGED })
    await harness.round(worker)
    expect((await watched.report()).feedback.blocks).toBe(0)
    for (const [i, record] of ours.entries()) {
      await watched.rate([record], 'bad')
      await watched.rate([theirs[i]!], 'good')
    }
    await watched.ended()
  })

  it('counts as it is after it was taken back, within a minute, and the same after a crash', async () => {
    const watched = await Watched.open(CANARY)
    const { harness, worker } = watched
    const ours = await rateBoth(watched, 8, 'bad')
    await harness.round(worker)
    const before = (await watched.report()).feedback
    expect(before).toMatchObject({ blocks: 8, revision: 0 })
    await watched.rate(ours.slice(4), null)
    harness.now += 2 * 60_000
    await harness.round(worker)
    const after = (await watched.report()).feedback
    expect(after).toMatchObject({ blocks: 4, conversations: { lora: 4, audit: 8 }, revision: 4 })
    const again = await harness.worker(harness.deps({ rollout: STAGED }))
    await harness.round(again)
    expect((await watched.report()).feedback).toEqual(after)
  })
})

describe('a paused route', () => {
  const context = { by: 'admin', now: 1, rollout: { ...STAGED, steps: true } }

  it('enters no stage by evidence, which goes on being counted and opens it afterwards', async () => {
    const watched = await Watched.open({ ...STAGED, stages: [0.05, 1], steps: true })
    const { harness, worker, id } = watched
    const { store } = harness
    await watched.audit(60)
    await watched.judged(60)
    await pause(store, (await store.internalizations.get(id))!, context)
    await watched.audit(60)
    await watched.judged(120)
    await harness.round(worker)
    expect(await watched.report()).toMatchObject({
      mayStep: false,
      stage: { isPaused: true },
      evidence: { stagePairs: 120, losses: 0 },
    })
    expect(await watched.routes()).toMatchObject([{ trafficShare: 0, auditShare: 1 }])
    await resume(store, (await store.internalizations.get(id))!, context)
    await harness.round(worker)
    expect(rolloutStageOf(await watched.state())).toEqual({
      share: 1,
      before: { pairs: 120, losses: 0, credits: 0 },
      began: harness.now,
    })
  })

  it('in the shadow stage enters none either, though share and pairs are the same', async () => {
    const watched = await Watched.open({ ...STAGED, steps: true })
    const { store } = watched.harness
    await watched.audit(60)
    await watched.judged(60)
    await pause(store, (await store.internalizations.get(watched.id))!, context)
    await watched.audit(60)
    await watched.judged(120)
    await watched.harness.round(watched.worker)
    expect(rolloutStageOf(await watched.state())).toMatchObject({ share: 0, isPaused: true })
  })

  it('is not rolled back for want of pairs, but by their loss', async () => {
    const watched = await Watched.open({ ...STAGED, stages: [0.05, 1] })
    const { harness, worker, id } = watched
    await pause(harness.store, (await harness.store.internalizations.get(id))!, context)
    await harness.runFor(worker, 24 * HOUR_MS, HOUR_MS)
    expect(rolloutStageOf(await watched.state())).toMatchObject({ isPaused: true })
    await watched.audit(40, { response: answerBody('violet') })
    await watched.ended()
    expect(await watched.state()).toMatchObject({ evidence: { margin: 0.05 } })
    expect(await watched.routes()).toEqual([])
  })
})

const away = () => Promise.reject(new AppError('engine-unavailable', 'away'))

describe('an audited request', () => {
  it('is no loss where the upstream disagrees with itself', async () => {
    let asked = 0
    const watched = await Watched.open(
      { ...AT_ONCE, auditShare: 0.03 },
      {
        replayUpstream: async () => {
          asked++
          return answerBody('amber or so')
        },
      }
    )
    await watched.audit(10)
    await watched.audit(10, { response: answerBody('violet') })
    await watched.judged(20)
    expect(asked).toBe(10)
    const report = await watched.report()
    expect(report.outcomes).toMatchObject({ agreed: 10, 'upstream-differs': 10 })
    expect(report.evidence.losses).toBe(0)
  })

  it('is a credit where the second answer of the upstream is the lora’s', async () => {
    const watched = await Watched.open(
      { ...AT_ONCE, auditShare: 0.03 },
      { replayUpstream: async ({ request }) => answerOf(request) }
    )
    await watched.audit(10, { response: answerBody('violet') })
    await watched.judged(10)
    const { outcomes, evidence } = await watched.report()
    expect(outcomes).toMatchObject({ 'second-agrees': 10 })
    expect(evidence).toMatchObject({ losses: 0, credits: 10, least: -1, margin: 0.05 })
  })

  it.each<[string, Partial<ExchangeRecord>, object]>([
    ['an error of the upstream', { status: 500, response: '{}' }, { unusable: 5 }],
    ['a body over the limit of the log', { request: '' }, { unusable: 5 }],
    ['a refusal', { response: answerBody(null) }, { disagreed: 5 }],
    [
      'a question that the lora is unsure of',
      { request: unsure() },
      { 'draft-agreed': 1, 'draft-disagreed': 4 },
    ],
  ])('counts as what it is: %s', async (_case, change, outcomes) => {
    const watched = await Watched.open({ ...AT_ONCE, auditShare: 0.03 })
    await watched.audit(5, change)
    await watched.judged(5)
    expect((await watched.report()).outcomes).toMatchObject(outcomes)
  })

  it('waits while the engine is away', async () => {
    const watched = await Watched.open({ ...AT_ONCE, auditShare: 0.03 })
    const { engine } = watched.harness
    const complete = engine.complete.bind(engine)
    engine.complete = () => Promise.reject(new AppError('engine-unavailable', 'away'))
    await watched.audit(5)
    for (let i = 0; i < 5; i++) await watched.harness.round(watched.worker, 30_000, 5)
    expect(await watched.count()).toBe(0)
    engine.complete = complete
    await watched.judged(5)
    expect((await watched.report()).outcomes).toMatchObject({ agreed: 5 })
  })

  it('is no pair where the engine fails at it alone, so later ones are judged', async () => {
    const watched = await Watched.open({ ...AT_ONCE, auditShare: 0.03 })
    const { engine } = watched.harness
    const complete = engine.complete.bind(engine)
    let failing: string | undefined
    engine.complete = (request, ...rest) => {
      const text = JSON.stringify(request.messages)
      failing ??= text
      return text === failing
        ? Promise.reject(new AppError('engine-unavailable', 'not this one'))
        : complete(request, ...rest)
    }
    await watched.audit(20)
    await watched.judged(20)
    expect((await watched.report()).outcomes).toMatchObject({ unusable: 1, agreed: 19 })
    const pairs = await watched.harness.store.pairs.list({ lora: watched.lora, limit: 20 })
    expect(pairs.map(({ reason }) => reason).filter(Boolean)).toEqual(['engine-failed'])
  })

  it.each<[string, Partial<WorkerDeps['retention']>, string]>([
    ['lost its bodies', { bodiesMs: 12 * HOUR_MS }, 'unreadable'],
    ['was deleted', { recordsMs: 12 * HOUR_MS }, 'record-gone'],
  ])(
    'is judged after two days without the engine, and is no pair if its record %s meanwhile',
    async (_case, shortened, reason) => {
      const rollout = { ...AT_ONCE, auditShare: 0.03 }
      const retention = { bodiesMs: 1e15, recordsMs: 1e15, ...shortened }
      const watched = await Watched.open(rollout, { retention })
      const { harness, lora } = watched
      const { complete, models } = harness.engine
      Object.assign(harness.engine, { complete: away, models: away })
      const old = await watched.audit(10)
      await harness.runFor(watched.worker, 48 * HOUR_MS, HOUR_MS)
      const young = await watched.audit(10)
      await harness.round(watched.worker)
      expect(await watched.report()).toMatchObject({ waiting: 20, evidence: { pairs: 0 } })
      // the worker is killed, too
      const restarted = await harness.worker(harness.deps({ rollout, retention }))
      Object.assign(harness.engine, { complete, models })
      await harness.runUntil(restarted, async () => (await watched.count()) === 20)
      await harness.round(restarted)
      const { outcomes, evidence, waiting } = await watched.report()
      expect(outcomes).toMatchObject({ unusable: 10, agreed: 10 })
      expect([evidence.pairs, waiting]).toEqual([10, 0])
      const pairs = await harness.store.pairs.list({ lora, limit: 20 })
      expect(pairs.filter((pair) => pair.reason === reason).map((pair) => pair.recordId)).toEqual(
        old.toReversed()
      )
      expect(pairs.slice(0, 10).map((pair) => pair.recordId)).toEqual(young.toReversed())
    }
  )

  it('is dropped and counted when too many wait', async () => {
    const watched = await Watched.open({ ...AT_ONCE, auditShare: 0.03 })
    watched.harness.engine.complete = () => Promise.reject(new AppError('engine-unavailable', 'x'))
    for (let i = 0; i < 21; i++) await watched.audit(500)
    await watched.harness.round(watched.worker)
    expect(await watched.report()).toMatchObject({ waiting: 10_000, dropped: 500 })
  })

  it('costs what the upstream takes, is seldom before the limit of a day, and not made over it', async () => {
    const watched = await Watched.open(
      { ...AT_ONCE, auditShare: 0.03, auditUsdPerDay: 0.05 },
      { costUsd: () => 0.01 }
    )
    await watched.audit(4)
    await watched.judged(4)
    // 4 cents in the first hour of 20 are too many for 5 cents a day, so one in 64 is made
    const [{ auditShare, auditPart, trafficShare }] = (await watched.routes()) as [Route]
    expect([auditShare, trafficShare]).toEqual([0.03 * auditPart, 1 - auditShare])
    expect([1 / 64, 1 / 128]).toContain(auditPart)
    await watched.audit(2)
    await watched.judged(6)
    await watched.harness.round(watched.worker)
    expect(await watched.routes()).toMatchObject([{ trafficShare: 1, auditShare: 0 }])
    // logged before the proxy had the new route
    await watched.audit(3)
    await watched.harness.runFor(watched.worker, 600_000)
    expect(await watched.report()).toMatchObject({ waiting: 3, spentUsdToday: 0.06 })
    await watched.harness.round(watched.worker, 86_400_000)
    await watched.judged(9)
    // yesterday cost 9 cents
    expect(await watched.routes()).toMatchObject([{ trafficShare: 0.985, auditShare: 0.015 }])
  })

  it('keeps what it says and loses its text when its record is forgotten', async () => {
    const watched = await Watched.open({ ...AT_ONCE, auditShare: 0.03 })
    const ids = await watched.audit(4, { response: answerBody('violet') })
    await watched.judged(4)
    await watched.harness.store.records.forget({ recordIds: ids })
    expect(await watched.pairs()).toMatchObject(
      ids.map(() => ({ recordId: null, outcome: 'disagreed', answer: '' }))
    )
  })

  it('counts as a person rated it', async () => {
    const watched = await Watched.open({ ...AT_ONCE, auditShare: 0.03 })
    // enough to keep the route
    await watched.audit(80)
    await watched.judged(80)
    const ids = await watched.audit(4, { response: answerBody('violet') })
    await watched.judged(84)
    const losses = async () => {
      await watched.harness.round(watched.worker)
      return (await watched.report()).evidence.losses
    }
    const { pairs } = watched.harness.store
    expect(await losses()).toBe(4)
    await pairs.rate(ids[0]!, 'lora', watched.harness.now)
    await pairs.rate(ids[1]!, 'both', watched.harness.now)
    await pairs.rate(ids[2]!, 'neither', watched.harness.now)
    await pairs.rate(ids[3]!, 'upstream', watched.harness.now)
    expect(await losses()).toBe(1)
    await pairs.rate(ids[0]!, null, watched.harness.now)
    expect(await losses()).toBe(2)
    await expect(pairs.rate('record-1', 'both', watched.harness.now)).rejects.toThrow('no pair')
  })
})

/** The answer that the lora has learned. */
const answerOf = (request: string): string | null =>
  Array.from({ length: 60 }, (_, i) => orderRecord(i)).find((order) => order.request === request)!
    .response

/** A request of the template that no order of the fixture is like. */
function unsure(): string {
  const body = JSON.parse(orderRecord(0).request) as { messages: { content: string }[] }
  body.messages[1]!.content = 'Where is my parcel?'
  return JSON.stringify(body)
}
