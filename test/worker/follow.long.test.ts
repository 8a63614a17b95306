/** A template that a person follows to a new model is learned, proved and counted as any other one. */
import { beforeEach, describe, expect, it } from 'vitest'
import { economicsSettings } from '../../src/config/config-files.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import { boughtId } from '../../src/core/template/version.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Template } from '../../src/core/template/template.ts'
import { forget } from '../../src/lifecycle/forget.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import { exchangesByIds, usableRequests } from '../../src/worker/exchanges/exchanges.ts'
import { createFollow } from '../../src/worker/move/follow.ts'
import { measureMove, type Moved } from '../../src/worker/move/measure.ts'
import { planMove } from '../../src/worker/move/plan.ts'
import type { UpstreamAnswer } from '../../src/worker/deps.ts'
import type { Worker } from '../../src/worker/worker.ts'
import { COLOURS, orderRecord } from '../kit/records/paint-orders.ts'
import { answerBody } from '../kit/records/completion.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'
import { HOUR_MS, PLANNED_ROWS, useWorkerHarness, type WorkerHarness } from './harness.ts'

const TO = 'gpt-6-luna'
const PRICE = { model: TO, asOf: '2026-11-20', input: 0.1, cachedInput: 0.01, output: 0.5 }
const OLD_PRICE = { ...PRICE, model: 'gpt-4o-mini', input: 0.15, cachedInput: 0.075, output: 0.6 }
const USAGE = { prompt_tokens: 1_000, completion_tokens: 2, total_tokens: 1_002 }
const USD = 1_000 * 0.1e-6 + 2 * 0.5e-6

/** What the new model answers to an order; null: it refuses. */
type Answers = (number: number) => string | null

/** The next colour: nothing that the old model says. */
const next: Answers = (number) => COLOURS[(number + 1) % 6]!

const aloud: Answers = (number) =>
  `Let me think about order ${number}. ${'The customer wants paint, and paint has its shelf. '.repeat(6)} ` +
  `So it is ${next(number)}.`

const numberIn = (request: string): number => Number(/Order (\d+)/.exec(request)![1])

/** A client's request with the new name. */
const asNew = (number: number) => {
  const record = orderRecord(number, next(number)!)
  return {
    ...record,
    id: `new-${number}`,
    model: TO,
    request: record.request.replace('gpt-4o-mini', TO),
  }
}

