/** The worker reads when the upstreams retire their models. */
import { describe, expect, it } from 'vitest'
import { DAY_MS } from '../../src/core/days.ts'
import {
  readAnnounced,
  readMarked,
  saveAnnounced,
} from '../../src/savings/announced-retirements.ts'
import { createModelLists, openRetirements, shutdownDates } from '../../src/worker/retirements.ts'
import { openStore } from '../kit/store/local-store.ts'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const LIST = JSON.stringify({
  object: 'list',
  data: [
    { id: 'gpt-4o', object: 'model', created: 1, owned_by: 'system', shutdown_date: '2027-01-14' },
    { id: 'gpt-6-luna', object: 'model', created: 1, owned_by: 'system', shutdown_date: null },
    { id: 'other', shutdown_date: 'soon' },
    { id: 7, shutdown_date: '2027-01-14' },
    null,
  ],
})

const upstream = (name: string, apiKey: string | null) => ({
  name,
  baseUrl: `https://${name}.example/v1`,
  apiKey,
  models: [],
  fallback: [],
})

const answering = (body: string, status = 200) => {
  const asked: [string, string | null][] = []
  const fetchIt = ((url: string, init: RequestInit) => {
    asked.push([url, new Headers(init.headers).get('authorization')])
    return Promise.resolve(new Response(body, { status }))
  }) as typeof fetch
  return { asked, fetch: fetchIt }
}

describe('lists of models', () => {
  it('have the days of shutdown, whatever else they have', () => {
    expect(shutdownDates(LIST)).toEqual({ 'gpt-4o': '2027-01-14' })
    expect(() => shutdownDates('{"error":{}}')).toThrow('no list of models')
    expect(() => shutdownDates('<html>')).toThrow()
  })

  it('are asked of each upstream with its key, and of none without one', async () => {
    const { asked, fetch } = answering(LIST)
    const upstreams = [upstream('keyed', 'sk-2'), upstream('bare', null)]
    expect(createModelLists({ standard: upstream('a', null), upstreams: [], fetch })).toBeNull()
    const lists = createModelLists({ standard: upstream('main', 'sk-1'), upstreams, fetch })!()
    expect(lists.map(({ host }) => host)).toEqual(['main.example', 'keyed.example'])
    for (const { list } of lists) expect(await list()).toBe(LIST)
    expect(asked).toEqual([
      ['https://main.example/v1/models', 'Bearer sk-1'],
      ['https://keyed.example/v1/models', 'Bearer sk-2'],
    ])
  })

  it('are asked again for the marked models, where the upstream marks some', async () => {
    const { asked, fetch } = answering(LIST)
    const router = { baseUrl: 'https://openrouter.ai/api/v1', apiKey: 'sk-or' }
    const [one] = createModelLists({ standard: router, upstreams: [], fetch })!()
    await one!.marked!()
    expect(asked).toEqual([
      ['https://openrouter.ai/api/v1/models?distillable=true', 'Bearer sk-or'],
    ])
  })

  it.each([
    ['a refusal', answering('no', 404), 'it answered with 404'],
    ['a flood', answering('x'.repeat(4_000_001)), 'more than 4000000 bytes'],
  ])('end at %s', async (_name, { fetch }, said) => {
    const [one] = createModelLists({ standard: upstream('a', 'sk'), upstreams: [], fetch })!()
    await expect(one!.list()).rejects.toThrow(said)
  })
})

const listOf = (list: () => Promise<string>, isAsked = (_model: string) => true) => [
  { host: 'api.example', list, isAsked },
]

const open = async (lists: ReturnType<typeof listOf>) => {
  const store = await openStore({ dataDir: mkdtempSync(join(tmpdir(), 'promptintern-retire-')) })
  const clock = { now: Date.parse('2026-12-01') }
  const said: string[] = []
  const reader = () =>
    openRetirements({
      store,
      readModelLists: () => lists,
      deprecatedOn: (model) => (model === 'priced' ? '2027-05-05' : '2030-01-01'),
      now: () => clock.now,
      log: ({ message }) => void said.push(message),
    })
  return { store, clock, said, reader }
}

const day = (id: string, shutdown_date: string) => ({ id, shutdown_date })

