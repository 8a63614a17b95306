/** The log in PostgreSQL: its order while several proxies write, and what the server does with its connections. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it as base } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { OpenStore, RecordQuery, Store } from '../../src/store/store.ts'
import { DAY_MS } from '../kit/store/days.ts'
import {
  exampleEvaluation,
  exampleInternalization,
  exampleRecord,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { startPooler, WHY_NO_POOLER } from '../kit/postgres/pgbouncer.ts'
import { connect, describePostgres, emptyDatabase, execute } from '../kit/postgres/postgres.ts'

interface Fixtures {
  server: DatabaseServer
  /** a proxy's store */
  store: OpenStore
  /** another proxy's */
  other: OpenStore
}

const openIn = (server: DatabaseServer): Promise<OpenStore> =>
  openLocalStore({ server, poolSize: 4 })

const it = base.extend<Fixtures>({
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the names of the parameters
  server: async ({}, use) => use(await emptyDatabase()),
  store: async ({ server }, use) => {
    const store = await openIn(server)
    await use(store)
    await store.close()
  },
  other: async ({ server }, use) => {
    const store = await openIn(server)
    await use(store)
    await store.close()
  },
})

const append = (store: OpenStore, ...records: ExchangeRecord[]): Promise<void> =>
  store.records.append(batchOf(records))

const range = (length: number): number[] => Array.from({ length }, (_, index) => index)

const idsOf = (records: { id: string }[]): string[] => records.map(({ id }) => id)

/** A short prompt, so that many records take little time. */
const small = (index: number, at = 1_000): ExchangeRecord =>
  exampleRecord(index, { at, request: `{"prompt":"number ${index}"}`, response: '{}' })

/** All pages of the log. */
const readAll = async (store: OpenStore, query: Omit<RecordQuery, 'after'>) => {
  const seen: { id: string; sequence: number }[] = []
  for (;;) {
    const after = seen.at(-1)?.sequence
    const page = await store.records.list({ ...query, ...(after !== undefined && { after }) })
    if (page.length === 0) return seen
    seen.push(...page)
  }
}

/** Both proxies append one record after another, and a third process follows the log by its cursor. */
const followWhileAppending = async (stores: OpenStore[], reader: Store, each: number) => {
  let isWriting = true
  const writing = Promise.all(
    stores.map(async (store, number) => {
      for (const index of range(each)) {
        await append(store, small(number * 10_000 + index, (index % 3) * DAY_MS))
      }
    })
  ).then(() => (isWriting = false))
  const followed: { id: string; sequence: number }[] = []
  for (let isLast = false; !isLast;) {
    isLast = !isWriting
    const page = await reader.records.list({
      limit: 1000,
      after: followed.at(-1)?.sequence ?? 0,
      bodies: false,
    })
    followed.push(...page)
  }
  await writing
  return followed
}

describePostgres('the order of the log', () => {
  it('passes no record by while two proxies append', async ({ server, store, other }) => {
    const reader = await openIn(server)
    const followed = await followWhileAppending([store, other, store, other], reader, 25)
    await reader.close()
    expect(new Set(idsOf(followed)).size).toBe(100)
    const sequences = followed.map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
  })

  it('is that of the appends, also of records of 40 days in any order', async ({ store }) => {
    // as an import beside live traffic: the days overlap, and are more than one query reads
    const days = range(40).map((index) => (index * 27) % 40)
    for (const [place, day] of days.entries())
      await append(store, small(place, day * DAY_MS), small(1000 + place, 90 * DAY_MS))
    const seen = await readAll(store, { limit: 17 })
    expect(seen).toHaveLength(80)
    const sequences = seen.map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
    const backwards = await readAll(store, { limit: 23, order: 'desc' })
    expect(idsOf(backwards)).toEqual(idsOf(seen).toReversed())
    expect((await store.records.search({ limit: 200 })).data).toHaveLength(80)
    const wanted = ['record-3', 'record-1039', 'record-30']
    expect(idsOf(await store.records.byIds(wanted))).toEqual(wanted)
    expect((await store.records.knownIds([...wanted, 'none'])).toSorted()).toEqual(
      wanted.toSorted()
    )
    await store.records.tagTemplate(wanted, 'version-1')
    const tagged = await readAll(store, { limit: 2, templateVersion: 'version-1' })
    expect(idsOf(tagged).toSorted()).toEqual(wanted.toSorted())
    const selected = await store.records.select({ recordIds: wanted }, 0)
    expect(selected).toMatchObject({ templateVersions: ['version-1'] })
    expect(selected.ids.toSorted()).toEqual(wanted.toSorted())
  })

  it('keeps one of two records with an id, whichever proxy is first', async ({ store, other }) => {
    const same = range(40).map((index) => small(index))
    await Promise.all([append(store, ...same), append(other, ...same), append(store, ...same)])
    expect(idsOf(await store.records.list({ limit: 100 })).toSorted()).toEqual(
      idsOf(same).toSorted()
    )
    const [hour] = await store.records.traffic(0, DAY_MS)
    expect(hour!.requests).toBe(40)
  })
})

