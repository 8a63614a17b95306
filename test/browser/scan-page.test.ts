/** The page of a scan in a real browser: accessible, and readable on a phone. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scanPage } from '../../src/cli/scan/page.tsx'
import { labels, reportOf, waiting } from '../kit/records/scan-report.ts'
import { CHROMIUM, findingsOf, openBrowser, openTab, WHY_SKIPPED } from './chromium.ts'

const LOG = { path: 'chats.jsonl', kind: 'file' as const, unread: 0, at: 0 }
const third = labels({ version: 'abcdef0123456789abcdef0123456789', usdPerMonth: 400 })

describe.skipIf(CHROMIUM === null)(`the page of a scan in Chromium${WHY_SKIPPED}`, () => {
  let browser: Browser
  let tab: Page

  beforeAll(async () => {
    browser = await openBrowser()
    tab = await (await openTab(browser)).newPage()
    await tab.setContent(
      scanPage(reportOf([labels(), third, waiting()]), LOG, {
        isEngineFree: true,
        next: { says: 'learn it', command: 'npx promptintern scan a && b' },
      })
    )
  })

  afterAll(async () => browser?.close())

  it('shows all columns of its table on a laptop', async () => {
    await tab.setViewportSize({ width: 1280, height: 800 })
    const isCut =
      "document.querySelector('.scroll').scrollWidth > document.querySelector('.scroll').clientWidth"
    expect(await tab.evaluate(isCut)).toBe(false)
  })

  it('is no wider than a phone, and has no finding of axe', async () => {
    await tab.setViewportSize({ width: 390, height: 800 })
    expect(await tab.evaluate('document.scrollingElement.scrollWidth')).toBeLessThanOrEqual(390)
    expect(await findingsOf(tab)).toEqual([])
  })
})