describe('the days on which models are retired', () => {
  it('are read once a day, kept in the store, and count before those of prices', async () => {
    let asked = 0
    const { store, clock, reader } = await open(listOf(() => Promise.resolve((asked++, LIST))))
    const retirements = await reader()
    expect(retirements.on('gpt-4o')).toBe('2030-01-01')
    await retirements.step()
    await retirements.step()
    expect(asked).toBe(1)
    expect([retirements.on('gpt-4o'), retirements.on('gpt-4o-2024-08-06')]).toEqual([
      '2027-01-14',
      '2027-01-14',
    ])
    expect(retirements.on('priced')).toBe('2027-05-05')
    expect(retirements.on('constructor')).toBe('2030-01-01')
    expect(await readAnnounced(store)).toMatchObject({ on: { 'gpt-4o': '2027-01-14' } })
    const again = await reader()
    await again.step()
    expect(asked).toBe(1)
    clock.now += DAY_MS
    await again.step()
    expect(asked).toBe(2)
    await store.close()
  })

  it('are kept beside the models that an upstream marks, which end with its list', async () => {
    const { store } = await open([])
    let marked = LIST
    const list = { list: () => Promise.resolve(LIST), isAsked: () => true }
    const lists = [
      { ...list, host: 'a', marked: () => Promise.resolve(marked) },
      { ...list, host: 'b' },
    ]
    const clock = { now: 0 }
    const retirements = await openRetirements({
      store,
      readModelLists: () => lists,
      deprecatedOn: () => null,
      now: () => clock.now,
      log: () => {},
    })
    expect(await readMarked(store)).toEqual(new Set())
    await retirements.step()
    expect(await readMarked(store)).toEqual(new Set(['gpt-4o', 'gpt-6-luna', 'other']))
    marked = '<html>'
    clock.now += DAY_MS
    await retirements.step()
    expect(await readMarked(store)).toEqual(new Set())
    await store.close()
  })

  it('are without marked models once no list is read, as after the API key is gone', async () => {
    const { store } = await open([])
    await saveAnnounced(store, { at: 0, on: { 'gpt-4o': '2027-01-14' }, marked: ['gpt-4o'] })
    const retirements = await openRetirements({
      store,
      readModelLists: null,
      deprecatedOn: () => null,
      now: () => 365 * DAY_MS,
      log: () => {},
    })
    await retirements.step()
    expect(await readMarked(store)).toEqual(new Set())
    expect(retirements.on('gpt-4o')).toBe('2027-01-14')
    await store.close()
  })

  it('stay as they were where the upstream cannot be asked, which is said', async () => {
    const answers = [LIST, null, LIST]
    const { store, clock, said, reader } = await open(
      listOf(() => {
        const next = answers.shift()!
        return next === null ? Promise.reject(new Error('away')) : Promise.resolve(next)
      })
    )
    const retirements = await reader()
    await retirements.step()
    clock.now += DAY_MS
    await retirements.step()
    expect(said).toEqual(['when api.example retires its models cannot be read: away'])
    expect(retirements.on('gpt-4o')).toBe('2027-01-14')
    clock.now += 3_600_000
    await retirements.step()
    expect(answers).toEqual([])
    await store.close()
  })

  it('are those of the upstream that the model goes to', async () => {
    const bodies: Record<string, string | null> = {
      'main.example': JSON.stringify({
        data: [day('gpt-4o', '2027-01-14'), day('own', '2027-03-01')],
      }),
      'other.example': JSON.stringify({
        data: [day('gpt-4o', '2026-12-24'), day('own', '2028-01-01')],
      }),
    }
    const fetch = ((url: string) => {
      const body = bodies[new URL(url).host]
      return body == null ? Promise.reject(new Error('away')) : Promise.resolve(new Response(body))
    }) as typeof globalThis.fetch
    const upstreams = [{ ...upstream('other', 'sk-2'), models: ['own*'] }]
    const standard = upstream('main', 'sk-1')
    const lists = createModelLists({ standard, upstreams, fetch })!()
    const { store, clock, reader } = await open(lists)
    const retirements = await reader()
    await retirements.step()
    const days = () => [retirements.on('gpt-4o'), retirements.on('own')]
    expect(days()).toEqual(['2027-01-14', '2028-01-01'])
    // one list alone cannot be read: what was known of its models stays
    bodies['other.example'] = null
    bodies['main.example'] = JSON.stringify({ data: [day('gpt-4o', '2027-02-01')] })
    clock.now += DAY_MS
    await retirements.step()
    expect(days()).toEqual(['2027-02-01', '2028-01-01'])
    await store.close()
  })
})
