/** The worker reads why the provider's cache is not read; page and API show it. */
import { beforeEach, describe, expect, it } from 'vitest'
import { economicsSettings } from '../../src/config/config-files.ts'
import { parseConfig } from '../../src/config/config.ts'
import { cacheRules } from '../../src/core/cache/finding.ts'
import { DAY_MS } from '../../src/core/days.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { CACHES, type FoundCaches, type TemplateCache } from '../../src/savings/caches.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import { readJsonSnapshot } from '../../src/store/json-snapshot.ts'
import { forget } from '../../src/lifecycle/forget.ts'
import type { Store } from '../../src/store/store.ts'
import { openCaches } from '../../src/worker/caches.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { CACHE_MODELS, CACHE_PRICE, makeCacheLog, type Planted } from '../kit/cache/cache-logs.ts'
import { scanCache } from '../kit/cache/judge-cache.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { openPage, TOKEN, type Page } from '../page/harness.ts'
import { useWorkerHarness, type WorkerHarness } from './harness.ts'

const PRICES = CACHE_MODELS.map((model) => ({ model, ...CACHE_PRICE }))
const SETTINGS = economicsSettings(parseConfig({}), PRICES)
const TITLE = 'The provider’s cache'

const logOf = (...planted: Planted[]) =>
  makeCacheLog({ seed: 3, planted, isCounted: true, requests: 150 })

/** The same requests some days later. */
const again = (part: ExchangeRecord[], days: number): ExchangeRecord[] =>
  part.map((record) => ({
    ...record,
    id: `${days}-${record.id}`,
    at: record.at + days * DAY_MS,
  }))

