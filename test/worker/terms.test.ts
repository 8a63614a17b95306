/** A template whose upstream's terms do not plainly allow training on its answers. */
import { reasonIn } from '../kit/records/examples.ts'
import { describe, expect, it } from 'vitest'
import { createTrainingTerms } from '../../src/core/terms/terms.ts'
import { ORDERS } from '../kit/records/paint-orders.ts'
import { PLANNED_ROWS, SECOND_MS, useWorkerHarness, type WorkerHarness } from './harness.ts'

const open = useWorkerHarness()

const openLogged = async (): Promise<WorkerHarness> => {
  const harness = await open({ from: null })
  await harness.log(ORDERS.slice(0, 2 * PLANNED_ROWS + 12))
  return harness
}

const termsAt = (host: string, ...consent: string[]) =>
  createTrainingTerms({ standard: { baseUrl: `https://${host}/v1` }, upstreams: [], consent })

describe('a template of an upstream whose terms forbid training', () => {
  it('is detected, is not trained and says why; with consent it is trained without new traffic', async () => {
    const harness = await openLogged()
    const refusing = await harness.worker(harness.deps({ terms: termsAt('api.x.ai') }))
    const refused = await harness.runTo(refusing, 'rejected')
    expect(refused.state).toMatchObject({
      name: 'rejected',
      reason: { code: 'consent-needed', figures: { type: 'label', consent: ['api.x.ai'] } },
      isUntrained: true,
    })
    expect(reasonIn(refused)).toMatch(
      / set TRAINING_CONSENT=api\.x\.ai .*the terms of xAI .*§3\.2\(i\).* on 2026-10-05, https:/
    )
    expect(refused.plan).toBeNull()
    expect(await harness.store.templates.list()).toHaveLength(1)
    await harness.runFor(refusing, 10 * SECOND_MS, SECOND_MS)
    expect(await harness.store.internalizations.list()).toHaveLength(1)
    await refusing.close()

    // the same log after a restart with the setting
    const permitted = await harness.worker(harness.deps({ terms: termsAt('api.x.ai', 'api.x.ai') }))
    const trained = await harness.runTo(permitted, 'training')
    expect(trained.id).not.toBe(refused.id)
    const [begun] = await harness.store.internalizations.history(trained.id)
    expect(begun!.to).toEqual({ name: 'candidate' })
  })

  it.each(['api.openai.com', '127.0.0.1'])(
    'is trained on labels without a setting where %s answers',
    async (host) => {
      const harness = await openLogged()
      const worker = await harness.worker(harness.deps({ terms: termsAt(host) }))
      expect((await harness.runTo(worker, 'rejected', 'training')).state.name).toBe('training')
    }
  )
})
