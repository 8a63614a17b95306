/** A page of another site reads a lora's answers in a real browser as it reads the upstream's. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FakeLora, LORA_ANSWER, withLora } from '../kit/proxy/lora.ts'
import { completion } from '../kit/records/completion.ts'
import {
  AUTHORIZATION,
  chatBody,
  LIMITS,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
} from '../kit/proxy/harness.ts'
import { CHROMIUM, openBrowser, WHY_SKIPPED } from './chromium.ts'

/** Runs in the page. @returns status, route and text of an answer, or how the browser refuses it */
const ASK = `async ([url, authorization, body]) => {
  try {
    const headers = { 'content-type': 'application/json', authorization }
    const answer = await fetch(url, { method: 'POST', headers, body })
    return [answer.status, answer.headers.get('x-promptintern-route'), await answer.text()].join(' ')
  } catch (error) {
    return String(error)
  }
}`

const startSite = (): Promise<{ origin: string; server: Server }> =>
  new Promise((resolve) => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<title>site</title>')
    })
    server.listen(0, '127.0.0.1', () => {
      resolve({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server })
    })
  })

describe.skipIf(CHROMIUM === null)(`a page of another site in Chromium${WHY_SKIPPED}`, () => {
  let browser: Browser
  let harness: Harness
  let site: Awaited<ReturnType<typeof startSite>>

  beforeAll(async () => {
    browser = await openBrowser()
    site = await startSite()
    const limits = { ...LIMITS, maxBodyBytes: 10_000 }
    harness = await startHarness({ ...withLora(new FakeLora()), limits })
    harness.upstream.respond = ({ method, headers }, response) => {
      const allowed = {
        'access-control-allow-origin': headers.origin === site.origin ? site.origin : 'null',
        'access-control-allow-headers': 'authorization, content-type',
        'access-control-expose-headers': 'x-promptintern-route',
        vary: 'Origin',
      }
      if (method === 'OPTIONS') return void response.writeHead(204, allowed).end()
      response.writeHead(200, { 'content-type': 'application/json', ...allowed })
      response.end(JSON.stringify(completion('from the upstream')))
    }
    await harness.send(UNMATCHED_BODY)
  })
  afterAll(async () => {
    await browser.close()
    await harness.close()
    site.server.close()
  })

  it('reads the upstream’s answer, a lora’s and an error of the proxy', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(site.origin)
    const ask = (body: string): Promise<string> =>
      page.evaluate(
        `(${ASK})(${JSON.stringify([`${harness.baseUrl}/chat/completions`, AUTHORIZATION, body])})`
      )
    expect(await ask(chatBody('where is it?'))).toMatch(/^200 skipped .*from the upstream/)
    const answered = await ask(chatBody('where is it?'))
    expect(answered).toMatch(/^200 answered /)
    expect(answered).toContain(LORA_ANSWER)
    expect(await ask(chatBody('x'.repeat(11_000)))).toMatch(/^413 .*body_too_large/)
    await context.close()
  })

  it('cannot read what the upstream lets another site read alone', async () => {
    const other = await startSite()
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(other.origin)
    const call = [`${harness.baseUrl}/chat/completions`, AUTHORIZATION, chatBody('where is it?')]
    const asked = await page.evaluate(`(${ASK})(${JSON.stringify(call)})`)
    expect(asked).toMatch(/TypeError/)
    await context.close()
    other.server.close()
  })
})
