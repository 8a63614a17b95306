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

/** For the title of a group of tests. */
export const WHY_SKIPPED = CHROMIUM === null ? ' (skipped: no Chromium, set CHROMIUM_PATH)' : ''

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

/** Opens every fold of the view, and waits for what is loaded then. */
export const unfold = async (tab: Page): Promise<void> => {
  await tab.evaluate(
    "document.querySelectorAll('details.fold').forEach((fold) => { fold.open = true })"
  )
  await tab.waitForLoadState('networkidle')
}

/** Of the whole view, at a screen's width. */
export const heightAt = async (tab: Page, width: number): Promise<number> => {
  await tab.setViewportSize({ width, height: 800 })
  return tab.evaluate<number>('document.scrollingElement.scrollHeight')
}

/** Keeps what is written on each canvas, in pixels of the screen. Call it before the view is opened. */
const KEEP_TEXTS = `(() => {
  const { fillText } = CanvasRenderingContext2D.prototype
  const { width } = Object.getOwnPropertyDescriptors(HTMLCanvasElement.prototype)
  const texts = new WeakMap()
  window.textsOf = (canvas) => texts.get(canvas) ?? []
  // a canvas is empty after its width was set, and is cleared before it is drawn again
  const { clearRect } = CanvasRenderingContext2D.prototype
  CanvasRenderingContext2D.prototype.clearRect = function (...where) {
    texts.delete(this.canvas)
    return clearRect.apply(this, where)
  }
  Object.defineProperty(HTMLCanvasElement.prototype, 'width', {
    ...width,
    set(value) { texts.delete(this); width.set.call(this, value) },
  })
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const { a, b, e, f } = this.getTransform()
    const size = parseFloat(/([\\d.]+)px/.exec(this.font)[1])
    const wide = this.measureText(text).width
    const left = { left: 0, start: 0, center: wide / 2, right: wide, end: wide }[this.textAlign]
    const top = { top: 0, middle: size / 2, alphabetic: size, bottom: size }[this.textBaseline]
    const kept = texts.get(this.canvas) ?? []
    if (b === 0) kept.push({ text, size, left: a * (x - left) + e, top: y - top + f, wide })
    texts.set(this.canvas, kept)
    return fillText.call(this, text, x, y)
  }
})()`

export const keepTexts = (tab: Page): Promise<unknown> => tab.addInitScript(KEEP_TEXTS)

interface CanvasText {
  text: string
  size: number
  left: number
  top: number
  wide: number
}

const overlap = (one: CanvasText, other: CanvasText): boolean =>
  one.left < other.left + other.wide &&
  other.left < one.left + one.wide &&
  one.top < other.top + other.size &&
  other.top < one.top + one.size

const LEAST_TEXT_PX = 11

/** What cannot be read on the plots of the view: small text, texts on one another, and labels that repeat. */
export const plotFindings = async (tab: Page): Promise<string[]> => {
  const plots = await tab.evaluate<CanvasText[][]>(
    "[...document.querySelectorAll('[data-plot] canvas')].map(window.textsOf)"
  )
  if (plots.length === 0 || plots.some((texts) => texts.length === 0)) return ['a plot has no text']
  return plots.flatMap((texts) =>
    texts.flatMap((one, place) => {
      const others = texts.slice(place + 1)
      const repeated = others.filter(({ text, top }) => text === one.text && top === one.top)
      return [
        ...(one.size < LEAST_TEXT_PX ? [`${one.text}: ${one.size} px`] : []),
        ...others
          .filter((other) => overlap(one, other))
          .map(({ text }) => `${one.text} on ${text}`),
        ...repeated.map(({ text }) => `${text} twice`),
      ]
    })
  )
}

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
