/** Connections that break, stall or are refused: what was acknowledged is there once, and work goes on. */
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { expect, it as base } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { seededRandom } from '../../src/random.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { OpenStore, Store } from '../../src/store/store.ts'
import { exampleAsk, exampleRecord } from '../kit/records/examples.ts'
import { describePostgres, emptyDatabase, execute, testServer } from '../kit/postgres/postgres.ts'
import { PASSWORD } from '../kit/postgres/postgres-process.ts'
import { startTcpGate, type TcpGate } from '../kit/postgres/tcp-gate.ts'

const SEED = 29
const ROUNDS = 40
/** with the end of the message: a transaction begins with settings, and `synchronous_commit` is one */
const COMMIT = 'commit\0'

interface Fixtures {
  /** of the test file, over the socket */
  database: DatabaseServer
  gate: TcpGate
  /** through the gate */
  server: DatabaseServer
  store: OpenStore
}

const openIn = (server: DatabaseServer): Promise<OpenStore> =>
  openLocalStore({ server, poolSize: 2 })

const it = base.extend<Fixtures>({
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the names of the parameters
  database: async ({}, use) => use(await emptyDatabase()),
  // oxlint-disable-next-line no-empty-pattern -- as above
  gate: async ({}, use) => {
    const gate = await startTcpGate({ host: '127.0.0.1', port: (await testServer()).port })
    await use(gate)
    gate.close()
  },
  server: async ({ database, gate }, use) =>
    use({ ...database, host: '127.0.0.1', port: gate.port, password: PASSWORD }),
  store: async ({ server, gate }, use) => {
    const store = await openIn(server)
    await use(store)
    gate.resume()
    await store.close()
  },
})

const append = (store: Store, ...indexes: number[]): Promise<void> =>
  store.records.append(batchOf(indexes.map((index) => exampleRecord(index))))

/** As the log's queue does: until it is acknowledged. */
const appendPatiently = async (store: Store, ...indexes: number[]): Promise<number> => {
  for (let failures = 0; ; failures++) {
    try {
      await append(store, ...indexes)
      return failures
    } catch (error) {
      expect(error).toMatchObject({ code: 'store-unavailable' })
      if (failures === 200) throw error
      await delay(50)
    }
  }
}

/** What the log and its sums have. */
const logged = async (store: Store) => {
  const records = await store.records.list({ limit: 500, order: 'asc' })
  const hours = await store.records.traffic(0, 86_400_000)
  return {
    ids: records.map(({ id }) => id),
    requests: hours.reduce((sum, { requests }) => sum + requests, 0),
  }
}

const once = (...indexes: number[]) => ({
  ids: indexes.map((index) => `record-${index}`),
  requests: indexes.length,
})

const said = (text: string) => ({
  code: 'store-unavailable',
  message: expect.stringContaining(text) as string,
})

