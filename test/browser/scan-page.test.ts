/** The page of a scan in a real browser: its plots can be read on a phone, and nothing is cut off. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scanPage } from '../../src/cli/scan/page/page.ts'
import { labels, reportOf, waiting } from '../kit/records/scan-report.ts'
import { CHROMIUM, openBrowser, openTab, WHY_SKIPPED } from './chromium.ts'

const LOG = { path: 'chats.jsonl', kind: 'file' as const, unread: 0, at: 0 }
const third = labels({ version: 'abcdef0123456789abcdef0123456789', usdPerMonth: 400 })

/** Of the letters on the screen, and of their boxes. */
const TEXTS = `[...document.querySelectorAll('svg')].map((svg) =>
  [...svg.querySelectorAll('text')].map((text) => {
    const { left, right, top, bottom } = text.getBoundingClientRect()
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width
    return { text: text.textContent, px: scale * parseFloat(getComputedStyle(text).fontSize), left, right, top, bottom }
  })
)`

interface ShownText {
  text: string
  px: number
  left: number
  right: number
  top: number
  bottom: number
}

/** Boxes of letters are higher than what is drawn in them. */
const EMPTY_PX = 3

const overlap = (one: ShownText, other: ShownText): boolean =>
  one.left < other.right &&
  other.left < one.right &&
  one.top + EMPTY_PX < other.bottom - EMPTY_PX &&
  other.top + EMPTY_PX < one.bottom - EMPTY_PX

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

  it('has a command that one click copies', async () => {
    await tab.evaluate(
      `navigator.clipboard ??= {}; navigator.clipboard.writeText = async (text) => (copied = text)`
    )
    await tab.getByRole('button', { name: 'Copy' }).click()
    await tab.getByRole('button', { name: 'Copied' }).waitFor()
    expect(await tab.evaluate<string>('copied')).toBe('npx promptintern scan a && b')
  })

  it.each([360, 390, 1280])(
    'has text of eleven pixels and more at a width of %d',
    async (width) => {
      await tab.setViewportSize({ width, height: 800 })
      const plots = await tab.evaluate<ShownText[][]>(TEXTS)
      expect(plots).toHaveLength(6)
      for (const texts of plots) {
        expect(texts.filter(({ px }) => px < 11)).toEqual([])
        for (const [place, one] of texts.entries())
          expect(texts.slice(place + 1).filter((other) => overlap(one, other))).toEqual([])
      }
    }
  )

  it('shows all columns of its table on a laptop', async () => {
    await tab.setViewportSize({ width: 1280, height: 800 })
    const isCut =
      "document.querySelector('.table').scrollWidth > document.querySelector('.table').clientWidth"
    expect(await tab.evaluate(isCut)).toBe(false)
  })

  it('is no wider than a phone', async () => {
    await tab.setViewportSize({ width: 390, height: 800 })
    expect(await tab.evaluate('document.scrollingElement.scrollWidth')).toBeLessThanOrEqual(390)
  })
})
