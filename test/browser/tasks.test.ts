/**
 * What a person comes to the page for. Each task begins at the overview and follows only what is written
 * there: links and buttons by their words, no address and no document.
 */
import { reasonOf } from '../../src/core/reason.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import type { Store } from '../../src/store/store.ts'
import { addTraffic } from '../kit/store/add-traffic.ts'
import { examplePair, LORA, routedRecord } from '../kit/records/audited.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleOutcome,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { exampleReport, liveAt } from '../kit/records/rollout.ts'
import { CHROMIUM, heightAt, WHY_SKIPPED } from './chromium.ts'
import { useSignedIn } from './signed-in.ts'
import { changedConstants } from '../kit/process/loop-settings.ts'

const PRICE = {
  model: 'gpt-4o-mini',
  asOf: '2026-11-01',
  input: 2,
  cachedInput: 1,
  output: 10,
}
const RECORDS = 40
/** Links that are followed and buttons that are pressed, from the overview on. */
const MOST_STEPS = 2
/** Of a small laptop: what is needed is seen without scrolling. */
const SCREEN = { width: 1280, height: 800 }

const WHY_REJECTED = reasonOf('loss-too-large', {
  arm: 'query-only',
  agreement: 0.8,
  upstreamAgreement: null,
  minCoverage: 0.2,
  margin: 0.05,
  isJudged: false,
})

/** One template live, one waiting, one rejected; the live one has answered and was wrong three times. */
const fill = async (store: Store): Promise<void> => {
  const versions = ['version-1', 'version-2', 'version-3']
  await store.templates.upsert(versions.map((version) => exampleTemplate(version)))
  for (const [place, label] of ['Tickets', 'Orders', 'Refunds'].entries())
    await store.templates.label(versions[place]!, label)
  const now = Date.now()
  const usage = { prompt_tokens: 20, completion_tokens: 2, total_tokens: 22 }
  const records = Array.from({ length: RECORDS }, (_, i) => {
    const isAudit = i % 2 === 0
    const route = exampleOutcome({
      lora: LORA,
      outcome: isAudit ? 'skipped' : 'answered',
      reason: isAudit ? 'audit' : null,
    })
    const at = now - (RECORDS - i) * 60_000
    return routedRecord(i + 1, isAudit ? 'skipped' : 'answered', { at, route, usage })
  })
  await addTraffic(store, records)
  const state = liveAt(1)
  await store.internalizations.create(exampleApproved('live', { state }))
  await store.pairs.judge(
    records
      .filter((_, i) => i % 2 === 0)
      .map(({ id }, i) =>
        examplePair(id, i < 3 ? { answer: `wrong ${i + 1}` } : { outcome: 'agreed', isEqual: true })
      )
  )
  await saveRolloutReport(store, 'live', exampleReport({ stage: state.stage }))
  const waiting = exampleApproved('waiting', { templateVersion: 'version-2' })
  await store.internalizations.create(waiting)
  await store.internalizations.addEvaluations([
    exampleEvaluation('record-3', { internalizationId: 'waiting', arm: 1 }),
  ])
  const rejected = exampleApproved('rejected', {
    templateVersion: 'version-3',
    state: { name: 'rejected', reason: WHY_REJECTED },
    updatedAt: now,
  })
  const verdict = { ...rejected.verdict!, verdict: 'reject' as const, reason: WHY_REJECTED }
  await store.internalizations.create({ ...rejected, verdict } as typeof rejected)
}

describe.skipIf(CHROMIUM === null)(`a person at the page${WHY_SKIPPED}`, () => {
  const used = useSignedIn(fill, (dataDir) => {
    const pricesFile = join(dataDir, 'prices.json')
    writeFileSync(pricesFile, JSON.stringify([PRICE]))
    return {
      PRICES_FILE: pricesFile,
      ENGINE: 'fake',
      ENGINE_USD_PER_HOUR: '0',
      ...changedConstants({ detectMinSessions: 1000 }),
    }
  })
  let tab: Page
  let steps = 0

  /** @throws Error when it is not on the first screen */
  const onScreen = async (found: Locator): Promise<Locator> => {
    await found.waitFor()
    const box = await found.boundingBox()
    // a part that the server rendered anew took its place in between
    if (box === null) return onScreen(found)
    const scrolled = await tab.evaluate<number>('scrollY')
    if (scrolled > 0 || box.y < 0 || box.y + box.height > SCREEN.height)
      throw new Error(`${String(found)} is at ${box.y} + ${box.height}, and ${scrolled} scrolled`)
    return found
  }
  const follow = async (name: string | RegExp): Promise<void> => {
    steps++
    await (await onScreen(tab.locator('main').getByRole('link', { name }).first())).click()
  }
  const press = async (name: string): Promise<void> => {
    steps++
    await (await onScreen(tab.getByRole('button', { name, exact: true }))).click()
  }
  const reads = async (text: string | RegExp): Promise<void> => {
    await onScreen(tab.locator('main').getByText(text).locator('visible=true').first())
  }

  beforeAll(() => {
    ;({ tab } = used)
    tab.setDefaultTimeout(10_000)
  })

  beforeEach(async () => {
    await tab.setViewportSize(SCREEN)
    await used.open('')
    steps = 0
  })

  it.each([
    '',
    '/internalizations/live',
    '/internalizations/waiting',
    '/internalizations/rejected',
  ])(
    'reads a page of less than two screens, or four of a phone, before anything is unfolded: %s',
    async (path) => {
      await used.open(path)
      await tab.waitForLoadState('networkidle')
      expect(await heightAt(tab, 1280)).toBeLessThanOrEqual(1600)
      expect(await heightAt(tab, 390)).toBeLessThanOrEqual(3200)
    }
  )

  it('finds why a template was rejected', async () => {
    await follow('Refunds')
    await tab.getByRole('heading', { name: 'Internalization of Refunds' }).waitFor()
    await reads(/keeps the loss under 5\.0 %/)
    await reads('What helps:')
    expect(steps).toBeLessThanOrEqual(MOST_STEPS)
  })

  it('finds the last three wrong answers', async () => {
    await follow('Tickets')
    await tab.getByRole('heading', { name: 'Internalization of Tickets' }).waitFor()
    for (const wrong of ['wrong 3', 'wrong 2', 'wrong 1']) await reads(wrong)
    expect(steps).toBeLessThanOrEqual(MOST_STEPS)
  })

  it('approves one that waits', async () => {
    await reads('Orders')
    await follow('Review and decide')
    await press('Approve')
    await reads(/live, (?:shadow|canary|full)/)
    expect(steps).toBeLessThanOrEqual(MOST_STEPS)
  })

  it('sees what was saved this week, in dollars', async () => {
    await reads(/week|7 days/i)
    await reads(/^(?:Net )?saved/i)
    await reads(/^\$\d/)
    expect(steps).toBe(0)
  })

  it('rolls back', async () => {
    await follow('Roll back')
    // of all decisions, only those that take something away need a reason
    await tab.getByLabel('Reason', { exact: true }).locator('visible=true').fill('wrong answers')
    await press('Roll back')
    await reads(/retired|rolled back/)
    expect(steps).toBeLessThanOrEqual(MOST_STEPS)
  })
})