describe('a template that is followed to a new model', () => {
  const openHarness = useWorkerHarness()
  let harness: WorkerHarness
  let worker: Worker
  let old: Template
  let asked: string[]
  let isThere: boolean

  const answerOf = (answers: Answers, request: string): UpstreamAnswer => {
    asked.push(request)
    if (!isThere) return { status: 404, body: '{}', retryAfterMs: null }
    const content = answers(numberIn(request))
    return content === null
      ? { status: 400, body: '{"error":{"message":"no such orders"}}', retryAfterMs: null }
      : { status: 200, body: answerBody(content, { usage: USAGE }), retryAfterMs: null }
  }

  interface FollowOptions {
    template?: Template
    to?: string
    /** when a request has arrived at the upstream */
    onAsked?: (request: string) => Promise<unknown>
  }

  /** @returns what was paid and bought; null where the budget reached nothing */
  const follow = async (
    answers: Answers = next,
    budgetUsd = 1,
    { template = old, to = TO, onAsked = async () => {} }: FollowOptions = {}
  ): Promise<Moved | null> => {
    const { store } = harness
    const now = (): number => harness.now
    const plan = await planMove(
      { store, now },
      {
        template,
        to,
        price: PRICE,
        oldPrice: OLD_PRICE,
        requests: 2 * PLANNED_ROWS,
        isFollowed: true,
        kindShare: 0,
        seed: 1,
      }
    )
    const exchanges = plan.sample.map(({ exchange }) => exchange)
    const ask = async ({ request }: { request: string }) => {
      await onAsked(request)
      return answerOf(answers, request)
    }
    return measureMove({ store, now, ask, sleep: async () => {} }, plan, {
      to,
      price: PRICE,
      budgetUsd,
      follow: createFollow(store, { template, to, exchanges, now }),
      onProgress: () => {},
    })
  }

  const follower = async (): Promise<Template> =>
    (await harness.store.templates.list()).find(({ movedFrom }) => movedFrom !== undefined)!

  const ofFollower = async (): Promise<Internalization | undefined> => {
    const { version } = await follower()
    const rows = await harness.store.internalizations.list()
    return rows.findLast(({ templateVersion }) => templateVersion === version)
  }

  const proved = async (): Promise<Internalization> => {
    const isDone = async (): Promise<boolean> =>
      ['approval', 'rejected'].includes((await ofFollower())?.state.name ?? '')
    await harness.runUntil(worker, isDone)
    return (await ofFollower())!
  }

  beforeEach(async () => {
    harness = await openHarness({ from: 'approval' })
    worker = await harness.worker()
    old = (await harness.store.templates.list())[0]!
    asked = []
    isThere = true
  })

  it('has the same prompt, the label and the rules, and is proved on the answers of the new model', async () => {
    await harness.store.templates.label(old.version, 'Paint shelves')
    const moved = await follow()
    expect(moved).toMatchObject({ bought: 2 * PLANNED_ROWS, agreement: 0 })
    expect(asked).toHaveLength(2 * PLANNED_ROWS)
    const { state, plan, templateVersion } = await proved()
    expect(state.name).toBe('approval')
    expect(await harness.store.templates.get(templateVersion)).toEqual({
      ...old,
      model: TO,
      version: templateVersion,
      movedFrom: old.version,
    })
    expect((await harness.store.templates.labels()).get(templateVersion)).toBe('Paint shelves')
    const ids = [...plan!.trainRecordIds, ...plan!.holdoutRecordIds]
    const rows = await exchangesByIds(harness.store, (await follower())!, ids)
    expect(rows).toHaveLength(2 * PLANNED_ROWS)
    for (const { query, outcome, bought } of rows) {
      expect(outcome).toEqual({ kind: 'text', text: next(numberIn(query)) })
      expect(bought!.of).toBe(`record-${numberIn(query)}`)
    }
  })

  it('is not found a second time when clients send the new name', async () => {
    await follow()
    await harness.log(Array.from({ length: 80 }, (_, number) => asNew(number)))
    harness.now += HOUR_MS
    await harness.runFor(worker, HOUR_MS, 60_000)
    const templates = await harness.store.templates.list()
    expect(templates.map(({ model }) => model).toSorted()).toEqual(['gpt-4o-mini', TO])
    const { version } = await follower()
    expect(await harness.store.templates.stats(version)).toMatchObject({
      requests: 80,
      bought: 2 * PLANNED_ROWS,
    })
    expect(await usableRequests(harness.store, await follower())).toBe(80 + 2 * PLANNED_ROWS)
  })

  it('buys nothing twice, and the second run goes on where the budget ended', async () => {
    const first = await follow(next, 50 * USD)
    expect(first!.usd).toBeGreaterThanOrEqual(50 * USD - 1e-9)
    expect(first!.usd).toBeLessThanOrEqual(51 * USD + 1e-9)
    const second = await follow()
    expect(second).toMatchObject({ bought: 2 * PLANNED_ROWS, unsent: 0 })
    expect(asked).toHaveLength(2 * PLANNED_ROWS)
    expect(new Set(asked).size).toBe(2 * PLANNED_ROWS)
    expect(await follow()).toMatchObject({ bought: 2 * PLANNED_ROWS, usd: 0, requests: 144 })
    expect(asked).toHaveLength(2 * PLANNED_ROWS)
  })

  it('leaves the figures of the traffic as they were, and tells what was paid', async () => {
    const { store } = harness
    const settings = economicsSettings(parseConfig({}), [PRICE, OLD_PRICE])
    const reported = async () => {
      const { all, day } = (await openEconomics(store, settings, () => harness.now).savings())
        .periods
      return { all, day }
    }
    const traffic = async () =>
      (await store.records.traffic(0, harness.now + HOUR_MS))
        .map(({ bought: _bought, ...hour }) => hour)
        .filter(({ requests }) => requests > 0)
    const before = [await reported(), await traffic()] as const
    await follow()
    const after = [await reported(), await traffic()] as const
    expect(after[1]).toEqual(before[1])
    expect(after[0].all.movesUsd).toBeCloseTo(2 * PLANNED_ROWS * USD, 9)
    // though the requests are of last year
    expect(after[0].day.movesUsd).toBeCloseTo(2 * PLANNED_ROWS * USD, 9)
    for (const period of ['all', 'day'] as const)
      expect({ ...after[0][period], movesUsd: 0 }).toEqual(before[0][period])
  })

  it('is assessed by the traffic of the old name until clients send the new one', async () => {
    const settings = economicsSettings(parseConfig({}), [PRICE, OLD_PRICE])
    await follow()
    await harness.runFor(worker, 60_000)
    const both = async () => {
      const economics = openEconomics(harness.store, settings, () => harness.now)
      const assessed = await economics.assess([old, await follower()])
      return [old, await follower()].map(({ version }) => assessed.get(version)!)
    }
    const [was, is] = await both()
    expect(is!.traffic).toEqual(was!.traffic)
    expect(is!.traffic!.calls).toBe((await harness.store.templates.stats(old.version)).requests)
    expect(is!.price).toMatchObject({ model: TO })
    const clients = Array.from({ length: 80 }, (_, number) => asNew(number))
    await harness.log(clients.map((record) => ({ ...record, at: record.at + 240 * HOUR_MS })))
    await harness.runFor(worker, 60_000)
    const [, later] = await both()
    expect(later!.traffic!.calls).toBe(is!.traffic!.calls + 80)
    expect(later!.traffic!.callsPerMonth).toBeGreaterThan(0)
  })

  it('is assessed by the traffic of clients, though more answers were bought after it', async () => {
    const settings = economicsSettings(parseConfig({}), [OLD_PRICE])
    const assessed = async () => {
      const economics = openEconomics(harness.store, settings, () => harness.now)
      const { traffic, call } = (await economics.assess([old])).get(old.version)!
      const { promptTokens, cacheIsMeasured } = call!
      return { traffic, promptTokens, cacheIsMeasured }
    }
    const clients = Array.from({ length: 80 }, (_, number) => orderRecord(number))
    await harness.log(
      clients.map((record) => ({ ...record, id: `client-${record.id}`, usage: USAGE }))
    )
    await harness.runFor(worker, 60_000)
    const before = await assessed()
    expect(before.traffic!.calls).toBeGreaterThan(100)
    expect(before).toMatchObject({ cacheIsMeasured: false, promptTokens: 1_000 })
    const boughtFor = (number: number): ExchangeRecord => ({
      ...orderRecord(number % 80),
      id: `bought-${number}`,
      usage: { ...USAGE, prompt_tokens_details: { cached_tokens: 900 } },
      bought: { of: `other-${number}`, at: harness.now, conversation: String(number) },
    })
    await harness.log(Array.from({ length: 600 }, (_, number) => boughtFor(number)))
    await harness.runFor(worker, 60_000)
    expect((await harness.store.templates.stats(old.version)).bought).toBe(600)
    expect(await assessed()).toEqual(before)
  })

  it('learns from the answers of a model that refuses a tenth of the requests', async () => {
    const moved = await follow((number) => (number % 10 === 0 ? null : next(number)))
    expect(moved!.differences.find(({ kind }) => kind === 'refused')).toMatchObject({
      new: '400: no such orders',
    })
    expect(moved!.bought).toBe(2 * PLANNED_ROWS - moved!.differences.at(-1)!.requests)
    await harness.runFor(worker, 60_000)
    expect(await usableRequests(harness.store, await follower())).toBe(moved!.bought)
    // a second run sends others and what was refused, though its first answers may all be refusals
    const again = await follow((number) => (number % 10 === 0 ? null : next(number)))
    expect(again).toMatchObject({ failed: 0, unsent: 0, requests: 2 * PLANNED_ROWS })
    const answered = asked.map(numberIn).filter((number) => number % 10 !== 0)
    expect(new Set(answered).size).toBe(answered.length)
  })

  it('is not stored where the new model is not there', async () => {
    isThere = false
    await expect(follow()).rejects.toThrow('the upstream does not answer with gpt-6-luna: 404')
    expect(asked).toHaveLength(1)
    expect(await follower()).toBeUndefined()
  })

  it('is the one that traffic of the new name has made already', async () => {
    const rival = { ...old, model: TO, version: 'rival', maxTurnsAfter: 2 }
    await harness.store.templates.upsert([rival])
    await follow()
    expect(await follower()).toEqual({ ...rival, movedFrom: old.version })
  })

  it('is rejected with advice where the new model thinks aloud', async () => {
    const moved = await follow(aloud)
    expect(moved).toMatchObject({ agreement: 0, bought: 2 * PLANNED_ROWS })
    const { state } = await proved()
    expect(state).toMatchObject({
      name: 'rejected',
      isUntrained: true,
      reason: { code: 'free-text' },
    })
  })

  const forgetRecord = (id: string) =>
    forget(
      harness.store,
      { selection: { recordIds: [id] }, retire: false, dryRun: false },
      { by: 'admin', now: harness.now, rollout: AT_ONCE, newId: () => 'task' }
    )

  /** Ids of the records that have the text of an order. */
  const withOrder = async (number: number): Promise<string[]> => {
    const { data } = await harness.store.records.search({ order: 'asc', limit: 2_000 })
    return data.filter(({ request }) => numberIn(request) === number).map(({ id }) => id)
  }

  it('is forgotten with the requests that were sent again', async () => {
    await follow()
    const of = numberIn(asked[0]!)
    const report = await forgetRecord(`record-${of}`)
    expect(report.records).toBe(2)
    const left = [`record-${of}`, boughtId(`record-${of}`, TO)]
    expect(await harness.store.records.knownIds(left)).toEqual([])
  })

  it('is forgotten with the requests of the first model, though it was moved twice', async () => {
    await follow()
    await harness.runFor(worker, 60_000)
    await follow(next, 1, { template: await follower(), to: 'gpt-7-sol' })
    const of = numberIn(asked.at(-1)!)
    expect(await withOrder(of)).toHaveLength(3)
    await forgetRecord(`record-${of}`)
    expect(await withOrder(of)).toEqual([])
  })

  it('buys no copy of a request that is forgotten while its answer is awaited', async () => {
    let of: number | null = null
    await follow(next, 1, {
      onAsked: async (request) => {
        if (of !== null) return
        of = numberIn(request)
        await forgetRecord(`record-${of}`)
      },
    })
    expect(await withOrder(of!)).toEqual([])
  })
})
