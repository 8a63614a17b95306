/** Which exchanges of a log train and which judge. */
import { reasonText } from '../../src/core/reasons/say-reason.ts'
import { saidBy } from '../../src/core/reason.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import {
  heldOutIds,
  type Internalization,
  type InternalizationPlan,
  type InternalizeOptions,
  type Succession,
} from '../../src/core/internalization/internalization.ts'
import type { Template } from '../../src/core/template/template.ts'
import { planInternalization } from '../../src/worker/plan/plan.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { HOUR_MS, PLANNED_ROWS, useWorkerHarness, type WorkerHarness } from './harness.ts'

const open = useWorkerHarness()
/** Of the log that a first internalization was judged on: one every six minutes. */
const LOGGED = 2 * PLANNED_ROWS + 12

describe('a plan', () => {
  let harness: WorkerHarness
  let first: Internalization
  let template: Template

  beforeEach(async () => {
    harness = await open({ from: 'approval' })
    first = await harness.newest()
    ;[template] = (await harness.store.templates.list()) as [Template]
  })

  const planned = (config: Partial<InternalizeOptions> = {}, successor?: Succession) =>
    planInternalization(harness.deps({}, config), harness.engine, template, {
      id: 'new',
      ...(successor && { successor }),
    })

  const planOf = async (...given: Parameters<typeof planned>): Promise<InternalizationPlan> => {
    const plan = await planned(...given)
    if ('refused' in plan) throw new Error(plan.refused.code)
    return plan
  }

  const add = async (records: ReturnType<typeof orderRecord>[]): Promise<void> => {
    await harness.log(records)
    await harness.store.records.tagTemplate(
      records.map(({ id }) => id),
      template.version
    )
  }

  it('says when its held-out traffic came', () => {
    const { holdout, holdoutRecordIds } = first.plan!
    const times = holdoutRecordIds.map((id) => orderRecord(Number(id.split('-')[1])).at)
    expect(holdout).toEqual({
      from: Math.min(...times),
      until: Math.max(...times),
      hours: new Set(times.map((at) => Math.floor(at / HOUR_MS))).size,
    })
    // fourteen hours of traffic
    expect(holdout.hours).toBeGreaterThan(10)
  })

  it('is judged by rows that judged no earlier try, as long as there are enough', async () => {
    const plan = await planOf()
    const judged = new Set(heldOutIds(first.plan!))
    expect(plan.holdoutRecordIds).toHaveLength(PLANNED_ROWS)
    expect(heldOutIds(plan).filter((id) => judged.has(id))).toEqual([])
    expect(plan.trainRecordIds.some((id) => judged.has(id))).toBe(true)
    expect(plan.earlierTries).toBe(0)
  })

  it('counts the earlier tries whose rows judge it again', async () => {
    const { trainRecordIds } = first.plan!
    await harness.store.internalizations.create({
      ...first,
      id: 'second',
      state: { name: 'rejected', reason: saidBy('not good enough') },
      plan: { ...first.plan!, holdoutRecordIds: trainRecordIds.slice(0, 40), unseenRecordIds: [] },
    })
    const plan = await planOf({ trainRows: 40, holdoutRows: 100, margin: 0.1 })
    expect(plan.holdoutRecordIds).toHaveLength(LOGGED / 2)
    expect(plan.earlierTries).toBe(2)
  })

  it('is not judged by rows that trained the lora that it starts from', async () => {
    const since = harness.now
    await add(
      Array.from({ length: LOGGED }, (_, place) => ({
        ...orderRecord(1_000 + place),
        at: since + place * 1_000,
      }))
    )
    harness.now += HOUR_MS
    const plan = await planOf({}, { of: first.id, why: 'new-traffic', since })
    const trained = new Set(first.plan!.trainRecordIds)
    expect(heldOutIds(plan).filter((id) => trained.has(id))).toEqual([])
    expect(plan.holdout.from).toBeGreaterThanOrEqual(since)
  })

  it('reads a part of a window with more records than it needs, spread over the window', async () => {
    const plan = await planned({ trainRows: 5, holdoutRows: 5, margin: 0.9, minCoverage: 0 })
    if ('refused' in plan) throw new Error(plan.refused.code)
    expect(plan.population.exchanges).toBeLessThanOrEqual(40)
    expect(plan.population.exchanges).toBeGreaterThan(20)
    expect(plan.holdout.until - plan.holdout.from).toBeGreaterThan(6 * HOUR_MS)
  })

  it('neither has records of the future nor holds out those of 1970', async () => {
    await add([
      { ...orderRecord(900), id: 'future', at: harness.now + 400 * DAY_MS },
      ...[1, 2, 3].map((at) => ({ ...orderRecord(900 + at), id: `past-${at}`, at })),
    ])
    const plan = await planOf()
    expect([...plan.trainRecordIds, ...heldOutIds(plan)]).not.toContain('future')
    expect(heldOutIds(plan).filter((id) => id.startsWith('past-'))).toEqual([])
    expect(plan.holdoutRecordIds).toHaveLength(PLANNED_ROWS)
    expect(plan.holdout.from).toBeGreaterThanOrEqual(orderRecord(0).at)
  })

  it('is refused where bursts are too few, and where questions repeat', async () => {
    expect(await planned({ burstMinutes: 60 * 24, margin: 0.1 })).toMatchObject({
      refused: { code: 'held-out-in-bursts', figures: { margin: 0.1 } },
    })
  })

  it('is refused where all requests are one burst, with what would help', async () => {
    const refusal = await planned({ burstMinutes: 60 * 24 * 365 })
    if (!('refused' in refusal)) throw new Error('it is planned')
    expect(refusal.refused.code).toBe('one-burst')
    expect(reasonText(refusal.refused)).toMatch(
      /^the log has 156 exchanges of the template, all in one burst \(BURST_MINUTES=525600\) from 2023-11-14 22:13 UTC on.*traffic for longer.*at or created.*BURST_MINUTES=0/
    )
  })
})
