/** A rejected template is tried again with more traffic. */
import { saidBy } from '../../src/core/reason.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  heldOutIds,
  type Internalization,
  type ProvenVerdict,
} from '../../src/core/internalization/internalization.ts'
import { transition } from '../../src/lifecycle/transitions.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { PLANNED_ROWS, SECOND_MS, useWorkerHarness, type WorkerHarness } from './harness.ts'

const open = useWorkerHarness()

/** Ids of the records that it learned from or was judged by. */
const rowsOf = ({ plan }: Internalization): string[] => [
  ...new Set([...plan!.trainRecordIds, ...heldOutIds(plan!)]),
]

describe('a rejected template', () => {
  let harness: WorkerHarness
  let worker: Worker
  let rejected: Internalization

  const reject = async (verdict: Partial<ProvenVerdict>) => {
    const row = await harness.newest()
    rejected = await harness.store.internalizations.save(
      transition(
        { ...row, verdict: { ...row.verdict!, ...verdict } },
        { name: 'rejected', reason: saidBy('not good enough') }
      ),
      'worker',
      harness.now
    )
  }

  /** Requests after those of the fixture, a second apart. */
  const traffic = (count: number): Promise<void> =>
    harness.log(
      Array.from({ length: count }, (_, place) => ({
        ...orderRecord(1_000 + place),
        id: `later-${place}`,
        at: (harness.now += SECOND_MS),
      }))
    )

  const all = () => harness.store.internalizations.list()

  beforeEach(async () => {
    harness = await open({ from: 'approval' })
    // more rows than there are may train
    worker = await harness.worker(harness.deps({}, { trainRows: 10 * PLANNED_ROWS }))
  })

  it('is tried again with all traffic once there is as much new one, judged by other rows', async () => {
    await reject({ verdict: 'reject' })
    await traffic(rowsOf(rejected).length + 20)
    await harness.runTo(worker, 'approval')
    const [, second] = await all()
    const history = await harness.store.internalizations.history(second!.id)
    expect(history[0]!.to).toEqual({ name: 'candidate', retry: { of: rejected.id } })
    const plan = second!.plan!
    expect(rowsOf(second!).length).toBeGreaterThan(2 * rowsOf(rejected).length)
    expect(plan.trainRecordIds.length).toBeGreaterThan(rowsOf(rejected).length)
    const judged = new Set(heldOutIds(rejected.plan!))
    expect(heldOutIds(plan).filter((id) => judged.has(id))).toEqual([])
    expect(plan.earlierTries).toBe(0)
    // those that judged the first try may train the second one
    expect(plan.trainRecordIds.some((id) => judged.has(id))).toBe(true)
    expect(plan.successor).toBeUndefined()
    expect(harness.said('tried again: ')).toHaveLength(1)
  })

  it('is not tried again before there is as much new traffic', async () => {
    await reject({ verdict: 'reject' })
    await traffic(rowsOf(rejected).length - 20)
    await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
    expect(await all()).toHaveLength(1)
  })

  it('is not tried again where a person rejected it', async () => {
    await reject({ verdict: 'promote' })
    await traffic(3 * PLANNED_ROWS)
    await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
    expect(await all()).toHaveLength(1)
  })

  it('learns from newer traffic alone where the upstream had changed', async () => {
    await reject({
      verdict: 'reject',
      change: { rows: 10, changed: 9, noisy: 0, pValue: 0, isChanged: true },
    })
    await traffic(2 * PLANNED_ROWS + 10)
    await harness.runTo(worker, 'approval')
    const [, second] = await all()
    expect(rowsOf(second!).every((id) => id.startsWith('later-'))).toBe(true)
  })
})

describe('a template that was refused before training', () => {
  it('is tried again with twice as much traffic, and then with twice as much again', async () => {
    const harness = await open()
    // 72 held-out rows cannot show a loss under 3 %
    const worker = await harness.worker(
      harness.deps({}, { margin: 0.03, trainRows: 10 * PLANNED_ROWS })
    )
    const count = async () => (await harness.store.internalizations.list()).length
    await harness.runTo(worker, 'rejected')
    expect((await harness.newest()).state).toMatchObject({ isUntrained: true })
    for (const [more, tries] of [
      [100, 1],
      [60, 2],
      [250, 2],
      [60, 3],
    ] as const) {
      const before = harness.now
      await harness.log(
        Array.from({ length: more }, (_, place) => ({
          ...orderRecord(before + place),
          id: `later-${before}-${place}`,
          at: (harness.now += SECOND_MS),
        }))
      )
      await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
      expect([more, await count()]).toEqual([more, tries])
    }
  })
})
