import { describe, expect } from 'vitest'
import { batchCaptured, batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Selection } from '../../src/core/log/selection.ts'
import type { RecordQuery, Store } from '../../src/store/store.ts'
import { DAY_MS } from '../kit/store/days.ts'
import {
  exampleEvaluation,
  exampleInternalization,
  exampleOutcome,
  exampleRecord,
} from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'

const idsOf = (records: { id: string }[]): string[] => records.map(({ id }) => id)

const examples = (
  count: number,
  changes: (index: number) => Partial<ExchangeRecord> = () => ({})
): ExchangeRecord[] =>
  Array.from({ length: count }, (_, index) => exampleRecord(index, changes(index)))

const append = (store: Store, ...records: ExchangeRecord[]): Promise<void> =>
  store.records.append(batchOf(records))

const image = (data: string): string =>
  JSON.stringify({ image_url: { url: `data:image/png;base64,${data}` } })

const saying = (content: string) => ({ messages: [{ role: 'user', content }] })

/** Follows the cursor to the end of the log. */
const selectAll = async (store: Store, selection: Selection) => {
  const found = { ids: [] as string[], versions: [] as string[] }
  for (let after: number | null = 0; after !== null;) {
    const page = await store.records.select(selection, after)
    found.ids.push(...page.ids)
    found.versions.push(...page.templateVersions)
    after = page.next
  }
  return found
}

/** Three a day. */
const ofHours = (index: number) => ({ at: index * (DAY_MS / 3) })

