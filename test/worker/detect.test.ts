/** Detection on records that overflow what reads them, with a store that fails, and after a kill. */
import { describe, expect, it } from 'vitest'
import { createDice, RULES } from '../kit/traffic/applications.ts'
import { AppError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import type { WorkerDeps } from '../../src/worker/deps.ts'
import { createDetectLoop } from '../../src/worker/detect.ts'
import { createWorker } from '../../src/worker/worker.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { chatBody } from '../kit/proxy/harness.ts'
import { orderRecord, ORDERS } from '../kit/records/paint-orders.ts'
import { SECOND_MS, useWorkerHarness, type WorkerHarness } from './harness.ts'

const openHarness = useWorkerHarness()

it('detection continues after a record with tools nested ten thousand levels deep', async () => {
  const harness = await openHarness({ from: null })
  const deep = '['.repeat(10_000) + ']'.repeat(10_000)
  const request = chatBody('hi').replace(/}$/, `,"tools":${deep}}`)
  await harness.log([exampleRecord(1, { request }), exampleRecord(2)])
  const loop = await createDetectLoop(harness.deps({ engine: null }))
  expect((await loop.step(false)).read).toBe(2)
  expect((await loop.step(false)).read).toBe(0)
})

it('learns nothing from requests that the upstream refused', async () => {
  const harness = await openHarness({ from: null })
  const refused = Array.from({ length: 200 }, (_, place) => ({
    ...orderRecord(place),
    status: 401,
  }))
  await harness.log(refused)
  const loop = await createDetectLoop(harness.deps({ engine: null }))
  expect(await loop.step(true)).toMatchObject({ read: 200, settled: true })
  expect(await harness.store.templates.list()).toEqual([])
})

it('reads on where the bodies of a page are large', async () => {
  const harness = await openHarness({ from: null })
  const request = chatBody('x'.repeat(3_900_000))
  for (let place = 0; place < 10; place++) await harness.log([exampleRecord(place, { request })])
  const loop = await createDetectLoop(harness.deps({ engine: null }))
  const reads: number[] = []
  for (let read = 1; read > 0;) reads.push(({ read } = await loop.step(false)).read)
  expect(reads).toEqual([4, 4, 2, 0])
})

/** Lets a worker close. */
const sleep: WorkerDeps['sleep'] = (_ms, signal) =>
  new Promise((resolve) => signal!.addEventListener('abort', () => resolve()))

it('a worker that catches up finds templates at once, and the next one reads on behind it', async () => {
  const harness = await openHarness({ from: null })
  await harness.log(ORDERS.slice(0, 140))
  const afters: (number | undefined)[] = []
  const { records } = harness.store
  const store: Store = {
    ...harness.store,
    records: {
      ...records,
      search: (query) => {
        if (query.order === 'asc') afters.push(query.after)
        return records.search(query)
      },
    },
  }
  const catchUp = async () => {
    const worker = await createWorker(harness.deps({ store, sleep, engine: null }, { auto: false }))
    await worker.catchUp(new AbortController().signal)
  }
  await catchUp()
  expect(await harness.store.templates.list()).toHaveLength(1)
  expect(await requestsOf(harness)).toBe(140)
  afters.length = 0
  await catchUp()
  expect(afters.every((after) => after! > 0)).toBe(true)
})

it('a worker that follows one which was stopped finds the templates of what that had read', async () => {
  const harness = await openHarness({ from: null })
  await harness.log(ORDERS.slice(0, 30))
  const deps = () => harness.deps({ engine: null }, { auto: false })
  const stopped = await createWorker(deps())
  await harness.round(stopped, 6 * SECOND_MS)
  await harness.log(ORDERS.slice(30, 140))
  // too soon for another search
  await harness.round(stopped, SECOND_MS)
  await stopped.close()
  expect(await harness.store.templates.list()).toEqual([])
  const next = await harness.worker(deps())
  await harness.round(next, 6 * SECOND_MS)
  expect(await harness.store.templates.list()).toHaveLength(1)
})

