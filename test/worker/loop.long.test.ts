import { beforeEach, describe, expect, it } from 'vitest'
import { heldOutIds } from '../../src/core/internalization/internalization.ts'
import { ARM_NAMES } from '../../src/core/learn/schedule.ts'
import { confidenceOf } from '../../src/core/route/confidence.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { AppError } from '../../src/errors.ts'
import { readDecisionFacts } from '../../src/lifecycle/proof-file.ts'
import { pause, resume } from '../../src/lifecycle/pause.ts'
import type { JobRequest, TrainingRow } from '../../src/openai/fine-tuning.ts'
import type { Store } from '../../src/store/store.ts'
import { COLOURS, orderRecord, PROMPT } from '../kit/records/paint-orders.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { PLANNED_ROWS, useWorkerHarness, type WorkerHarness } from './harness.ts'
import { LIVE_STATE } from '../kit/records/examples.ts'

/** The answer of another order. */
const renamed = (number: number) => orderRecord(number + 1).response

/** An upstream that is asked again. @param answerTo the logged request, with its number */
const upstreamToday = (
  answerTo: (logged: ReturnType<typeof orderRecord>, number: number) => string | null
) => {
  const asked: string[] = []
  const replayUpstream = async ({ request }: { request: string }): Promise<string | null> => {
    asked.push(request)
    const number = Number(/Order (\d+)/.exec(request)![1])
    return answerTo(orderRecord(number), number)
  }
  return { asked, replayUpstream }
}

const openHarness = useWorkerHarness()

/** The engine, as one that holds weights of a fingerprint and supports self-distillation. */
const distilling = (engine: Engine, fingerprint: string) => {
  const jobs: JobRequest[] = []
  const uploaded: TrainingRow[] = []
  const distils: Engine = {
    ...engine,
    models: async () =>
      (await engine.models()).map((model) => ({
        ...model,
        fingerprint,
        training_methods: ['supervised', 'self-distillation'],
      })),
    uploadRows: (rows, filename) => {
      uploaded.push(...rows)
      return engine.uploadRows(rows, filename)
    },
    createJob: (request) => {
      jobs.push(request)
      return engine.createJob({ ...request, method: { type: 'supervised' } })
    },
  }
  return { distils, jobs, uploaded }
}

/** A store in which a crash of the process follows every write to the internalizations. */
const crashing = (store: Store) => {
  let crashes = 0
  const thenCrash =
    <Given extends unknown[], Result>(write: (...given: Given) => Promise<Result>) =>
    async (...given: Given): Promise<Result> => {
      await write(...given)
      crashes += 1
      throw new AppError('store-unavailable', 'the process died here')
    }
  const { internalizations } = store
  return {
    crashes: () => crashes,
    store: {
      ...store,
      internalizations: {
        ...internalizations,
        save: thenCrash(internalizations.save),
        addEvaluations: thenCrash(internalizations.addEvaluations),
      },
    },
  }
}

describe('an internalization that waits for approval', () => {
  let harness: WorkerHarness

  beforeEach(async () => {
    harness = await openHarness({ from: 'approval' })
  })

  it('has the planned rows, labels, arms and a verdict, and no route', async () => {
    const { plan, verdict } = await harness.newest()
    expect(plan!.trainRecordIds).toHaveLength(PLANNED_ROWS)
    expect(plan!.holdoutRecordIds).toHaveLength(PLANNED_ROWS)
    expect(plan!.answers.labels!.toSorted()).toEqual(COLOURS)
    expect(plan!.arms.map((arm) => arm.results.length)).toEqual(
      plan!.arms.map((arm) => arm.stages.length)
    )
    expect(verdict!.verdict).toBe('promote')
    expect(await harness.store.routes.list()).toEqual([])
  })

  it('has no threshold below the lowest confidence that was held out, even when all agree', async () => {
    const { id, verdict } = await harness.newest()
    const winner = verdict!.arms[verdict!.arm]!
    const confidences = (await harness.store.internalizations.evaluations(id))
      .filter(({ arm }) => arm === verdict!.arm)
      .map((row) => confidenceOf(winner.confidence, row))
    expect(winner.coverage).toBe(1)
    expect(winner.threshold).toBe(Math.min(...confidences))
  })

  it('was trained on falling measured rates that end at 0', async () => {
    const schedule = (await harness.newest()).plan!.arms.find(({ name }) => name === 'schedule')!
    const rates = schedule.results.map((result) => result.measuredRate)
    expect(rates[0]).toBe(1)
    expect(rates.at(-1)).toBe(0)
    expect(rates).toEqual(rates.toSorted((a, b) => b - a))
  })

  it('holds no training query out', async () => {
    const { trainRecordIds, holdoutRecordIds } = (await harness.newest()).plan!
    expect(holdoutRecordIds.filter((id) => trainRecordIds.includes(id))).toEqual([])
  })

  it('goes live without a person with AUTO_PROMOTE', async () => {
    const worker = await harness.worker(harness.deps({}, { autoPromote: true }))
    await harness.round(worker)
    expect(await harness.state()).toBe('live')
    const [route] = await harness.store.routes.list()
    expect(route!.engine).toBe('default')
    expect(route!.threshold).toBeLessThanOrEqual(0)
  })

  it('waits with AUTO_PROMOTE while the route that it would replace is paused', async () => {
    const { store } = harness
    const context = { by: 'admin', now: harness.now, rollout: AT_ONCE }
    const newest = await harness.newest()
    const before = { id: 'present', createdAt: newest.createdAt - 1 }
    await store.internalizations.create({ ...newest, ...before, state: LIVE_STATE })
    const present = await pause(store, (await store.internalizations.get('present'))!, context)
    const worker = await harness.worker(harness.deps({}, { autoPromote: true }))
    for (let i = 0; i < 3; i++) await harness.round(worker)
    expect(await harness.state()).toBe('approval')
    await resume(store, present, context)
    await harness.runTo(worker, 'live')
    expect((await store.internalizations.get('present'))!.state).toMatchObject({ name: 'retired' })
  })
})

