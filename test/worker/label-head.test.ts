/** A head on the engine's encoder competes with the loras, and answers like one. */
import { describe, expect, it } from 'vitest'
import { winningLora } from '../../src/core/lifecycle/internalization.ts'
import { ARM_NAMES, type ArmName } from '../../src/core/learn/schedule.ts'
import { ORDERS } from '../fixtures/paint-orders.ts'
import { PLANNED_ROWS, useWorkerHarness } from './harness.ts'

const open = useWorkerHarness()

const trained = async (arms: readonly ArmName[], encoder = true) => {
  const harness = await open({ from: 'candidate', engine: { encoder } })
  const worker = await harness.worker(harness.deps({}, { arms: [...arms] }))
  return { harness, internalization: await harness.runTo(worker, 'approval', 'rejected', 'failed') }
}

describe('with an encoder', () => {
  it('a head is trained first, once, on the queries alone', async () => {
    const { harness, internalization } = await trained(ARM_NAMES)
    const { arms } = internalization.plan!
    expect(arms.map(({ name, encoder }) => [name, encoder])).toEqual([
      ['label-head', 'fake-encoder'],
      ['query-only', undefined],
      ['schedule', undefined],
    ])
    const jobs = (await harness.engine.findJobs({})).filter(({ metadata }) => metadata.arm === '0')
    expect(jobs).toMatchObject([{ model: 'fake-encoder', method: { type: 'label-head' } }])
    expect(arms[0]!.results).toHaveLength(1)
  })

  it('a head alone goes to the gate, and its answers have a calibrated confidence', async () => {
    const { harness, internalization } = await trained(['label-head'])
    expect(internalization.state.name).toBe('approval')
    expect(await harness.engine.findJobs({})).toHaveLength(1)
    const [figures] = internalization.verdict!.arms
    expect(figures).toMatchObject({ arm: 'label-head', rows: PLANNED_ROWS })
    expect(figures!.coverage).toBeGreaterThan(0.5)
    const rows = await harness.store.internalizations.evaluations(internalization.id)
    expect(rows.every(({ logprobSum, logprobMin }) => logprobSum === logprobMin)).toBe(true)
  })

  it('its route answers with the head', async () => {
    const { harness, internalization } = await trained(['label-head'])
    await harness.approve()
    const [route] = await harness.store.routes.list()
    expect(route!.lora).toBe(winningLora(internalization))
    expect(route!.lora).toMatch(/^head-/)
    const answer = await harness.engine.complete({
      model: route!.lora,
      messages: [{ role: 'user', content: 'Order 999: 3 tins of crimson paint, please.' }],
    })
    expect(answer.choices[0]!.message.content).toBe('crimson')
  })
})

describe('without one', () => {
  it('loras compete alone', async () => {
    const { internalization } = await trained(ARM_NAMES, false)
    expect(internalization.plan!.arms.map(({ name }) => name)).toEqual(['query-only', 'schedule'])
  })

  it('a head alone is refused before training, with what helps', async () => {
    const { harness, internalization } = await trained(['label-head'], false)
    expect(internalization.state).toEqual({
      name: 'rejected',
      reason: 'the engine has no encoder for a head: set ENCODER_PATH, or let loras compete (ARMS)',
    })
    expect(await harness.engine.findJobs({})).toEqual([])
  })
})

describe('answers that are not labels', () => {
  const asJson = ORDERS.slice(0, 2 * PLANNED_ROWS + 12).map((record, number) => ({
    ...record,
    response: record.response!.replace(
      /"content":"(\w+)"/,
      (_all, colour) => `"content":${JSON.stringify(`{"shelf":"${colour}","order":${number}}`)}`
    ),
  }))

  it('have no head', async () => {
    const harness = await open({ from: null, engine: { encoder: true } })
    await harness.log(asJson)
    const worker = await harness.worker(harness.deps({}, { arms: [...ARM_NAMES] }))
    const { plan } = await harness.runTo(worker, 'training')
    expect(plan!.answers.responseType).toBe('json')
    expect(plan!.arms.some(({ name }) => name === 'label-head')).toBe(false)
  })
})
