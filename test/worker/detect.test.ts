/** Records that callers have made to overflow what reads them. */
import { expect, it } from 'vitest'
import { createDetectLoop } from '../../src/worker/detect.ts'
import { exampleRecord } from '../fixtures/examples.ts'
import { chatBody } from '../proxy/harness.ts'
import { useWorkerHarness } from './harness.ts'

const openHarness = useWorkerHarness()

it('detection continues after a record with tools nested ten thousand levels deep', async () => {
  const harness = await openHarness({ from: null })
  const deep = '['.repeat(10_000) + ']'.repeat(10_000)
  const request = chatBody('hi').replace(/}$/, `,"tools":${deep}}`)
  await harness.log([exampleRecord(1, { request }), exampleRecord(2)])
  const loop = await createDetectLoop(harness.deps({ engine: null }))
  expect((await loop.step(false)).read).toBe(2)
  expect((await loop.step(false)).read).toBe(0)
})
