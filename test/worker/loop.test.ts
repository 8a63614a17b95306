import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EngineHost } from '../../adapters/contract/host.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { confidenceOf } from '../../src/core/route/route.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { AppError } from '../../src/errors.ts'
import type { JobRequest, TrainingRow } from '../../src/openai/fine-tuning.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import type { WorkerDeps, WorkerEvent } from '../../src/worker/deps.ts'
import { createWorker } from '../../src/worker/worker.ts'
import { COLOURS, orderRecord, ORDERS, PROMPT } from '../fixtures/paint-orders.ts'
import { openFakeEngine } from './fake-engine.ts'
import { workerDeps } from './worker-deps.ts'

describe('the worker', () => {
  let folder: string
  let store: Store
  let host: EngineHost
  let engine: Engine
  let events: WorkerEvent[]

  const openEngine = async (): Promise<void> => {
    ;({ host, engine } = await openFakeEngine(folder))
  }

  const depsOf = (changes: Partial<WorkerDeps> = {}): WorkerDeps =>
    workerDeps({
      store,
      engine,
      now: Date.now,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 5))),
      log: (event) => void events.push(event),
      ...changes,
    })

  const runUntilIdle = async (deps: WorkerDeps): Promise<void> => {
    const worker = await createWorker(deps)
    for (let idle = 0; idle < 200;) {
      idle = (await worker.step()) ? 0 : idle + 1
      if (['approval', 'live', 'rejected', 'failed'].includes(await stateName())) return
      await deps.sleep(5)
    }
    throw new Error(`stuck in ${await stateName()}`)
  }

  const stateName = async (): Promise<string> =>
    (await store.internalizations.list()).at(-1)?.state.name ?? 'none'

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'promptintern-worker-'))
    store = await openSqliteStore({ dataDir: folder })
    events = []
    await openEngine()
    await store.records.append(batchOf(ORDERS))
  })

  afterEach(async () => {
    await host.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** The fake engine, as one that holds weights of a fingerprint and knows of self-distillation. */
  const distilling = (fingerprint: string, jobs: JobRequest[]): Engine => ({
    ...engine,
    models: async () =>
      (await engine.models()).map((model) => ({
        ...model,
        fingerprint,
        training_methods: ['supervised', 'self-distillation'],
      })),
    createJob: (request) => {
      jobs.push(request)
      return engine.createJob({ ...request, method: { type: 'supervised' } })
    },
  })

  describe('where the engine can distil', () => {
    it.each([
      ['fp_upstream', 'auto', 'self-distillation'],
      ['fp_other', 'auto', 'supervised'],
      ['fp_upstream', 'supervised', 'supervised'],
    ] as const)('with %s, %s, it uses %s', async (fingerprint, setting, method) => {
      const jobs: JobRequest[] = []
      const uploaded: TrainingRow[] = []
      const rest = depsOf()
      await runUntilIdle({
        ...rest,
        config: { ...rest.config, method: setting },
        engine: {
          ...distilling(fingerprint, jobs),
          uploadRows: (rows, filename) => {
            uploaded.push(...rows)
            return engine.uploadRows(rows, filename)
          },
        },
      })
      expect(await stateName()).toBe('approval')
      expect(new Set(jobs.map((job) => job.method?.type))).toEqual(new Set([method]))
      const read = uploaded.map((row) => row.teacher_messages?.[0]?.content)
      expect(new Set(read)).toEqual(new Set([method === 'supervised' ? undefined : PROMPT]))
    })
  })

  it('goes from the log to an internalization that waits for approval', async () => {
    await runUntilIdle(depsOf())
    const [internalization] = await store.internalizations.list()
    expect(internalization!.state).toEqual({ name: 'approval' })
    const { plan, verdict } = internalization!
    expect(plan!.trainRecordIds).toHaveLength(120)
    expect(plan!.holdoutRecordIds).toHaveLength(120)
    expect(plan!.answers.labels!.toSorted()).toEqual(COLOURS)
    expect(plan!.arms.map((arm) => arm.results.length)).toEqual(
      plan!.arms.map((arm) => arm.stages.length)
    )
    expect(verdict!.verdict).toBe('promote')
    expect(await store.routes.list()).toEqual([])
  })

  it('finds no threshold below the lowest confidence that was held out, even when all agree', async () => {
    await runUntilIdle(depsOf())
    const { id, verdict } = (await store.internalizations.list())[0]!
    const winner = verdict!.arms[verdict!.arm]!
    const confidences = (await store.internalizations.evaluations(id))
      .filter(({ arm }) => arm === verdict!.arm)
      .map((row) => confidenceOf(winner.confidence, row))
    expect(winner.coverage).toBe(1)
    expect(winner.threshold).toBe(Math.min(...confidences))
  })

  it('trains the schedule with falling measured rates that end at 0', async () => {
    await runUntilIdle(depsOf())
    const { plan } = (await store.internalizations.list())[0]!
    const schedule = plan!.arms.find((arm) => arm.name === 'schedule')!
    const rates = schedule.results.map((result) => result.measuredRate)
    expect(rates[0]).toBe(1)
    expect(rates.at(-1)).toBe(0)
    expect(rates).toEqual(rates.toSorted((a, b) => b - a))
  })

  it.each([
    { minutes: '20', queryOnlyArm: true, arms: ['query-only', 'schedule'], seconds: [720, 480] },
    { minutes: '20', queryOnlyArm: false, arms: ['schedule'], seconds: [1200] },
    { minutes: '10', queryOnlyArm: true, arms: ['query-only'], seconds: [600] },
  ])(
    'trains in $minutes minutes what is wanted and has the time to learn: $arms',
    async (limited) => {
      // every reading of the clock is a second later, so a pass over the prompt takes a second
      let seconds = 1_800_000_000
      const { config, ...rest } = depsOf({ now: () => ++seconds * 1000 })
      const { queryOnlyArm, minutes } = limited
      const trainSeconds = Number(minutes) * 60
      await runUntilIdle({ ...rest, config: { ...config, trainSeconds, queryOnlyArm } })
      const { arms } = (await store.internalizations.list())[0]!.plan!
      expect(arms.map((arm) => arm.name)).toEqual(limited.arms)
      const given = arms.map((arm) =>
        arm.stages.reduce((sum, stage) => sum + stage.hyperparameters.max_seconds!, 0)
      )
      given.forEach((sum, index) => expect(sum).toBeCloseTo(limited.seconds[index]!, 6))
      const leftOut = events.some((event) => event.message.includes('schedule is left out'))
      expect(leftOut).toBe(!limited.arms.includes('schedule'))
    }
  )

  it('goes live by itself with AUTO_PROMOTE', async () => {
    const config = { ...depsOf().config, autoPromote: true }
    const worker = await createWorker(depsOf({ config }))
    for (let round = 0; round < 2000 && (await stateName()) !== 'live'; round++) {
      await worker.step()
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const [route] = await store.routes.list()
    expect(route!.engine).toBe('default')
    expect(route!.threshold).toBeLessThanOrEqual(0)
  })

  it('never holds a training query out', async () => {
    await runUntilIdle(depsOf())
    const { plan } = (await store.internalizations.list())[0]!
    const train = new Set(plan!.trainRecordIds)
    expect(plan!.holdoutRecordIds.some((id) => train.has(id))).toBe(false)
  })

  it('trains no stage twice when the process dies after any write', async () => {
    // every write to the store is followed by a crash: the worker is thrown away and made anew
    let crashed = 0
    const crashing = new Proxy(store, {
      get: (target, area: keyof Store) =>
        area !== 'internalizations'
          ? target[area]
          : new Proxy(target.internalizations, {
              get: (inner, method: keyof Store['internalizations']) =>
                method !== 'save' && method !== 'addEvaluations'
                  ? inner[method].bind(inner)
                  : async (...parameters: never[]) => {
                      await (inner[method] as (...given: never[]) => Promise<unknown>)(
                        ...parameters
                      )
                      crashed += 1
                      throw new AppError('store-unavailable', 'the process died here')
                    },
            }),
    })
    for (let life = 0; life < 400 && (await stateName()) !== 'approval'; life++) {
      const worker = await createWorker(depsOf({ store: crashing }))
      await worker.step().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    expect(await stateName()).toBe('approval')
    expect(crashed).toBeGreaterThan(10)
    const jobs = await engine.findJobs({})
    const keys = jobs.map((job) => job.metadata.idempotency_key)
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('waits while the engine is away and goes on when it is back', async () => {
    const away = createEngine({
      name: 'default',
      baseUrl: 'http://engine/v1',
      token: 'token',
      fetch: () => Promise.reject(new TypeError('fetch failed')),
    })
    const worker = await createWorker(depsOf({ engine: away }))
    for (let round = 0; round < 10; round++) await worker.step()
    expect(await stateName()).toBe('candidate')
    await runUntilIdle(depsOf())
    expect(await stateName()).toBe('approval')
  })

  it('measures the upstream against itself where there is a key, each row once', async () => {
    const asked: string[] = []
    const replayUpstream = async (request: string): Promise<string> => {
      asked.push(request)
      const number = Number(/Order (\d+)/.exec(request)![1])
      return orderRecord(number).response!
    }
    const config = { ...depsOf().config, upstreamReplays: 30 }
    await runUntilIdle(depsOf({ replayUpstream, config }))
    expect(asked).toHaveLength(30)
    expect(new Set(asked).size).toBe(30)
    const { verdict } = (await store.internalizations.list())[0]!
    expect(verdict!.upstreamAgreement).toBe(1)
  })

  it('trains a stage again whose machine failed, and goes on', async () => {
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
    await runUntilIdle(depsOf({ engine: failing }))
    expect(await stateName()).toBe('approval')
    expect(events.filter(({ message }) => message.includes('it is tried again'))).toHaveLength(2)
  })

  it('ends failed with the cause when a job fails', async () => {
    await host.close()
    ;({ host, engine } = await openFakeEngine(folder, { faults: { failAtStep: 1 } }))
    await runUntilIdle(depsOf())
    const { state } = (await store.internalizations.list())[0]!
    expect(state.name).toBe('failed')
  })
})
