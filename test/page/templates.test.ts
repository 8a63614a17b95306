/** Templates: what a person reads of them, how they find one, and what they decide. */
import { reasonOf } from '../../src/core/reason.ts'
import { saidBy } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import { createTrainingTerms } from '../../src/core/terms/terms.ts'
import type { Slot, Template, TemplateMessage } from '../../src/core/template/template.ts'
import { addTraffic } from '../kit/store/add-traffic.ts'
import {
  exampleApproved,
  exampleInternalization,
  exampleRecord,
  exampleRoute,
  exampleTemplate,
  LIVE_STATE,
} from '../kit/records/examples.ts'
import { linkIn, openPage, usePage } from './harness.ts'

const HOSTILE = '</pre><script>alert(1)</script><svg onload=alert(2)>\u202E"\'&'

const anchored = (version: string, text: string, changes: Partial<Template> = {}): Template => ({
  ...exampleTemplate(version),
  messages: [
    { role: 'system', segments: [{ kind: 'anchor', text }] },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
  ...changes,
})

const slot = (changes: Partial<Slot> = {}): Slot => ({
  kind: 'slot',
  name: 'plan',
  type: 'enum',
  values: ['free', 'pro'],
  maxChars: 4,
  multiline: false,
  kept: true,
  test: {
    reason: 'predicts-answer',
    mask: null,
    probability: 0.001,
    distinct: 2,
    samples: 300,
    seen: [],
  },
  ...changes,
})

describe('templates', () => {
  const page = usePage()

  const log = (version: string, ...indices: number[]) =>
    addTraffic(
      page.store,
      indices.map((index) => exampleRecord(index)),
      version
    )

  describe('list', () => {
    it('says what will appear there while there is none', async () => {
      expect(await page.view('/admin/templates')).toContain('No recurring prompt was found yet')
    })

    it('begins with the template that has the most requests, and shows where each stands', async () => {
      await page.store.templates.upsert([exampleTemplate('few'), exampleTemplate('many')])
      await log('few', 1)
      await log('many', 2, 3)
      await page.store.internalizations.create(exampleApproved('i', { templateVersion: 'few' }))
      const markup = await page.view('/admin/templates')
      expect(markup.indexOf('>many<')).toBeLessThan(markup.indexOf('>few<'))
      expect(markup).toContain('waits for a decision')
      expect(markup).toContain('60.0 %')
      expect(markup).toContain('watched')
      expect(markup).toContain('2 templates, page 1 of 1')
    })

    it.each([
      ['a text of the prompt, in any case', 'text=WIDGETS', ['b']],
      ['a version', 'text=templ', []],
      ['a tenant', 'tenant=other', ['c']],
      ['a state', 'state=approval', ['a']],
      ['a live route beside a newer candidate', 'state=live', ['b']],
      ['no internalization', 'state=watched', ['c']],
      ['two filters', 'state=approval&tenant=other', []],
    ])('is filtered by %s', async (_name, query, found) => {
      const { templates, internalizations, routes } = page.store
      await templates.upsert([
        anchored('a', 'Sort the mail.'),
        anchored('b', 'Count the widgets.'),
        anchored('c', 'Sort the mail.', { tenant: 'other' }),
      ])
      await internalizations.create(exampleApproved('of-a', { templateVersion: 'a' }))
      await internalizations.create(
        exampleApproved('live', { templateVersion: 'b', state: LIVE_STATE })
      )
      await routes.put({ ...exampleRoute('b'), internalizationId: 'live' })
      await internalizations.create(exampleInternalization('next', { templateVersion: 'b' }))
      const markup = await page.view(`/admin/templates?${query}`)
      const shown = [...markup.matchAll(/href="\/admin\/templates\/(\w)"/g)].map(([, name]) => name)
      expect(shown).toEqual(found)
      if (found.length === 0) expect(markup).toContain('No template matches the filter')
    })

    it('has fifty rows a page, and keeps the filter from page to page', async () => {
      const versions = Array.from({ length: 120 }, (_, at) => `v${String(at).padStart(3, '0')}`)
      await page.store.templates.upsert(versions.map((version) => anchored(version, 'Mail & more')))
      const first = await page.view('/admin/templates?text=mail+%26')
      expect(first.match(/href="\/admin\/templates\/v/g)).toHaveLength(50)
      expect(first).toContain('120 templates, page 1 of 3')
      const next = linkIn(first, 'Next page')
      expect(next).toBe('/admin/templates?text=mail%20%26&page=2')
      expect(await page.view(next)).toContain('page 2 of 3')
      const last = await page.view('/admin/templates?page=99')
      expect(last.match(/href="\/admin\/templates\/v/g)).toHaveLength(20)
      expect(last).not.toContain('Next page')
    })

    it('leaves out whether they pay until it is asked for, because the log must be read for it', async () => {
      await page.store.templates.upsert([exampleTemplate('a')])
      await log('a', 1)
      const before = await page.view('/admin/templates')
      expect(before).toContain('not calculated')
      const link = linkIn(before, 'Calculate it now')
      const after = await page.view(link)
      expect(after).not.toContain('Calculate it now')
      expect(after).toContain('not known')
      expect(await page.view('/admin/templates')).not.toContain('Calculate it now')
    })
  })

  describe('one', () => {
    it('marks each part of its prompt in words, and says what the lora gets', async () => {
      const messages: TemplateMessage[] = [
        {
          role: 'system',
          segments: [
            { kind: 'anchor', text: 'Sort the mail of the plan ' },
            slot(),
            slot({ name: 'day', type: 'short', kept: false, shapes: ['0'], test: undefined }),
            {
              kind: 'examples',
              name: 'shots',
              pool: {
                division: { start: null, labels: [], forms: [], lead: '', tail: '' },
                known: ['one', 'two', '~gap'],
                seen: ['Order: teal <b>'],
                maxChars: 99,
              },
            },
          ],
        },
        { role: 'user', segments: [{ kind: 'query' }] },
      ]
      await page.store.templates.upsert([{ ...exampleTemplate('a'), messages, caller: 'key-7' }])
      const markup = await page.view('/admin/templates/a')
      expect(markup).toContain('Sort the mail of the plan ')
      expect(markup).toContain('<mark class="slot"><b>slot</b> plan</mark>')
      expect(markup).toContain('<mark class="slot"><b>slot</b> day (left out)</mark>')
      expect(markup).toContain('<mark class="examples"><b>examples</b> shots</mark>')
      expect(markup).toContain('<mark class="query"><b>query</b></mark>')
      expect(markup).toContain('free · pro')
      expect(markup).toContain('the answer depends on it')
      expect(markup).toContain('p = 0.0010 under the hypothesis of no effect')
      expect(markup).toContain('constant text of 26 characters')
      expect(markup).toContain('a value of one of 1 known shapes')
      expect(markup).toContain('examples from a set of 2 known ones, unchanged')
      expect(markup).toContain('Order: teal &lt;b&gt;')
      expect(markup).toMatch(/came from one key,[^]*key-7/u)
      const text = await page.request('/admin/templates/a/prompt.txt')
      expect(await text.text()).toContain(
        'Sort the mail of the plan {slot plan}{slot day, left out}{examples shots}'
      )
    })

    it('shows its internalizations, and what happened with who and why', async () => {
      await page.store.templates.upsert([exampleTemplate()])
      const { internalizations } = page.store
      await internalizations.create(exampleInternalization('internalization-1'), 'cli')
      await internalizations.save(
        {
          ...exampleInternalization(),
          state: { name: 'failed', reason: saidBy(`engine ${HOSTILE}`) },
        },
        'worker',
        30_000
      )
      const markup = await page.view('/admin/templates/version-1')
      expect(markup).toContain('href="/admin/internalizations/internalization-1"')
      expect(markup).toContain('waits for the worker')
      expect(markup).toContain('engine &lt;/pre&gt;&lt;script&gt;')
      expect(markup.indexOf('1970-01-01 00:00</time>')).toBeGreaterThan(0)
      expect(markup).toMatch(/cli<\/bdi>/)
    })

    it('says what twice the exchanges proved, with the exchanges of each try', async () => {
      await page.store.templates.upsert([exampleTemplate()])
      const { plan, verdict } = exampleApproved()
      const winner = verdict!.arms[verdict!.arm]!
      const tries = [
        ['first', 300, 'reject', 0.3],
        ['second', 600, 'promote', 0.41],
        ['third', 1_200, 'promote', 0.63],
      ] as const
      for (const [id, exchanges, decision, coverage] of tries) {
        await page.store.internalizations.create(
          exampleApproved(id, {
            state: { name: 'retired', reason: reasonOf('replaced', { by: 'x' }) },
            plan: { ...plan!, population: { ...plan!.population, exchanges } },
            verdict: {
              ...verdict!,
              verdict: decision,
              arms: verdict!.arms.with(verdict!.arm, { ...winner, coverage }),
            },
          })
        )
        const markup = await page.view('/admin/templates/version-1')
        if (id === 'first') expect(markup).not.toContain('exchanges proved')
        if (id === 'second')
          expect(markup).toContain(
            '600 exchanges proved 41.0 % coverage, 41.0 points more than 300'
          )
      }
      const markup = await page.view('/admin/templates/version-1')
      expect(markup).toContain('1,200 exchanges proved 63.0 % coverage, 22.0 points more than 600')
      expect(markup).toMatch(/<td[^>]*>1,200<\/td>/)
    })

    it('says what the terms of its upstream say about training, of both kinds until one is known', async () => {
      const standard = { baseUrl: 'https://api.openai.com/v1' }
      const terms = createTrainingTerms({ standard, upstreams: [], consent: [] })
      const other = await openPage({ terms })
      try {
        await other.signIn()
        await other.store.templates.upsert([exampleTemplate()])
        const both = await other.view('/admin/templates/version-1')
        expect(both).toContain('(api.openai.com) allow training on labels and fields')
        expect(both).toContain('do not plainly allow training on written answers')
        expect(both).toContain('version of 2026-01-01')
        expect(both.split('training needs TRAINING_CONSENT')).toHaveLength(2)
        expect(both).toContain('href="https://openai.com/policies/services-agreement/"')
        const reason = reasonOf('consent-needed', terms.whyNot('any', 'code')!)
        await other.store.internalizations.create(
          exampleInternalization('internalization-1', {
            state: { name: 'rejected', reason, isUntrained: true },
          })
        )
        const refused = await other.view('/admin/templates/version-1')
        expect(refused).not.toContain('training on labels and fields')
        expect(refused).toContain('TRAINING_CONSENT=api.openai.com and restart the proxy')
      } finally {
        await other.close()
      }
    })

    it('begins an internalization, once, in the name of the person', async () => {
      await page.signIn(undefined, 'Ada')
      await page.store.templates.upsert([exampleTemplate()])
      const path = '/admin/templates/version-1'
      const answer = await page.submit(path, `${path}/internalize`, { reason: ' new wording ' })
      expect(answer.headers.get('location')).toBe(path)
      const [row] = await page.store.internalizations.list()
      expect(row).toMatchObject({ templateVersion: 'version-1', state: { name: 'candidate' } })
      expect(await page.store.internalizations.history(row!.id)).toMatchObject([
        { by: 'admin (Ada)', note: 'new wording' },
      ])
      expect(await page.view(path)).toContain('new wording')
      expect(await page.view(path)).not.toContain(`action="${path}/internalize"`)
    })

    it('is known by its label, which a person gives and takes away', async () => {
      await page.store.templates.upsert([exampleTemplate()])
      const path = '/admin/templates/version-1'
      const label = (text: string) => page.submit(path, `${path}/label`, { label: text })
      expect((await label(' Intents <b>\u202E ')).headers.get('location')).toBe(path)
      expect(await page.view(path)).toContain('<h1>Template Intents &lt;b&gt;‹RLO›</h1>')
      expect(await page.view('/admin/templates?text=intents')).toContain('Intents &lt;b&gt;')
      expect((await label('x'.repeat(61))).status).toBe(400)
      await label(' ')
      expect(await page.view(path)).toContain('<h1>Template assistant of a bank</h1>')
      expect((await page.store.templates.labels()).size).toBe(0)
    })

    it('has rules for fields, which a person sets with a reason and removes', async () => {
      await page.signIn(undefined, 'Ada')
      await page.store.templates.upsert([exampleTemplate()])
      const path = '/admin/templates/version-1'
      const set = (fields: Record<string, string>) => page.submit(path, `${path}/field`, fields)
      expect(await page.view(path)).toContain('Every field of an answer is compared as it is')
      const cents = { path: ' order.total ', rule: 'rounded', step: '0.01', reason: '<b>cents' }
      expect((await set(cents)).headers.get('location')).toBe(path)
      for (const wrong of [
        { reason: ' ' },
        { step: '' },
        { step: 'x' },
        { rule: '' },
        { path: 'a b' },
      ])
        expect((await set({ ...cents, ...wrong })).status).toBe(400)
      expect(await page.store.templates.fields('version-1')).toEqual([
        {
          path: 'order.total',
          rule: { kind: 'rounded', to: 0.01 },
          by: 'admin (Ada)',
          why: '<b>cents',
          at: page.clock.now,
        },
      ])
      const markup = await page.view(path)
      for (const words of ['rounded to 0.01', 'admin (Ada)', '&lt;b&gt;cents'])
        expect(markup).toContain(words)
      await set({ path: 'reply', rule: 'written', step: '', reason: 'no two are equal' })
      expect(await page.store.templates.fields('version-1')).toMatchObject([
        { path: 'order.total' },
        { path: 'reply', rule: { kind: 'written' } },
      ])
      await page.submit(path, `${path}/remove-field`, { path: 'reply' })
      await page.submit(path, `${path}/remove-field`, { path: 'order.total' })
      expect(await page.store.templates.fields('version-1')).toEqual([])
      expect(await page.view(path)).not.toContain(`action="${path}/remove-field"`)
    })

    it('refuses a reason that is longer than the history keeps', async () => {
      await page.store.templates.upsert([exampleTemplate()])
      const path = '/admin/templates/version-1'
      const answer = await page.submit(path, `${path}/internalize`, { reason: 'x'.repeat(301) })
      expect(answer.status).toBe(400)
      expect(await page.store.internalizations.list()).toEqual([])
    })

    it('that is unknown is not found', async () => {
      for (const path of ['nothing', 'nothing/prompt.txt', 'nothing/diff/nothing'])
        expect((await page.request(`/admin/templates/${path}`)).status).toBe(404)
    })

    it('escapes hostile text everywhere, and cuts a megabyte to what can be read', async () => {
      const version = `v/"<b>?#${'x'.repeat(20)}`
      const hostile = {
        ...exampleTemplate(version),
        tenant: HOSTILE,
        model: HOSTILE,
        messages: [
          {
            role: HOSTILE,
            segments: [
              { kind: 'anchor' as const, text: HOSTILE + '\u{1F600}x'.repeat(400_000) },
              slot({ name: HOSTILE, values: [HOSTILE] }),
            ],
          },
        ],
      }
      await page.store.templates.upsert([hostile])
      const address = `/admin/templates/${encodeURIComponent(version)}`
      for (const path of [
        '/admin/templates',
        address,
        `${address}/diff/${encodeURIComponent(version)}`,
      ]) {
        const markup = await page.view(path)
        expect(markup).not.toMatch(/<script>|<svg|<b>\?/)
        expect(markup.replaceAll(/ value="[^"]*"/g, '')).not.toContain('\u202E')
        expect(markup.length).toBeLessThan(150_000)
      }
      expect(await page.view(address)).toContain('more characters are not shown')
      const text = await page.request(`${address}/prompt.txt`)
      expect(text.headers.get('content-type')).toBe('text/plain; charset=utf-8')
      expect(text.headers.get('x-content-type-options')).toBe('nosniff')
      expect((await text.text()).length).toBeGreaterThan(1_000_000)
    })

    it('sends a script that asks for the whole text to the text itself, so that it is never markup', async () => {
      await page.store.templates.upsert([anchored('a', HOSTILE)])
      const path = '/admin/templates/a/prompt.txt'
      const response = await page.request(path, { headers: { 'hx-request': 'true' } })
      expect(response.headers.get('hx-redirect')).toBe(path)
      expect(await response.text()).toBe('')
    })
  })

  it('has links both ways between a template and the one that follows it', async () => {
    const old = exampleTemplate('old')
    const fresh = { ...exampleTemplate('fresh'), model: 'gpt-6-luna', movedFrom: 'old' }
    await page.store.templates.upsert([old, fresh])
    await page.store.internalizations.create(
      exampleInternalization('i', { templateVersion: 'old' })
    )
    const bought = { of: 'record-1', at: 9_000, conversation: 'record-1' }
    const records = [exampleRecord(2, { model: 'gpt-6-luna', bought })]
    await addTraffic(page.store, records, 'fresh')
    const markup = await page.view('/admin/templates/fresh')
    expect(markup).toMatch(/It follows <a href="\/admin\/templates\/old">.* to .*gpt-6-luna/)
    expect(markup).toContain('Bought answers')
    // the history is of both
    expect(markup).toContain('href="/admin/internalizations/i"')
    const back = await page.view('/admin/templates/old')
    expect(back).toMatch(/It is followed by <a href="\/admin\/templates\/fresh">.*proving\)/)
    expect(back).not.toContain('Bought answers')
    const list = await page.view('/admin/templates')
    expect(list).toContain('follows <a href="/admin/templates/old">')
    expect(await page.view('/admin/records/record-2')).toMatch(
      /bought for a move to this model.*href="\/admin\/records\/record-1"/s
    )
  })

  describe('versions of a prompt', () => {
    const LINES = Array.from({ length: 20 }, (_, at) => `Rule ${at} is to be kept.`)

    it('are those of the same tenant and model with half of the lines', async () => {
      await page.store.templates.upsert([
        anchored('a', LINES.join('\n')),
        anchored('edited', [...LINES.slice(0, 19), 'Another rule.'].join('\n')),
        anchored('in-one-line', LINES.join(' ')),
        anchored('third', LINES.slice(0, 7).join('\n')),
        anchored('elsewhere', LINES.join('\n'), { tenant: 'other' }),
        anchored('of-another-model', LINES.join('\n'), { model: 'other' }),
      ])
      const markup = await page.view('/admin/templates/a')
      const shown = [...markup.matchAll(/href="\/admin\/templates\/a\/diff\/([\w-]+)"/g)]
      expect(shown.map(([, version]) => version)).toEqual(['in-one-line', 'edited'])
      expect(markup).toContain('95.0 %')
    })

    it('are compared word by word, with equal lines left out', async () => {
      await page.store.templates.upsert([
        anchored('a', [...LINES, 'Answer in German.'].join('\n')),
        anchored('b', [...LINES, 'Answer in French.', 'Be short.'].join('\n')),
      ])
      const markup = await page.view('/admin/templates/a/diff/b')
      expect(markup).toMatch(/<del><bdi class="text">German<\/bdi><\/del>/)
      expect(markup).toMatch(/<ins><bdi class="text">French<\/bdi><\/ins>/)
      expect(markup).toContain('equal lines')
      expect(markup).not.toContain('Rule 10 ')
    })

    it('that differ in more than text say so', async () => {
      await page.store.templates.upsert([
        anchored('a', 'x'),
        anchored('b', 'x', { tools: 'digest', maxTurnsAfter: 4 }),
      ])
      const markup = await page.view('/admin/templates/a/diff/b')
      expect(markup).toContain('They also differ in the tools, the turns that may follow.')
      expect(markup).toContain('The text is the same.')
    })
  })
})
