/**
 * What every implementation of the store must do, as one suite. Lives with the tests, because it
 * speaks vitest; an implementation's test file calls `describeStore`.
 */
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { Selection } from '../../src/core/log/selection.ts'
import type { Store } from '../../src/store/store.ts'
import {
  exampleEvaluation,
  exampleInternalization,
  exampleKey,
  exampleOutcome,
  exampleRecord,
  exampleRoute,
  exampleTemplate,
} from '../fixtures/examples.ts'

export interface StorePlace {
  open: () => Promise<Store>
  /** a store over the same data that waits on its own, as another process has it */
  openElsewhere: () => Promise<Store>
  destroy: () => Promise<void>
}

const appendEach = (target: Store, from: number, count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      target.records.append(batchOf([exampleRecord(from + index)]))
    )
  )

const idsOf = (records: { id: string }[]): string[] => records.map(({ id }) => id)

export const describeStore = (name: string, prepare: () => Promise<StorePlace>): void => {
  describe(name, () => {
    let place: StorePlace
    let store: Store
    const others: Store[] = []

    const openOther = async (): Promise<Store> => {
      const other = await place.openElsewhere()
      others.push(other)
      return other
    }

    beforeEach(async () => {
      place = await prepare()
      store = await place.open()
    })

    afterEach(async () => {
      for (const other of others.splice(0)) await other.close()
      await store.close()
      await place.destroy()
    })

    describe('records', () => {
      it('gives back every field and every byte', async () => {
        const records = [
          exampleRecord(1),
          exampleRecord(2, { route: exampleOutcome(), firstByteMs: null, usage: null }),
          exampleRecord(3, { response: null, status: 499 }),
          exampleRecord(4, { request: '{"broken', response: '' }),
          exampleRecord(5, { request: '{ "spaced" : "ünïcödé \\ud83d\\ude00 \u0000" }\n' }),
        ]
        await store.records.append(batchOf(records))
        const stored = await store.records.list({ limit: 10 })
        expect(stored).toMatchObject(records)
        expect(stored.map(({ templateVersion }) => templateVersion)).toEqual([
          null,
          'version-1',
          null,
          null,
          null,
        ])
      })

      it('skips an id that exists, in the log or in the same call', async () => {
        await store.records.append(
          batchOf([exampleRecord(1), exampleRecord(1, { model: 'other' })])
        )
        await store.records.append(
          batchOf([exampleRecord(1, { model: 'other' }), exampleRecord(2)])
        )
        const stored = await store.records.list({ limit: 10 })
        expect(idsOf(stored)).toEqual(['record-1', 'record-2'])
        expect(stored[0]!.model).toBe('gpt-4o-mini')
      })

      it('estimates a missing usage where that is asked for, with bodies and without', async () => {
        const pruned = exampleRecord(3, { usage: null, response: null })
        await store.records.append(
          batchOf([exampleRecord(1), exampleRecord(2, { usage: null }), pruned])
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

      it('peers 3.7: adds up the usage of what was appended, once, and counts where there is none', async () => {
        const own = exampleRecord(3, { route: exampleOutcome() })
        const records = [
          exampleRecord(1, {
            usage: {
              prompt_tokens: 100,
              completion_tokens: 7,
              total_tokens: 107,
              prompt_tokens_details: { cached_tokens: 64 },
            },
          }),
          exampleRecord(2, { usage: null }),
          own,
          exampleRecord(4, { usage: null, status: 502, response: null }),
        ]
        await store.records.append(batchOf(records))
        await store.records.append(batchOf(records.slice(0, 2)))
        const none = { cachedInput: 0, cacheWrite: 0, reasoning: 0 }
        expect(await store.records.usageTotals()).toEqual({
          upstream: { ...none, input: 100, cachedInput: 64, output: 7, unknown: 1 },
          lora: { ...none, input: own.usage!.prompt_tokens, output: 4, unknown: 0 },
        })
        const other = await openOther()
        expect((await other.records.usageTotals()).upstream.input).toBe(0)
      })

      it('takes an empty list', async () => {
        await store.records.append(batchOf([]))
        expect(await store.records.list({ limit: 10 })).toEqual([])
      })

      it('pages through the log in both directions without a gap', async () => {
        await store.records.append(
          batchOf(Array.from({ length: 130 }, (_, index) => exampleRecord(index)))
        )
        for (const order of ['asc', 'desc'] as const) {
          const seen: number[] = []
          let after: number | undefined
          for (;;) {
            const page = await store.records.list({
              order,
              limit: 40,
              ...(after === undefined ? {} : { after }),
            })
            seen.push(...page.map(({ sequence }) => sequence))
            if (page.length < 40) break
            after = page.at(-1)!.sequence
          }
          expect(new Set(seen).size).toBe(130)
          expect(seen).toEqual(seen.toSorted((a, b) => (order === 'asc' ? a - b : b - a)))
        }
      })

      it('lists one template, answered records only, and without bodies on request', async () => {
        await store.records.append(
          batchOf([
            exampleRecord(1),
            exampleRecord(2, { status: 500 }),
            exampleRecord(3, { response: null }),
            exampleRecord(4),
          ])
        )
        await store.records.tagTemplate(['record-1', 'record-2', 'record-3'], 'version-1')
        const tagged = await store.records.list({ limit: 10, templateVersion: 'version-1' })
        expect(idsOf(tagged)).toEqual(['record-1', 'record-2', 'record-3'])
        const answered = await store.records.list({ limit: 10, answeredOnly: true, bodies: false })
        expect(idsOf(answered)).toEqual(['record-1', 'record-4'])
        expect(answered[0]).toMatchObject({ request: '', response: null, status: 200 })
      })

      it('finds records by id in the order asked, leaving out unknown ones', async () => {
        await store.records.append(batchOf([exampleRecord(1), exampleRecord(2)]))
        const found = await store.records.byIds(['record-2', 'nobody', 'record-1'])
        expect(idsOf(found)).toEqual(['record-2', 'record-1'])
        expect(found[0]!.request).toBe(exampleRecord(2).request)
      })

      it('resolves each of many simultaneous appends with its record in the log', async () => {
        const records = Array.from({ length: 300 }, (_, index) => exampleRecord(index))
        await Promise.all(records.map((record) => store.records.append(batchOf([record]))))
        expect(await store.records.list({ limit: 1000 })).toHaveLength(300)
      })

      it('peers 3.11: prunes bodies and rows by age and keeps what younger records need', async () => {
        const shared = exampleRecord(0).request
        await store.records.append(
          batchOf(
            Array.from({ length: 6 }, (_, index) => exampleRecord(index, { request: shared }))
          )
        )
        const deleted = await store.records.prune({ bodies: 1_004, records: 1_002 })
        expect(deleted.records).toBe(2)
        expect(deleted.bodies).toBeGreaterThan(0)
        const left = await store.records.list({ limit: 10 })
        expect(idsOf(left)).toEqual(['record-2', 'record-3', 'record-4', 'record-5'])
        expect(left.map(({ request }) => request)).toEqual(['', '', shared, shared])
        expect(left.map(({ response }) => response === null)).toEqual([true, true, false, false])
        expect(idsOf(await store.records.list({ limit: 10, answeredOnly: true }))).toEqual([
          'record-4',
          'record-5',
        ])
      })

      it('keeps similar texts readable when the ones they resemble are pruned', async () => {
        const records = Array.from({ length: 40 }, (_, index) => exampleRecord(index))
        await store.records.append(batchOf(records))
        await store.records.prune({ bodies: 1_030, records: 0 })
        const left = await store.records.byIds(['record-35'])
        expect(left[0]!.request).toBe(records[35]!.request)
        await store.records.append(batchOf([exampleRecord(40)]))
        const [added] = await store.records.byIds(['record-40'])
        expect(added!.request).toBe(exampleRecord(40).request)
        const rest = await store.records.prune({ bodies: 9_999, records: 9_999 })
        expect(rest.records).toBe(41)
        expect(await store.records.list({ limit: 1 })).toEqual([])
      })

      it('peers 3.11: takes the answers out of evaluations with their records` bodies', async () => {
        await store.records.append(batchOf([exampleRecord(1), exampleRecord(2)]))
        await store.internalizations.create(exampleInternalization())
        const bought = { upstreamAnswer: 'bought', upstreamSimilarity: 1 }
        const rows = ['record-1', 'record-2', 'gone'].map((id) => exampleEvaluation(id, bought))
        await store.internalizations.addEvaluations([
          ...rows,
          exampleEvaluation('record-1', { arm: 1 }),
        ])
        await store.records.prune({ bodies: 1_002, records: 0 })
        const kept = await store.internalizations.evaluations('internalization-1')
        expect(
          kept.map(({ recordId, answer, upstreamAnswer }) => [recordId, answer, upstreamAnswer])
        ).toEqual([
          ['gone', '', ''],
          ['record-1', '', ''],
          ['record-2', 'intent_1', 'bought'],
          ['record-1', '', null],
        ])
        expect(kept[0]).toMatchObject({ similarity: 1, logprobSum: -0.5, upstreamSimilarity: 1 })
      })

      it('selects by id, tenant and user, part by part', async () => {
        const users = [
          { user: 'ann' },
          { safety_identifier: 'ann' },
          { metadata: { user_id: 'ann' } },
        ]
        const strangers = [{ user: 'bob' }, { messages: [{ role: 'user', content: 'ann' }] }]
        await store.records.append(
          batchOf(
            [...users, ...strangers].map((request, index) =>
              exampleRecord(index, {
                request: JSON.stringify(request),
                tenant: index === 0 ? 'tenant-b' : 'tenant-a',
              })
            )
          )
        )
        await store.records.append(batchOf([exampleRecord(9, { request: '"ann' })]))
        await store.records.tagTemplate(['record-2', 'record-4'], 'version-1')
        const select = async (selection: Selection) => {
          const ids: string[] = []
          const versions: string[] = []
          for (let after: number | null = 0; after !== null;) {
            const page = await store.records.select(selection, after)
            ids.push(...page.ids)
            versions.push(...page.templateVersions)
            after = page.next
          }
          return { ids, versions }
        }
        expect(await select({ user: 'ann' })).toEqual({
          ids: ['record-0', 'record-1', 'record-2'],
          versions: ['version-1'],
        })
        expect((await select({ user: 'ann', tenant: 'tenant-a' })).ids).toEqual([
          'record-1',
          'record-2',
        ])
        expect(await select({ tenant: 'tenant-b' })).toEqual({ ids: ['record-0'], versions: [] })
        expect((await select({ recordIds: ['record-9', 'x', 'record-1'] })).ids).toEqual([
          'record-1',
          'record-9',
        ])
        expect((await select({ recordIds: ['record-0'], tenant: 'tenant-a' })).ids).toEqual([])
      })

      it('forgets what is selected, and every other record reads as before', async () => {
        // each record is stored as a difference to the first
        const records = Array.from({ length: 300 }, (_, index) =>
          exampleRecord(index, { tenant: index % 3 === 0 ? 'tenant-b' : 'tenant-a' })
        )
        await store.records.append(batchOf(records))
        await store.internalizations.create(exampleInternalization())
        await store.internalizations.addEvaluations([
          exampleEvaluation('record-0'),
          exampleEvaluation('record-1'),
        ])
        const gone = ['record-0', 'record-1', 'record-7']
        expect(await store.records.forget({ recordIds: gone })).toEqual({ records: 3, bodies: 6 })
        const left = records.filter(({ id }) => !gone.includes(id))
        expect(await store.records.list({ limit: 1000 })).toMatchObject(left)
        expect(await store.records.byIds(gone)).toEqual([])
        const evaluations = await store.internalizations.evaluations('internalization-1')
        expect(evaluations).toEqual([])
        const inB = left.filter(({ tenant }) => tenant === 'tenant-b').length
        expect(await store.records.forget({ tenant: 'tenant-b' })).toEqual({
          records: inB,
          bodies: 2 * inB,
        })
        const inA = left.filter(({ tenant }) => tenant === 'tenant-a')
        expect(await store.records.list({ limit: 1000 })).toMatchObject(inA)
        expect(await store.records.forget({ tenant: 'tenant-b' })).toEqual({
          records: 0,
          bodies: 0,
        })
        await store.records.prune({ bodies: 1_200, records: 0 })
        const young = inA.filter(({ at }) => at >= 1_200)
        expect(await store.records.byIds(idsOf(young))).toMatchObject(young)
      })

      it('forgets while others append, and loses none of theirs', async () => {
        const other = await openOther()
        await appendEach(other, 0, 60)
        const [, forgotten] = await Promise.all([
          appendEach(other, 1000, 200),
          store.records.forget({ recordIds: ['record-0', 'record-1', 'record-2'] }),
        ])
        expect(forgotten.records).toBe(3)
        await appendEach(other, 2000, 20)
        const seen = await store.records.list({ limit: 1000 })
        expect(seen).toHaveLength(277)
        for (const record of seen) {
          const index = Number(record.id.replace('record-', ''))
          expect(record.request).toBe(exampleRecord(index).request)
        }
        await store.records.scrub()
        expect(await other.records.list({ limit: 1000 })).toEqual(seen)
      })

      it('never gives a pruned sequence again', async () => {
        await store.records.append(batchOf([exampleRecord(1), exampleRecord(2)]))
        const last = (await store.records.list({ limit: 1, order: 'desc' }))[0]!.sequence
        await store.records.prune({ bodies: 9_999, records: 9_999 })
        await store.records.append(batchOf([exampleRecord(3)]))
        const [next] = await store.records.list({ limit: 1 })
        expect(next!.sequence).toBeGreaterThan(last)
      })
    })

    describe('templates', () => {
      it('keeps the newest form of each version', async () => {
        await store.templates.upsert([exampleTemplate('v2'), exampleTemplate('v1')])
        const changed = { ...exampleTemplate('v1'), maxTurnsAfter: 3 }
        await store.templates.upsert([changed])
        expect(await store.templates.get('v1')).toEqual(changed)
        expect(await store.templates.get('v3')).toBeNull()
        expect((await store.templates.list()).map(({ version }) => version)).toEqual(['v1', 'v2'])
      })

      it('counts tagged and routed records, and keeps the count when they are pruned', async () => {
        await store.records.append(
          batchOf([
            exampleRecord(1, { route: exampleOutcome() }),
            exampleRecord(2, {
              route: exampleOutcome({ outcome: 'fallback', promptTokensSaved: 0, savedUsd: null }),
            }),
            exampleRecord(3),
          ])
        )
        await store.records.tagTemplate(['record-1', 'record-3', 'nobody'], 'version-1')
        await store.records.tagTemplate(['record-3'], 'version-1')
        await store.records.append(batchOf([exampleRecord(1, { route: exampleOutcome() })]))
        const stats = {
          requests: 3,
          answered: 1,
          fallbacks: 1,
          promptTokensSaved: 790,
          savedUsd: 0.5,
          lastSeen: 1_003,
        }
        expect(await store.templates.stats('version-1')).toEqual(stats)
        await store.records.prune({ bodies: 9_999, records: 9_999 })
        expect(await store.templates.stats('version-1')).toEqual(stats)
      })

      it('moves the count with a record that is tagged anew', async () => {
        await store.records.append(batchOf([exampleRecord(1)]))
        await store.records.tagTemplate(['record-1'], 'v1')
        await store.records.tagTemplate(['record-1'], 'v2')
        expect((await store.templates.stats('v1')).requests).toBe(0)
        expect((await store.templates.stats('v2')).requests).toBe(1)
        expect(await store.templates.stats('v3')).toMatchObject({ requests: 0, lastSeen: null })
      })
    })

    describe('internalizations', () => {
      it('saves state, plan and verdict with a history of the states', async () => {
        await store.internalizations.create(exampleInternalization())
        const created = (await store.internalizations.get('internalization-1'))!
        expect(created).toEqual(exampleInternalization())
        const training = await store.internalizations.save(
          { ...created, state: { name: 'training', arm: 0, stage: 0 } },
          'worker',
          2_000
        )
        const same = await store.internalizations.save(training, 'worker', 2_500)
        const failed = await store.internalizations.save(
          { ...same, state: { name: 'failed', cause: 'engine gone' } },
          'cli',
          3_000
        )
        expect(failed.updatedAt).toBe(3_000)
        expect(await store.internalizations.get('internalization-1')).toEqual(failed)
        const start = { name: 'training', arm: 0, stage: 0 }
        expect(await store.internalizations.history('internalization-1')).toEqual([
          { at: 1_000, from: null, to: { name: 'candidate' }, by: 'worker' },
          { at: 2_000, from: { name: 'candidate' }, to: start, by: 'worker' },
          { at: 3_000, from: start, to: { name: 'failed', cause: 'engine gone' }, by: 'cli' },
        ])
      })

      it('refuses a stale revision and an unknown id, and writes nothing', async () => {
        await store.internalizations.create(exampleInternalization())
        const read = (await store.internalizations.get('internalization-1'))!
        const saved = await store.internalizations.save(
          { ...read, state: { name: 'evaluating' } },
          'worker',
          2_000
        )
        const stale = store.internalizations.save(
          { ...read, state: { name: 'live' } },
          'admin',
          3_000
        )
        await expect(stale).rejects.toMatchObject({ code: 'conflict' })
        expect(await store.internalizations.get('internalization-1')).toEqual(saved)
        expect(await store.internalizations.history('internalization-1')).toHaveLength(2)
        const unknown = store.internalizations.save(exampleInternalization('x'), 'admin', 1)
        await expect(unknown).rejects.toMatchObject({ code: 'not-found' })
      })

      it('lets one of two writers win', async () => {
        const other = await openOther()
        await store.internalizations.create(exampleInternalization())
        const read = (await store.internalizations.get('internalization-1'))!
        const results = await Promise.allSettled(
          [store, other].map(({ internalizations }) =>
            internalizations.save({ ...read, state: { name: 'evaluating' } }, 'worker', 2_000)
          )
        )
        expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
      })

      it('allows one internalization in work per template version', async () => {
        await store.internalizations.create(exampleInternalization('a'))
        const second = store.internalizations.create(exampleInternalization('b'))
        await expect(second).rejects.toMatchObject({ code: 'conflict' })
        const same = store.internalizations.create(
          exampleInternalization('a', { templateVersion: 'other' })
        )
        await expect(same).rejects.toMatchObject({ code: 'conflict' })
        const a = (await store.internalizations.get('a'))!
        await store.internalizations.save({ ...a, state: { name: 'live' } }, 'admin', 2_000)
        await store.internalizations.create(exampleInternalization('c', { createdAt: 2_000 }))
        expect(idsOf(await store.internalizations.list())).toEqual(['a', 'c'])
      })

      it('keeps one evaluation a row and arm, the last one written', async () => {
        await store.internalizations.create(exampleInternalization())
        await store.internalizations.addEvaluations([
          exampleEvaluation('r2'),
          exampleEvaluation('r1', { arm: 1 }),
          exampleEvaluation('r1'),
        ])
        const bought = exampleEvaluation('r2', { upstreamAnswer: 'x', upstreamSimilarity: 0.5 })
        await store.internalizations.addEvaluations([bought])
        expect(await store.internalizations.evaluations('internalization-1')).toEqual([
          exampleEvaluation('r1'),
          bought,
          exampleEvaluation('r1', { arm: 1 }),
        ])
      })
    })

    describe('routes', () => {
      it('replaces and removes by template version', async () => {
        await store.routes.put(exampleRoute('v1'))
        await store.routes.put(exampleRoute('v2'))
        const changed = { ...exampleRoute('v1'), threshold: -0.5 }
        await store.routes.put(changed)
        expect(await store.routes.list()).toEqual([changed, exampleRoute('v2')])
        await store.routes.remove('v1')
        await store.routes.remove('v1')
        expect(await store.routes.list()).toEqual([exampleRoute('v2')])
      })

      it('shows every change of another process in its revision', async () => {
        const other = await openOther()
        const revisions = [await other.routes.revision()]
        await store.routes.put(exampleRoute())
        revisions.push(await other.routes.revision())
        await store.routes.put(exampleRoute())
        revisions.push(await other.routes.revision())
        await store.routes.remove('version-1')
        revisions.push(await other.routes.revision())
        expect(new Set(revisions).size).toBe(4)
        expect(await other.routes.revision()).toBe(revisions[3])
      })
    })

    describe('keys', () => {
      it('gives back every field, oldest first', async () => {
        const limited = exampleKey('a', {
          createdAt: 2_000,
          limits: {
            models: ['gpt-4o*'],
            requestsPerMinute: 60,
            tokensPerMinute: 10_000,
            budget: { usd: 0.5, period: 'month' },
          },
        })
        await store.keys.create(limited)
        await store.keys.create(exampleKey('b'))
        expect(await store.keys.list()).toEqual([exampleKey('b'), limited])
      })

      it('refuses an id and a hash that exist, without saying the hash', async () => {
        await store.keys.create(exampleKey('a'))
        for (const twin of [
          exampleKey('a', { hash: 'other' }),
          exampleKey('b', { hash: exampleKey('a').hash }),
        ]) {
          const refused = await store.keys.create(twin).catch((error: unknown) => error)
          expect(refused).toMatchObject({ code: 'conflict' })
          expect(inspect(refused)).not.toContain(twin.hash)
        }
        expect(await store.keys.list()).toHaveLength(1)
      })

      it('revokes once: the first time stays', async () => {
        await store.keys.create(exampleKey('a'))
        const revoked = await store.keys.revoke('a', 5_000)
        expect(revoked).toEqual(exampleKey('a', { revokedAt: 5_000 }))
        expect(await store.keys.revoke('a', 6_000)).toEqual(revoked)
        expect(await store.keys.list()).toEqual([revoked])
        await expect(store.keys.revoke('nobody', 1)).rejects.toMatchObject({ code: 'not-found' })
      })

      it('shows every change of another process in its revision', async () => {
        const other = await openOther()
        const revisions = [await other.keys.revision()]
        await store.keys.create(exampleKey('a'))
        revisions.push(await other.keys.revision())
        await store.keys.revoke('a', 5_000)
        revisions.push(await other.keys.revision())
        expect(new Set(revisions).size).toBe(3)
        await store.routes.put(exampleRoute())
        await store.keys.addSpend([{ keyId: 'a', day: 1, requests: 1, tokens: 1, usd: 1 }])
        expect(await other.keys.revision()).toBe(revisions[2])
      })

      it('adds up what keys spent, from a day on', async () => {
        const other = await openOther()
        const row = { keyId: 'a', day: 10, requests: 1, tokens: 100, usd: 0.25 }
        await store.keys.addSpend([])
        await store.keys.addSpend([row, { ...row, day: 11 }, { ...row, keyId: 'b' }])
        await other.keys.addSpend([row])
        expect(await store.keys.spend(0)).toEqual(
          new Map([
            ['a', { requests: 3, tokens: 300, usd: 0.75 }],
            ['b', { requests: 1, tokens: 100, usd: 0.25 }],
          ])
        )
        expect(await store.keys.spend(11)).toEqual(
          new Map([['a', { requests: 1, tokens: 100, usd: 0.25 }]])
        )
      })
    })

    describe('snapshots', () => {
      it('keeps the last bytes of each name', async () => {
        expect(await store.snapshots.get('sketch')).toBeNull()
        await store.snapshots.put('sketch', Uint8Array.of(1, 2, 3))
        await store.snapshots.put('sketch', Uint8Array.of(0, 255))
        expect(await store.snapshots.get('sketch')).toEqual(Uint8Array.of(0, 255))
      })

      it('removes and finds by name', async () => {
        for (const snapshot of ['forget:b', 'progress:a', 'forget:a', 'forget']) {
          await store.snapshots.put(snapshot, Uint8Array.of(1))
        }
        expect(await store.snapshots.names('forget:')).toEqual(['forget:a', 'forget:b'])
        await store.snapshots.remove('forget:a')
        await store.snapshots.remove('nothing')
        expect(await store.snapshots.names('forget:')).toEqual(['forget:b'])
        expect(await store.snapshots.get('forget:a')).toBeNull()
      })

      it('holds megabytes', async () => {
        const bytes = new Uint8Array(4 * 2 ** 20).fill(7)
        await store.snapshots.put('large', bytes)
        expect(Buffer.compare((await store.snapshots.get('large'))!, bytes)).toBe(0)
      })
    })

    it('keeps everything over closing and opening', async () => {
      await store.records.append(batchOf([exampleRecord(1)]))
      await store.templates.upsert([exampleTemplate()])
      await store.internalizations.create(exampleInternalization())
      await store.routes.put(exampleRoute())
      await store.keys.create(exampleKey('a'))
      await store.close()
      store = await place.open()
      expect(idsOf(await store.records.list({ limit: 10 }))).toEqual(['record-1'])
      expect(await store.templates.list()).toEqual([exampleTemplate()])
      expect(await store.internalizations.list()).toEqual([exampleInternalization()])
      expect(await store.routes.list()).toEqual([exampleRoute()])
      expect(await store.keys.list()).toEqual([exampleKey('a')])
    })

    it('lets two processes append and read at once', async () => {
      const other = await openOther()
      await Promise.all([appendEach(store, 0, 100), appendEach(other, 1000, 100)])
      const seen = await store.records.list({ limit: 1000 })
      expect(seen).toHaveLength(200)
      expect(seen).toEqual(await other.records.list({ limit: 1000 }))
      for (const record of seen) {
        const index = Number(record.id.replace('record-', ''))
        expect(record.request).toBe(exampleRecord(index).request)
      }
    })

    it('finishes what waits and refuses what comes after closing', async () => {
      const waiting = store.records.append(batchOf([exampleRecord(1)]))
      await store.close()
      await waiting
      await expect(store.records.list({ limit: 1 })).rejects.toMatchObject({
        code: 'store-unavailable',
      })
      await store.close()
      store = await place.open()
      expect(idsOf(await store.records.list({ limit: 10 }))).toEqual(['record-1'])
    })
  })
}
