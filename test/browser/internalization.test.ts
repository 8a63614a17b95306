/** The page of an internalization in a real browser, over the real server: plots, forms, and changes. */
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ProxyProcess } from '../kit/process/proxy-process.ts'
import { saveDecisionFacts } from '../../src/lifecycle/proof-file.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { Store } from '../../src/store/store.ts'
import { addTraffic } from '../kit/store/add-traffic.ts'
import { examplePair, routedRecord } from '../kit/records/audited.ts'
import { exampleFacts, exampleJudged } from '../kit/records/facts.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleOutcome,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { exampleBorder, exampleReport, liveAt } from '../kit/records/rollout.ts'
import { CHROMIUM, findingsOf, heightAt, plotFindings, unfold, WHY_SKIPPED } from './chromium.ts'
import { useSignedIn } from './signed-in.ts'
import { changedConstants } from '../kit/process/loop-settings.ts'

const PAIRS = 40

const addWaiting = async (store: Store): Promise<void> => {
  const ids = Array.from({ length: 30 }, (_, i) => `record-${i + 1}`)
  const row = exampleJudged()
  const plan = { ...row.plan!, holdoutRecordIds: ids, unseenRecordIds: [] }
  await store.internalizations.create({ ...row, id: 'waiting', templateVersion: 'version-2', plan })
  await saveDecisionFacts(store, 'waiting', exampleFacts())
  await store.internalizations.addEvaluations(
    ids.map((id) => exampleEvaluation(id, { internalizationId: 'waiting', arm: 1 }))
  )
}

const addLive = async (store: Store): Promise<void> => {
  const state = liveAt(0.05)
  const now = Date.now()
  const { verdict } = exampleApproved()
  const arms = verdict!.arms.map((arm) => ({ ...arm, wider: [-0.5] }))
  const row = exampleApproved('live', {
    state,
    createdAt: now - 3_600_000,
    verdict: { ...verdict!, arms },
  })
  await store.internalizations.create(row)
  const coverage = { audited: 1000, before: 580, after: 640 }
  const wider = { ...state, border: exampleBorder(-0.5), coverage }
  await store.internalizations.save({ ...row, state: wider }, 'worker', now)
  await store.pairs.judge(
    Array.from({ length: PAIRS }, (_, i) =>
      examplePair(`record-${i + 1}`, { outcome: i % 20 === 0 ? 'disagreed' : 'agreed' })
    )
  )
  await saveRolloutReport(store, 'live', exampleReport({ stage: state.stage, at: now + 60_000 }))
}

const fill = async (store: Store): Promise<void> => {
  await store.templates.upsert([exampleTemplate(), exampleTemplate('version-2')])
  const route = exampleOutcome({
    lora: 'lora-of-arm-1',
    outcome: 'skipped',
    reason: 'audit',
  })
  const now = Date.now()
  const records = Array.from({ length: PAIRS }, (_, i) =>
    // within a minute, so that hours and minutes would repeat on an axis
    routedRecord(i + 1, 'skipped', { route, at: now - (PAIRS - i) * 1_000 })
  )
  await addTraffic(store, records)
  await addWaiting(store)
  await addLive(store)
}

const VIEWS = [
  '/waiting',
  '/waiting/answers',
  '/waiting/coverage',
  '/live',
  '/live/pairs',
  '/live/pairs?revealed=true',
  '/live/traffic',
]

const ofLive = (request: { url(): string }): boolean => request.url().includes('/admin/live?')

