/**
 * The page in a real browser, over the real server with its worker and the fake engine: from an empty
 * directory to a rollback, every view and every decision once.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_TOKEN, type ProxyProcess } from '../kit/process/proxy-process.ts'
import { startReplayUpstream, type ReplayUpstream } from '../kit/upstream/replay-upstream.ts'
import { runCli, startServer } from '../kit/process/built.ts'
import { CHROMIUM, findingsOf, openBrowser, openTab, watchTab, WHY_SKIPPED } from './chromium.ts'
import { learningSettings } from '../kit/process/loop-settings.ts'

const SHELVES = ['amber', 'blue', 'crimson', 'green', 'indigo', 'orange']
const PROMPT = [
  'You sort paint orders for a warehouse. Read the order and name the shelf it goes to.',
  'Shelves are named after the colour that the customer asks for.',
  'Answer with the shelf alone: no punctuation, no explanation, lower case.',
].join('\n')
/** Text that must stay text wherever it is shown. */
const HOSTILE = '<script>alert(1)</script><img src=x onerror=alert(2)>\u202e'

/** The overview says "nothing waits for a decision" too. */
const WAITING = /waits for a decision\. It would/

const shelfOf = (number: number): string => SHELVES[number % SHELVES.length]!
const messagesOf = (number: number) => [
  { role: 'system' as const, content: PROMPT },
  { role: 'user' as const, content: `Order ${number}: a tin of ${shelfOf(number)} ${HOSTILE}` },
]