/** Fails at the given calls of `tagTemplate`, counted from 1. */
const failing = (store: Store, calls: Set<number>): Store => {
  let call = 0
  return {
    ...store,
    records: {
      ...store.records,
      tagTemplate: async (ids, version) => {
        call++
        if (calls.has(call)) throw new AppError('store-unavailable', 'the store is busy')
        await store.records.tagTemplate(ids, version)
      },
    },
  }
}

const requestsOf = async ({ store }: WorkerHarness): Promise<number> => {
  const [template] = await store.templates.list()
  return template === undefined ? 0 : (await store.templates.stats(template.version)).requests
}

const LATER = Array.from({ length: 10 }, (_, place) => ({
  ...orderRecord(500 + place),
  id: `later-${place}`,
}))

describe('every record of a template has its tag', () => {
  it.each([
    ['the earlier ones', [1]],
    ['the earlier ones, twice', [1, 2]],
    ['those of a new page', [2]],
  ])('although the store failed at %s', async (_name, calls) => {
    const harness = await openHarness()
    const logged = (await harness.store.records.list({ order: 'asc', limit: 500 })).length
    const store = failing(harness.store, new Set(calls))
    const worker = await harness.worker(harness.deps({ store, engine: null }, { auto: false }))
    const round = () => harness.round(worker, 6 * SECOND_MS).catch(() => {})
    for (let rounds = 0; rounds < 3; rounds++) await round()
    await harness.log(LATER)
    for (let rounds = 0; rounds < 3; rounds++) await round()
    expect(await requestsOf(harness)).toBe(logged + LATER.length)
  })

  it('although the worker was killed before it had tagged the earlier ones', async () => {
    const harness = await openHarness({ from: null })
    await harness.log(ORDERS.slice(0, 30))
    const first = await harness.worker(harness.deps({ engine: null }, { auto: false }))
    // the sketch is saved, so the next worker does not read these again
    await harness.round(first, 70 * SECOND_MS)
    await harness.log(ORDERS.slice(30, 140))
    const every = new Set(Array.from({ length: 100 }, (_, call) => call + 1))
    const dying = await harness.worker(
      harness.deps({ store: failing(harness.store, every), engine: null }, { auto: false })
    )
    await harness.round(dying, 6 * SECOND_MS).catch(() => {})
    const next = await harness.worker(harness.deps({ engine: null }, { auto: false }))
    for (let rounds = 0; rounds < 3; rounds++) await harness.round(next, 6 * SECOND_MS)
    expect(await requestsOf(harness)).toBe(140)
  })

  it('although the few-shot pairs of the earlier ones were not known when they were read', async () => {
    const harness = await openHarness({ from: null })
    const dice = createDice(3)
    const pool = Array.from({ length: 60 }, () => [dice.sentence(), dice.sentence()] as const)
    const record = (place: number) => {
      const pairs = Array.from({ length: 4 }, () => dice.pick(pool)).flatMap(([asked, answer]) => [
        { role: 'user', content: asked },
        { role: 'assistant', content: answer },
      ])
      const system = { role: 'system', content: RULES.join('\n') }
      const messages = [system, ...pairs, { role: 'user', content: dice.sentence() }]
      const request = JSON.stringify({ model: 'gpt-4o-mini', messages })
      return { ...orderRecord(place), id: `pairs-${place}`, request }
    }
    const worker = await harness.worker(harness.deps({ engine: null }, { auto: false }))
    const counts: number[] = []
    for (let page = 0; page < 4; page++) {
      await harness.log(Array.from({ length: 50 }, (_, at) => record(50 * page + at)))
      for (let rounds = 0; rounds < 2; rounds++) await harness.round(worker, 6 * SECOND_MS)
      counts.push(await requestsOf(harness))
    }
    // more pairs are known with each page
    expect(counts[0]).toBeLessThan(50)
    expect(counts[3]).toBe(200)
  })
})