describePostgres('a connection to PostgreSQL', () => {
  it('that ends between commit and answer leaves each record once', async ({ gate, store }) => {
    await append(store, 1)
    const lost = gate.loseAnswerTo(COMMIT)
    const appending = append(store, 2, 3)
    await expect(appending).rejects.toMatchObject(said('connection was lost'))
    await lost
    // of another connection: the records are there already
    expect((await logged(store)).requests).toBe(3)
    await append(store, 2, 3)
    expect(await logged(store)).toEqual(once(1, 2, 3))
  })

  it('that ends between commit and answer counts spend once', async ({ gate, store }) => {
    const spend = { requests: 1, tokens: 10, usd: 2 }
    await store.keys.renew('one', [exampleAsk('a')])
    const lost = gate.loseAnswerTo(COMMIT)
    await store.keys.renew('one', [exampleAsk('a', { spend })])
    await lost
    expect((await store.keys.spend(0)).get('a')).toEqual(spend)
  })

  it('that ends before the commit counts no spend', async ({ gate, store }) => {
    const spend = { requests: 1, tokens: 10, usd: 2 }
    await store.keys.renew('one', [exampleAsk('a')])
    const lost = gate.loseAnswerTo('key_spend')
    const renewed = store.keys.renew('one', [exampleAsk('a', { spend })])
    await expect(renewed).rejects.toMatchObject(said('connection was lost'))
    await lost
    expect((await store.keys.spend(0)).get('a')).toBeUndefined()
  })

  it('that is cut, or whose backend is killed, is replaced', async ({ database, gate, store }) => {
    await append(store, 1)
    gate.cut()
    await appendPatiently(store, 2)
    await execute(
      database,
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`
    )
    await appendPatiently(store, 3)
    expect(await logged(store)).toEqual(once(1, 2, 3))
  })

  it('that stalls without a word is given up, and the append is repeated', async ({
    gate,
    store,
  }) => {
    await append(store, 1)
    gate.stall()
    // long before the limit of a statement
    await expect(append(store, 2)).rejects.toMatchObject({ code: 'store-unavailable' })
    gate.resume()
    await appendPatiently(store, 2)
    expect(await logged(store)).toEqual(once(1, 2))
  })

  it('may break in any way and order: each acknowledged record is there once', async ({
    database,
    gate,
    store,
  }) => {
    const random = seededRandom(SEED)
    const endBackends = () =>
      execute(
        database,
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid()`
      )
    const breakings = [
      gate.cut,
      () => void gate.loseAnswerTo(COMMIT),
      () => void gate.loseAnswerTo('begin'),
      () => void gate.loseAnswerTo('insert into'),
      endBackends,
      gate.stall,
    ]
    const acknowledged: number[] = []
    const state = { next: 0, isOver: false }
    const lane = async (): Promise<void> => {
      while (!state.isOver) {
        const first = (state.next += 2)
        await appendPatiently(store, first, first + 1)
        acknowledged.push(first, first + 1)
      }
    }
    const lanes = Promise.all([lane(), lane(), lane()])
    for (let round = 0; round < ROUNDS; round++) {
      await breakings[Math.floor(random() * breakings.length)]!()
      await delay(100 * random())
      gate.resume()
      const before = acknowledged.length
      for (let tries = 0; acknowledged.length === before && tries < 500; tries++) await delay(10)
    }
    state.isOver = true
    await lanes
    expect(acknowledged.length).toBeGreaterThan(2 * ROUNDS)
    const ids = acknowledged.map((index) => `record-${index}`)
    expect((await store.records.knownIds(ids)).toSorted()).toEqual(ids.toSorted())
    const counted = await execute(
      database,
      `select count(*)::int as rows, count(distinct id)::int as ids,
        (select count(*)::int from promptintern.bodies) as bodies,
        (select sum((figures->>'requests')::int)::int from promptintern.traffic_hours) as requests
        from promptintern.records`
    )
    const number = acknowledged.length
    expect(counted).toEqual([{ rows: number, ids: number, bodies: number, requests: number }])
  })

  it('is refused while there are too many, with advice, and is made later', async ({
    database,
    server,
  }) => {
    const role = `limited_${process.pid}`
    await execute(
      database,
      `create role ${role} login password '${PASSWORD}' connection limit 1 in role ${database.user!}`
    )
    await execute(database, `grant all on schema promptintern to ${role}`)
    await execute(database, `grant all on all tables in schema promptintern to ${role}`)
    const limited = { ...server, user: role }
    const first = await openIn(limited)
    const refused: unknown = await openIn(limited).catch((error: unknown) => error)
    expect(refused).toMatchObject(said('raise max_connections, or put PgBouncer before it'))
    expect(inspect(refused, { depth: 9, showHidden: true })).not.toContain(PASSWORD)
    await first.close()
    let second: OpenStore | null = null
    // the server notices the end of the first one a moment later
    for (let tries = 0; second === null && tries < 100; tries++)
      second = await openIn(limited).catch(() => null)
    expect(await second!.routes.list()).toEqual([])
    await second!.close()
  })

  it('to a server without disk space says so, and the append is repeated', async ({
    database,
    store,
  }) => {
    await append(store, 1)
    await execute(
      database,
      `create function promptintern.full_disk() returns trigger language plpgsql as
        $$ begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`
    )
    await execute(
      database,
      'create trigger full_disk before insert on promptintern.records execute function promptintern.full_disk()'
    )
    await expect(append(store, 2)).rejects.toMatchObject(said('no disk space is left'))
    expect(await logged(store)).toEqual(once(1))
    await execute(database, 'drop function promptintern.full_disk cascade')
    await append(store, 2)
    expect(await logged(store)).toEqual(once(1, 2))
  })
})
