/** Forgetting in PostgreSQL: interrupted, overtaken, and what is left of whole bodies. */
import { expect, it as base } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { decodeWhole } from '../../src/store/log/body-codec.ts'
import type { ServerOptions } from '../../src/store/postgres/base/server-options.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { Store } from '../../src/store/store.ts'
import { MARKED, MARKER } from '../kit/store/marked-records.ts'
import { describePostgres, emptyDatabase, execute } from '../kit/postgres/postgres.ts'

const it = base.extend<{ server: ServerOptions; store: Store }>({
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the names of the parameters
  server: async ({}, use) => {
    const server = await emptyDatabase()
    await use(server)
    await execute(
      server,
      `drop trigger if exists stop on promptintern.bodies;
        drop trigger if exists begun on promptintern.records`
    )
  },
  store: async ({ server }, use) => {
    const store = await openLocalStore({ server, poolSize: 4 }, Date.now)
    await use(store)
    await store.close()
  },
})

const append = (store: Store, ...records: ExchangeRecord[]): Promise<void> =>
  store.records.append(batchOf(records))

const forgetMarked = (store: Store) => store.records.forget({ recordIds: ['record-0'] })

const wholeRequests = async (server: ServerOptions): Promise<string[]> => {
  const rows = await execute(server, 'select data from promptintern.bodies')
  return rows
    .map(({ data }) => decodeWhole(data as Buffer).toString())
    .filter((body) => body.includes('Name the intent'))
}

describePostgres('forgetting in PostgreSQL', () => {
  it('leaves only whole bodies that a record has', async ({ server, store }) => {
    await append(store, ...MARKED)
    expect(await wholeRequests(server)).toEqual([MARKED[0]!.request])
    await forgetMarked(store)
    expect(await wholeRequests(server)).toEqual([MARKED[1]!.request])
  })

  it('continues an interrupted call', async ({ server, store }) => {
    await append(store, ...MARKED)
    await execute(
      server,
      `create or replace function promptintern.refuse() returns trigger language plpgsql
          as 'begin raise exception ''power cut''; end';
        create trigger stop before delete on promptintern.bodies
          for each row execute function promptintern.refuse()`
    )
    await expect(forgetMarked(store)).rejects.toMatchObject({ code: 'store-unavailable' })
    expect(await store.records.list({ limit: 100 })).toMatchObject(MARKED.slice(1))
    expect((await wholeRequests(server)).join()).toContain(MARKER)
    await execute(server, 'drop trigger stop on promptintern.bodies')
    expect(await forgetMarked(store)).toEqual({ records: 0, bodies: 0 })
    expect((await wholeRequests(server)).join()).not.toContain(MARKER)
    expect(await store.records.list({ limit: 100 })).toMatchObject(MARKED.slice(1))
  })

  it('ends when another call begins', async ({ server, store }) => {
    await append(store, ...MARKED)
    await execute(
      server,
      `create or replace function promptintern.begin_another() returns trigger language plpgsql
          as 'begin update promptintern.revisions set value = value + 1 where name = ''forget'';
            return null; end';
        create trigger begun after delete on promptintern.records
          for each row execute function promptintern.begin_another()`
    )
    await expect(forgetMarked(store)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('vacuums the days that it has touched', async ({ server, store }) => {
    await append(store, ...MARKED)
    await forgetMarked(store)
    await store.records.scrub()
    const rows = await execute(
      server,
      'select is_unswept or is_unvacuumed as left from promptintern.days'
    )
    expect(rows).toEqual([{ left: false }])
    const dead = await execute(
      server,
      `select coalesce(sum(n_dead_tup), 0)::int as dead from pg_stat_user_tables
        where relname in ('bodies_0', 'records_0', 'segments_0', 'segment_bodies_0')`
    )
    expect(dead).toEqual([{ dead: 0 }])
  })
})
