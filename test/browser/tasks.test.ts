/**
 * What a person comes to the page for. Each task begins at the overview and follows only what is written
 * there: links and buttons by their words, no address and no document.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN_TOKEN, type ProxyProcess } from '../kit/process/proxy-process.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { examplePair, LORA, routedRecord } from '../kit/records/audited.ts'
import { startServer } from '../kit/process/built.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleOutcome,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { openStore } from '../kit/store/local-store.ts'
import { exampleReport } from '../kit/records/rollout.ts'
import { CHROMIUM, openBrowser, openTab } from './chromium.ts'

const WHY_SKIPPED = CHROMIUM === null ? ' (skipped: no Chromium, set CHROMIUM_PATH)' : ''

const PRICE = {
  model: 'gpt-4o-mini',
  asOf: '2026-11-01',
  input: 2,
  cachedInput: 1,
  output: 10,
}
const RECORDS = 40
/** Of a person who reads what is on the way. */
const MOST_STEPS = 5

const WHY_REJECTED = 'no threshold with a coverage of at least 20 % keeps the loss under 5 %'

/** One template live, one waiting, one rejected; the live one has answered and was wrong three times. */
const fill = async (dataDir: string): Promise<void> => {
  const store = await openStore({ dataDir })
  const versions = ['version-1', 'version-2', 'version-3']
  await store.templates.upsert(versions.map((version) => exampleTemplate(version)))
  for (const [place, label] of ['Tickets', 'Orders', 'Refunds'].entries())
    await store.templates.label(versions[place]!, label)
  const now = Date.now()
  const usage = { prompt_tokens: 20, completion_tokens: 2, total_tokens: 22 }
  await store.records.append(
    batchOf(
      Array.from({ length: RECORDS }, (_, i) => {
        const isAudit = i % 2 === 0
        const route = exampleOutcome({
          lora: LORA,
          outcome: isAudit ? 'skipped' : 'answered',
          reason: isAudit ? 'audit' : null,
          savedUsd: isAudit ? null : 0.002,
        })
        const at = now - (RECORDS - i) * 60_000
        return routedRecord(i + 1, isAudit ? 'skipped' : 'answered', { at, route, usage })
      })
    )
  )
  const ids = Array.from({ length: RECORDS }, (_, i) => `record-${i + 1}`)
  await store.records.tagTemplate(ids, 'version-1')
  const stage = { share: 1, before: { pairs: 0, losses: 0, credits: 0 }, began: 0 }
  await store.internalizations.create(exampleApproved('live', { state: { name: 'live', stage } }))
  await store.pairs.judge(
    ids
      .filter((_, i) => i % 2 === 0)
      .map((id, i) =>
        examplePair(id, i < 3 ? { answer: `wrong ${i + 1}` } : { outcome: 'agreed', similarity: 1 })
      )
  )
  await saveRolloutReport(store, 'live', exampleReport({ stage }))
  const waiting = exampleApproved('waiting', { templateVersion: 'version-2' })
  await store.internalizations.create(waiting)
  await store.internalizations.addEvaluations([
    exampleEvaluation('record-3', { internalizationId: 'waiting', arm: 1 }),
  ])
  const rejected = exampleApproved('rejected', {
    templateVersion: 'version-3',
    state: { name: 'rejected', reason: WHY_REJECTED },
  })
  const verdict = { ...rejected.verdict!, verdict: 'reject' as const, reason: WHY_REJECTED }
  await store.internalizations.create({ ...rejected, verdict } as typeof rejected)
  await store.close()
}

describe.skipIf(CHROMIUM === null)(`a person at the page${WHY_SKIPPED}`, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-browser-'))
  let server: ProxyProcess
  let browser: Browser
  let tab: Page
  let steps = 0

  const follow = async (name: string | RegExp): Promise<void> => {
    steps++
    await tab.getByRole('link', { name }).first().click()
  }
  const press = async (name: string): Promise<void> => {
    steps++
    await tab.getByRole('button', { name, exact: true }).click()
  }
  /** Opens the form of a decision by its verb. */
  const choose = async (verb: string): Promise<void> => {
    steps++
    await tab.locator('summary').getByText(verb, { exact: true }).first().click()
  }
  const reads = (text: string | RegExp): Promise<void> =>
    tab.locator('main').getByText(text).first().waitFor()

  beforeAll(async () => {
    await fill(dataDir)
    const pricesFile = join(dataDir, 'prices.json')
    writeFileSync(pricesFile, JSON.stringify([PRICE]))
    server = await startServer({
      DATA_DIR: dataDir,
      PRICES_FILE: pricesFile,
      UPSTREAM_BASE_URL: 'http://127.0.0.1:9',
      ENGINE: 'fake',
      ENGINE_USD_PER_HOUR: '0',
      DETECT_MIN_SESSIONS: '1000',
    })
    browser = await openBrowser()
    tab = await (await openTab(browser)).newPage()
    tab.setDefaultTimeout(10_000)
    await tab.goto(`${server.baseUrl}/admin`)
    await tab.getByLabel('Admin token').fill(ADMIN_TOKEN)
    await press('Sign in')
    await tab.getByRole('heading', { name: 'Overview' }).waitFor()
  })

  beforeEach(async () => {
    await tab.goto(`${server.baseUrl}/admin`)
    steps = 0
  })

  afterAll(async () => {
    await browser?.close()
    await server?.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  it('finds why a template was rejected', async () => {
    await follow('Templates')
    await follow('Refunds')
    await reads(/rejected/)
    await follow(/rejected|Look/)
    await reads(/coverage of at least 20 %/)
    expect(steps).toBeLessThanOrEqual(MOST_STEPS)
  })

  it('approves one that waits', async () => {
    await reads('Orders')
    await follow('Look and decide')
    await choose('Approve')
    await press('Approve')
    await reads(/live, (?:shadow|canary)/)
    expect(steps).toBeLessThanOrEqual(MOST_STEPS)
  })

  it('finds the last three wrong answers', async () => {
    await follow('Templates')
    await follow('Tickets')
    await follow(/live/)
    await reads('wrong 3')
    await reads('wrong 2')
    await reads('wrong 1')
    expect(steps).toBeLessThanOrEqual(MOST_STEPS)
  })

  it('sees what was saved this week, in dollars', async () => {
    if ((await tab.getByText('Work them out now').count()) > 0) await follow('Work them out now')
    await reads('Net saved')
    expect(await tab.locator('#savings').innerText()).toMatch(/\$\d/)
    expect(await tab.locator('main').innerText()).toMatch(/week|7 days/i)
    expect(steps).toBeLessThanOrEqual(MOST_STEPS)
  })

  it('rolls back', async () => {
    await follow('Templates')
    await follow('Tickets')
    await follow(/live/)
    await choose('Roll back')
    // of all decisions, only those that take something away need a reason
    await tab.getByLabel('Reason', { exact: true }).locator('visible=true').fill('wrong answers')
    await press('Roll back')
    await reads(/retired|rolled back/)
    expect(steps).toBeLessThanOrEqual(MOST_STEPS)
  })
})
