/** After a verdict the worker makes the learning curve. */
import { describe, expect, it } from 'vitest'
import {
  armOfFit,
  newInternalization,
  winningLora,
} from '../../src/core/internalization/internalization.ts'
import { AppError } from '../../src/errors.ts'
import { curveText, readCurve } from '../../src/lifecycle/learning-curve.ts'
import type { Store } from '../../src/store/store.ts'
import { PLANNED_ROWS, SECOND_MS, useWorkerHarness, type WorkerHarness } from './harness.ts'

const open = useWorkerHarness()
const WITH_CURVE = { learningCurve: true }

const curveAt = async (harness: WorkerHarness) =>
  readCurve(harness.store, (await harness.newest()).id)

const isMade = (harness: WorkerHarness) => async () => {
  const work = await curveAt(harness)
  return work !== null && (work.curve !== null || work.failure !== null)
}

const jobKeys = async ({ engine }: WorkerHarness): Promise<string[]> =>
  (await engine.findJobs({})).map(({ metadata }) => metadata.idempotency_key!)

describe('the learning curve', () => {
  it('is made after the verdict, by smaller trainings whose loras are deleted', async () => {
    const harness = await open({ from: 'candidate' })
    const worker = await harness.worker(harness.deps({}, WITH_CURVE))
    await harness.runTo(worker, 'approval')
    const before = (await harness.engine.models()).map(({ id }) => id)
    expect(await curveAt(harness)).toBeNull()
    await harness.runUntil(worker, isMade(harness))
    const { fits, planned, curve, failure } = (await curveAt(harness))!
    expect([planned, failure]).toEqual([2, null])
    expect(fits.map(({ rows, isJudged }) => [rows, isJudged])).toEqual([
      [PLANNED_ROWS / 4, true],
      [PLANNED_ROWS / 2, true],
    ])
    expect(curve!.points.map(({ rows }) => rows)).toEqual([
      PLANNED_ROWS / 4,
      PLANNED_ROWS / 2,
      PLANNED_ROWS,
    ])
    expect(curve!.targets.map(({ coverage }) => coverage)).toContain(1)
    expect((await harness.engine.models()).map(({ id }) => id).toSorted()).toEqual(
      before.toSorted()
    )
    expect(before).toContain(winningLora(await harness.newest()))
    expect(harness.said('learning curve: ')).toHaveLength(1)
    // and then nothing more
    const jobs = await jobKeys(harness)
    await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
    expect(await jobKeys(harness)).toEqual(jobs)
  })

  it('trains on parts of the rows, in as many epochs as so few rows get', async () => {
    const harness = await open({ from: 'candidate' })
    const worker = await harness.worker(harness.deps({}, WITH_CURVE))
    await harness.runUntil(worker, isMade(harness))
    const { plan, verdict } = await harness.newest()
    const jobs = await harness.engine.findJobs({})
    const stepsOf = (arm: number): number =>
      jobs
        .filter(({ metadata }) => metadata.arm === String(arm))
        .reduce((sum, { hyperparameters }) => sum + hyperparameters.max_steps!, 0)
    const all = stepsOf(verdict!.arm)
    expect(all).toBeGreaterThan(40)
    expect(stepsOf(armOfFit(plan!, 0)) / all).toBeCloseTo(1 / 4, 1)
    expect(stepsOf(armOfFit(plan!, 1)) / all).toBeCloseTo(1 / 2, 1)
  })

  it('trains no part twice when the process dies after its writes', async () => {
    const harness = await open({ from: 'candidate' })
    await harness.runTo(await harness.worker(harness.deps({}, WITH_CURVE)), 'approval')
    let crashes = 0
    let batches = 0
    const crash = (): never => {
      crashes++
      throw new AppError('store-unavailable', 'the process died here')
    }
    const { snapshots, internalizations } = harness.store
    const store: Store = {
      ...harness.store,
      snapshots: {
        ...snapshots,
        put: async (name, bytes) => {
          await snapshots.put(name, bytes)
          if (name.startsWith('learning-curve:')) crash()
        },
      },
      internalizations: {
        ...internalizations,
        addEvaluations: async (rows) => {
          await internalizations.addEvaluations(rows)
          // an evaluation has eight of them
          if (++batches % 5 === 0) crash()
        },
      },
    }
    const live = () => harness.worker(harness.deps({ store }, WITH_CURVE))
    let [worker, lives] = [await live(), 0]
    await harness.runUntil(worker, async () => crashes > lives)
    while (!(await isMade(harness)())) {
      ;[worker, lives] = [await live(), crashes]
      await harness.runUntil(worker, async () => crashes > lives || (await isMade(harness)()))
    }
    expect((await curveAt(harness))!.failure).toBeNull()
    expect((await curveAt(harness))!.curve).not.toBeNull()
    expect(crashes).toBeGreaterThanOrEqual(8)
    const keys = await jobKeys(harness)
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('waits while another internalization is in training', async () => {
    const harness = await open({ from: 'candidate' })
    const worker = await harness.worker(harness.deps({}, WITH_CURVE))
    await harness.runTo(worker, 'approval')
    const { id } = await harness.approve()
    const [template] = await harness.store.templates.list()
    await harness.store.internalizations.create(newInternalization('other', template!, harness.now))
    const other = async () => (await harness.store.internalizations.get('other'))!.state.name
    await harness.runUntil(worker, async () => (await other()) === 'approval')
    expect(await readCurve(harness.store, id)).toBeNull()
    await harness.runUntil(worker, async () => (await readCurve(harness.store, id))?.curve != null)
  })

  it('says why there is none when its training fails, and leaves the verdict alone', async () => {
    const faults: { failAtStep?: number } = {}
    const harness = await open({ from: 'candidate', engine: { faults } })
    const worker = await harness.worker(harness.deps({}, WITH_CURVE))
    await harness.runTo(worker, 'approval')
    faults.failAtStep = 1
    await harness.runUntil(worker, isMade(harness))
    const work = (await curveAt(harness))!
    expect(work.failure).toContain('fails at step 1')
    const newest = await harness.newest()
    expect(curveText(work, newest)).toEqual([`no learning curve: ${work.failure}`])
    expect(newest.state.name).toBe('approval')
    const jobs = await jobKeys(harness)
    await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
    expect(await jobKeys(harness)).toEqual(jobs)
  })

  it('is not made with LEARNING_CURVE=false', async () => {
    const harness = await open({ from: 'candidate' })
    const worker = await harness.worker(harness.deps())
    await harness.runTo(worker, 'approval')
    await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
    expect((await harness.newest()).plan!.fitShares).toEqual([])
    expect(await curveAt(harness)).toBeNull()
  })
})
