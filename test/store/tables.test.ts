import { saidBy } from '../../src/core/reason.ts'
import { inspect } from 'node:util'
import { describe, expect } from 'vitest'
import type { FieldRule } from '../../src/core/answer/field-rules.ts'
import type { SliceAsk } from '../../src/core/keys/account.ts'
import type { Spend } from '../../src/core/keys/issued-key.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { DAY_MS } from '../kit/store/days.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleInternalization,
  exampleKey,
  exampleOutcome,
  exampleRecord,
  exampleRoute,
  exampleTemplate,
  LIVE_STATE,
} from '../kit/records/examples.ts'
import { onEachStore } from '../kit/store/stores.ts'

const ID = 'internalization-1'

const spendOf = (keyId: string, spend: Spend): SliceAsk => ({
  keyId,
  limits: { requestsPerMinute: null, tokensPerMinute: null, budget: null },
  spend,
  keptUsd: 0,
  returned: { requests: 0, tokens: 0 },
  waiting: [],
  spare: { requests: 0, tokens: 0, usd: 0 },
})

const times = (count: number) => ({ requests: count, tokens: count * 100, usd: count * 0.25 })

const rule = (path: string, why: string): FieldRule => ({
  path,
  rule: { kind: 'rounded', to: 0.01 },
  by: 'admin',
  why,
  at: 1_000,
})

