/** Decisions on an internalization: which are offered, what they say before, and what they do. */
import { saidBy } from '../../src/core/reason.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type {
  Internalization,
  InternalizationState,
} from '../../src/core/internalization/internalization.ts'
import { pausedStage } from '../../src/core/rollout/stages.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import {
  exampleApproved,
  exampleInternalization,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { exampleEvidence, exampleReport, liveAt, STAGED, stageOf } from '../kit/records/rollout.ts'
import { openPage, type Page } from './harness.ts'

const VIEW = '/admin/internalizations/a'
const CANARY = liveAt(0.05)
const FULL = liveAt(1)
const PAUSED: InternalizationState = { name: 'live', stage: pausedStage(stageOf(0.25)) }

const verbsIn = (markup: string): string[] =>
  [...markup.matchAll(/<summary[^>]*>([^<]*)<\/summary>\s*<form/g)].map(([, verb]) => verb!)

describe('decisions', () => {
  let page: Page
  let refreshes: number

  const open = async (rollout = STAGED): Promise<void> => {
    refreshes = 0
    page = await openPage({
      rollout,
      newId: () => 'new-id',
      refreshRoutes: async () => void refreshes++,
    })
    await page.store.templates.upsert([exampleTemplate()])
    await page.signIn('full-secret', 'Ada')
  }

  const create = (state: InternalizationState, changes: Partial<Internalization> = {}) =>
    page.store.internalizations.create(exampleApproved('a', { state, ...changes }))

  const stateOf = async (id = 'a') => (await page.store.internalizations.get(id))!.state

  const decide = (name: string, fields: Record<string, string> = {}) =>
    page.submit(VIEW, `${VIEW}/${name}`, fields)

  /** Of the newest change. */
  const written = async (id = 'a') => (await page.store.internalizations.history(id)).at(-1)!

  beforeEach(() => open())
  afterEach(() => page.close())

  it.each<[string, InternalizationState, string[]]>([
    ['candidate', { name: 'candidate' }, ['Reject']],
    ['one in training', { name: 'training', arm: 0, stage: 0 }, []],
    ['one in the test', { name: 'evaluating' }, ['Reject']],
    ['approval', { name: 'approval' }, ['Approve', 'Reject']],
    ['canary', CANARY, ['Approve the next stage', 'Pause', 'Roll back', 'Internalize again']],
    ['full route', FULL, ['Pause', 'Roll back', 'Change the share', 'Internalize again']],
    ['paused route', PAUSED, ['Resume', 'Roll back', 'Internalize again']],
    ['retired one', { name: 'retired', reason: saidBy('x') }, ['Approve', 'Internalize again']],
    [
      'one that its evidence took back',
      { name: 'retired', reason: saidBy('x'), evidence: exampleEvidence() },
      ['Internalize again'],
    ],
    ['rejected one', { name: 'rejected', reason: saidBy('x') }, ['Internalize again']],
    ['failed one', { name: 'failed', reason: saidBy('x') }, ['Internalize again']],
  ])('are those that the state allows: %s', async (_, state, verbs) => {
    await create(state)
    expect(verbsIn(await page.view(VIEW))).toEqual(verbs)
  })

  it.each<[string, InternalizationState, string | null, string[]]>([
    ['approval', { name: 'approval' }, 'Approve', []],
    ['canary', CANARY, null, ['Internalize again']],
    ['paused route', PAUSED, 'Resume', ['Internalize again']],
    ['rejected one', { name: 'rejected', reason: saidBy('x') }, 'Internalize again', []],
  ])('have at most one that stands out, and rare ones behind the others: %s', async (...given) => {
    const [, state, main, rare] = given
    await create(state)
    const markup = await page.view(VIEW)
    const standOut = [...markup.matchAll(/<summary class="main">([^<]*)</g)].map(([, verb]) => verb)
    expect(standOut).toEqual(main === null ? [] : [main])
    const more = markup.split('<summary>More</summary>')[1] ?? ''
    expect(verbsIn(more)).toEqual(rare)
  })

  it('stand out in the next stage once the evidence for it is there', async () => {
    await create(CANARY)
    await saveRolloutReport(page.store, 'a', exampleReport({ stage: CANARY.stage, mayStep: true }))
    expect(await page.view(VIEW)).toContain('<summary class="main">Approve the next stage<')
  })

  it('are open at once where the address asks for one', async () => {
    await create({ name: 'approval' })
    const opened = /<details class="action" open=""><summary[^>]*>([^<]*)</
    expect(await page.view(VIEW)).not.toMatch(opened)
    expect(opened.exec(await page.view(`${VIEW}?open=approve`))![1]).toBe('Approve')
    expect(await page.view(`${VIEW}?open=nonsense`)).not.toMatch(opened)
  })

  describe('to approve', () => {
    it('begin with the first stage, say so before, and keep who and why', async () => {
      await create({ name: 'approval' })
      const markup = await page.view(VIEW)
      expect(markup).toContain('After approval it is asked for 5 % of the requests.')
      const response = await decide('approve', { share: '0.05', reason: 'looks good' })
      expect([response.status, response.headers.get('location')]).toEqual([303, VIEW])
      expect(await stateOf()).toMatchObject({ name: 'live', stage: { share: 0.05 } })
      expect(await written()).toMatchObject({ by: 'admin (Ada)', note: 'looks good' })
      expect((await page.store.routes.list())[0]!.trafficShare).toBe(0.05)
      expect(refreshes).toBe(1)
    })

    it('take a smaller share than the first stage', async () => {
      await create({ name: 'approval' })
      await decide('approve', { share: '0.05', percent: '1' })
      expect(await stateOf()).toMatchObject({ stage: { share: 0.01 } })
    })

    it('begin with a larger share only when a person confirms what is missing', async () => {
      await create({ name: 'approval' })
      expect(await page.view(VIEW)).toContain('no answers to live requests were compared yet')
      const refused = await decide('approve', { share: '1' })
      expect(refused.status).toBe(409)
      expect(await refused.text()).toContain('confirm the larger share')
      expect((await stateOf()).name).toBe('approval')
      await decide('approve', { share: '1', forced: 'yes' })
      expect(await stateOf()).toMatchObject({ name: 'live', stage: { share: 1 } })
    })

    it('begin with a shadow where the settings do', async () => {
      await page.close()
      await open({ ...STAGED, stages: [0, 0.05, 1] })
      await create({ name: 'approval' })
      await decide('approve', { share: '0' })
      expect(await stateOf()).toMatchObject({ name: 'live', stage: { share: 0 } })
    })

    it.each(['abc', '0', '-1', '101', '1e999'])('refuse a share of %s percent', async (percent) => {
      await create({ name: 'approval' })
      expect((await decide('approve', { percent, forced: 'yes' })).status).toBe(400)
      expect((await stateOf()).name).toBe('approval')
    })

    it('bring back one that a person retired', async () => {
      await create({ name: 'retired', reason: saidBy('x') })
      await decide('approve', { share: '0.05' })
      expect((await stateOf()).name).toBe('live')
    })
  })

  describe('to enter the next stage', () => {
    it('need the evidence, or a person who confirms what it is and what is needed', async () => {
      await create(CANARY)
      await saveRolloutReport(page.store, 'a', exampleReport({ stage: CANARY.stage }))
      expect(await page.view(VIEW)).toContain(
        'it is 2.2 after 128 conversations of this stage, and 20 is needed'
      )
      const refused = await decide('approve', { share: '0.25' })
      expect(refused.status).toBe(409)
      expect(await refused.text()).toContain('20 is needed')
      await decide('approve', { share: '0.25', forced: 'yes' })
      expect(await stateOf()).toMatchObject({ name: 'live', stage: { share: 0.25 } })
    })

    it('need no confirmation with the evidence', async () => {
      await create(CANARY)
      await saveRolloutReport(
        page.store,
        'a',
        exampleReport({ stage: CANARY.stage, mayStep: true })
      )
      expect(await page.view(VIEW)).not.toContain('name="forced"')
      await decide('approve', { share: '0.25' })
      expect(await stateOf()).toMatchObject({ stage: { share: 0.25 } })
    })

    it('may also give less, which takes no evidence', async () => {
      await create(FULL)
      await decide('approve', { percent: '10' })
      expect(await stateOf()).toMatchObject({ name: 'live', stage: { share: 0.1 } })
    })

    it('ask for a share where there is no next stage', async () => {
      await create(FULL)
      expect((await decide('approve')).status).toBe(400)
    })
  })

  it('pause a route and resume it with the share that it had', async () => {
    await create(CANARY)
    expect(await page.view(VIEW)).toContain('gpt-4o-mini answers everything until you resume it')
    await decide('pause', { reason: 'an incident' })
    expect(await stateOf()).toMatchObject({ name: 'live', stage: { share: 0, isPaused: true } })
    expect((await written()).note).toBe('an incident')
    const paused = await page.view(VIEW)
    expect(paused).toContain('live, paused')
    expect(paused).toContain('As before the pause, it is asked for 5 % of the requests.')
    await decide('resume')
    expect(await stateOf()).toMatchObject({ name: 'live', stage: { share: 0.05 } })
  })

  it.each([
    ['reject', { name: 'approval' } as const, 'rejected'],
    ['roll back', CANARY, 'retired'],
  ])('need a reason to %s, which the state then has', async (_, state, ended) => {
    await create(state)
    expect((await decide('roll-back')).status).toBe(400)
    expect((await decide('roll-back', { reason: ' ' })).status).toBe(400)
    expect(await stateOf()).toEqual(state)
    await decide('roll-back', { reason: 'two teams are confused' })
    expect(await stateOf()).toMatchObject({ name: ended, reason: saidBy('two teams are confused') })
    expect(await page.view(VIEW)).toContain('two teams are confused')
    expect(await page.store.routes.list()).toEqual([])
  })

  it.each([
    ['restore the route before by a rollback', {}, 'live'],
    ['keep it retired where a person says so', { keep: 'yes' }, 'retired'],
  ])('%s', async (_, fields, before) => {
    await create({ name: 'approval' })
    await decide('approve', { share: '0.05' })
    const next = exampleApproved('b', { state: { name: 'approval' } })
    await page.store.internalizations.create(next)
    const other = '/admin/internalizations/b'
    page.clock.now++
    await page.submit(other, `${other}/approve`, { share: '0.05' })
    expect((await stateOf()).name).toBe('retired')
    await page.submit(other, `${other}/roll-back`, { reason: 'worse', ...fields })
    expect((await stateOf('b')).name).toBe('retired')
    expect((await stateOf()).name).toBe(before)
  })

  it('take a rollback from a page that is out of date only of its own route', async () => {
    await create(CANARY)
    const token = /name="form-token" value="([^"]+)"/.exec(await page.view(VIEW))![1]!
    await decide('roll-back', { reason: 'x' })
    const successor = exampleApproved('b', { state: CANARY })
    await page.store.internalizations.create(successor)
    const response = await page.post(`${VIEW}/roll-back`, { 'form-token': token, reason: 'x' })
    expect(response.status).toBe(409)
    expect((await stateOf('b')).name).toBe('live')
  })

  it('begin another internalization of the template, and show it', async () => {
    await create({ name: 'rejected', reason: saidBy('x') })
    const response = await decide('internalize', { reason: 'more traffic' })
    expect(response.headers.get('location')).toBe('/admin/internalizations/new-id')
    expect((await stateOf('new-id')).name).toBe('candidate')
    expect(await written('new-id')).toMatchObject({ by: 'admin (Ada)', note: 'more traffic' })
    const refused = await decide('internalize')
    expect(refused.status).toBe(409)
  })

  it('refuse a reason that is longer than the history keeps', async () => {
    await create({ name: 'approval' })
    expect((await decide('roll-back', { reason: 'x'.repeat(301) })).status).toBe(400)
  })

  it('reject one that has no verdict yet', async () => {
    await page.store.internalizations.create(exampleInternalization('a'))
    await decide('roll-back', { reason: 'not now' })
    expect(await stateOf()).toEqual({ name: 'rejected', reason: saidBy('not now') })
  })
})
