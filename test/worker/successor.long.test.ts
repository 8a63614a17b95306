/** Learning goes on: after a rollback, after drift and with new traffic a successor is trained. */
import { saidBy } from '../../src/core/reason.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  winningLora,
  type Internalization,
} from '../../src/core/internalization/internalization.ts'
import type { ExchangeRecord, RouteOutcome } from '../../src/core/log/record.ts'
import { NO_PAIRS } from '../../src/core/rollout/evidence.ts'
import { stageOf, type RolloutSettings } from '../../src/core/rollout/stages.ts'
import { verifyProof } from '../../src/core/proof/verify-proof.ts'
import { QUICK_PROMISE } from '../kit/records/facts.ts'
import { proofFile } from '../../src/lifecycle/proof-file.ts'
import { isUnfinished } from '../../src/openai/fine-tuning.ts'
import { pause } from '../../src/lifecycle/pause.ts'
import { goLive, retire } from '../../src/lifecycle/promote.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { COLOURS, orderRecord } from '../kit/records/paint-orders.ts'
import { answerBody } from '../kit/records/completion.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { PLANNED_ROWS, SECOND_MS, useWorkerHarness, type WorkerHarness } from './harness.ts'

const open = useWorkerHarness()

const ROLLOUT: RolloutSettings = { ...AT_ONCE, auditShare: 0.03, steps: true }

let harness: WorkerHarness
let worker: Worker
let first: Internalization
let next: number

const route = (reason: string, outcome: RouteOutcome['outcome'] = 'skipped'): RouteOutcome => ({
  templateVersion: first.templateVersion,
  lora: winningLora(first)!,
  outcome,
  reason,
  confidence: null,
  promptTokensSaved: 0,
})

/** Requests like those of the fixture, each a second after the one before. */
const traffic = async (
  count: number,
  change: (number: number) => Partial<ExchangeRecord> = () => ({})
): Promise<void> => {
  const records = Array.from({ length: count }, (): ExchangeRecord => {
    const number = next++
    harness.now += SECOND_MS
    return {
      ...orderRecord(number),
      id: `later-${number}`,
      at: harness.now,
      ...change(number),
    }
  })
  await harness.log(records)
}

const renamed = (number: number): string => answerBody(`shelf ${COLOURS[number % 6]}`)

/** A question that the first lora has never seen, so it sends it to the upstream. */
const unknown = (number: number): Partial<ExchangeRecord> => ({
  request: orderRecord(number).request.replace('Order ', 'Return of order '),
  response: answerBody('returns'),
})

/** Every second question is unknown. */
const half = (reason: string, outcome: RouteOutcome['outcome']) => (number: number) => ({
  ...(number % 2 === 0 ? unknown(number) : {}),
  route: route(reason, outcome),
})

const all = () => harness.store.internalizations.list()

/** Whether the verdict follows from the proof file, with the comparison of both routes. */
const isProven = async (row: Internalization): Promise<boolean> => {
  const file = await proofFile(harness.store, row, harness.now)
  expect(file.decision.present).toMatchObject({ id: first.id, hasDrifted: false })
  return verifyProof(JSON.parse(JSON.stringify(file)), QUICK_PROMISE).holds
}

beforeEach(async () => {
  harness = await open({ from: 'approval' })
  first = await goLive(harness.store, await harness.newest(), {
    by: 'admin',
    now: harness.now,
    rollout: ROLLOUT,
  })
  worker = await harness.worker(harness.deps({ rollout: ROLLOUT }, { autoPromote: true }))
  next = 1_000
})

const rollBack = async (): Promise<void> => {
  await traffic(40, (number) => ({ route: route('audit'), response: renamed(number) }))
  await harness.runUntil(
    worker,
    async () => (await harness.store.internalizations.get(first.id))!.state.name === 'retired'
  )
}

describe('a route that was rolled back', () => {
  it('has a successor that learned the new answers, by itself', async () => {
    await rollBack()
    expect(await all()).toHaveLength(1)
    await traffic(2 * PLANNED_ROWS + 30, (number) => ({ response: renamed(number) }))
    await harness.runTo(worker, 'live')
    const [, successor] = await all()
    const plan = successor!.plan!
    expect(plan.successor).toMatchObject({ of: first.id, why: 'rolled-back' })
    expect(plan.successor!.lora).toBe(winningLora(first))
    const used = [...plan.trainRecordIds, ...plan.holdoutRecordIds, ...plan.unseenRecordIds]
    expect(used.every((id) => id.startsWith('later-'))).toBe(true)
    expect(await harness.store.routes.list()).toMatchObject([{ internalizationId: successor!.id }])
    // no live route was there to compare it with
    expect(successor!.verdict!.replacement).toBeUndefined()
  })

  it('has none where a person took it back', async () => {
    await retire(harness.store, first, saidBy('by hand'), {
      by: 'admin',
      now: harness.now,
      rollout: ROLLOUT,
    })
    await traffic(2 * PLANNED_ROWS + 30)
    await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
    expect(await all()).toHaveLength(1)
  })
})

