/** Jobs: how far each is, what waits, and what has ended. */
import { saidBy } from '../../src/core/reason.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { progressSnapshot } from '../../src/core/internalization/internalization.ts'
import type { StageProgress } from '../../src/core/internalization/stage-progress.ts'
import { newTaskName, saveTask } from '../../src/lifecycle/forget-task.ts'
import { saveJsonSnapshot } from '../../src/store/json-snapshot.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleInternalization,
} from '../kit/records/examples.ts'
import { exampleStatus } from '../kit/records/process-status.ts'
import { usePage } from './harness.ts'

const DAY_MS = 86_400_000

const progress = (changes: Partial<StageProgress> = {}): StageProgress => ({
  arm: 1,
  stage: 0,
  jobId: 'job-1',
  status: 'running',
  message: null,
  metrics: { step: 30, total_steps: 120, train_loss: 0.4567, eta_seconds: 330 },
  at: 40_000,
  ...changes,
})

describe('jobs', () => {
  let status = exampleStatus()
  const page = usePage({ status: () => status })

  beforeEach(() => {
    status = exampleStatus()
  })

  const train = (id = 'internalization-1') =>
    page.store.internalizations.create({
      ...exampleApproved(id),
      state: { name: 'training', arm: 1, stage: 0 },
      verdict: null,
    })

  const report = (value: StageProgress) =>
    saveJsonSnapshot(page.store, progressSnapshot('internalization-1'), value)

  it('say when there is nothing to do', async () => {
    const markup = await page.view('/admin/jobs')
    expect(markup).toContain('Nothing is in training')
    expect(markup).toContain('None in the last seven days')
  })

  it('show arm, stage, steps and the time that is left of a training', async () => {
    await train()
    await report(progress())
    const markup = await page.view('/admin/jobs')
    expect(markup).toContain('query-only 1/1')
    expect(markup).toContain('<progress value="30" max="120"')
    expect(markup).toContain('step 30 of 120 (25.0 %)')
    expect(markup).toContain('loss 0.457')
    expect(markup).toContain('6 min')
    expect(markup).toMatch(/<div id="jobs" data-live/)
  })

  it('show no figures of another stage, and the message of the engine before the first ones', async () => {
    await train()
    await report(progress({ stage: 3 }))
    expect(await page.view('/admin/jobs')).not.toContain('<progress')
    await report(progress({ metrics: null, message: 'loading <b>the model' }))
    const markup = await page.view('/admin/jobs')
    expect(markup).toContain('loading &lt;b&gt;the model')
    expect(markup).not.toContain('NaN')
  })

  it('count the held-out requests of what is being judged', async () => {
    const { internalizations } = page.store
    await internalizations.create({
      ...exampleApproved(),
      state: { name: 'evaluating' },
      verdict: null,
    })
    // the second is of an arm that is not in the plan
    await internalizations.addEvaluations([
      exampleEvaluation('record-3'),
      exampleEvaluation('record-3', { arm: 2 }),
    ])
    expect(await page.view('/admin/jobs')).toContain('held-out request 1 of 4 (25.0 %)')
  })

  it('tell what a forgetting still has to do', async () => {
    const task = { learned: [], loras: ['a', 'b'], templates: [], isForgotten: true }
    await saveTask(page.store, newTaskName('1'), { ...task, isScrubbed: false })
    await saveTask(page.store, newTaskName('2'), { ...task, isScrubbed: true })
    const markup = await page.view('/admin/jobs')
    expect(markup).toContain('with 2 small models to check: the database must still be cleaned')
    expect(markup).toContain('the engine must still delete copies')
  })

  it('show what has ended in the last week with its reason, and the training that it took', async () => {
    page.clock.now = 30 * DAY_MS
    await page.signIn()
    const { internalizations } = page.store
    for (const [id, updatedAt] of [
      ['old-one', 20 * DAY_MS],
      ['new-one', 25 * DAY_MS],
    ] as const)
      await internalizations.create(
        exampleInternalization(id, {
          templateVersion: id,
          state: { name: 'failed', reason: saidBy('no <b>memory') },
          plan: exampleApproved().plan,
          updatedAt,
        })
      )
    const markup = await page.view('/admin/jobs')
    expect(markup).toContain('new-one')
    expect(markup).not.toContain('old-one')
    expect(markup).toContain('no &lt;b&gt;memory')
    expect(markup).toContain('2 min')
  })

  it.each([
    ['the worker restarts', exampleStatus({ worker: 'restarting' }), 'The worker is restarting'],
    ['the engine is away', exampleStatus({ engineReachable: false }), 'The engine does not answer'],
    ['there is no engine', exampleStatus({ engine: 'none' }), 'has no engine'],
  ])('say that %s', async (_name, now, said) => {
    expect(await page.view('/admin/jobs')).not.toContain(said)
    status = now
    expect(await page.view('/admin/jobs')).toContain(said)
  })
})
