/**
 * The pictures of the page in the documents, from a month of an imagined team: `npm run docs:screenshots`.
 * Needs Chromium (Debian's package `chromium`, or CHROMIUM_PATH) and a build.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import { ADMIN_TOKEN, startProxy } from '../test/kit/process/proxy-process.ts'
import { fromRoot } from '../test/kit/process/from-root.ts'
import { createProgress } from '../src/cli/output.ts'
import { fillSampleMonth } from './sample-month.ts'

const FOLDER = fromRoot('docs/pictures')
const THEMES = ['light', 'dark'] as const
const SIZE = { width: 1280, height: 800 }
const USUAL_PATH = '/usr/bin/chromium'

/** A picture's name, and how a person gets to what it shows. */
const VIEWS: [name: string, open: (tab: Page, base: string) => Promise<unknown>][] = [
  ['page-overview', (tab, base) => tab.goto(base)],
  [
    'page-template',
    async (tab, base) => {
      await tab.goto(`${base}/templates`)
      await tab.locator('main table a').first().click()
      await tab.getByRole('heading', { level: 1, name: /^Template / }).waitFor()
    },
  ],
  [
    'page-internalization',
    async (tab, base) => {
      await tab.goto(`${base}/templates`)
      await tab.locator('main table a').first().click()
      await tab.locator('main a[href*="/internalizations/"]').first().click()
      await tab.getByRole('heading', { level: 1, name: /^Internalization / }).waitFor()
    },
  ],
]

const signIn = async (tab: Page, base: string): Promise<void> => {
  await tab.goto(base)
  await tab.getByLabel('Admin token').fill(ADMIN_TOKEN)
  await tab.getByRole('button', { name: 'Sign in' }).click()
  await tab.getByRole('navigation', { name: 'Sections' }).waitFor()
}

const run = async (): Promise<void> => {
  const executablePath = process.env['CHROMIUM_PATH'] ?? USUAL_PATH
  if (!existsSync(executablePath))
    throw new Error(`there is no Chromium at ${executablePath}: set CHROMIUM_PATH`)
  const progress = createProgress()
  progress.update('pictures', 0, VIEWS.length * THEMES.length, 'the month is logged')
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-pictures-'))
  await fillSampleMonth(dataDir, Date.now())
  const env = {
    DATA_DIR: dataDir,
    UPSTREAM_BASE_URL: 'http://127.0.0.1:9',
    ENGINE: 'fake',
    ENGINE_USD_PER_HOUR: '0.03',
  }
  // a worker would audit with loras that are not there
  const proxy = await startProxy(env, { flags: ['--no-worker'] })
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const base = `${proxy.baseUrl}/admin`
    let taken = 0
    for (const colorScheme of THEMES) {
      const context = await browser.newContext({ colorScheme, viewport: SIZE, locale: 'en-US' })
      const tab = await context.newPage()
      await signIn(tab, base)
      for (const [name, open] of VIEWS) {
        await open(tab, base)
        await tab.waitForLoadState('networkidle')
        await tab.screenshot({ path: join(FOLDER, `${name}-${colorScheme}.png`) })
        progress.update('pictures', ++taken, VIEWS.length * THEMES.length, name)
      }
    }
  } finally {
    await browser.close()
    await proxy.stop()
    rmSync(dataDir, { recursive: true, force: true })
    progress.stop()
  }
}

await run()