onEachStore((it) => {
  describe('appending', () => {
    it('keeps every field and every byte', async ({ store }) => {
      const records = [
        exampleRecord(1),
        exampleRecord(2, { route: exampleOutcome(), firstByteMs: null, usage: null }),
        exampleRecord(3, { response: null, status: 499 }),
        exampleRecord(4, { request: '{"broken', response: '' }),
        exampleRecord(5, { request: '{ "spaced" : "ünïcödé \\ud83d\\ude00 \u0000" }\n' }),
      ]
      await append(store, ...records)
      await append(store)
      const versions = [null, 'version-1', null, null, null]
      expect(await store.records.list({ limit: 10 })).toEqual(
        records.map((record, index) => ({
          ...record,
          sequence: expect.any(Number) as number,
          templateVersion: versions[index],
        }))
      )
    })

    it('skips an id that exists, in the log or in the same call', async ({ store }) => {
      const other = exampleRecord(1, { model: 'other' })
      await append(store, exampleRecord(1), other)
      await append(store, other, exampleRecord(2))
      const stored = await store.records.list({ limit: 10 })
      expect(stored.map(({ id, model }) => [id, model])).toEqual([
        ['record-1', 'gpt-4o-mini'],
        ['record-2', 'gpt-4o-mini'],
      ])
    })

    it('counts the usage of each record once', async ({ store, open }) => {
      const usage = {
        prompt_tokens: 100,
        completion_tokens: 7,
        total_tokens: 107,
        prompt_tokens_details: { cached_tokens: 64 },
      }
      const own = exampleRecord(3, { route: exampleOutcome() })
      const upstream = [exampleRecord(1, { usage }), exampleRecord(2, { usage: null })]
      const failed = exampleRecord(4, { usage: null, status: 502, response: null })
      await append(store, ...upstream, own, failed)
      await append(store, ...upstream)
      const none = { cachedInput: 0, cacheWrite: 0, reasoning: 0 }
      expect(await store.records.usageTotals()).toEqual({
        upstream: { ...none, input: 100, cachedInput: 64, output: 7, unknown: 1 },
        lora: { ...none, input: own.usage!.prompt_tokens, output: 4, unknown: 0 },
      })
      const other = await open()
      expect((await other.records.usageTotals()).upstream.input).toBe(0)
      await other.close()
    })

    it('leaves out large bodies and base64 of images', async ({ open }) => {
      const store = await open({ maxBodyBytes: 1000 })
      const [full, over] = ['x'.repeat(1000), 'x'.repeat(1001)]
      await append(
        store,
        exampleRecord(1, { request: full }),
        exampleRecord(2, { request: over }),
        exampleRecord(3, { request: image('A'.repeat(5000)) })
      )
      const stored = await store.records.list({ limit: 3 })
      expect(stored.map(({ request }) => request)).toEqual([
        full,
        '',
        image('[5000 base64 characters]'),
      ])
      expect(stored[1]!.response).toBe(exampleRecord(2).response)
      await store.close()
    })

    it('redacts path, request and a streamed answer before writing', async ({ open, isStored }) => {
      const [email, card] = ['ann@example.com', '4111 1111 1111 1111']
      const store = await open({
        redact: { detectors: ['email', 'card'], patterns: { STAFF: String.raw`\bE\d{6}\b` } },
      })
      const { request: _, response: __, usage: ___, ...example } = exampleRecord(1)
      const stream = ['Mail ann@exa', `mple.com, not the card ${card}.`].map(
        (content) =>
          `data: ${JSON.stringify({ id: 'c1', choices: [{ index: 0, delta: { content } }] })}\n\n`
      )
      await store.records.append(
        batchCaptured([
          {
            head: { ...example, path: '/v1/chat/completions?user=ann%40example.com' },
            form: {
              kind: 'raw',
              contentType: 'text/event-stream',
              contentEncoding: '',
              complete: true,
            },
            request: Buffer.from(JSON.stringify(saying(`I am E123456, ${email}. Charge ${card}.`))),
            answer: stream.map((event) => Buffer.from(event)),
          },
        ])
      )
      const [record] = await store.records.list({ limit: 1 })
      expect(record!.path).toBe('/v1/chat/completions?user=[EMAIL_1]')
      expect(JSON.parse(record!.request)).toEqual(
        saying('I am [STAFF_1], [EMAIL_1]. Charge [CARD_1].')
      )
      expect(JSON.parse(record!.response!)).toMatchObject({
        choices: [{ message: { content: 'Mail [EMAIL_1], not the card [CARD_1].' } }],
      })
      // the store is open, so SQLite's write-ahead log is there
      for (const secret of [email, card, 'E123456']) expect(await isStored(secret)).toBe(false)
    })
  })

  describe('reading', () => {
    it('estimates a missing usage on request, with bodies and without', async ({ store }) => {
      await append(
        store,
        exampleRecord(1),
        exampleRecord(2, { usage: null }),
        exampleRecord(3, { usage: null, response: null })
      )
      for (const bodies of [true, false]) {
        const stored = await store.records.list({ limit: 10, bodies, estimates: true })
        expect(stored.map(({ usage }) => usage)).toEqual([exampleRecord(1).usage, null, null])
        const [counted, estimated, unanswered] = stored
        expect(counted).not.toHaveProperty('estimatedUsage')
        expect(unanswered).not.toHaveProperty('estimatedUsage')
        expect(estimated?.estimatedUsage?.prompt_tokens).toBeGreaterThan(500)
        expect(stored.map(({ request }) => request !== '')).toEqual([bodies, bodies, bodies])
      }
      for (const record of await store.records.list({ limit: 10 }))
        expect(record).not.toHaveProperty('estimatedUsage')
    })

    it('pages through the log in both directions without a gap', async ({ store }) => {
      await append(store, ...examples(130))
      const page = (query: Partial<RecordQuery>) => store.records.list({ limit: 40, ...query })
      for (const order of ['asc', 'desc'] as const) {
        const seen: { id: string; sequence: number }[] = await page({ order })
        for (const size of [40, 40, 10, 0]) {
          const next = await page({ order, after: seen.at(-1)!.sequence })
          expect(next).toHaveLength(size)
          seen.push(...next)
        }
        const inOrder = idsOf(examples(130))
        expect(idsOf(seen)).toEqual(order === 'asc' ? inOrder : inOrder.reverse())
      }
    })

    it('lists one template, only answered records, and without bodies', async ({ store }) => {
      const failed = exampleRecord(2, { status: 500 })
      const unanswered = exampleRecord(3, { response: null })
      await append(store, exampleRecord(1), failed, unanswered, exampleRecord(4))
      await store.records.tagTemplate(['record-1', 'record-2', 'record-3'], 'version-1')
      const tagged = await store.records.list({ limit: 10, templateVersion: 'version-1' })
      expect(idsOf(tagged)).toEqual(['record-1', 'record-2', 'record-3'])
      const answered = await store.records.list({ limit: 10, answeredOnly: true, bodies: false })
      expect(idsOf(answered)).toEqual(['record-1', 'record-4'])
      expect(answered[0]).toMatchObject({ request: '', response: null, status: 200 })
    })

    it('finds records in the order of the ids, without unknown ones', async ({ store }) => {
      await append(store, exampleRecord(1), exampleRecord(2))
      const found = await store.records.byIds(['record-2', 'unknown', 'record-1'])
      expect(found).toMatchObject([exampleRecord(2), exampleRecord(1)])
    })

    it('selects by id, tenant and user', async ({ store }) => {
      const requests = [
        { user: 'ann' },
        { safety_identifier: 'ann' },
        { metadata: { user_id: 'ann' } },
        { user: 'bob' },
        { messages: [{ role: 'user', content: 'ann' }] },
      ].map((request) => JSON.stringify(request))
      await append(
        store,
        ...examples(5, (index) => ({
          request: requests[index]!,
          tenant: index === 0 ? 'tenant-b' : 'tenant-a',
        }))
      )
      await append(store, exampleRecord(9, { request: '"ann' }))
      await store.records.tagTemplate(['record-2', 'record-4'], 'version-1')
      expect(await selectAll(store, { user: 'ann' })).toEqual({
        ids: ['record-0', 'record-1', 'record-2'],
        versions: ['version-1'],
      })
      expect(await selectAll(store, { tenant: 'tenant-b' })).toEqual({
        ids: ['record-0'],
        versions: [],
      })
      const cases: [Selection, string[]][] = [
        [{ user: 'ann', tenant: 'tenant-a' }, ['record-1', 'record-2']],
        [{ recordIds: ['record-9', 'x', 'record-1'] }, ['record-1', 'record-9']],
        [{ recordIds: ['record-0'], tenant: 'tenant-a' }, []],
      ]
      for (const [selection, ids] of cases)
        expect((await selectAll(store, selection)).ids).toEqual(ids)
    })
  })

  describe('deleting', () => {
    it('prunes bodies and records by age', async ({ store }) => {
      const request = exampleRecord(0).request
      await append(store, ...examples(6, (index) => ({ request, at: index * DAY_MS })))
      expect(await store.records.prune({ bodies: 4 * DAY_MS, records: 2 * DAY_MS })).toEqual({
        records: 2,
        bodies: 8,
      })
      const left = await store.records.list({ limit: 10 })
      expect(left.map(({ id, request: text, response }) => [id, text, response !== null])).toEqual([
        ['record-2', '', false],
        ['record-3', '', false],
        ['record-4', request, true],
        ['record-5', request, true],
      ])
      const answered = await store.records.list({ limit: 10, answeredOnly: true })
      expect(idsOf(answered)).toEqual(['record-4', 'record-5'])
    })

    it('keeps bodies readable when similar ones are pruned', async ({ store }) => {
      await append(store, ...examples(40, ofHours))
      await store.records.prune({ bodies: 10 * DAY_MS, records: 0 })
      await append(store, exampleRecord(40, ofHours(40)))
      expect(await store.records.byIds(['record-35', 'record-40'])).toMatchObject([
        exampleRecord(35, ofHours(35)),
        exampleRecord(40, ofHours(40)),
      ])
    })

    it('never uses the sequence of a pruned record again', async ({ store }) => {
      await append(store, ...examples(3))
      const [last] = await store.records.list({ limit: 1, order: 'desc' })
      expect((await store.records.prune({ bodies: DAY_MS, records: DAY_MS })).records).toBe(3)
      await append(store, exampleRecord(3))
      const [next, ...others] = await store.records.list({ limit: 10 })
      expect(next!.sequence).toBeGreaterThan(last!.sequence)
      expect(others).toEqual([])
    })

    it('deletes the answers of evaluations, too', async ({ store }) => {
      await append(store, exampleRecord(1), exampleRecord(2, { at: DAY_MS }))
      await store.internalizations.create(exampleInternalization())
      const fresh = { repeats: true, asLogged: [true, false] as const }
      const bought = { agreesToday: true, upstreamAnswer: 'bought', fresh }
      await store.internalizations.addEvaluations([
        ...['record-1', 'record-2', 'gone'].map((id) => exampleEvaluation(id, bought)),
        exampleEvaluation('record-1', { arm: 1 }),
      ])
      await store.records.prune({ bodies: DAY_MS, records: 0 })
      const kept = await store.internalizations.evaluations('internalization-1')
      expect(
        kept.map(({ recordId, answer, upstreamAnswer }) => [recordId, answer, upstreamAnswer])
      ).toEqual([
        ['gone', '', ''],
        ['record-1', '', ''],
        ['record-2', 'intent_1', 'bought'],
        ['record-1', '', null],
      ])
      expect(kept[0]).toMatchObject({ agrees: true, agreesToday: true, logprobSum: -0.5, fresh })
    })

    it('forgets the selected records, and every other record reads as before', async ({
      store,
    }) => {
      // each record is stored as a difference to the first, or to the first of its day
      const records = examples(300, (index) => ({
        tenant: index % 3 === 0 ? 'tenant-b' : 'tenant-a',
        at: index * (DAY_MS / 100),
      }))
      await append(store, ...records)
      await store.internalizations.create(exampleInternalization())
      await store.internalizations.addEvaluations(
        ['record-0', 'record-1'].map((id) => exampleEvaluation(id))
      )
      const gone = ['record-0', 'record-1', 'record-7']
      expect(await store.records.forget({ recordIds: gone })).toEqual({ records: 3, bodies: 6 })
      const left = records.filter(({ id }) => !gone.includes(id))
      expect(await store.records.list({ limit: 1000 })).toMatchObject(left)
      expect(await store.internalizations.evaluations('internalization-1')).toEqual([])
      const tenant = { tenant: 'tenant-b' }
      expect(await store.records.forget(tenant)).toEqual({ records: 99, bodies: 198 })
      const inA = left.filter(({ tenant: owner }) => owner === 'tenant-a')
      expect(await store.records.list({ limit: 1000 })).toMatchObject(inA)
      expect(await store.records.forget(tenant)).toEqual({ records: 0, bodies: 0 })
      await store.records.prune({ bodies: 2 * DAY_MS, records: 0 })
      const young = inA.filter(({ at }) => at >= 2 * DAY_MS)
      expect(await store.records.byIds(idsOf(young))).toMatchObject(young)
    })
  })
})
