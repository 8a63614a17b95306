/** Forgetting from the log to the engine's files, with the fake engine behind its real host. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { EngineHost } from '../../adapters/contract/host.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { Internalization } from '../../src/core/lifecycle/internalization.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { isUnfinished } from '../../src/openai/fine-tuning.ts'
import { forgetTasks } from '../../src/lifecycle/forget-task.ts'
import { forget, type ForgetReport, type ForgetRequest } from '../../src/lifecycle/forget.ts'
import { goLive } from '../../src/lifecycle/promote.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import type { Store } from '../../src/store/store.ts'
import type { WorkerDeps } from '../../src/worker/deps.ts'
import { settleForgotten } from '../../src/worker/forget.ts'
import { createWorker, type Worker } from '../../src/worker/worker.ts'
import { exampleRecord } from '../fixtures/examples.ts'
import { filesWith } from '../fixtures/files-with.ts'
import { openFakeEngine } from './fake-engine.ts'
import { workerDeps } from './worker-deps.ts'

const SHELVES = ['amber', 'blue', 'crimson', 'green', 'indigo', 'orange']
const PROMPT =
  'You sort paint orders for a warehouse. Read the order and name the shelf it goes to.\n' +
  'Answer with the shelf alone: no punctuation, no explanation, lower case.'
const ROWS = 260
const USER = 'ann@example.com'
const MARKER = 'Zyxomma-petiolatum'
/** training rows are the older half, so that the marker is learned */
const MARKED = 20

const recordOf = (number: number): ExchangeRecord => {
  const order = `Order ${number}: ${(number % 7) + 1} tins of ${SHELVES[number % 6]} paint`
  const content = number === MARKED ? `${order} for ${MARKER}` : order
  return exampleRecord(number, {
    at: 1_700_000_000_000 + number * 1000,
    request: JSON.stringify({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: PROMPT },
        { role: 'user', content },
      ],
      ...(number === MARKED ? { user: USER } : {}),
    }),
    response: JSON.stringify({
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: SHELVES[number % 6] },
          finish_reason: 'stop',
        },
      ],
    }),
  })
}

