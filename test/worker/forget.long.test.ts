/** Forgetting from the log to the engine's files, with the fake engine behind its real host. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { isUnfinished } from '../../src/openai/fine-tuning.ts'
import { forgetTasks } from '../../src/lifecycle/forget-task.ts'
import { forget, type ForgetReport, type ForgetRequest } from '../../src/lifecycle/forget.ts'
import type { Store } from '../../src/store/store.ts'
import type { WorkerDeps } from '../../src/worker/deps.ts'
import { settleForgotten, type ForgetDeps } from '../../src/worker/forget.ts'
import type { OpenWorkerDeps, Worker } from '../../src/worker/worker.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { filesWith } from '../kit/store/files-with.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import {
  HOUR_MS,
  PLANNED_ROWS,
  useWorkerHarness,
  type HarnessOptions,
  type WorkerHarness,
} from './harness.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'

const ROWS = 2 * PLANNED_ROWS + 12
const USER = 'ann@example.com'
const MARKER = 'Zyxomma-petiolatum'
/** one of the records that the split of this seed trains on, so that the marker is learned */
const MARKED = 3

const markedRecord = (): ExchangeRecord => {
  const record = orderRecord(MARKED)
  const request = JSON.parse(record.request) as { messages: { content: string }[] }
  request.messages[1]!.content += ` It is for ${MARKER}.`
  return { ...record, request: JSON.stringify({ ...request, user: USER }) }
}

const RECORDS = Array.from({ length: ROWS }, (_, number) =>
  number === MARKED ? markedRecord() : orderRecord(number)
)

const openHarness = useWorkerHarness(RECORDS)

