/** Records: what a person reads of them, and what one who only looks does not. */
import { describe, expect, it } from 'vitest'
import { DAY_MS } from '../../src/core/days.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { readImportLine } from '../../src/core/log/import-line.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { addPairs } from '../kit/records/audited.ts'
import { exampleOutcome, exampleRecord, exampleTemplate } from '../kit/records/examples.ts'
import { linkIn, openPage, usePage } from './harness.ts'

const HOSTILE = '</pre><script>alert(1)</script><svg onload=alert(2)>\u202E'

const bodies = (request: unknown, response: unknown): Partial<ExchangeRecord> => ({
  request: JSON.stringify(request),
  response: JSON.stringify(response),
})

const asked = (content: string): string =>
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] })

const answered = (content: string): string =>
  JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content } }] })

/** Bodies of which one member is any JSON. */
const withContent = (json: string): string =>
  `{"model":"m","messages":[{"role":"user","content":${json}}]}`
const withChoices = (json: string): string => `{"model":"m","choices":${json}}`

const at = (text: string): number => Date.parse(`${text}Z`)

describe('records', () => {
  const page = usePage({ costUsd: (_model, usage) => usage && usage.prompt_tokens / 1000 })

  const log = (...records: ExchangeRecord[]) => page.store.records.append(batchOf(records))

  const file = async (name: string): Promise<[Response, string]> => {
    const response = await page.request(`/admin/records/export.${name}`)
    return [response, await response.text()]
  }

  const shown = async (path: string): Promise<string[]> =>
    [...(await page.view(path)).matchAll(/href="\/admin\/records\/(record-\d+)"/g)].map(
      ([, id]) => id!
    )

  describe('list', () => {
    it('says when the log is empty', async () => {
      const markup = await page.view('/admin/records')
      expect(markup).toContain('No record matches.')
      expect(markup).not.toContain('aria-label="Pages"')
    })

    it('shows the newest first, with what became of each', async () => {
      await page.store.templates.upsert([exampleTemplate()])
      await page.store.templates.label('version-1', 'Mail & intents')
      await log(
        exampleRecord(1, { route: exampleOutcome() }),
        exampleRecord(2, {
          route: exampleOutcome({ outcome: 'skipped', reason: 'audit' }),
          durationMs: 1234,
          status: 500,
        }),
        exampleRecord(3, { usage: null })
      )
      expect(await shown('/admin/records')).toEqual(['record-3', 'record-2', 'record-1'])
      const markup = await page.view('/admin/records')
      for (const text of [
        'small model answered',
        'not asked</span>',
        'drawn at random for an audit',
        'no live route',
        '>500<',
        '1.2 s',
        '802 + 4',
        '$0.80',
        'Mail &amp; intents',
      ])
        expect(markup).toContain(text)
    })

    it('begins each question, for those who may read it, as text', async () => {
      const content = `first ${HOSTILE} ${'x'.repeat(500)} end`
      const messages = [
        { role: 'user', content: 'an earlier turn' },
        { role: 'assistant', content: 'an answer' },
        { role: 'user', content },
      ]
      await log(
        exampleRecord(1, { request: JSON.stringify({ model: 'm', messages }) }),
        exampleRecord(2, { request: '' }),
        exampleRecord(3, { request: 'no JSON' })
      )
      const markup = await page.view('/admin/records')
      expect(markup).toContain('first &lt;/pre&gt;')
      expect(markup).not.toMatch(/<script>alert|an earlier turn|an answer|xxx end|\u202E/)
      expect(markup.match(/class="preview"/g)).toHaveLength(1)
    })

    it('searches in what the user wrote and what was answered, in any case', async () => {
      await log(
        exampleRecord(1, { request: asked('Where is "my" Card?'), response: answered('lost') }),
        exampleRecord(2, { request: asked('hello'), response: answered('Your CARD is blocked') }),
        exampleRecord(3, { request: asked('hello'), response: answered('hi') })
      )
      expect(await shown('/admin/records?text=card')).toEqual(['record-2', 'record-1'])
      expect(await shown('/admin/records?text=%22my%22%20card')).toEqual(['record-1'])
      // the prompt is in every request, and the template finds it
      expect(await shown('/admin/records?text=role')).toEqual([])
    })

    it('is of a range of time in UTC, with whole days and minutes', async () => {
      await log(
        exampleRecord(1, { at: at('2026-11-28T23:59:59.999') }),
        exampleRecord(2, { at: at('2026-11-29T00:00') }),
        exampleRecord(3, { at: at('2026-11-29T10:00:59') }),
        exampleRecord(4, { at: at('2026-11-30T00:00') })
      )
      expect(await shown('/admin/records?from=2026-11-29&to=2026-11-29')).toEqual([
        'record-3',
        'record-2',
      ])
      expect(await shown('/admin/records?to=2026-11-29T10:00')).toEqual([
        'record-3',
        'record-2',
        'record-1',
      ])
      expect(await shown('/admin/records?from=2026-11-29T10:01')).toEqual(['record-4'])
      expect((await page.request('/admin/records?from=yesterday')).status).toBe(400)
    })

    it('finds a template by the start of its version', async () => {
      await page.store.templates.upsert([exampleTemplate('abcdef0123')])
      await log(exampleRecord(1), exampleRecord(2))
      await page.store.records.tagTemplate(['record-1'], 'abcdef0123')
      expect(await shown('/admin/records?template=abcde')).toEqual(['record-1'])
    })

    it.each([
      ['template=version-1', ['record-4', 'record-3']],
      ['tenant=other', ['record-2']],
      ['outcome=none', ['record-5', 'record-2', 'record-1']],
      ['outcome=answered&template=version-1', ['record-3']],
      ['status=5xx', ['record-1']],
      ['conversation=record-5', ['record-5']],
      ['outcome=nonsense&status=&after=x', [5, 4, 3, 2, 1].map((index) => `record-${index}`)],
    ])('is filtered by %s', async (query, found) => {
      await log(
        exampleRecord(1, { status: 503 }),
        exampleRecord(2, { tenant: 'other' }),
        exampleRecord(3, { route: exampleOutcome() }),
        exampleRecord(4, {
          route: exampleOutcome({ outcome: 'fallback', reason: 'low-confidence' }),
        }),
        exampleRecord(5)
      )
      expect(await shown(`/admin/records?${query}`)).toEqual(found)
    })

    it('has twenty-five a page, and keeps the filter on the next one', async () => {
      await log(...Array.from({ length: 45 }, (_, index) => exampleRecord(index + 1)))
      const first = await page.view('/admin/records?tenant=tenant-a&status=2xx')
      const next = linkIn(first, 'Next page')
      expect(next).toMatch(/^\/admin\/records\?tenant=tenant-a&status=2xx&after=\d+$/)
      expect(await shown(next)).toHaveLength(20)
      expect(await page.view(next)).toContain(
        'href="/admin/records?tenant=tenant-a&amp;status=2xx">Newest'
      )
    })

    it('says how far a search came that read as much as it may, and goes on from there', async () => {
      await log(exampleRecord(1))
      const [stored] = await page.store.records.byIds(['record-1'])
      const { records } = page.store
      const partial = await openPage({
        store: {
          ...page.store,
          records: {
            ...records,
            search: async ({ after }) => ({
              data: after === undefined ? [stored!] : [],
              next: 77,
              isPartial: true,
              searched: 5000,
            }),
          },
        },
      })
      await partial.signIn()
      const markup = await partial.view('/admin/records?tenant=x')
      expect(markup).toContain(
        'Searched the newest 5,000 records from here on; one of them matches'
      )
      expect(markup).toContain('href="/admin/records?tenant=x&amp;after=77">Continue')
      expect(markup).not.toContain('Next page')
      expect(await partial.view('/admin/records?tenant=x&after=77')).toContain(
        'None of these match'
      )
      await partial.close()
    })

    it('of a conversation that the log does not have is not found', async () => {
      expect((await page.request('/admin/records?conversation=nothing')).status).toBe(404)
    })
  })

  describe('export', () => {
    it('is a table of what fits, in which no text of a client becomes a formula', async () => {
      const request = asked('=HYPERLINK("http://x.example","a")')
      await log(
        exampleRecord(1, { request, model: '+1', route: exampleOutcome() }),
        exampleRecord(2, { tenant: 'other' })
      )
      const [response, text] = await file('csv?tenant=tenant-a')
      expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8')
      expect(response.headers.get('content-disposition')).toMatch(
        /^attachment; filename="records-1970-01-01\.csv"$/
      )
      const [head, row, end, rest] = text.split('\r\n')
      expect(head).toMatch(/^id,at,tenant,model,.*,question,answer$/)
      expect(row).toMatch(/^record-1,1970-01-01T00:00:01\.001Z,tenant-a,'\+1,/)
      expect(row).toContain(`"'=HYPERLINK(""http://x.example"",""a"")",intent_1`)
      expect(end).toBe('# 1 record: all matching records')
      expect(rest).toBe('')
    })

    it('is lines of JSON with both bodies, page after page, with the end as the last line', async () => {
      await log(...Array.from({ length: 450 }, (_, index) => exampleRecord(index + 1)))
      const [, text] = await file('jsonl?status=2xx')
      const lines = text.trim().split('\n')
      expect(lines).toHaveLength(451)
      const first = JSON.parse(lines[0]!) as Record<string, unknown>
      expect(first).toMatchObject({
        id: 'record-450',
        route: null,
        promptTokens: 1250,
        request: { model: 'gpt-4o-mini' },
        response: { id: 'chatcmpl-450' },
      })
      const [imported] = readImportLine(
        { number: 1, text: lines[0]!, at: 0 },
        { tenant: 't', model: 'm', maxBodyBytes: 10_000 }
      )
      expect(imported).toMatchObject({ record: { at: 1_450, model: 'gpt-4o-mini' } })
      expect(JSON.parse(lines[450]!)).toEqual({
        export: { records: 450, isWhole: true, says: '450 records: all matching records' },
      })
    })

    it('ends at its limits, and says so', async () => {
      await log(exampleRecord(1))
      const [stored] = await page.store.records.byIds(['record-1'])
      let searches = 0
      const long = await openPage({
        store: {
          ...page.store,
          records: {
            ...page.store.records,
            search: async () => {
              searches++
              return { data: [stored!], next: 7, isPartial: true, searched: 5_000 }
            },
          },
        },
      })
      await long.signIn()
      const text = await (await long.request('/admin/records/export.csv')).text()
      expect(searches).toBe(20)
      expect(text.trim().split('\r\n').at(-1)).toMatch(/^"?# 20 records, incomplete/)
      await long.close()
    })

    it('of a conversation that the log does not have is not found', async () => {
      const [response] = await file('csv?conversation=nothing')
      expect(response.status).toBe(404)
    })

    it('refuses a third one while two are being read, until one is left', async () => {
      await log(...Array.from({ length: 900 }, (_, index) => exampleRecord(index + 1)))
      const [one] = await Promise.all([1, 2].map(() => page.request('/admin/records/export.jsonl')))
      expect((await page.request('/admin/records/export.csv')).status).toBe(503)
      await one!.body!.cancel()
      expect((await page.request('/admin/records/export.csv')).status).toBe(200)
    })
  })

  // any caller can have such a request logged, and an upstream such an answer
  describe('with bodies of any shape', () => {
    it.each<[string, Partial<ExchangeRecord>]>([
      ...['5', 'true', '{"a":1}', '[null]', '[5]'].map(
        (value): [string, Partial<ExchangeRecord>] => [
          `a question ${value}`,
          { request: withContent(value) },
        ]
      ),
      ...['"a"', '5', '[null]', '[{}]', '[{"message":null}]', '[{"message":{"content":5}}]'].map(
        (value): [string, Partial<ExchangeRecord>] => [
          `choices ${value}`,
          { response: withChoices(value) },
        ]
      ),
    ])('are listed, found and saved: %s', async (_shape, changes) => {
      await log(exampleRecord(1, changes), exampleRecord(2))
      expect(await shown('/admin/records')).toEqual(['record-2', 'record-1'])
      expect(await shown('/admin/records?text=carte')).toContain('record-2')
      expect(await shown('/admin/records?text=content')).toEqual([])
      for (const name of ['csv', 'jsonl'])
        expect((await file(name))[1]).toContain('all matching records')
      await page.view('/admin/records/record-1')
      expect(page.faults).toEqual([])
    })
  })

  describe('one', () => {
    it('is shown role by role, with tools and other fields as JSON', async () => {
      const call = { id: 'call-1', type: 'function', function: { name: 'find', arguments: '{}' } }
      await log(
        exampleRecord(
          1,
          bodies(
            {
              model: 'gpt-4o-mini',
              temperature: 0.25,
              tools: [{ type: 'function', function: { name: 'find' } }],
              messages: [
                { role: 'system', content: 'Be brief.' },
                {
                  role: 'user',
                  content: [
                    { type: 'text', text: 'What is this?' },
                    { type: 'image_url', image_url: { url: 'data:x' } },
                  ],
                },
                { role: 'assistant', content: null, tool_calls: [call] },
                { role: 'tool', tool_call_id: 'call-1', content: 'a cat' },
              ],
            },
            {
              id: 'chatcmpl-7',
              choices: [
                {
                  index: 0,
                  message: { role: 'assistant', content: 'It is a cat.' },
                  finish_reason: 'stop',
                },
              ],
            }
          )
        )
      )
      const markup = await page.view('/admin/records/record-1')
      const roles = [...markup.matchAll(/<h3><bdi>(\w+)<\/bdi><\/h3>/g)].map(([, role]) => role)
      expect(roles).toEqual(['system', 'user', 'assistant', 'tool', 'assistant'])
      for (const text of ['Be brief.', 'What is this?', 'image_url', 'call-1', 'It is a cat.'])
        expect(markup).toContain(text)
      expect(markup).toContain('&quot;temperature&quot;: 0.25')
      expect(markup).toContain('chatcmpl-7')
      expect(markup).toContain('Ended by: <bdi>stop</bdi>')
      expect(markup).toContain('$0.80')
    })

    it('says what became of it, with what the lora saved', async () => {
      await log(
        exampleRecord(1, { route: exampleOutcome() }),
        exampleRecord(2, {
          route: exampleOutcome({ outcome: 'fallback', reason: 'low-confidence' }),
        })
      )
      const first = await page.view('/admin/records/record-1')
      expect(first).toContain('answered by the small model')
      expect(first).toContain('790')
      expect(first).toContain('$0.00')
      const fallback = await page.view('/admin/records/record-2')
      expect(fallback).toContain('answer of the small model not used')
      expect(fallback).toContain('its confidence was below the threshold')
      expect(fallback).toContain('<code>low-confidence</code>')
    })

    it('shows its audit and its feedback', async () => {
      await addPairs(page.store, [{ outcome: 'disagreed' }])
      await page.store.pairs.rate('record-1', 'lora', 9_000)
      await page.store.feedback.put(
        { recordId: 'record-1', by: 'application', rating: 'bad', comment: HOSTILE, at: 9_000 },
        null
      )
      const markup = await page.view('/admin/records/record-1')
      expect(markup).toContain('the small model gave another answer')
      expect(markup).toContain('the small model’s answer is right')
      expect(markup).toContain('The application rated the answer bad')
      expect(markup).toContain('&lt;svg onload')
    })

    it('has its whole texts as plain text, which no browser takes for markup', async () => {
      await log(exampleRecord(1, bodies({ model: 'm', messages: [], x: HOSTILE }, { y: HOSTILE })))
      const stored = (await page.store.records.byIds(['record-1']))[0]!
      for (const [name, text] of [
        ['request', stored.request],
        ['response', stored.response],
      ]) {
        const response = await page.request(`/admin/records/record-1/${name}.txt`)
        expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
        expect(response.headers.get('x-content-type-options')).toBe('nosniff')
        expect(response.headers.get('content-disposition')).toBe(
          `inline; filename="record-1-${name}.txt"`
        )
        expect(await response.text()).toBe(text)
      }
    })

    it('without its bodies says so', async () => {
      await log(exampleRecord(1))
      await page.store.records.prune({ bodies: DAY_MS, records: 0 })
      const markup = await page.view('/admin/records/record-1')
      expect(markup).toContain('The log no longer has it')
      expect(markup).not.toContain('.txt')
      for (const name of ['request', 'response'])
        expect((await page.request(`/admin/records/record-1/${name}.txt`)).status).toBe(404)
    })

    it('that is unknown is not found', async () => {
      for (const path of ['nothing', 'nothing/request.txt', 'nothing/response.txt'])
        expect((await page.request(`/admin/records/${path}`)).status).toBe(404)
    })

    it.each([
      ['is not JSON', '<html>bad gateway</html>'],
      ['is a JSON text', JSON.stringify('bad gateway')],
      ['nests deeper than can be read', `{"messages":${'['.repeat(60_000)}`],
      ['has a message that is no object', '{"model":"m","messages":[1,null,"bad gateway"]}'],
      ['has roles and contents of other types', '{"messages":[{"role":7,"content":{"a":1}}]}'],
    ])('is shown as it was sent where its body %s', async (_name, body) => {
      await log(exampleRecord(1, { request: body, response: body }))
      expect(await page.view('/admin/records/record-1')).toContain('<h2>Answer</h2>')
    })

    it('escapes hostile text, and cuts what is long to what can be read', async () => {
      const long = HOSTILE + 'x'.repeat(200_000)
      const messages = Array.from({ length: 400 }, () => ({ role: HOSTILE, content: long }))
      await log(
        exampleRecord(1, {
          ...bodies(
            { model: HOSTILE, messages: messages.slice(0, 2), [HOSTILE]: long },
            { x: long }
          ),
          tenant: HOSTILE,
          path: HOSTILE,
        }),
        exampleRecord(
          2,
          bodies({ model: 'm', messages: messages.map(() => messages[0]!.role) }, {})
        ),
        exampleRecord(3, bodies({ model: 'm', messages }, { choices: messages }))
      )
      for (const id of ['record-1', 'record-2', 'record-3']) {
        const markup = await page.view(`/admin/records/${id}`)
        expect(markup).not.toMatch(/<script>|<svg|\u202E/)
        expect(markup.length).toBeLessThan(150_000)
      }
      expect(await page.view('/admin/records/record-1')).toContain('more characters')
      expect(await page.view('/admin/records/record-2')).toContain('384 further messages')
    })
  })
})
