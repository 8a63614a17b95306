/** The page in a real browser, over the real server on an empty directory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_TOKEN, type ProxyProcess } from '../../bench/harness/proxy-process.ts'
import { startServer } from '../fixtures/built.ts'
import { CHROMIUM, findingsOf, openBrowser, openTab, watchTab } from './chromium.ts'

const WHY_SKIPPED = CHROMIUM === null ? ' (skipped: no Chromium, set CHROMIUM_PATH)' : ''

describe.skipIf(CHROMIUM === null)(`the page in Chromium${WHY_SKIPPED}`, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-browser-'))
  let server: ProxyProcess
  let browser: Browser
  let tab: Page
  let said: string[]

  const open = (path: string) => tab.goto(`${server.baseUrl}/admin${path}`)

  beforeAll(async () => {
    server = await startServer({
      DATA_DIR: dataDir,
      UPSTREAM_BASE_URL: 'http://127.0.0.1:9',
      ENGINE: 'fake',
    })
    browser = await openBrowser()
    tab = await (await openTab(browser)).newPage()
    said = watchTab(tab)
  })

  afterAll(async () => {
    await browser?.close()
    await server?.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  it('lets a person in with the token, and not without', async () => {
    await open('/keys')
    expect(await findingsOf(tab)).toEqual([])
    await tab.getByLabel('Admin token').fill('wrong')
    await tab.getByRole('button', { name: 'Sign in' }).click()
    await tab.getByText('This is not an admin token').waitFor()
    // the browser reports the status 401
    said.length = 0
    await tab.getByLabel('Admin token').fill(ADMIN_TOKEN)
    await tab.getByRole('button', { name: 'Sign in' }).click()
    await tab.getByRole('heading', { name: 'Keys' }).waitFor()
  })

  it.each(['', '/templates', '/records', '/jobs', '/keys', '/forget', '/settings'])(
    'shows /admin%s in both themes and three widths',
    async (path) => {
      await open(path)
      expect(await findingsOf(tab)).toEqual([])
      expect(said).toEqual([])
    }
  )

  it('shows why a form was refused, although the script sends it', async () => {
    await open('/forget')
    await tab.getByRole('button', { name: 'Look what would go' }).click()
    await tab.getByText('the selection is empty').waitFor()
    // the browser reports the status 400
    said.length = 0
  })

  it('looks before it forgets, and can be loaded again after it', async () => {
    await open('/forget')
    await tab.getByLabel('Tenant').fill('unknown')
    await tab.getByRole('button', { name: 'Look what would go' }).click()
    await tab.getByText('0 records').waitFor()
    await tab.reload()
    await tab.getByRole('button', { name: 'Look what would go' }).waitFor()
    expect(said).toEqual([])
  })
})
