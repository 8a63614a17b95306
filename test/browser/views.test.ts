/** Views of a store with traffic in a real browser: plots, parts that are loaded behind a view, and texts. */
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { beforeAll, describe, expect, it } from 'vitest'
import { fillStore, recordIdOf, versionOf } from '../kit/store/large-store.ts'
import { CHROMIUM, findingsOf, heightAt, plotFindings, unfold, WHY_SKIPPED } from './chromium.ts'
import { useSignedIn } from './signed-in.ts'

const SIZE = { records: 400, templates: 20, internalizations: 10 }
const MINUTE_MS = 60_000

const TEMPLATE = `/templates/${versionOf(3)}`
const RECORD = `/records/${recordIdOf(399)}`

describe.skipIf(CHROMIUM === null)(`views in Chromium${WHY_SKIPPED}`, () => {
  const used = useSignedIn(
    (store) => fillStore(store, { ...SIZE, from: Date.now() - SIZE.records * MINUTE_MS }),
    () => ({ ENGINE: 'none' })
  )
  const { open } = used
  let tab: Page
  let said: string[]
  beforeAll(() => void ({ tab, said } = used))

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
    // each template's part comes by a request of its own
    await expect.poll(() => tab.getByText('not calculated').count()).toBe(0)
    await open(TEMPLATE)
    await tab.locator('#economics').getByText('Training and its test').first().waitFor()
    await open('')
    await tab.locator('#savings').getByText('whole log').first().waitFor()
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

  it('save what fits a filter, of a log that is searched in text', async () => {
    await open('/records')
    await tab.getByLabel('Text of question').fill('nowhere in this log')
    await tab.getByRole('button', { name: 'Filter' }).click()
    await tab.getByText('No record matches').waitFor()
    await open('/records?status=2xx')
    const [file] = await Promise.all([
      tab.waitForEvent('download'),
      tab.getByRole('link', { name: 'CSV' }).click(),
    ])
    expect(file.suggestedFilename()).toMatch(/^records-.*\.csv$/)
    expect(readFileSync(await file.path(), 'utf8')).toMatch(/all matching records\r\n$/)
    expect(said).toEqual([])
  })

  it('have records that are read on a phone', async () => {
    await tab.setViewportSize({ width: 390, height: 800 })
    await open('/records')
    const height = await tab.evaluate<number>('document.documentElement.scrollHeight')
    expect(height).toBeLessThanOrEqual(3_200)
    for (const cell of await tab.locator('tbody .end').all()) {
      const { x, width } = (await cell.boundingBox())!
      expect(x + width).toBeLessThanOrEqual(390)
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
