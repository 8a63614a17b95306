/** Several workers on one store, as on several machines: each job is done by one of them, and by one at a time. */
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client/sqlite3'
import { describe, expect, it } from 'vitest'
import { databasePath } from '../../src/store/sqlite/base/database-path.ts'
import { leaseOf } from '../../src/worker/leases.ts'
import type { Worker } from '../../src/worker/worker.ts'
import {
  engineAt,
  HOUR_MS,
  useWorkerHarness,
  type HarnessOptions,
  type WorkerHarness,
} from './harness.ts'
import { countsOf } from '../../src/core/counts.ts'

const LATER_MS = 20_000

const openHarness = useWorkerHarness()

const open = async (from: HarnessOptions['from']) => {
  const harness = await openHarness({ from })
  const first = await harness.worker()
  const second = await harness.worker({ ...harness.deps(), workerId: 'another' })
  return { harness, first, second }
}

/** The clock of the leases is the database's. */
const pass = async (harness: WorkerHarness, ms: number): Promise<void> => {
  harness.now += ms
  const client = createClient({ url: pathToFileURL(databasePath(harness.folder)).href })
  await client.execute(`update leases set ends_at = ends_at - ${ms}`)
  client.close()
}

/** @returns jobs of each stage of each arm that was trained */
const jobsByStage = async ({ engine }: WorkerHarness): Promise<number[]> => {
  const jobs = await engine.findJobs({})
  return [...countsOf(jobs.map(({ metadata }) => `${metadata.arm}/${metadata.stage}`)).values()]
}

const deferred = (): { done: Promise<void>; resolve: () => void } => {
  let settle: (() => void) | null = null
  const done = new Promise<void>((resolve) => (settle = resolve))
  return { done, resolve: () => settle!() }
}

const isIdle = async (worker: Worker): Promise<boolean> => !(await worker.step())

describe('two workers', () => {
  it('do everything once, whichever of them is quicker', async () => {
    const { harness, first, second } = await open('logged')
    await harness.runUntil(first, async () => {
      await second.step()
      return (await harness.state()) === 'approval'
    })
    expect(new Set(await jobsByStage(harness))).toEqual(new Set([1]))
    const changes = await harness.store.internalizations.history((await harness.newest()).id)
    expect(new Set(changes.map(({ to }) => JSON.stringify(to))).size).toBe(changes.length)
  })

  it.each(['candidate', 'training', 'evaluating'] as const)(
    'go on with the work of one that stands still: %s',
    async (from) => {
      const { harness, first, second } = await open(from)
      await harness.round(first)
      expect(await isIdle(second)).toBe(true)
      await pass(harness, LATER_MS)
      await harness.runTo(second, 'approval')
      expect(await isIdle(first)).toBe(true)
      expect(new Set(await jobsByStage(harness))).toEqual(new Set([1]))
    }
  )

  it('need not wait for one that was stopped', async () => {
    const { harness, first, second } = await open('training')
    await harness.round(first)
    await first.close()
    await harness.runTo(second, 'approval')
  })

  it('let one that slept for an hour in the middle of a step change nothing', async () => {
    const harness = await openHarness({ from: 'training' })
    const awake = deferred()
    const asleep = deferred()
    const engine = engineAt(async (input, init) => {
      const request = new Request(input, init)
      if (request.method === 'POST' && request.url.endsWith('/fine_tuning/jobs')) {
        asleep.resolve()
        await awake.done
      }
      return harness.host.app.fetch(request)
    })
    const slow = await harness.worker(harness.deps({ engine }))
    const step = harness.round(slow)
    await asleep.done
    await pass(harness, HOUR_MS)
    const second = await harness.worker({ ...harness.deps(), workerId: 'another' })
    const judged = await harness.runTo(second, 'approval')
    awake.resolve()
    await step.catch((error: unknown) => expect(error).toMatchObject({ code: 'conflict' }))
    for (let rounds = 0; rounds < 3; rounds++) expect(await isIdle(slow)).toBe(true)
    expect(await harness.newest()).toEqual(judged)
    expect(new Set(await jobsByStage(harness))).toEqual(new Set([1]))
  })

  it('advance an internalization each', async () => {
    const { harness, first, second } = await open('training')
    const { id } = await harness.newest()
    // the one that prepared the folder holds it still
    await pass(harness, LATER_MS)
    expect(await harness.store.leases.acquire(leaseOf(id), 'third', HOUR_MS)).not.toBeNull()
    for (let rounds = 0; rounds < 5; rounds++) await harness.round(first)
    expect(await harness.state()).toBe('training')
    expect(await jobsByStage(harness)).toEqual([])
    await pass(harness, HOUR_MS)
    await harness.runTo(second, 'approval')
  })
})
