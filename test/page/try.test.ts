/** Trying a live route: the same question with it and without it, by the public path, and never logged. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { ProxyAnswer } from '../../src/admin/deps.ts'
import { addTraffic } from '../kit/store/add-traffic.ts'
import { answerBody } from '../kit/records/completion.ts'
import { routedRecord, questionOf } from '../kit/records/audited.ts'
import { exampleRoute, exampleTemplate } from '../kit/records/examples.ts'
import { openPage, usePage } from './harness.ts'

const KEY = 'sk-of-the-operator'
const HOSTILE = '</pre><script>alert(1)</script>'

const answer = (content: string, headers: ProxyAnswer['headers'] = {}): ProxyAnswer => ({
  status: 200,
  headers,
  text: answerBody(content, {
    model: 'gpt-4o-mini',
    usage: { prompt_tokens: 1200, completion_tokens: 3, total_tokens: 1203 },
  }),
})

describe('trying a route', () => {
  let asked: { body: Record<string, unknown>; headers: Record<string, string> }[]
  let answers: { route: ProxyAnswer; upstream: ProxyAnswer }

  const page = usePage({
    askProxy: async (body, headers) => {
      asked.push({ body: JSON.parse(body) as Record<string, unknown>, headers })
      return headers['x-promptintern-bypass'] === 'true' ? answers.upstream : answers.route
    },
  })

  const ask = (fields: Record<string, string> = {}) =>
    page.submit('/admin/try?template=version-1', '/admin/try', {
      'slot date': 'Tuesday',
      query: 'Where is\r\nmy card?',
      key: KEY,
      ...fields,
    })

  beforeEach(async () => {
    asked = []
    answers = {
      route: answer('lost_card', {
        'x-promptintern-route': 'answered',
        'x-promptintern-confidence': '-0.1',
      }),
      upstream: answer('stolen_card'),
    }
    await page.store.templates.upsert([exampleTemplate()])
    await addTraffic(page.store, [routedRecord(1, 'answered'), routedRecord(2, 'answered')])
    await page.store.routes.put(exampleRoute())
  })

  it('is offered for each live one, filled from the newest request of the log', async () => {
    expect(await page.view('/admin/try')).toContain('href="/admin/try?template=version-1"')
    const markup = await page.view('/admin/try?template=version-1')
    expect(markup).toContain(questionOf(2))
    expect(markup).toContain('value="Monday"')
    expect(markup).toContain('href="/admin/records/record-2"')
    expect(markup).toMatch(/<button>[^<]*charges/)
  })

  it('keeps a line break that the question begins with', async () => {
    const request = JSON.parse(routedRecord(3, 'answered').request) as { messages: object[] }
    const messages = [request.messages[0], { role: 'user', content: '\nquestion' }]
    const changes = { request: JSON.stringify({ ...request, messages }) }
    await addTraffic(page.store, [routedRecord(3, 'answered', changes)])
    // a browser takes the first one away
    expect(await page.view('/admin/try?template=version-1')).toMatch(
      /<textarea id="query"[^>]*>\n\nquestion<\/textarea>/
    )
  })

  it('asks with it and without it, without a record, with the same bytes', async () => {
    const response = await ask()
    expect(response.status).toBe(200)
    const [route, upstream] = asked
    expect(asked).toHaveLength(2)
    expect(route!.body).toEqual(upstream!.body)
    expect(route!.body).toMatchObject({ model: 'gpt-4o-mini' })
    const [system, user] = route!.body['messages'] as { content: string }[]
    expect(system!.content).toContain('Tuesday')
    expect(user!.content).toBe('Where is\nmy card?')
    const common = { authorization: `Bearer ${KEY}`, 'x-promptintern-capture': 'false' }
    expect(route!.headers).toEqual(common)
    expect(upstream!.headers).toEqual({ ...common, 'x-promptintern-bypass': 'true' })
  })

  it('shows both answers with tokens, latency, confidence, and why a route did not answer', async () => {
    const markup = await (await ask()).text()
    expect(markup).toContain('The answers differ')
    for (const text of ['the small model', '90.5 %', '1,200', 'routes'])
      expect(markup).toContain(text)
    answers.route = answer('stolen_card', {
      'x-promptintern-route': 'fallback',
      'x-promptintern-reason': 'low-confidence',
    })
    const fallback = await (await ask()).text()
    expect(fallback).toContain('Both answers are equal')
    expect(fallback).toContain('its confidence was below the threshold')
  })

  it('shows what the upstream refuses', async () => {
    const text = JSON.stringify({ error: { message: 'no such model' } })
    answers.upstream = { status: 404, headers: {}, text }
    const markup = await (await ask()).text()
    expect(markup).toContain('status 404')
    expect(markup).toContain('no such model')
  })

  it.each([
    '"abc"',
    '{"choices":"abc"}',
    '{"choices":[null]}',
    '{"choices":[{"message":null}]}',
    '{"choices":[{"message":{"content":5}}]}',
    '{"model":{},"choices":[{"message":{"content":"a"}}],"usage":"b"}',
    '{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":"b"}}',
    '<html>\u0000',
  ])('shows an answer of any shape: %s', async (text) => {
    answers.upstream = { status: 200, headers: {}, text }
    const response = await ask()
    expect(response.status).toBe(200)
    expect(await response.text()).not.toMatch(/NaN|\[object/)
    expect(page.faults).toEqual([])
  })

  it('never shows the key again, and refuses what is none without repeating it', async () => {
    const response = await ask()
    expect(await response.text()).not.toContain(KEY)
    const refused = await ask({ key: `${KEY} \u0001x` })
    expect(refused.status).toBe(400)
    expect(await refused.text()).not.toContain(KEY)
    expect(asked).toHaveLength(2)
    expect((await ask({ query: ' ' })).status).toBe(400)
  })

  it('has the request for curl, Node and Python, with the key as a variable', async () => {
    const markup = await (await ask({ query: HOSTILE })).text()
    for (const text of [
      'curl -sS http://localhost/v1',
      'new OpenAI(',
      'OpenAI(base_url=',
      '$OPENAI_API_KEY',
    ])
      expect(markup.replaceAll('&quot;', '"')).toContain(text)
    expect(markup).not.toContain('<script>alert')
  })

  it('has the address by which the browser came, also behind a balancer that ends TLS', async () => {
    const response = await page.request('/admin/try?template=version-1', {
      headers: { 'x-forwarded-proto': 'https' },
    })
    expect(await response.text()).toContain('curl -sS https://localhost/v1/chat/completions')
  })

  // a request past all routes goes to UPSTREAM_BASE_URL, and the key is another provider's
  it('sends no key to another upstream than the one of the model', async () => {
    const page2 = await openPage({
      store: page.store,
      hasOwnUpstream: (model) => model === 'gpt-4o-mini',
      askProxy: async (_body, headers) => {
        asked.push({ body: {}, headers })
        return answers.route
      },
    })
    await page2.signIn()
    const response = await page2.submit('/admin/try?template=version-1', '/admin/try', {
      query: 'a',
      key: KEY,
    })
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('UPSTREAMS_FILE')
    expect(asked).toEqual([])
    await page2.close()
  })

  it('says when no answer comes', async () => {
    const page2 = await openPage({ store: page.store })
    await page2.signIn()
    const response = await page2.submit('/admin/try?template=version-1', '/admin/try', {
      query: 'a',
      key: KEY,
    })
    expect(response.status).toBe(502)
    expect(page2.faults).toHaveLength(1)
    await page2.close()
  })

  it('fills a form without a logged request, and says so', async () => {
    await page.store.records.forget({ recordIds: ['record-1', 'record-2'] })
    expect(await page.view('/admin/try?template=version-1')).toContain('The log has no request')
    expect((await page.request('/admin/try?template=unknown')).status).toBe(404)
  })
})
