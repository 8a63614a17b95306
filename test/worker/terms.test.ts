/** A template whose upstream's terms do not plainly allow training on its answers. */
import { describe, expect, it } from 'vitest'
import { createTrainingTerms } from '../../src/core/terms/terms.ts'
import { SECOND_MS, useWorkerHarness } from './harness.ts'

const open = useWorkerHarness()

const termsAt = (host: string, ...consent: string[]) =>
  createTrainingTerms({ standard: { baseUrl: `https://${host}/v1` }, upstreams: [], consent })

describe('a template of an upstream whose terms forbid training', () => {
  it('is detected, is not trained and says why; with consent it is trained without new traffic', async () => {
    const harness = await open()
    const refusing = await harness.worker(harness.deps({ terms: termsAt('api.x.ai') }))
    const refused = await harness.runTo(refusing, 'rejected')
    expect(refused.state).toEqual({
      name: 'rejected',
      reason: expect.stringMatching(
        /^the terms of xAI .*§3\.2\(i\).* read second hand on 2026-10-05, https:.* set TRAINING_CONSENT=api\.x\.ai /
      ),
      isUntrained: true,
      unconsented: 'label',
    })
    expect(refused.plan).toBeNull()
    expect(await harness.store.templates.list()).toHaveLength(1)
    await harness.runFor(refusing, 60 * SECOND_MS, SECOND_MS)
    expect(await harness.store.internalizations.list()).toHaveLength(1)
    await refusing.close()

    // the same log after a restart with the setting
    const permitted = await harness.worker(harness.deps({ terms: termsAt('api.x.ai', 'api.x.ai') }))
    const trained = await harness.runTo(permitted, 'approval')
    expect(trained.id).not.toBe(refused.id)
    const [begun] = await harness.store.internalizations.history(trained.id)
    expect(begun!.to).toEqual({ name: 'candidate' })
  })

  it('is not trained for an operator who asks for it either', async () => {
    const harness = await open({ from: 'candidate' })
    const worker = await harness.worker(harness.deps({ terms: termsAt('llm.example.com') }))
    const { state } = await harness.runTo(worker, 'rejected', 'training')
    expect(state).toMatchObject({
      reason: expect.stringContaining('set TRAINING_CONSENT=llm.example.com and restart'),
    })
  })

  it.each(['api.openai.com', 'api.deepseek.com', 'localhost', '10.0.0.4'])(
    'is trained on labels without a setting where %s answers',
    async (host) => {
      const harness = await open({ from: 'candidate' })
      const worker = await harness.worker(harness.deps({ terms: termsAt(host) }))
      expect((await harness.runTo(worker, 'rejected', 'training')).state.name).toBe('training')
    }
  )
})