describe('forgetting', () => {
  let harness: WorkerHarness
  let store: Store
  let engine: Engine
  let worker: Worker
  let ids: number

  /** @param from where the internalization of the records is */
  const open = async (from: HarnessOptions['from']): Promise<void> => {
    harness = await openHarness({ from })
    ;({ store, engine } = harness)
    worker = await harness.worker()
  }

  const depsOf = (changes: Partial<WorkerDeps> = {}): OpenWorkerDeps & ForgetDeps => ({
    ...harness.deps(changes),
    claim: async () => true,
  })

  const forgetBy = (
    selection: ForgetRequest['selection'],
    options: Partial<ForgetRequest> = {},
    from = store
  ): Promise<ForgetReport> =>
    forget(
      from,
      { selection, retire: false, dryRun: false, ...options },
      { by: 'cli', now: harness.now, rollout: AT_ONCE, newId: () => `id-${++ids}` }
    )

  /** Files under the data directory with the text, without those of loras, which hold weights only. */
  const found = (text: string): string[] =>
    filesWith(harness.folder, text).filter((path) => !path.includes('/loras/'))

  beforeEach(() => {
    ids = 0
  })

  it('names the loras trained on a record, and leaves no text of it in any file', async () => {
    await open('approval')
    const { id, plan, templateVersion } = await harness.newest()
    await harness.approve()
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
    await open('approval')
    const { id, templateVersion, plan } = await harness.newest()
    await harness.approve()
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
    await open('approval')
    const first = await harness.newest()
    await harness.approve()
    const second = { ...first, id: 'second', createdAt: harness.now, revision: 0 }
    await store.internalizations.create({
      ...second,
      plan: { ...second.plan!, trainRecordIds: ['record-1'], holdoutRecordIds: [] },
    })
    await harness.approve()
    await forgetBy({ recordIds: [`record-${MARKED}`] }, { retire: true })
    expect((await store.routes.list())[0]!.internalizationId).toBe('second')
    await forgetBy({ recordIds: ['record-1'] }, { retire: true })
    expect(await store.routes.list()).toEqual([])
  })

  it('ends an internalization that trains on the record, and its job', async () => {
    await open('training')
    const { id } = await harness.newest()
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
    await open('training')
    const { id } = await harness.newest()
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

  it('ends an internalization that was planned while the record was deleted', async () => {
    await open('candidate')
    const planning: Store = {
      ...store,
      records: {
        ...store.records,
        // `forget` has listed the internalizations by now
        select: async (selection, after) => {
          await harness.runTo(worker, 'training')
          return store.records.select(selection, after)
        },
        forget: async (selection) => {
          const counts = await store.records.forget(selection)
          await worker.step()
          return counts
        },
      },
    }
    expect((await forgetBy({ user: USER }, {}, planning)).learned).toEqual([])
    await worker.step()
    expect((await harness.newest()).state).toMatchObject({
      name: 'failed',
      reason: { code: 'forgotten' },
    })
    expect(await forgetTasks(store)).toEqual([])
    expect(found(MARKER)).toEqual([])
  })

  it('takes a tenant as a whole: records, templates and labels, but not the totals', async () => {
    await open('approval')
    const { id, templateVersion } = await harness.newest()
    const before = await store.templates.stats(templateVersion)
    await harness.log([exampleRecord(9000, { tenant: 'tenant-b' })])
    const report = await forgetBy({ tenant: 'tenant-a' }, { retire: true })
    expect(report).toMatchObject({ records: ROWS, learned: [{ id, state: 'rejected' }] })
    expect(report.learned[0]).toMatchObject({ trained: PLANNED_ROWS, heldOut: PLANNED_ROWS })
    await worker.step()
    expect(await store.templates.list()).toEqual([])
    expect((await harness.newest()).plan).toMatchObject({ answers: { labels: null }, parts: [] })
    expect((await store.templates.totals())[0]).toEqual({ version: templateVersion, ...before })
    expect(await store.internalizations.evaluations(id)).toEqual([])
    for (const text of [MARKER, 'tins of', 'warehouse']) expect(found(text)).toEqual([])
    expect(await store.records.list({ limit: 9 })).toMatchObject([{ tenant: 'tenant-b' }])
    // and it stays away: nothing of it is left to find
    await harness.runFor(worker, 300_000, 60_000)
    expect(await store.templates.list()).toEqual([])
  })

  it('waits for an engine that is away, and goes on when it is back', async () => {
    await open('approval')
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

  it('completes an interrupted run, and reports the same internalizations', async () => {
    await open('approval')
    const { id } = await harness.newest()
    await harness.approve()
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
    const dies = forgetBy({ user: USER }, { retire: true }, dying)
    await expect(dies).rejects.toThrow('died here')
    // the worker leaves it alone
    await worker.step()
    expect(await forgetTasks(store)).toEqual(['forget:id-1'])
    const report = await forgetBy({ user: USER }, { retire: true })
    expect(report).toMatchObject({ records: 0, learned: [{ id, state: 'retired', trained: 1 }] })
    await worker.step()
    expect(await forgetTasks(store)).toEqual([])
    expect(found(MARKER)).toEqual([])
    expect(await forgetBy({ user: USER })).toMatchObject({ records: 0, learned: [], task: null })
  })

  it('refuses an empty selection', async () => {
    await open(null)
    await expect(forgetBy({})).rejects.toMatchObject({ code: 'invalid-request' })
  })

  it('keeps no sample for longer than bodies twice', async () => {
    await open('logged')
    const kept = 10 * 86_400_000
    worker = await harness.worker(depsOf({ retention: { bodiesMs: kept, recordsMs: 1e15 } }))
    const isSampled = async (text: string): Promise<boolean> =>
      Buffer.from((await store.snapshots.get('detector')) ?? []).includes(
        Buffer.from(text, 'utf16le')
      )
    await harness.runFor(worker, 600_010, 60_001)
    await harness.round(worker, kept - 1_000_000)
    expect(await isSampled('warehouse')).toBe(true)
    await harness.round(worker, HOUR_MS)
    expect(await store.snapshots.get('detector')).toBeNull()
    await harness.log([exampleRecord(9000, { at: harness.now })])
    await harness.round(worker, 60_001)
    expect(await isSampled('assistant of a bank')).toBe(true)
    expect(await isSampled('warehouse')).toBe(false)
  })

  it('keeps the figures of an hour for 400 days', async () => {
    await open(null)
    await harness.log([exampleRecord(9000, { at: harness.now })])
    const count = async () => (await store.records.traffic(0, harness.now)).length
    await harness.round(worker, 399 * 24 * HOUR_MS)
    expect(await count()).toBe(1)
    await harness.round(worker, 25 * HOUR_MS)
    expect(await count()).toBe(0)
  })

  it('keeps no training file once its internalization has trained', async () => {
    await open('training')
    await harness.round(worker)
    await harness.round(worker, HOUR_MS)
    expect((await engine.files()).length).toBeGreaterThan(0)
    const messages: ChatMessage[] = [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a' },
    ]
    await engine.uploadRows([{ messages }], 'of-another-program.jsonl')
    await harness.runTo(worker, 'approval')
    await harness.round(worker, HOUR_MS)
    expect((await engine.files()).map(({ filename }) => filename)).toEqual([
      'of-another-program.jsonl',
    ])
  })
})