onEachStore((it) => {
  describe('templates', () => {
    it('keep the newest form of each version', async ({ store: { templates } }) => {
      await templates.upsert([exampleTemplate('v2'), exampleTemplate('v1')])
      const changed = { ...exampleTemplate('v1'), maxTurnsAfter: 3 }
      await templates.upsert([changed])
      expect(await templates.get('v1')).toEqual(changed)
      expect(await templates.get('v3')).toBeNull()
      expect(await templates.list()).toEqual([changed, exampleTemplate('v2')])
    })

    it('keep a label through detection, until they are removed', async ({
      store: { templates },
    }) => {
      await templates.upsert([exampleTemplate('v1'), exampleTemplate('v2')])
      for (const label of ['first', 'second']) await templates.label('v1', label)
      await templates.label('v2', 'other')
      await templates.upsert([exampleTemplate('v1')])
      expect(await templates.labels()).toEqual(
        new Map([
          ['v1', 'second'],
          ['v2', 'other'],
        ])
      )
      await templates.label('v2', null)
      await templates.remove('v1')
      expect(await templates.labels()).toEqual(new Map())
      await expect(templates.label('v1', 'x')).rejects.toMatchObject({ code: 'not-found' })
    })

    it('keep the rules for fields of each version by path, until they are removed', async ({
      store: { templates },
    }) => {
      await templates.upsert([exampleTemplate('v1'), exampleTemplate('v2')])
      for (const path of ['b', '[]', 'B', 'a.ä']) await templates.setField('v1', rule(path, 'one'))
      const changed: FieldRule = { ...rule('b', 'two \uFFFD'), rule: { kind: 'free' }, by: 'cli' }
      await templates.setField('v1', changed)
      await templates.setField('v2', rule('b', 'other'))
      await templates.upsert([exampleTemplate('v1')])
      expect(await templates.fields('v1')).toEqual([
        rule('B', 'one'),
        rule('[]', 'one'),
        rule('a.ä', 'one'),
        changed,
      ])
      await templates.removeField('v1', 'B')
      await expect(templates.removeField('v1', 'B')).rejects.toMatchObject({ code: 'not-found' })
      await templates.remove('v1')
      expect(await templates.fields('v1')).toEqual([])
      expect(await templates.fields('v2')).toEqual([rule('b', 'other')])
      await expect(templates.setField('v1', changed)).rejects.toMatchObject({ code: 'not-found' })
    })

    it('count tagged and routed records once', async ({ store: { records, templates } }) => {
      const fallback = { outcome: 'fallback', promptTokensSaved: 0 } as const
      const answered = exampleRecord(1, { route: exampleOutcome() })
      await records.append(
        batchOf([answered, exampleRecord(2, { route: exampleOutcome(fallback) }), exampleRecord(3)])
      )
      await records.tagTemplate(['record-1', 'record-3', 'unknown'], 'version-1')
      await records.tagTemplate(['record-3'], 'version-1')
      await records.append(batchOf([answered]))
      const stats = {
        requests: 3,
        answered: 1,
        bought: 0,
        forwarded: 1,
        promptTokensSaved: 790,
        lastSeen: 1_003,
      }
      expect(await templates.stats('version-1')).toEqual(stats)
      await records.prune({ bodies: DAY_MS, records: DAY_MS })
      expect(await templates.totals()).toEqual([{ version: 'version-1', ...stats }])
    })

    it('move the count with the tag', async ({ store: { records, templates } }) => {
      await records.append(batchOf([exampleRecord(1)]))
      for (const version of ['v1', 'v2']) await records.tagTemplate(['record-1'], version)
      const counts = []
      for (const version of ['v1', 'v2', 'v3'])
        counts.push((await templates.stats(version)).requests)
      expect(counts).toEqual([0, 1, 0])
      expect((await templates.stats('v3')).lastSeen).toBeNull()
    })
  })

  describe('internalizations', () => {
    it('are saved with a history of their states', async ({ store: { internalizations } }) => {
      await internalizations.create(exampleInternalization(), 'admin', 'it recurs')
      const created = (await internalizations.get(ID))!
      expect(created).toEqual(exampleInternalization())
      const training = { name: 'training', arm: 0, stage: 0 } as const
      const saved = await internalizations.save({ ...created, state: training }, 'worker', 2_000)
      const same = await internalizations.save(saved, 'worker', 2_500)
      const failed = { name: 'failed', reason: saidBy('engine gone') } as const
      const ended = await internalizations.save({ ...same, state: failed }, 'cli', 3_000, 'why not')
      expect(ended.updatedAt).toBe(3_000)
      expect(await internalizations.get(ID)).toEqual(ended)
      expect(await internalizations.history(ID)).toEqual([
        { at: 1_000, from: null, to: { name: 'candidate' }, by: 'admin', note: 'it recurs' },
        { at: 2_000, from: { name: 'candidate' }, to: training, by: 'worker', note: null },
        { at: 3_000, from: training, to: failed, by: 'cli', note: 'why not' },
      ])
    })

    it('have a revision that every change raises, also for another process', async ({
      store: { internalizations },
      open,
    }) => {
      const other = await open()
      const seen = [await other.internalizations.revision()]
      const created = exampleInternalization('a')
      await internalizations.create(created)
      seen.push(await other.internalizations.revision())
      // the facts of a decision, for example, are written without a change of the state
      await internalizations.save(created, 'worker', 500)
      seen.push(await other.internalizations.revision())
      await internalizations.addEvaluations([exampleEvaluation('r', { internalizationId: 'a' })])
      seen.push(await other.internalizations.revision())
      await other.close()
      expect(new Set(seen).size).toBe(4)
    })

    it('are followed by place, in the order of all changes', async ({
      store: { internalizations },
      open,
    }) => {
      expect(await internalizations.historyEnd()).toBe(0)
      expect(await internalizations.historySince(0, 10)).toEqual([])
      await internalizations.create(exampleInternalization('a'))
      await internalizations.create(exampleInternalization('b', { templateVersion: 'v2' }))
      const failed = { name: 'failed', reason: saidBy('engine gone') } as const
      await internalizations.save({ ...exampleInternalization('a'), state: failed }, 'cli', 500)
      const other = await open()
      const rows = await other.internalizations.historySince(0, 10)
      expect(rows).toEqual([
        expect.objectContaining({ internalizationId: 'a', from: null, by: 'worker' }),
        expect.objectContaining({ internalizationId: 'b', to: { name: 'candidate' } }),
        {
          place: rows[2]!.place,
          internalizationId: 'a',
          at: 500,
          from: { name: 'candidate' },
          to: failed,
          by: 'cli',
          note: null,
        },
      ])
      const places = rows.map(({ place }) => place)
      expect(places).toEqual(places.toSorted((x, y) => x - y))
      expect(await internalizations.historySince(places[0]!, 1)).toEqual([rows[1]])
      expect(await internalizations.historySince(places[2]!, 1)).toEqual([])
      expect(await internalizations.historyEnd()).toBe(places[2])
      await other.close()
    })

    it('are listed without the records of their plans on request', async ({
      store: { internalizations },
    }) => {
      const approved = exampleApproved('a')
      await internalizations.create(approved)
      await internalizations.create(exampleInternalization('b', { templateVersion: 'v2' }))
      const [first, second] = await internalizations.list({ recordIds: false })
      const empty = { trainRecordIds: [], holdoutRecordIds: [], unseenRecordIds: [] }
      expect(first).toEqual({ ...approved, plan: { ...approved.plan, ...empty } })
      expect(second!.plan).toBeNull()
      expect((await internalizations.list())[0]).toEqual(approved)
    })

    it('refuse a stale revision and an unknown id', async ({ store: { internalizations } }) => {
      await internalizations.create(exampleInternalization())
      const read = (await internalizations.get(ID))!
      const saved = await internalizations.save({ ...read, state: LIVE_STATE }, 'worker', 2_000)
      const stale = internalizations.save(
        { ...read, state: { name: 'evaluating' } },
        'admin',
        3_000
      )
      await expect(stale).rejects.toMatchObject({ code: 'conflict' })
      expect(await internalizations.get(ID)).toEqual(saved)
      expect(await internalizations.history(ID)).toHaveLength(2)
      const unknown = internalizations.save(exampleInternalization('x'), 'admin', 1)
      await expect(unknown).rejects.toMatchObject({ code: 'not-found' })
    })

    it('allow one in work per template version', async ({ store: { internalizations } }) => {
      await internalizations.create(exampleInternalization('a'))
      for (const [id, templateVersion] of [
        ['b', 'version-1'],
        ['a', 'other'],
      ] as const)
        await expect(
          internalizations.create(exampleInternalization(id, { templateVersion }))
        ).rejects.toMatchObject({ code: 'conflict' })
      const a = (await internalizations.get('a'))!
      const live = await internalizations.save({ ...a, state: LIVE_STATE }, 'admin', 2_000)
      await internalizations.create(exampleInternalization('c', { createdAt: 2_000 }))
      expect((await internalizations.list()).map(({ id }) => id)).toEqual(['a', 'c'])
      await expect(
        internalizations.save({ ...live, state: { name: 'approval' } }, 'admin', 3_000)
      ).rejects.toMatchObject({ code: 'conflict' })
    })

    it('keep the last evaluation of each record and arm', async ({
      store: { internalizations },
    }) => {
      await internalizations.create(exampleInternalization())
      const inArm1 = exampleEvaluation('r1', { arm: 1 })
      await internalizations.addEvaluations([
        exampleEvaluation('r2'),
        inArm1,
        exampleEvaluation('r1'),
      ])
      const bought = exampleEvaluation('r2', {
        agreesToday: false,
        upstreamAnswer: 'x',
        fresh: { repeats: true, asLogged: [false, true] },
      })
      await internalizations.addEvaluations([bought])
      expect(await internalizations.evaluations(ID)).toEqual([
        exampleEvaluation('r1'),
        bought,
        inArm1,
      ])
      expect([...(await internalizations.evaluationCounts(ID))]).toEqual([
        [0, 2],
        [1, 1],
      ])
      expect((await internalizations.evaluationCounts('unknown')).size).toBe(0)
    })
  })

  describe('routes', () => {
    it('are replaced and removed by template version', async ({ store: { routes } }) => {
      const changed = { ...exampleRoute('v1'), threshold: -0.5 }
      for (const route of [exampleRoute('v1'), exampleRoute('v2'), changed]) await routes.put(route)
      expect(await routes.list()).toEqual([changed, exampleRoute('v2')])
      await routes.remove('v1')
      await routes.remove('v1')
      expect(await routes.list()).toEqual([exampleRoute('v2')])
    })
  })

  describe('keys', () => {
    it('keep every field, oldest first', async ({ store: { keys } }) => {
      const limits = {
        models: ['gpt-4o*'],
        requestsPerMinute: 60,
        tokensPerMinute: 10_000,
        budget: { usd: 0.5, period: 'month' },
      } as const
      const limited = exampleKey('a', {
        createdAt: 2_000,
        limits: { ...limits, models: [...limits.models] },
      })
      await keys.create(limited)
      await keys.create(exampleKey('b'))
      expect(await keys.list()).toEqual([exampleKey('b'), limited])
    })

    it('refuse an existing id or hash, without telling the hash', async ({ store: { keys } }) => {
      const key = exampleKey('a')
      await keys.create(key)
      for (const twin of [
        exampleKey('a', { hash: 'other' }),
        exampleKey('b', { hash: key.hash }),
      ]) {
        const refused = await keys.create(twin).catch((error: unknown) => error)
        expect(refused).toMatchObject({ code: 'conflict' })
        expect(inspect(refused)).not.toContain(twin.hash)
      }
      expect(await keys.list()).toEqual([key])
    })

    it('are revoked once: the first time stays', async ({ store: { keys } }) => {
      await keys.create(exampleKey('a'))
      const revoked = exampleKey('a', { revokedAt: 5_000 })
      expect(await keys.revoke('a', 5_000)).toEqual(revoked)
      expect(await keys.revoke('a', 6_000)).toEqual(revoked)
      expect(await keys.list()).toEqual([revoked])
      await expect(keys.revoke('unknown', 1)).rejects.toMatchObject({ code: 'not-found' })
    })

    it('sum up their spending from a day on', async ({ store, open }) => {
      const other = await open()
      const ask = spendOf('a', times(1))
      const today = Math.floor(Date.now() / DAY_MS)
      await store.keys.renew('one', [ask, spendOf('b', times(1))])
      await store.keys.renew('one', [ask])
      await other.keys.renew('two', [ask])
      const sums = new Map(Object.entries({ a: times(3), b: times(1) }))
      expect(await store.keys.spend(0)).toEqual(sums)
      expect(await store.keys.spend(today - 1)).toEqual(sums)
      expect(await store.keys.spend(today + 2)).toEqual(new Map())
      await other.close()
    })
  })

  it('revisions show each change to other processes', async ({ store, open }) => {
    const other = await open()
    const seen: [routes: number, keys: number][] = []
    for (const change of [
      () => Promise.resolve(),
      () => store.routes.put(exampleRoute()),
      () => store.routes.put(exampleRoute()),
      () => store.routes.remove('version-1'),
      () => store.routes.remove('version-1'),
      () => store.keys.create(exampleKey('a')),
      () => store.keys.revoke('a', 5_000),
      () => store.keys.renew('one', [spendOf('a', times(1))]),
    ]) {
      await change()
      seen.push([await other.routes.revision(), await other.keys.revision()])
    }
    expect(seen).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [3, 0],
      [3, 0],
      [3, 1],
      [3, 2],
      [3, 2],
    ])
    await other.close()
  })

  describe('snapshots', () => {
    it('keep the last bytes of each name, also megabytes', async ({ store: { snapshots } }) => {
      expect(await snapshots.get('sketch')).toBeNull()
      await snapshots.put('sketch', new Uint8Array(4 * 2 ** 20).fill(7))
      expect((await snapshots.get('sketch'))!.every((byte) => byte === 7)).toBe(true)
      await snapshots.put('sketch', Uint8Array.of(0, 255))
      expect(await snapshots.get('sketch')).toEqual(Uint8Array.of(0, 255))
    })

    it('are found by prefix and removed by name', async ({ store: { snapshots } }) => {
      for (const name of ['forget:b', 'progress:a', 'forget:a', 'forget'])
        await snapshots.put(name, Uint8Array.of(1))
      const all = await snapshots.all('forget:')
      expect([...all]).toEqual([
        ['forget:a', Uint8Array.of(1)],
        ['forget:b', Uint8Array.of(1)],
      ])
      for (const name of ['forget:a', 'unknown']) await snapshots.remove(name)
      expect([...(await snapshots.all('forget:')).keys()]).toEqual(['forget:b'])
      expect(await snapshots.get('forget:a')).toBeNull()
    })

    it('are found by a prefix of any characters', async ({ store: { snapshots } }) => {
      for (const name of ['😀_a', '😀%b', '😁_a']) await snapshots.put(name, Uint8Array.of(1))
      const names = async (prefix: string) => [...(await snapshots.all(prefix)).keys()].toSorted()
      expect(await names('😀')).toEqual(['😀%b', '😀_a'])
      expect(await names('😀_')).toEqual(['😀_a'])
      expect(await names('')).toHaveLength(3)
    })
  })
})
