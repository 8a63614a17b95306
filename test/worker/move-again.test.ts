/** A second run of a move goes on where the first one ended, in a log that grows. */
import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { followersOf } from '../../src/core/internalization/followers.ts'
import { boughtId, followedTemplate, boundVersion } from '../../src/core/template/version.ts'
import type { Template } from '../../src/core/template/template.ts'
import type { Store } from '../../src/store/store.ts'
import { createFollow } from '../../src/worker/move/follow.ts'
import { measureMove } from '../../src/worker/move/measure.ts'
import { planMove, type MovePlan } from '../../src/worker/move/plan.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { answerBody } from '../kit/records/completion.ts'
import { orderRecord, PROMPT } from '../kit/records/paint-orders.ts'
import { onEachStore } from '../kit/store/stores.ts'

const [TO, ROWS] = ['gpt-6-luna', 100]
const PRICE = { model: TO, asOf: '2026-11-20', input: 0.1, cachedInput: 0.01, output: 0.5 }
const USAGE = { prompt_tokens: 1_000, completion_tokens: 2, total_tokens: 1_002 }
const BODY = answerBody('blue', { usage: USAGE })
const MINUTE_MS = 60_000
const START = 1_700_000_000_000

const { tenant, model } = orderRecord(0)
const TEMPLATE: Template = {
  ...exampleTemplate('paint-orders'),
  tenant,
  model,
  messages: [
    { role: 'system', segments: [{ kind: 'anchor', text: PROMPT }] },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
}

const log = async (store: Store, from: number, until: number): Promise<void> => {
  const records = Array.from({ length: until - from }, (_, at) => ({
    ...orderRecord(from + at),
    at: START + (from + at) * MINUTE_MS,
    usage: USAGE,
  }))
  await store.records.append(batchOf(records))
  const ids = records.map(({ id }) => id)
  await store.records.tagTemplate(ids, TEMPLATE.version)
}

const planAt = (store: Store, minute: number): Promise<MovePlan> =>
  planMove(
    { store, now: () => START + minute * MINUTE_MS },
    {
      template: TEMPLATE,
      to: TO,
      price: PRICE,
      oldPrice: null,
      requests: ROWS,
      isFollowed: true,
      kindShare: 0,
      seed: 44,
    }
  )

/** @param minute after the start of the log @returns how many requests were sent, and how many answers the log has */
const follow = async (store: Store, minute: number): Promise<{ sent: number; bought: number }> => {
  const now = (): number => START + minute * MINUTE_MS
  const plan = await planAt(store, minute)
  let sent = 0
  const ask = async () => {
    sent++
    return { status: 200, body: BODY, retryAfterMs: null }
  }
  const exchanges = plan.sample.map(({ exchange }) => exchange)
  const moved = await measureMove({ store, now, ask, sleep: async () => {} }, plan, {
    to: TO,
    price: PRICE,
    budgetUsd: 1,
    follow: createFollow(store, { template: TEMPLATE, to: TO, exchanges, now }),
    onProgress: () => {},
  })
  // as the worker does
  const ids = await store.records.knownIds(exchanges.map(({ id }) => boughtId(id, TO)))
  await store.records.tagTemplate(ids, followedTemplate(TEMPLATE, TO).version)
  return { sent, bought: moved!.bought! }
}

onEachStore((it) => {
  describe('a move that is run again', () => {
    it('buys nothing more, though the log has grown since', async ({ store }) => {
      await store.templates.upsert([TEMPLATE])
      await log(store, 0, 2_000)
      expect(await follow(store, 2_000)).toEqual({ sent: ROWS, bought: ROWS })
      expect(await follow(store, 2_000)).toEqual({ sent: 0, bought: ROWS })
      await log(store, 2_000, 2_100)
      expect(await follow(store, 2_100)).toEqual({ sent: 0, bought: ROWS })
      await log(store, 2_100, 3_100)
      expect(await follow(store, 3_100)).toEqual({ sent: 0, bought: ROWS })
    }, 60_000)

    it('follows a template for all keys to one for all keys, though one key sends nearly all', async ({
      store,
    }) => {
      const shared = followedTemplate(TEMPLATE, TO)
      const version = boundVersion(shared.version, 'key')
      const ofOneKey = { ...TEMPLATE, model: TO, version, caller: 'key' }
      await store.templates.upsert([TEMPLATE, ofOneKey])
      await log(store, 0, 60)
      const { sample } = await planAt(store, 60)
      const exchanges = sample.map(({ exchange }) => ({ ...exchange, caller: 'key' }))
      const followed = await createFollow(store, {
        template: TEMPLATE,
        to: TO,
        exchanges,
        now: () => START,
      }).begin()
      expect(followed).toEqual(shared)
      expect(await store.templates.get(version)).toEqual(ofOneKey)
    })

    it('leaves another template followed that was moved to the same one', async ({ store }) => {
      const second = { ...TEMPLATE, model: 'gpt-4.1', version: 'second' }
      await store.templates.upsert([TEMPLATE, second])
      for (const template of [TEMPLATE, second, second])
        await createFollow(store, { template, to: TO, exchanges: [], now: () => START }).begin()
      const all = await store.templates.list()
      expect(all.map((each) => each.model).toSorted()).toEqual(['gpt-4.1', model, TO])
      expect([...followersOf(all, []).keys()].toSorted()).toEqual(['paint-orders', 'second'])
    })
  })
})
