/**
 * OpenAI's package for JavaScript in Chromium, with either API: `chat` or `responses`. Its page is of another origin
 * than the API, so the browser asks the API whether the page may read its answers.
 */
import { createServer } from 'node:http'
import { argv, env } from 'node:process'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { readPlan, tell } from './play.mjs'

const bundled = await build({
  entryPoints: [fileURLToPath(new URL('openai-page.mjs', import.meta.url))],
  bundle: true,
  format: 'esm',
  keepNames: true,
  write: false,
})
const script = bundled.outputFiles[0].text

const page = createServer(({ url }, response) => {
  const isScript = url === '/page.js'
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8')
  response.end(isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>')
})
await new Promise((resolve) => page.listen(0, '127.0.0.1', resolve))

// containers often run as root, where the sandbox does not start; only our own page is opened
const browser = await chromium.launch({
  executablePath: env.CHROMIUM_PATH,
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--no-proxy-server'],
})
const tab = await browser.newPage()
await tab.exposeFunction('tell', tell)
await tab.goto(`http://127.0.0.1:${page.address().port}/`, { waitUntil: 'load' })
await tab.evaluate((asked) => globalThis.playInPage(asked), {
  plan: await readPlan(),
  variant: argv[2],
})
await browser.close()
page.close()