describe('forgetting', () => {
  let folder: string
  let store: Store
  let host: EngineHost
  let engine: Engine
  let worker: Worker
  let now: number
  let ids: number

  const depsOf = (changes: Partial<WorkerDeps> = {}): WorkerDeps =>
    workerDeps({
      store,
      engine,
      now: () => now,
      sleep: () => Promise.resolve(),
      log: () => {},
      ...changes,
    })

  const newest = async (): Promise<Internalization> => (await store.internalizations.list()).at(-1)!

  const runUntil = async (wanted: string): Promise<Internalization> => {
    for (let round = 0; round < 5000; round++) {
      const row = (await store.internalizations.list()).at(-1)
      if (row?.state.name === wanted) return row
      now += 10_000
      await worker.step()
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    throw new Error(`stuck in ${JSON.stringify((await newest())?.state)}`)
  }

  const forgetBy = (
    selection: ForgetRequest['selection'],
    options: Partial<ForgetRequest> = {}
  ): Promise<ForgetReport> =>
    forget(
      store,
      { selection, retire: false, dryRun: false, ...options },
      { by: 'cli', now, trafficShare: 1, newId: () => `id-${++ids}` }
    )

  /** Files under the data directory, loras apart: what they learned is their weights. */
  const found = (text: string): string[] =>
    filesWith(folder, text).filter((path) => !path.includes('/loras/'))

  const goLiveNow = async (): Promise<Internalization> =>
    goLive(store, await newest(), { by: 'admin', now, trafficShare: 1 })

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'promptintern-forget-'))
    store = await openSqliteStore({ dataDir: folder })
    now = 1_700_000_000_000
    ids = 0
    ;({ host, engine } = await openFakeEngine(folder))
    await store.records.append(
      batchOf(Array.from({ length: ROWS }, (_, number) => recordOf(number)))
    )
    worker = await createWorker(depsOf())
  })

  afterEach(async () => {
    await host.close()
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('peers 4.12: names the loras trained on a record, and leaves no text of it in any file', async () => {
    const { id, plan, templateVersion } = await runUntil('approval')
    await goLiveNow()
    expect(plan!.trainRecordIds).toContain(`record-${MARKED}`)
    const before = found(MARKER)
    expect(before.some((path) => path.includes('/engine/files/'))).toBe(true)
    expect(before.some((path) => path.includes('.sqlite'))).toBe(true)
    const loras = new Set(plan!.arms.flatMap(({ results }) => results.map(({ lora }) => lora)))
    const dry = await forgetBy({ user: USER }, { dryRun: true })
    expect(dry).toMatchObject({ records: 1, bodies: null, task: null, learned: [{ trained: 1 }] })
    const report = await forgetBy({ user: USER })
    expect(report).toMatchObject({ records: 1, bodies: 2 })
    expect(report.learned).toEqual([
      { id, templateVersion, state: 'live', trained: 1, heldOut: 0, loras: [...loras] },
    ])
    await worker.step()
    expect(await forgetTasks(store)).toEqual([])
    expect(found(MARKER)).toEqual([])
    expect(found(USER)).toEqual([])
    // only named
    expect(await store.routes.list()).toHaveLength(1)
    const served = (await engine.models()).map((model) => model.id)
    expect(served).toEqual(expect.arrayContaining([...loras]))
    expect(await store.templates.get(templateVersion)).not.toBeNull()
  })

  it('takes the routes back and deletes the loras when told to', async () => {
    const { id, templateVersion, plan } = await runUntil('approval')
    await goLiveNow()
    const { requests } = await store.templates.stats(templateVersion)
    const report = await forgetBy({ recordIds: [`record-${MARKED}`] }, { retire: true })
    expect(report.learned).toMatchObject([{ id, state: 'retired' }])
    await worker.step()
    expect(await forgetTasks(store)).toEqual([])
    expect(await store.routes.list()).toEqual([])
    const loras = plan!.arms.flatMap(({ results }) => results.map(({ lora }) => lora))
    const left = (await engine.models()).filter((model) => loras.includes(model.id))
    expect(left).toEqual([])
    expect(await store.templates.stats(templateVersion)).toMatchObject({ requests })
  })

  it('never brings a forgotten lora back by a rollback of its successor', async () => {
    const first = await runUntil('approval')
    await goLiveNow()
    const second = { ...first, id: 'second', createdAt: now, revision: 0 }
    await store.internalizations.create({
      ...second,
      plan: { ...second.plan!, trainRecordIds: ['record-1'], holdoutRecordIds: [] },
    })
    await goLiveNow()
    await forgetBy({ recordIds: [`record-${MARKED}`] }, { retire: true })
    expect((await store.routes.list())[0]!.internalizationId).toBe('second')
    await forgetBy({ recordIds: ['record-1'] }, { retire: true })
    expect(await store.routes.list()).toEqual([])
  })

  it('ends what is still learning from the record, with its job', async () => {
    const { id } = await runUntil('training')
    await worker.step()
    const report = await forgetBy({ user: USER })
    expect(report.learned).toMatchObject([{ id, state: 'failed' }])
    await worker.step()
    const jobs = await engine.findJobs({ internalization_id: id })
    expect(jobs.map(({ status }) => status)).not.toContain('running')
    expect(jobs.map(({ status }) => status)).not.toContain('queued')
    expect(found(MARKER)).toEqual([])
  })

  it('deletes the lora of a job that ended while it was being stopped', async () => {
    const { id } = await runUntil('training')
    await worker.step()
    const late: Engine = {
      ...engine,
      cancelJob: async (job) => {
        await vi.waitUntil(async () => !isUnfinished(await engine.getJob(job)), 20_000)
        return engine.cancelJob(job)
      },
    }
    await forgetBy({ user: USER })
    await settleForgotten(depsOf({ engine: late }))
    const [job] = await engine.findJobs({ internalization_id: id })
    expect(job!.status).toBe('succeeded')
    const served = (await engine.models()).map((model) => model.id)
    expect(served).not.toContain(job!.fine_tuned_model)
    expect(await forgetTasks(store)).toEqual([])
    expect(found(MARKER)).toEqual([])
  })

  it('ends what was planned while the record went', async () => {
    const planning: Store = {
      ...store,
      records: {
        ...store.records,
        // what was learned has been looked up by now
        select: async (selection, after) => {
          await runUntil('training')
          return store.records.select(selection, after)
        },
        forget: async (selection) => {
          const counts = await store.records.forget(selection)
          await worker.step()
          return counts
        },
      },
    }
    const request = { selection: { user: USER }, retire: false, dryRun: false }
    const context = { by: 'cli', now, trafficShare: 1, newId: () => 'planning' }
    expect((await forget(planning, request, context)).learned).toEqual([])
    await worker.step()
    expect((await newest()).state).toMatchObject({ name: 'failed' })
    expect(await forgetTasks(store)).toEqual([])
    expect(found(MARKER)).toEqual([])
  })

  it('takes a tenant as a whole: records, templates and labels, but not the totals', async () => {
    const { id, templateVersion } = await runUntil('approval')
    const before = await store.templates.stats(templateVersion)
    await store.records.append(batchOf([exampleRecord(9000, { tenant: 'tenant-b' })]))
    const report = await forgetBy({ tenant: 'tenant-a' }, { retire: true })
    expect(report).toMatchObject({ records: ROWS, learned: [{ id, state: 'rejected' }] })
    expect(report.learned[0]).toMatchObject({ trained: 120, heldOut: 120 })
    await worker.step()
    expect(await store.templates.list()).toEqual([])
    expect((await newest()).plan!.answers.labels).toBeNull()
    expect((await store.templates.totals())[0]).toEqual({ version: templateVersion, ...before })
    expect(await store.internalizations.evaluations(id)).toEqual([])
    for (const text of [MARKER, 'tins of', 'warehouse']) expect(found(text)).toEqual([])
    expect(await store.records.list({ limit: 9 })).toMatchObject([{ tenant: 'tenant-b' }])
    // and it stays away: nothing of it is left to find
    for (let round = 0; round < 5; round++) {
      now += 60_000
      await worker.step()
    }
    expect(await store.templates.list()).toEqual([])
  })

  it('waits for an engine that is away, and goes on when it is back', async () => {
    await runUntil('approval')
    await forgetBy({ user: USER })
    await settleForgotten(depsOf({ engine: null }))
    expect(await forgetTasks(store)).toHaveLength(1)
    const away = { ...engine, files: () => Promise.reject(new Error('it is away')) }
    const faults: unknown[][] = []
    const fault: WorkerDeps['fault'] = (...reported) => void faults.push(reported)
    await settleForgotten(depsOf({ engine: away, fault }))
    expect(faults).toEqual([
      ['forgetting', new Error('it is away'), { task: (await forgetTasks(store))[0] }],
    ])
    expect(await forgetTasks(store)).toHaveLength(1)
    // the database is clean already, and is not written anew again
    expect(found(MARKER).every((path) => path.includes('/engine/'))).toBe(true)
    const scrubbed = { ...store, records: { ...store.records, scrub: () => Promise.reject() } }
    await settleForgotten(depsOf({ store: scrubbed }))
    expect(await forgetTasks(store)).toEqual([])
    expect(found(MARKER)).toEqual([])
  })

  it('ends what an interrupted one began, and names what that one named', async () => {
    const { id } = await runUntil('approval')
    await goLiveNow()
    const dying = {
      ...store,
      records: {
        ...store.records,
        forget: async (selection: ForgetRequest['selection']) => {
          await store.records.forget(selection)
          throw new Error('the process died here')
        },
      },
    }
    const request = { selection: { user: USER }, retire: true, dryRun: false }
    const context = { by: 'cli', now, trafficShare: 1, newId: () => 'dying' }
    await expect(forget(dying, request, context)).rejects.toThrow('died here')
    // the worker leaves it alone
    await worker.step()
    expect(await forgetTasks(store)).toEqual(['forget:dying'])
    const report = await forgetBy({ user: USER }, { retire: true })
    expect(report).toMatchObject({ records: 0, learned: [{ id, state: 'retired', trained: 1 }] })
    await worker.step()
    expect(await forgetTasks(store)).toEqual([])
    expect(found(MARKER)).toEqual([])
    expect(await forgetBy({ user: USER })).toMatchObject({ records: 0, learned: [], task: null })
  })

  it('wants to know what', async () => {
    await expect(forgetBy({})).rejects.toMatchObject({ code: 'invalid-request' })
  })

  it('peers 3.11: keeps no sample for longer than bodies twice', async () => {
    const kept = 10 * 86_400_000
    worker = await createWorker(depsOf({ retention: { bodiesMs: kept, recordsMs: 1e15 } }))
    const isSampled = async (text: string): Promise<boolean> =>
      Buffer.from((await store.snapshots.get('detector')) ?? []).includes(
        Buffer.from(text, 'utf16le')
      )
    for (let round = 0; round < 10; round++) {
      now += 60_001
      await worker.step()
    }
    now += kept - 1_000_000
    await worker.step()
    expect(await isSampled('warehouse')).toBe(true)
    now += 3_600_000
    await worker.step()
    expect(await store.snapshots.get('detector')).toBeNull()
    await store.records.append(batchOf([exampleRecord(9000, { at: now })]))
    now += 60_001
    await worker.step()
    expect(await isSampled('assistant of a bank')).toBe(true)
    expect(await isSampled('warehouse')).toBe(false)
  })

  it('peers 3.11: keeps no training file once its internalization has trained', async () => {
    await runUntil('training')
    await worker.step()
    now += 3_600_001
    await worker.step()
    expect((await engine.files()).length).toBeGreaterThan(0)
    await engine.uploadRows(
      [
        {
          messages: [
            { role: 'user', content: 'q' },
            { role: 'assistant', content: 'a' },
          ],
        },
      ],
      'somebody-elses.jsonl'
    )
    await runUntil('approval')
    now += 3_600_001
    await worker.step()
    expect((await engine.files()).map(({ filename }) => filename)).toEqual(['somebody-elses.jsonl'])
  })
})