const apiCache = async (page: Page): Promise<TemplateCache> => {
  const response = await page.request('/admin/api/templates', {
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  const { data } = (await response.json()) as { data: { cache: TemplateCache }[] }
  return data[0]!.cache
}

const openHarness = useWorkerHarness()

describe('the causes for which the provider’s cache is not read', () => {
  let harness: WorkerHarness
  let worker: Worker

  const found = (): Promise<FoundCaches | null> => readJsonSnapshot(harness.store, CACHES)

  const work = async (records: ExchangeRecord[]): Promise<void> => {
    await harness.log(records)
    for (let round = 0; round < 4; round++) await harness.round(worker, 60_000)
  }

  const view = async <T>(read: (page: Page) => Promise<T>): Promise<T> => {
    const economics = openEconomics(harness.store, SETTINGS, () => harness.now)
    const page = await openPage({ store: harness.store, economics, prices: PRICES })
    page.clock.now = harness.now
    await page.signIn()
    try {
      return await read(page)
    } finally {
      await page.close()
    }
  }

  const templateView = async (page: Page): Promise<string> => {
    const [template] = await harness.store.templates.list()
    return page.view(`/admin/templates/${template!.version}?economics=1`)
  }

  beforeEach(async () => {
    harness = await openHarness({ from: null })
    const economics = openEconomics(harness.store, SETTINGS, () => harness.now)
    worker = await harness.worker(
      harness.deps({ economics, cacheRules: cacheRules(PRICES) }, { auto: false })
    )
  })

  it('are on the page and in the API, in the words and figures of a scan, with their date', async () => {
    const log = logOf('time')
    await work(log.records)
    const [scanned] = scanCache(log)
    await view(async (page) => {
      const { at, ...cache } = await apiCache(page)
      const [cause] = scanned!.report.causes
      expect(cache).toEqual({
        ...scanned!.report,
        usdPerMonth: expect.closeTo(scanned!.report.usdPerMonth!, -1) as number,
        causes: [
          {
            ...cause!,
            // a scan has no text of the log by default
            firstDifference: expect.stringContaining(cause!.firstDifference!) as string,
            mend: expect.stringMatching(/^Move the line .* behind the constant text/) as string,
            usdPerMonth: expect.closeTo(scanned!.report.usdPerMonth!, -1) as number,
          },
        ],
      })
      expect(cache).toMatchObject({ causes: [{ cause: 'time' }], providerMinimumTokens: 1024 })
      expect(harness.now - at).toBeLessThan(DAY_MS)
      const markup = await templateView(page)
      expect(markup).toContain(TITLE)
      expect(markup).toMatch(
        /time \(the time in line \d+ of message 1 \(system\): .*Move the line/s
      )
      expect(await page.view('/admin')).toContain('cache is not read as far as it could be, for')
    })
  })

  it('are none in a log whose cache is read', async () => {
    await work(logOf().records)
    await view(async (page) => {
      expect(await apiCache(page)).toMatchObject({ usdPerMonth: 0, causes: [] })
      const markup = await templateView(page)
      expect(markup).not.toContain(TITLE)
      expect(await page.view('/admin')).not.toContain('cache is not read')
    })
  })

  it('are read again once a day, and when the traffic has doubled', async () => {
    const { records } = logOf('time')
    await work(records)
    const first = (await found())!
    expect(first.tagged).toBe(records.length)
    await work(again(records.slice(0, 50), 10))
    expect((await found())!.at).toBe(first.at)
    await work(again(records.slice(50), 10))
    const second = (await found())!
    expect(second.tagged).toBe(2 * records.length)
    harness.now += DAY_MS
    await work([])
    expect((await found())!.at).toBeGreaterThan(second.at)
  })

  it('count no answers that a move has bought, whose cache is of another moment', async () => {
    const { records } = logOf('time')
    const bought = records.map((record) => ({
      ...record,
      id: `bought-${record.id}`,
      bought: { of: record.id, at: harness.now, conversation: record.id },
    }))
    await work(records)
    const before = (await found())!
    await harness.log(bought)
    harness.now += DAY_MS
    await work([])
    const { at, findings } = (await found())!
    expect(at).toBeGreaterThan(before.at)
    expect(findings).toEqual(before.findings)
  })

  it('are gone with the requests that are forgotten', async () => {
    await work(logOf('name').records)
    const text = JSON.stringify(await found())
    expect(text).toContain('"value":')
    await forget(
      harness.store,
      { selection: { tenant: 'tenant' }, retire: false, dryRun: false },
      { by: 'admin', now: harness.now, rollout: AT_ONCE, newId: () => 'task' }
    )
    await work([])
    expect((await found())?.findings ?? []).toEqual([])
  })

  it('are not kept longer than bodies may be', async () => {
    const { records } = logOf('name')
    harness.now = records.at(-1)!.at
    const deps = harness.deps({ retention: { bodiesMs: 2 * DAY_MS, recordsMs: 1e15 } })
    worker = await harness.worker(deps)
    await work(records)
    const first = (await found())!
    expect(harness.now - first.oldest).toBeLessThanOrEqual(DAY_MS)
    harness.now += 2 * DAY_MS
    await work([])
    expect((await found())!.findings).toEqual([])
  })

  it('are those of the newest requests, though long ones are more than are read', async () => {
    const line = `${'Answer in one word. '.repeat(50_000)}\n`
    const request = JSON.stringify({ model: 'm', messages: [{ role: 'system', content: line }] })
    const [first] = logOf().records
    const stored = (sequence: number) => ({
      ...first!,
      id: String(sequence),
      at: harness.now,
      request,
      sequence,
      templateVersion: null,
    })
    let newestRead = 0
    const search: Store['records']['search'] = async ({ order, limit, after = 0 }) => {
      const from = order === 'desc' ? 501 - limit : after + 1
      const data = Array.from({ length: limit }, (_, at) => stored(from + at)).filter(
        ({ sequence }) => sequence <= 500
      )
      if (order === 'asc') newestRead = Math.max(newestRead, data.at(-1)!.sequence)
      const next = order === 'asc' && from + limit <= 500 ? from + limit - 1 : null
      return {
        data: order === 'desc' ? data.toReversed() : data,
        next,
        searched: limit,
        isPartial: false,
      }
    }
    const { store } = harness
    const records: Store['records'] = { ...store.records, search }
    const caches = await openCaches(
      harness.deps({ store: { ...store, records }, cacheRules: cacheRules(PRICES) })
    )
    await caches.step()
    expect(newestRead).toBe(500)
  })
})
