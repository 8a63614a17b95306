/**
 * The pictures of the page in the documents, from the data of a demo: `npm run docs:screenshots`.
 * Needs Chromium (Debian's package `chromium`, or CHROMIUM_PATH) and the demo's three minutes.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromium, type Page } from 'playwright-core'
import { ADMIN_TOKEN } from '../test/kit/process/proxy-process.ts'
import { fromRoot } from '../test/kit/process/from-root.ts'
import { createProgress } from '../src/cli/output.ts'

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

const startDemo = () => {
  const child = spawn('npm', ['run', '--silent', 'demo', '--', '--keep'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const address = new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the demo ended with code ${code}`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /page: (http\S+)/.exec(line)
      if (found !== null) resolve(found[1]!)
    })
  })
  // npm passes no signal on to what it runs, so all of the group get it
  return { address, stop: () => process.kill(-child.pid!, 'SIGTERM') }
}

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
  progress.update('pictures', 0, VIEWS.length * THEMES.length, 'the demo runs')
  const demo = startDemo()
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const base = await demo.address
    let taken = 0
    for (const colorScheme of THEMES) {
      const context = await browser.newContext({ colorScheme, viewport: SIZE, locale: 'en-US' })
      const tab = await context.newPage()
      await signIn(tab, base)
      for (const [name, open] of VIEWS) {
        await open(tab, base)
        await tab.waitForLoadState('load')
        await tab.screenshot({ path: join(FOLDER, `${name}-${colorScheme}.png`) })
        progress.update('pictures', ++taken, VIEWS.length * THEMES.length, name)
      }
    }
  } finally {
    await browser.close()
    demo.stop()
    progress.stop()
  }
}

await run()
