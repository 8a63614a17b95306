/** Templates of one issued key, and those that several keys share. */
import { expect, it } from 'vitest'
import { versionOf } from '../../src/core/template/version.ts'
import type { Template } from '../../src/core/template/template.ts'
import { createStarts } from '../../src/worker/internalize/start.ts'
import { planInternalization } from '../../src/worker/plan/plan.ts'
import { orderRecord } from '../kit/records/paint-orders.ts'
import { useWorkerHarness, type WorkerHarness } from './harness.ts'

const open = useWorkerHarness()

/** A log of one key, with the template for all keys that its first requests gave. */
const openOneKey = async (): Promise<{ harness: WorkerHarness; shared: Template }> => {
  const harness = await open({ from: null })
  const records = Array.from({ length: 156 }, (_, number) => ({
    ...orderRecord(number),
    caller: number < 5 ? 'another' : 'one',
  }))
  await harness.log(records)
  const other = await open({ from: 'candidate' })
  const [found] = (await other.store.templates.list()) as [Template]
  const { caller: _caller, ...template } = found
  const shared = { ...template, version: versionOf(template, template.messages) }
  await harness.store.templates.upsert([shared])
  await harness.store.records.tagTemplate(
    records.map(({ id }) => id),
    shared.version
  )
  return { harness, shared }
}

it('begins the template of the key that sent nearly all exchanges, and not the one for all keys', async () => {
  const { harness, shared } = await openOneKey()
  const starts = createStarts(harness.deps(), async () => true)
  expect(await starts.step()).toBe(false)
  expect(await starts.step()).toBe(true)
  const { templateVersion } = await harness.newest()
  expect(templateVersion).not.toBe(shared.version)
  expect((await harness.store.templates.get(templateVersion))!.caller).toBe('one')
  const own = (await harness.store.templates.get(templateVersion))!
  const plan = await planInternalization(harness.deps(), harness.engine, own, { id: 'new' })
  if ('refused' in plan) throw new Error(plan.refused.code)
  const numbers = plan.trainRecordIds.map((id) => Number(id.split('-')[1]))
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(5)
})

it('says why a template for all keys is not trained on the exchanges of one', async () => {
  const { harness, shared } = await openOneKey()
  const plan = await planInternalization(harness.deps(), harness.engine, shared, { id: 'new' })
  expect(plan).toEqual({ refused: { code: 'one-key', figures: {} } })
})
