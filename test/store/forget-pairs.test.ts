/** Forgetting an audited request: its pair loses its texts, and its conversation stays one. */
import { describe, expect } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { Pair } from '../../src/core/rollout/pair.ts'
import type { Store } from '../../src/store/store.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { exampleRecord, exampleRoute } from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'

const LORA = 'lora-a'

const judgedPair = (recordId: string, conversation: string): Pair => ({
  recordId,
  outcome: 'disagreed',
  reason: null,
  conversation,
  answer: 'violet',
  parts: [3, 17],
  isEqual: false,
  confidence: -0.1,
  upstreamAnswer: null,
  chars: 20,
  isNewLabel: null,
  upstreamModel: null,
  costUsd: null,
})

/** Audited requests become pairs of these conversations; null: a conversation of its own. */
const judge = async (store: Store, conversations: (string | null)[]): Promise<void> => {
  const route = {
    templateVersion: 'version-1',
    lora: LORA,
    outcome: 'skipped',
    reason: 'audit',
    confidence: null,
    promptTokensSaved: 0,
  } as const
  await store.records.append(
    batchOf(conversations.map((_, index) => exampleRecord(index, { route, at: index * DAY_MS })))
  )
  await store.pairs.judge(
    conversations.map((key, index) => judgedPair(`record-${index}`, key ?? `record-${index}`))
  )
}

const conversationsOf = async (store: Store): Promise<string[]> =>
  (await store.pairs.since(LORA, 0, 100)).map(({ conversation }) => conversation)

const places = async (store: Store): Promise<number[]> =>
  (await store.pairs.list({ lora: LORA, limit: 10 })).map(({ place }) => place)

onEachStore((it) => {
  describe('the conversation of a pair whose record is forgotten', () => {
    it('keeps all of its turns, also those that are forgotten later or stay', async ({ store }) => {
      await judge(store, ['digest', 'other', 'digest', 'digest'])
      await store.records.forget({ recordIds: ['record-2'] })
      expect(await conversationsOf(store)).toEqual([
        'forgotten 1',
        'other',
        'forgotten 1',
        'forgotten 1',
      ])
      await store.records.forget({ recordIds: ['record-0', 'record-1'] })
      expect(await conversationsOf(store)).toEqual([
        'forgotten 1',
        'forgotten 2',
        'forgotten 1',
        'forgotten 1',
      ])
      expect(await store.pairs.list({ lora: LORA, limit: 10 })).toMatchObject([
        { recordId: 'record-3', answer: 'violet', parts: [3, 17] },
        { recordId: null, answer: '', parts: [], outcome: 'disagreed' },
        { recordId: null, answer: '', parts: [] },
        { recordId: null, answer: '', parts: [] },
      ])
    })

    it('stays a conversation of its own where it was one', async ({ store }) => {
      await judge(store, [null, null])
      await store.records.forget({ recordIds: ['record-0'] })
      expect(await conversationsOf(store)).toEqual(['forgotten 1', 'record-1'])
    })
  })

  describe('retention', () => {
    it('keeps the pairs of a live route, and of others as long as records', async ({ store }) => {
      await judge(store, [null, null])
      const later = DAY_MS
      await store.routes.put({ ...exampleRoute(), lora: LORA })
      await store.records.prune({ bodies: later, records: later })
      expect(await places(store)).toEqual([2, 1])
      await store.routes.remove(exampleRoute().template.version)
      await store.records.prune({ bodies: later, records: later })
      expect(await places(store)).toEqual([2])
    })

    it('takes the answer of a pair, and leaves its numbers', async ({ store }) => {
      await judge(store, [null])
      await store.routes.put({ ...exampleRoute(), lora: LORA })
      await store.records.prune({ bodies: DAY_MS, records: 0 })
      expect(await store.pairs.since(LORA, 0, 10)).toMatchObject([{ parts: [3, 17] }])
      expect(await store.pairs.list({ lora: LORA, limit: 10 })).toMatchObject([
        { recordId: 'record-0', answer: '', parts: [3, 17], outcome: 'disagreed' },
      ])
    })

    it('drops a request that waits for a lora that is not live until its bodies are gone', async ({
      store,
    }) => {
      await judge(store, [null])
      const audited = (await store.records.byIds(['record-0']))[0]!
      await store.records.append(batchOf([{ ...audited, id: 'waits', at: DAY_MS }]))
      await store.records.prune({ bodies: DAY_MS, records: 0 })
      expect(await store.pairs.backlog(LORA)).toMatchObject({ waiting: 1 })
      await store.records.prune({ bodies: 2 * DAY_MS, records: 0 })
      expect(await store.pairs.backlog(LORA)).toMatchObject({ waiting: 0 })
    })
  })
})