describe('a live route', () => {
  it('has no successor before there is enough new traffic of all kinds', async () => {
    // enough to train on, but only a few are a random part of the traffic
    await traffic(3 * PLANNED_ROWS, () => ({ route: route('low-confidence', 'fallback') }))
    await traffic(PLANNED_ROWS - 10, () => ({ route: route('audit') }))
    await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
    expect(await all()).toHaveLength(1)
  })

  it('stays where its successor is not shown to be as good', async () => {
    await traffic(PLANNED_ROWS + 20, () => ({ route: route('low-confidence', 'fallback') }))
    await traffic(PLANNED_ROWS, () => ({ route: route('audit') }))
    await harness.runUntil(worker, async () => (await all())[1]?.state.name === 'rejected')
    const [present, successor] = await all()
    expect(present!.state.name).toBe('live')
    expect(successor!.plan!.successor).toMatchObject({ of: first.id, why: 'new-traffic' })
    expect(successor!.verdict!.replacement).toMatchObject({
      rows: PLANNED_ROWS,
      wrong: { present: 0, successor: 0 },
    })
    // so few rows do not show that it answers no more of them wrong
    expect(successor!.verdict!.replacement!.moreWrong).toBeGreaterThan(0.025)
    expect(successor!.state).toMatchObject({
      reason: { code: 'more-wrong', figures: { present: 0, successor: 0 } },
    })
    expect(await isProven(successor!)).toBe(true)
    // the same traffic does not judge another successor
    await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
    expect(await all()).toHaveLength(2)
  })

  it('is replaced by a successor that answers more', async () => {
    worker = await harness.worker(
      harness.deps({ rollout: ROLLOUT }, { autoPromote: true, margin: 0.2 })
    )
    await traffic(PLANNED_ROWS + 20, half('low-confidence', 'fallback'))
    await traffic(PLANNED_ROWS + 20, half('audit', 'skipped'))
    await harness.runUntil(worker, async () => (await all())[1]?.state.name === 'live')
    const [present, successor] = await all()
    const { coverage, moreCoverage } = successor!.verdict!.replacement!
    expect(coverage.successor).toBeGreaterThan(coverage.present)
    expect(moreCoverage).toBeGreaterThan(0)
    expect(await isProven(successor!)).toBe(true)
    expect(present!.state).toMatchObject({
      name: 'retired',
      reason: { code: 'replaced', figures: { by: successor!.id } },
    })
  })
})

describe('a route in its first stage', () => {
  it('has a successor that learns from all traffic, also from what it learned itself', async () => {
    const [present, ...none] = await all()
    expect(none).toEqual([])
    const canary = { ...first.state, stage: stageOf(0.05, NO_PAIRS, harness.now) }
    await harness.store.internalizations.save(
      { ...present!, state: canary as Internalization['state'] },
      'worker',
      harness.now
    )
    const rollout = { ...ROLLOUT, stages: [0.05, 1], steps: false }
    worker = await harness.worker(harness.deps({ rollout }, { trainRows: 10 * PLANNED_ROWS }))
    await traffic(2 * PLANNED_ROWS + 20, () => ({ route: route('audit') }))
    await harness.runUntil(worker, async () => (await all())[1]?.plan != null)
    const plan = (await all())[1]!.plan!
    expect(plan.successor).toMatchObject({ of: first.id, why: 'new-traffic', since: 0 })
    const learned = new Set(first.plan!.trainRecordIds)
    expect(plan.trainRecordIds.filter((id) => learned.has(id))).toHaveLength(learned.size)
    expect(plan.trainRecordIds.length).toBeGreaterThan(3 * PLANNED_ROWS)
    // else the present route would be compared by what it knows
    expect(plan.holdoutRecordIds.filter((id) => learned.has(id))).toEqual([])
  })

  it('has none while a person has paused it', async () => {
    await pause(harness.store, first, {
      by: 'admin',
      now: harness.now,
      rollout: ROLLOUT,
    })
    await traffic(2 * PLANNED_ROWS + 20, () => ({ route: route('traffic-share') }))
    await harness.runFor(worker, 60 * SECOND_MS, SECOND_MS)
    expect(await all()).toHaveLength(1)
  })
})

describe('a successor in training', () => {
  it('is rejected when the route that it follows is rolled back meanwhile', async () => {
    await traffic(PLANNED_ROWS + 20, () => ({ route: route('low-confidence', 'fallback') }))
    await traffic(PLANNED_ROWS, () => ({ route: route('audit') }))
    await harness.runUntil(worker, async () => (await all())[1]?.state.name === 'training')
    await traffic(60, (number) => ({ route: route('audit'), response: renamed(number) }))
    await harness.runUntil(worker, async () => (await all())[1]?.state.name === 'rejected')
    const [present, successor] = await all()
    expect(present!.state).toMatchObject({ name: 'retired', evidence: expect.anything() as object })
    expect(successor!.state).toMatchObject({
      reason: {
        code: 'predecessor-rolled-back',
        figures: { because: { code: 'rolled-back' } },
      },
    })
    expect((await harness.engine.findJobs({ internalization_id: successor!.id })).some(isUnfinished)).toBe(false) // prettier-ignore
    // the next one learns the new answers
    await traffic(2 * PLANNED_ROWS + 30, (number) => ({ response: renamed(number) }))
    await harness.runTo(worker, 'live')
    expect((await all())[2]!.plan!.successor).toMatchObject({ of: first.id, why: 'rolled-back' })
  })
})
