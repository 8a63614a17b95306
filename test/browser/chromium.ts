/** A real browser for the page. Debian's package `chromium` has it; CHROMIUM_PATH names another one. */
import { existsSync } from 'node:fs'
import axe from 'axe-core'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'

const USUAL_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** null: there is none */
export const CHROMIUM =
  [process.env['CHROMIUM_PATH'], ...USUAL_PATHS].find(
    (path) => path !== undefined && existsSync(path)
  ) ?? null

/** Containers often run as root, where the sandbox does not start; only our own page is opened. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--disable-dev-shm-usage'] })

export const THEMES = ['light', 'dark'] as const
export const WIDTHS = [360, 1024, 1920]

/** What went wrong on any view of a tab: messages of the console, violations of the policy, faults. */
export const watchTab = (tab: Page): string[] => {
  const said: string[] = []
  tab.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      said.push(`${message.type()}: ${message.text()}`)
  })
  tab.on('pageerror', (error) => said.push(`error: ${error.message}`))
  return said
}

export const openTab = (
  browser: Browser,
  options: Parameters<Browser['newContext']>[0] = {}
): Promise<BrowserContext> => browser.newContext({ locale: 'en-US', ...options })

interface Finding {
  id: string
  help: string
  nodes: { html: string }[]
}

/** The script is given by the debugger, so the page's policy holds while it runs. */
const accessibilityFindings = async (tab: Page): Promise<string[]> => {
  await tab.evaluate(axe.source)
  const found = await tab.evaluate<Finding[]>(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then(({ violations }) => violations)`
  )
  return found.map(({ id, help, nodes }) => `${id}: ${help} ${nodes[0]?.html ?? ''}`)
}

const isWiderThanScreen = (tab: Page): Promise<boolean> =>
  tab.evaluate<boolean>(
    'document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth'
  )

/** Looks at the open view in both themes and three widths. @returns one line for each finding */
export const findingsOf = async (tab: Page): Promise<string[]> => {
  const findings: string[] = []
  for (const colorScheme of THEMES) {
    await tab.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    for (const width of WIDTHS) {
      await tab.setViewportSize({ width, height: 900 })
      const place = `${new URL(tab.url()).pathname} ${colorScheme} ${width}`
      if (await isWiderThanScreen(tab)) findings.push(`${place}: scrolls sideways`)
      const found = await accessibilityFindings(tab)
      findings.push(...found.map((finding) => `${place}: ${finding}`))
    }
  }
  return findings
}