describe('the worker', () => {
  it.each([
    ['fp_upstream', 'self-distillation'],
    ['fp_other', 'supervised'],
  ] as const)('with answers of %s uses %s', async (fingerprint, method) => {
    const harness = await openHarness({ from: 'candidate' })
    const { distils, jobs, uploaded } = distilling(harness.engine, fingerprint)
    const deps = harness.deps({ engine: distils })
    await harness.runTo(await harness.worker(deps), 'evaluating')
    expect(new Set(jobs.map((job) => job.method?.type))).toEqual(new Set([method]))
    const read = uploaded.map((row) => row.teacher_messages?.[0]?.content)
    expect(new Set(read)).toEqual(new Set([method === 'supervised' ? undefined : PROMPT]))
  })

  it.each([
    { minutes: 20, wanted: ARM_NAMES, arms: ['query-only', 'schedule'], seconds: [720, 480] },
    { minutes: 20, wanted: ['schedule'], arms: ['schedule'], seconds: [1200] },
    { minutes: 10, wanted: ARM_NAMES, arms: ['query-only'], seconds: [600] },
  ] as const)(
    'with $minutes minutes trains the wanted arms that have the time to learn: $arms',
    async ({ minutes, wanted, arms, seconds }) => {
      const harness = await openHarness({ from: 'candidate' })
      // every reading of the clock is a second later, so a pass over the prompt takes a second
      const now = () => (harness.now += 1000)
      const deps = harness.deps({ now }, { arms: [...wanted], trainSeconds: minutes * 60 })
      const { plan } = await harness.runTo(await harness.worker(deps), 'training')
      expect(plan!.arms.map(({ name }) => name)).toEqual(arms)
      const given = plan!.arms.map(({ stages }) =>
        stages.reduce((sum, stage) => sum + stage.hyperparameters.max_seconds!, 0)
      )
      given.forEach((sum, index) => expect(sum).toBeCloseTo(seconds[index]!, 6))
      expect(harness.said('schedule is left out')).toHaveLength(
        arms.some((name) => name === 'schedule') ? 0 : 1
      )
    }
  )

  it('trains no stage twice when the process dies after any write', async () => {
    const harness = await openHarness({ from: 'candidate' })
    const { store, crashes } = crashing(harness.store)
    const isApproved = async () => (await harness.state()) === 'approval'
    for (let life = 0; life < 400 && !(await isApproved()); life++) {
      const worker = await harness.worker(harness.deps({ store }))
      await harness.round(worker, 1, 2)
    }
    expect(await harness.state()).toBe('approval')
    expect(crashes()).toBeGreaterThan(10)
    const jobs = await harness.engine.findJobs({})
    const keys = jobs.map((job) => job.metadata.idempotency_key)
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('asks the upstream twice more where there is a key, and compares all arms with its answers of today', async () => {
    const harness = await openHarness({ from: 'evaluating' })
    const { asked, replayUpstream } = upstreamToday(({ response }) => response)
    const { verdict, plan } = await harness.runTo(
      await harness.worker(harness.deps({ replayUpstream })),
      'approval'
    )
    const heldOut = heldOutIds(plan!).length
    expect(asked.length).toBe(2 * heldOut)
    expect(new Set(asked).size).toBe(heldOut)
    expect(verdict).toMatchObject({ upstreamAgreement: 1, change: { rows: heldOut, changed: 0 } })
    const facts = (await readDecisionFacts(harness.store, (await harness.newest()).id))!.facts
    for (const { answers } of facts.arms)
      expect(answers.every((answer) => answer!.agreesToday === answer!.agrees)).toBe(true)
  })

  it('asks for no more requests than it may', async () => {
    const harness = await openHarness({ from: 'evaluating' })
    const { asked, replayUpstream } = upstreamToday(({ response }) => response)
    const deps = harness.deps({ replayUpstream }, { upstreamReplays: 30 })
    const { verdict } = await harness.runTo(await harness.worker(deps), 'approval')
    expect([asked.length, verdict!.change!.rows]).toEqual([60, 30])
  })

  it('rejects where the upstream has changed, and says so', async () => {
    const harness = await openHarness({ from: 'evaluating' })
    const { replayUpstream } = upstreamToday(({ response }, number) =>
      number % 8 === 0 ? orderRecord(number + 1).response : response
    )
    const deps = harness.deps({ replayUpstream })
    const { state } = await harness.runTo(await harness.worker(deps), 'rejected')
    expect(state).toMatchObject({ reason: { code: 'upstream-changed' } })
  })

  it('tries again when there is as much traffic since the upstream has changed', async () => {
    const harness = await openHarness({ from: 'evaluating' })
    const { replayUpstream } = upstreamToday((_, number) => renamed(number))
    const worker = await harness.worker(harness.deps({ replayUpstream }))
    const { id, updatedAt } = await harness.runTo(worker, 'rejected')
    const later = (count: number, first: number) =>
      Array.from({ length: count }, (_, i) => ({
        ...orderRecord(first + i),
        id: `later-${first + i}`,
        at: harness.now + i * 360_000,
        response: renamed(first + i),
      }))
    await harness.log(later(60, 1000))
    harness.now += 60 * 360_000
    await harness.runFor(worker, 600_000)
    expect((await harness.newest()).id).toBe(id)
    await harness.log(later(2 * PLANNED_ROWS, 2000))
    harness.now += 2 * PLANNED_ROWS * 360_000
    await harness.runFor(worker, 600_000)
    const next = await harness.newest()
    expect(next.id).not.toBe(id)
    const records = await harness.store.records.byIds(next.plan!.trainRecordIds)
    expect(records.every(({ at }) => at >= updatedAt)).toBe(true)
  })

  it('goes on with the log where the key is refused half way, and allows for nothing there', async () => {
    const harness = await openHarness({ from: 'evaluating' })
    const { asked, replayUpstream } = upstreamToday(({ response }) =>
      asked.length > 60 ? null : response
    )
    const deps = harness.deps({ replayUpstream })
    const { verdict } = await harness.runTo(await harness.worker(deps), 'approval')
    expect(verdict!.change!.rows).toBeGreaterThan(20)
    expect(verdict!.change!.rows).toBeLessThan(35)
  })

  it('trains a stage again after the engine failed, and goes on', async () => {
    const harness = await openHarness({ from: 'training' })
    const { engine } = harness
    const doomed = new Set<string>()
    const failing: Engine = {
      ...engine,
      createJob: async (request) => {
        if (doomed.size === 2) return engine.createJob(request)
        const { idempotency_key: _, ...metadata } = request.metadata!
        const job = await engine.createJob({ ...request, metadata })
        doomed.add(job.id)
        return job
      },
      findJobs: async (metadata) =>
        (await engine.findJobs(metadata)).map((job) => {
          if (!doomed.has(job.id)) return job
          const error = { code: 'engine_unavailable', message: 'killed, as told', param: null }
          return { ...job, status: 'failed', finished_at: 1, error }
        }),
    }
    const worker = await harness.worker(harness.deps({ engine: failing }))
    await harness.runTo(worker, 'evaluating')
    expect(harness.said('it is tried again')).toHaveLength(2)
  })

  it('ends failed with the cause when a job fails', async () => {
    const harness = await openHarness({ from: 'training', engine: { faults: { failAtStep: 1 } } })
    const { state } = await harness.runTo(await harness.worker(), 'failed')
    expect(state).toMatchObject({
      reason: {
        code: 'error',
        figures: { message: expect.stringContaining('fails at step 1') as string },
      },
    })
  })
})