describe.skipIf(CHROMIUM === null)(`the page in Chromium${WHY_SKIPPED}`, () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'promptintern-browser-'))
  let upstream: ReplayUpstream
  let server: ProxyProcess
  let client: OpenAI
  let browser: Browser
  let tab: Page
  let said: string[]

  const ask = async (number: number): Promise<string | null> => {
    upstream.add(messagesOf(number), shelfOf(number), 90)
    const { response } = await client.chat.completions
      .create({ model: 'gpt-4o-mini', temperature: 0, messages: messagesOf(number) })
      .withResponse()
    return response.headers.get('x-promptintern-route')
  }

  const askMany = async (from: number, count: number): Promise<void> => {
    for (let start = from; start < from + count; start += 10)
      await Promise.all(Array.from({ length: 10 }, (_, index) => ask(start + index)))
  }

  const open = (path: string) => tab.goto(`${server.baseUrl}/admin${path}`)
  const follow = (name: string | RegExp) => tab.getByRole('link', { name }).first().click()
  const text = () => tab.locator('main').innerText()
  /** Opens a form by its verb, fills what it asks for, and sends it. */
  const decide = async (
    verb: string,
    fields: Record<string, string> = {},
    confirmed?: RegExp
  ): Promise<void> => {
    const form = tab
      .locator('details.action')
      .filter({ has: tab.locator(`button:text-is("${verb}")`) })
    await form.locator('summary').first().click()
    for (const inner of await form.locator('form summary').all()) await inner.click()
    for (const [label, value] of Object.entries(fields)) await form.getByLabel(label).fill(value)
    if (confirmed !== undefined) await form.getByLabel(confirmed).check()
    await form.getByRole('button', { name: verb, exact: true }).click()
  }

  /** Loads the view again until it has the text. */
  const waitFor = async (path: string, wanted: string | RegExp): Promise<void> => {
    for (let left = 120; left > 0; left--) {
      await open(path)
      if ((await text()).match(wanted)) return
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    throw new Error(`${path} never had ${wanted}: ${await text()}`)
  }

  beforeAll(async () => {
    upstream = await startReplayUpstream()
    server = await startServer({
      ...learningSettings(),
      DATA_DIR: dataDir,
      UPSTREAM_BASE_URL: upstream.baseUrl,
    })
    client = new OpenAI({ baseURL: `${server.baseUrl}/v1`, apiKey: 'client-key', maxRetries: 0 })
    browser = await openBrowser()
    tab = await (await openTab(browser, { acceptDownloads: true })).newPage()
    said = watchTab(tab)
  })

  afterAll(async () => {
    await browser?.close()
    await server?.stop()
    await upstream?.close()
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
    await tab.getByLabel('Your name').fill('Ada')
    await tab.getByRole('button', { name: 'Sign in' }).click()
    await tab.getByRole('heading', { name: 'Keys' }).waitFor()
  })

  it.each(['', '/templates', '/records', '/jobs', '/keys', '/forget'])(
    'shows an empty /admin%s in both themes and three widths',
    async (path) => {
      await open(path)
      expect(await findingsOf(tab)).toEqual([])
      expect(said).toEqual([])
    }
  )

  it('shows what waits for a decision once there was traffic', async () => {
    await askMany(0, 300)
    await waitFor('', WAITING)
    expect(await findingsOf(tab)).toEqual([])
  })

  it('approves a candidate with half of the traffic, and some of the next requests are answered', async () => {
    await open('/templates')
    await tab.locator('main table a').first().click()
    await tab.getByRole('heading', { level: 1 }).waitFor()
    expect(await findingsOf(tab)).toEqual([])
    await decide('Label', { Label: 'Paint shelves' })
    await tab.getByRole('heading', { name: /Paint shelves/ }).waitFor()
    await tab.locator('main a[href*="/internalizations/"]').first().click()
    await tab.getByText(/agree/).first().waitFor()
    expect(await findingsOf(tab)).toEqual([])
    await decide('Approve', { 'Or another share, in percent': '50' })
    await tab
      .getByText(/the proof is the only evidence|without that evidence|is needed|needs/)
      .first()
      .waitFor()
    // the browser reports the status 409
    said.length = 0
    await follow('Back')
    await tab.getByText('waits for a decision').first().waitFor()
    await decide(
      'Approve',
      { 'Or another share, in percent': '50', Reason: 'looks good' },
      /Begin with more than/
    )
    await tab
      .getByText(/looks good/)
      .first()
      .waitFor()
    expect(await text()).toContain('admin (Ada)')
    const outcomes: (string | null)[] = []
    for (let number = 1000; number < 1020; number++) outcomes.push(await ask(number))
    expect(outcomes).toContain('answered')
  })

  it('makes a key that is seen once, and revokes it', async () => {
    const before = tab.url()
    await open('/keys')
    await tab.getByLabel('Name, for people').fill('batch')
    await tab.getByRole('button', { name: 'Create the key' }).click()
    await tab.getByText(/^pi-/).waitFor()
    expect(await findingsOf(tab)).toEqual([])
    await open('/keys')
    expect(await text()).not.toContain('pi-')
    await decide('Revoke')
    await tab.getByText('revoked', { exact: true }).waitFor()
    expect(await findingsOf(tab)).toEqual([])
    await tab.goto(before)
  })

  it('pauses, resumes and rolls back, each with who and why', async () => {
    await decide('Pause', { Reason: 'a check' })
    await tab.getByText('a check').first().waitFor()
    expect([await ask(1100), await ask(1101), await ask(1102)]).not.toContain('answered')
    await decide('Resume')
    await tab.locator('summary', { hasText: 'Pause' }).waitFor()
    await decide('Roll back', { Reason: 'the prompt is rewritten' })
    await tab.getByText('the prompt is rewritten').first().waitFor()
    expect(await ask(1200)).not.toBe('answered')
    expect(await findingsOf(tab)).toEqual([])
  })

  it('gives evidence that is checked without the server', async () => {
    const [download] = await Promise.all([
      tab.waitForEvent('download'),
      tab.locator('a[href$="/proof.json"]').first().click(),
    ])
    const path = join(dataDir, 'proof.json')
    await download.saveAs(path)
    expect(readFileSync(path, 'utf8')).not.toContain('tin of')
    const elsewhere = { DATA_DIR: join(dataDir, 'none') }
    // the bursts of this test's server
    const verified = await runCli(elsewhere, 'verify', path, '--burst-minutes', '0')
    expect(verified).toMatch(/every check holds/)
  })

  it('internalizes again, and rejects what came of it', async () => {
    await decide('Internalize again', { Reason: 'once more' })
    await waitFor('', WAITING)
    await follow(/approv|decide|look/i)
    await decide('Reject', { Reason: 'not now' })
    await tab.getByText('not now').first().waitFor()
    expect(await findingsOf(tab)).toEqual([])
  })

  it('finds a record by its outcome, and shows hostile text as text', async () => {
    await open('/records?outcome=answered')
    expect(await findingsOf(tab)).toEqual([])
    await tab.locator('main table tbody a').first().click()
    await tab.getByText('a tin of').first().waitFor()
    expect(await text()).toContain('<script>alert(1)</script>')
    expect(await text()).toContain('‹RLO›')
    expect(await findingsOf(tab)).toEqual([])
  })

  it('shows an overview and jobs with data', async () => {
    for (const path of ['', '?period=30d', '/jobs']) {
      await open(path)
      expect(await findingsOf(tab)).toEqual([])
    }
    expect(await text()).not.toContain(ADMIN_TOKEN)
  })

  it('shows why a form was refused, although the script sends it', async () => {
    await open('/forget')
    await tab.getByRole('button', { name: 'Preview the deletion' }).click()
    await tab.getByText('the selection is empty').waitFor()
    // the browser reports the status 400
    said.length = 0
  })

  it('looks before it forgets, and can be loaded again after it', async () => {
    await open('/forget')
    await tab.getByLabel('Tenant').fill('unknown')
    await tab.getByRole('button', { name: 'Preview the deletion' }).click()
    await tab.getByText('0 records').waitFor()
    await tab.reload()
    await tab.getByRole('button', { name: 'Preview the deletion' }).waitFor()
    expect(said).toEqual([])
  })

  it('has said no error in the console, and met the policy everywhere', () => {
    expect(said).toEqual([])
  })
})