describe.skipIf(CHROMIUM === null)(`an internalization in Chromium${WHY_SKIPPED}`, () => {
  const used = useSignedIn(fill, () => ({
    ENGINE: 'fake',
    // the worker would tag the records with a template of its own
    ...changedConstants({ detectMinSessions: 1000 }),
  }))
  let server: ProxyProcess
  let tab: Page
  let said: string[]
  beforeAll(() => void ({ server, tab, said } = used))

  const approveWaiting = (body: object) =>
    server.admin('/internalizations/waiting/approve', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const pauseWaiting = () => approveWaiting({ share: 0 })
  const resumeWaiting = () => approveWaiting({})

  const open = (path: string) => used.open(`/internalizations${path}`)

  it.each(VIEWS)('is shown in both themes and three widths: %s', async (path) => {
    await open(path)
    await tab.waitForLoadState('networkidle')
    await unfold(tab)
    expect(await findingsOf(tab)).toEqual([])
    expect(said).toEqual([])
  })

  it('loads what takes long when its fold is opened, and plots it', async () => {
    await open('/waiting')
    await tab.waitForLoadState('networkidle')
    expect(await tab.locator('#coverage canvas').count()).toBe(0)
    await tab.locator('summary', { hasText: 'How much it could answer' }).click()
    await tab.locator('#coverage canvas').waitFor()
    await open('/live')
    await tab.locator('summary', { hasText: 'Evidence over time' }).click()
    await tab.locator('#evidence canvas').first().waitFor()
    await tab.locator('summary', { hasText: 'Newest requests' }).click()
    await tab.locator('#traffic').getByText('drawn at random for an audit').waitFor()
  })

  it('draws how much a route has answered over time, and lists its steps', async () => {
    await open('/live')
    await unfold(tab)
    const plot = tab.locator('#live-route figure.plot')
    await plot.locator('canvas').waitFor()
    const texts = await tab.evaluate<string[]>(
      "window.textsOf(document.querySelector('#live-route canvas')).map(({ text }) => text)"
    )
    expect(texts).toContain('border -0.500: evidence 25')
    await plot.locator('summary').click()
    await plot.getByText('border -0.500: answers from a confidence of -0.500 on').waitFor()
    await open('/waiting')
    await unfold(tab)
    expect(await tab.locator('#live-route').count()).toBe(0)
  })

  it.each([390, 1280])('has plots that can be read on a screen of %d pixels', async (width) => {
    for (const path of ['/waiting', '/live']) {
      await open(path)
      await heightAt(tab, width)
      await unfold(tab)
      await tab.locator('[data-plot] canvas').first().waitFor()
      expect(await plotFindings(tab)).toEqual([])
    }
  })

  it('stretches no form beside one that is opened', async () => {
    await open('/live')
    await tab.setViewportSize({ width: 1280, height: 800 })
    const pause = tab.locator('details.action', { hasText: 'Pause' }).first()
    const before = (await pause.boundingBox())!.height
    await tab.locator('summary', { hasText: 'Roll back' }).click()
    expect((await pause.boundingBox())!.height).toBe(before)
  })

  it('is approved by keyboard, in two steps, and shows what changed', async () => {
    await open('/waiting')
    await tab.getByText('Approve', { exact: true }).first().focus()
    await tab.keyboard.press('Enter')
    await tab.getByLabel('Reason (optional)').first().fill('looks good')
    await tab.keyboard.press('Enter')
    await tab.locator('#head').getByText('live, canary 5 %').waitFor()
    await tab.locator('#history summary').getByText('looks good').waitFor()
    await tab.locator('#history summary').getByText('admin (Ada)').waitFor()
  })

  it('shows a decision of another person without being loaded again', async () => {
    await open('/live')
    await tab.evaluate('window.isSamePage = true')
    await server.admin('/internalizations/live/rollback', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'another person did it', keepPreviousRetired: true }),
    })
    await tab.locator('#head').getByText('another person did it').waitFor()
    expect(await tab.evaluate('window.isSamePage')).toBe(true)
  })

  it('loads itself and its slow parts once for changes that follow one another', async () => {
    const asked: string[] = []
    const note = (request: { url(): string }) => asked.push(new URL(request.url()).pathname)
    const times = (path: string) => asked.filter((one) => one.endsWith(path)).length
    tab.on('request', note)
    await open('/live')
    await unfold(tab)
    await tab.locator('#evidence canvas').first().waitFor()
    for (const change of [pauseWaiting, resumeWaiting]) {
      const loaded = tab.waitForResponse(/internalizations\/live$/)
      await change()
      await loaded
      await new Promise((resolve) => setTimeout(resolve, 1500))
    }
    // when their folds were opened, and once for all changes, one of the worker among them
    await expect.poll(() => [times('/live/evidence'), times('/live/traffic')]).toEqual([2, 2])
    tab.off('request', note)
    expect(times('/internalizations/live')).toBeLessThanOrEqual(5)
  })

  it('keeps what a person is writing when something changes', async () => {
    await open('/waiting')
    await tab.getByText('Roll back', { exact: true }).first().click()
    const reason = tab.locator('#reason-admin-internalizations-waiting-roll-back')
    await reason.fill('half a sent')
    await tab.locator('h1').click()
    await pauseWaiting()
    await tab.locator('#head').getByText('live, paused').waitFor()
    expect(await reason.inputValue()).toBe('half a sent')
  })

  it('listens to nothing while it is hidden, and is up to date when it is seen again', async () => {
    const listened = tab.waitForRequest(ofLive)
    await open('/waiting')
    await listened
    const hide = (isHidden: boolean) =>
      tab.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, value: ${isHidden} });
        document.dispatchEvent(new Event('visibilitychange'))`)
    const closed = tab.waitForEvent('requestfailed', ofLive)
    await hide(true)
    await closed
    let asked = 0
    const count = () => asked++
    tab.on('request', count)
    await resumeWaiting()
    await new Promise((resolve) => setTimeout(resolve, 3000))
    tab.off('request', count)
    expect(asked).toBe(0)
    const opened = tab.waitForRequest(ofLive)
    await hide(false)
    await opened
    await tab.locator('#head').getByText('live, paused').waitFor({ state: 'detached' })
  })
})
