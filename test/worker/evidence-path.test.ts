/** The path that is read from the store ends with the figures of the worker's report. */
import { describe, expect, it } from 'vitest'
import { readEvidencePath } from '../../src/lifecycle/read-evidence-path.ts'
import type { RolloutSettings } from '../../src/core/rollout/stages.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { answerBody } from '../kit/records/completion.ts'
import { useWatchedRoute, type Watched } from './watched-route.ts'

const open = useWatchedRoute()

const STAGED: RolloutSettings = { ...AT_ONCE, stages: [0, 0.05, 1], auditShare: 0.03, steps: true }

const pathOf = async (watched: Watched) => {
  const { store } = watched.harness
  return readEvidencePath(store, (await store.internalizations.get(watched.id))!)
}

const expectAtEnd = async (watched: Watched): Promise<void> => {
  const { pairs, losses, rollback, step } = (await watched.report()).evidence
  const last = (await pathOf(watched)).at(-1)!
  expect(last).toMatchObject({ pairs })
  expect(last.loss).toBeCloseTo(losses / pairs, 9)
  expect(last.rollback).toBeCloseTo(rollback, 9)
  expect(last.step).toBeCloseTo(step, 9)
}

describe('the path of the evidence of a live route', () => {
  it('has no point before the first report', async () => {
    expect(await pathOf(await open(STAGED))).toEqual([])
  })

  it('ends with the figures of the report, in the first stage and after a step', async () => {
    const watched = await open(STAGED)
    await watched.audit(40)
    await watched.audit(3, { response: answerBody('violet') })
    await watched.judged(43)
    await expectAtEnd(watched)
    await watched.audit(200)
    await watched.judged(243)
    await watched.harness.round(watched.worker)
    expect(await watched.state()).toMatchObject({ stage: { share: 0.05 } })
    await expectAtEnd(watched)
    const path = await pathOf(watched)
    expect(path.map(({ step }) => step)).toContain(0)
  })

  it('ends with the figures of the report of a route that was rolled back', async () => {
    const watched = await open({ ...AT_ONCE, auditShare: 0.03 })
    await watched.audit(40, { response: answerBody('violet') })
    await watched.ended()
    await expectAtEnd(watched)
    expect((await pathOf(watched)).at(-1)!.rollback).toBeGreaterThan(Math.log(300))
  })
})
