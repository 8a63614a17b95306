/** Views of a store with traffic in a real browser: plots, parts that are loaded behind a view, and texts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_TOKEN, type ProxyProcess } from '../kit/process/proxy-process.ts'
import { startServer } from '../kit/process/built.ts'
import { fillStore, recordIdOf, versionOf } from '../kit/store/large-store.ts'
import { openStore } from '../kit/store/local-store.ts'
import {
  CHROMIUM,
  findingsOf,
  heightAt,
  keepTexts,
  openBrowser,
  openTab,
  plotFindings,
  unfold,
  watchTab,
} from './chromium.ts'

const WHY_SKIPPED = CHROMIUM === null ? ' (skipped: no Chromium, set CHROMIUM_PATH)' : ''

const SIZE = { records: 400, templates: 20, internalizations: 10 }
const MINUTE_MS = 60_000

const TEMPLATE = `/templates/${versionOf(3)}`
const RECORD = `/records/${recordIdOf(399)}`

describe.skipIf(CHROMIUM === null)(`views in Chromium${WHY_SKIPPED}`, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-browser-'))
  let server: ProxyProcess
  let browser: Browser
  let tab: Page
  let said: string[]

  const open = (path: string) => tab.goto(`${server.baseUrl}/admin${path}`)

  beforeAll(async () => {
    const store = await openStore({ dataDir })
    await fillStore(store, { ...SIZE, from: Date.now() - SIZE.records * MINUTE_MS })
    await store.close()
    server = await startServer({
      DATA_DIR: dataDir,
      UPSTREAM_BASE_URL: 'http://127.0.0.1:9',
      ENGINE: 'none',
    })
    browser = await openBrowser()
    tab = await (await openTab(browser)).newPage()
    said = watchTab(tab)
    await keepTexts(tab)
    await open('')
    await tab.getByLabel('Admin token').fill(ADMIN_TOKEN)
    await tab.getByRole('button', { name: 'Sign in' }).click()
    await tab.getByRole('heading', { name: 'Overview' }).waitFor()
  })

  afterAll(async () => {
    await browser?.close()
    await server?.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  it.each([
    '',
    '/templates',
    TEMPLATE,
    `${TEMPLATE}/diff/${versionOf(4)}`,
    '/records',
    RECORD,
    '/jobs',
  ])('are shown in both themes and three widths: %s', async (path) => {
    await open(path)
    await tab.waitForLoadState('networkidle')
    await unfold(tab)
    expect(await findingsOf(tab)).toEqual([])
    expect(said).toEqual([])
  })

  it('load what must be read from the log behind the page', async () => {
    await open('/templates')
    await tab.locator('#templates').getByText('not known').first().waitFor()
    expect(await tab.getByText('not worked out').count()).toBe(0)
    await open(TEMPLATE)
    await tab.locator('#economics').getByText('there is no price of').waitFor()
    await open('')
    await tab.locator('#savings').getByText('no net saving is known').waitFor()
    await unfold(tab)
    await tab.locator('[data-plot] canvas').first().waitFor()
    expect(said).toEqual([])
  })

  it.each(['day', 'week', 'month'])('have plots that can be read: of a %s', async (period) => {
    for (const width of [390, 1280]) {
      await open(`?period=${period}`)
      await heightAt(tab, width)
      await unfold(tab)
      await tab.locator('[data-plot] canvas').first().waitFor()
      expect(await plotFindings(tab)).toEqual([])
    }
  })

  it('lead to the whole text as text, also where the script follows the link', async () => {
    await open(RECORD)
    await tab.getByText('The whole request as plain text').click()
    await tab.waitForURL('**/request.txt')
    expect(await tab.evaluate('document.contentType')).toBe('text/plain')
    await open(RECORD)
    await tab.evaluate(`(() => {
      const link = document.createElement('a')
      link.href = location.pathname + '/request.txt'
      link.textContent = 'without a thought of the script'
      document.querySelector('main').append(link)
      htmx.process(link)
    })()`)
    await tab.getByText('without a thought of the script').click()
    await tab.waitForURL('**/request.txt')
    expect(await tab.evaluate('document.contentType')).toBe('text/plain')
  })
})