describePostgres('PostgreSQL', () => {
  it('has U+0000 in JSON, and a sign for it in texts', async ({ store }) => {
    const template = { ...exampleTemplate('v1'), model: 'nul \0 and \ud83d' }
    await store.templates.upsert([template])
    expect(await store.templates.get('v1')).toEqual(template)
    await store.internalizations.create(exampleInternalization())
    await store.internalizations.addEvaluations([exampleEvaluation('r', { answer: 'a\0b' })])
    const [row] = await store.internalizations.evaluations('internalization-1')
    expect(row!.answer).toBe('a\uFFFDb')
  })
})

describePostgres('a store whose connections end', () => {
  it('opens others with the next call', async ({ server, store }) => {
    await append(store, small(1))
    await execute(
      server,
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`
    )
    await delay(200)
    await append(store, small(2))
    expect(await store.records.list({ limit: 9 })).toHaveLength(2)
  })

  it('loses no append that it repeats, and writes none twice', async ({ server, store }) => {
    const ending = await connect(server)
    const appends = range(40).map(async (index) => {
      for (;;) {
        try {
          return await append(store, small(index))
        } catch (error) {
          expect(error).toMatchObject({ code: 'store-unavailable' })
        }
      }
    })
    for (const _ of range(5)) {
      await ending.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`
      )
      await delay(20)
    }
    await Promise.all(appends)
    await ending.end()
    expect(await store.records.list({ limit: 100 })).toHaveLength(40)
    const [hour] = await store.records.traffic(0, DAY_MS)
    expect(hour!.requests).toBe(40)
  })
})

const why = WHY_NO_POOLER === null ? '' : `: ${WHY_NO_POOLER}`

describe.skipIf(WHY_NO_POOLER !== null)(`PgBouncer in transaction mode${why}`, () => {
  it('hands every transaction to another connection', async ({ server, store }) => {
    const pooler = await startPooler(server)
    const stores = await Promise.all([openIn(pooler.server), openIn(pooler.server)])
    const followed = await followWhileAppending([...stores, ...stores], stores[0]!, 20)
    expect(new Set(idsOf(followed)).size).toBe(80)
    await Promise.all(
      stores.map(async (one, number) => {
        await one.internalizations.create(
          exampleInternalization(`i-${number}`, { templateVersion: `v-${number}` })
        )
        await one.records.tagTemplate(idsOf(followed), `v-${number}`)
      })
    )
    const [one, other] = stores as [Store, Store]
    expect((await one.records.forget({ recordIds: ['record-3'] })).records).toBe(1)
    await one.records.scrub()
    await other.records.prune({ bodies: DAY_MS, records: DAY_MS })
    for (const each of stores) await each.close()
    pooler.stop()
    const left = await store.records.list({ limit: 100 })
    expect(left.every(({ at }) => at >= DAY_MS)).toBe(true)
    expect(left).toHaveLength(followed.length - 28)
  })
})
