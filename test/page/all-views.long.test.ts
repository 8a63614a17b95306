/** Every view, without a script: from an empty store, and from one that is large. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { fillStore, recordIdOf, versionOf } from '../kit/store/large-store.ts'
import { openPage, READ_TOKEN, TOKEN, type Page } from './harness.ts'

const DAY_MS = 86_400_000
const MAX_BYTES = 30 * 1024
/** of one view; more would mean a call for each row of a list */
const MAX_CALLS = 25

const SECTIONS = [
  '/admin',
  '/admin/templates',
  '/admin/records',
  '/admin/jobs',
  '/admin/keys',
  '/admin/forget',
]

/** A store that counts the calls of its methods. */
const counting = (store: Store): { store: Store; calls: string[] } => {
  const calls: string[] = []
  const areas = Object.entries(store).map(([area, methods]) => [
    area,
    typeof methods === 'function'
      ? methods
      : Object.fromEntries(
          Object.entries(methods as Record<string, (...given: unknown[]) => unknown>).map(
            ([name, method]) => [
              name,
              (...given: unknown[]) => {
                calls.push(`${area}.${name}`)
                return method(...given)
              },
            ]
          )
        ),
  ])
  return { store: Object.fromEntries(areas) as Store, calls }
}

/** What a browser needs no script for, and a person who does not see needs. */
const flawsOf = (markup: string): string[] => {
  const levels = [...markup.matchAll(/<h([1-6])/g)].map(([, level]) => Number(level))
  const ids = [...markup.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!)
  const labels = new Set([...markup.matchAll(/<label for="([^"]*)"/g)].map(([, id]) => id))
  const fields = [...markup.matchAll(/<(?:input|select|textarea)\b[^>]*>/g)]
    .map(([field]) => field)
    .filter((field) => !field.includes('type="hidden"'))
  const tables = [...markup.matchAll(/<table[^>]*>(?!<caption>)/g)]
  return [
    ...(levels.filter((level) => level === 1).length === 1 ? [] : ['not one h1']),
    ...(levels.some((level, at) => at > 0 && level > levels[at - 1]! + 1) ? ['headings'] : []),
    ...(new Set(ids).size === ids.length ? [] : [`ids ${ids.join(' ')}`]),
    ...fields.filter((field) => !labels.has(/ id="([^"]*)"/.exec(field)?.[1] ?? '')),
    ...(tables.length === 0 ? [] : ['a table without a caption']),
    ...(/ style=| on[a-z]+="|<script>|<style|javascript:/.test(markup) ? ['inline code'] : []),
    ...(/NaN|undefined|\[object|Infinity/.test(markup) ? ['no value'] : []),
  ]
}

describe('every view of an empty store', () => {
  let page: Page

  beforeAll(async () => {
    page = await openPage()
  })

  afterAll(() => page.close())

  it.each([
    ...SECTIONS.map((path) => [path, TOKEN] as const),
    ...['/admin', '/admin/templates'].map((path) => [path, READ_TOKEN] as const),
  ])('loads: %s with the token %s', async (path, token) => {
    await page.signIn(token)
    const markup = await page.view(path)
    expect(flawsOf(markup)).toEqual([])
    expect(markup).toContain('aria-current="page"')
  })
})

describe('every view of a large store', () => {
  let page: Page
  let counted: Page
  let calls: string[]

  beforeAll(async () => {
    page = await openPage()
    page.clock.now = 400 * DAY_MS
    const size = { records: 10_000, templates: 200, internalizations: 50 }
    // a record each minute
    await fillStore(page.store, { ...size, from: 393 * DAY_MS })
    const watched = counting(page.store)
    calls = watched.calls
    counted = await openPage({ store: watched.store })
    counted.clock.now = 400 * DAY_MS
    await counted.signIn()
  }, 300_000)

  afterAll(async () => {
    await counted.close()
    await page.close()
  })

  const sizeOf = async (path: string): Promise<number> => {
    const response = await counted.request(path, { headers: { 'accept-encoding': 'gzip' } })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-encoding')).toBe('gzip')
    return (await response.arrayBuffer()).byteLength
  }

  const template = `/admin/templates/${versionOf(7)}`

  it.each([
    ...SECTIONS,
    '/admin?period=month',
    '/admin/templates?state=approval&page=2',
    '/admin/templates?text=version',
    template,
    `${template}/diff/${versionOf(8)}`,
    '/admin/records?outcome=answered&status=2xx',
    `/admin/records?template=${versionOf(7)}`,
    `/admin/records/${recordIdOf(9_999)}`,
    `/admin/records?conversation=${recordIdOf(9_999)}`,
  ])('is small and asks the store a bounded number of times: %s', async (path) => {
    calls.length = 0
    expect(await sizeOf(path)).toBeLessThanOrEqual(MAX_BYTES)
    expect(calls.length, calls.join(' ')).toBeLessThanOrEqual(MAX_CALLS)
    expect(calls).not.toContain('internalizations.evaluations')
    expect(flawsOf(await counted.view(path))).toEqual([])
  })
})
