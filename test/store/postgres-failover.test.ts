/** A primary with a standby: reads by the standby, and the fail-over to it while records are appended. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { openPool, type Connection } from '../../src/store/postgres/base/database.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import { createReplica } from '../../src/store/postgres/replica.ts'
import { systemTimer } from '../../src/timers.ts'
import type { OpenStore, Store } from '../../src/store/store.ts'
import { exampleRecord } from '../kit/records/examples.ts'
import { describePostgres, execute } from '../kit/postgres/postgres.ts'
import {
  serverOf,
  startNode,
  startStandby,
  type Node,
  type Standby,
} from '../kit/postgres/postgres-nodes.ts'

const RECORDS = 200
const LANES = 4

const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries === 1200) throw new Error('it did not happen')
    await delay(50)
  }
}

/** Appends as the log's queue does: again until it is acknowledged. */
const appendPatiently = async (store: Store, index: number): Promise<void> => {
  const batch = batchOf([exampleRecord(index)])
  for (let tries = 0; ; tries++) {
    try {
      return await store.records.append(batch)
    } catch (error) {
      if (tries === 1200) throw error
      await delay(50)
    }
  }
}

describePostgres('a primary with a standby', () => {
  let primary: Node
  let standby: Standby
  let store: OpenStore

  beforeAll(async () => {
    primary = await startNode()
    standby = await startStandby(primary)
    store = await openLocalStore(
      { server: serverOf(standby.host, primary.host), poolSize: 4 },
      Date.now
    )
  }, 120_000)

  afterAll(async () => {
    await store.close()
    await primary.remove()
    await standby.remove()
  })

  /** A replica whose answers say who gave them, and whose clock can be set. */
  const openReplica = () => {
    const connections: Connection[] = [
      openPool(serverOf(primary.host), 2),
      openPool(serverOf(standby.host), 2, 'standby'),
    ]
    const clock = { aheadMs: 0 }
    const faults: unknown[] = []
    const replica = createReplica({
      primary: connections[0]!,
      standby: connections[1]!,
      now: () => performance.now() + clock.aheadMs,
      setTimer: systemTimer,
      report: (error) => faults.push(error),
    })
    return {
      replica,
      faults,
      ask: () =>
        replica.read(
          () => Promise.resolve('standby'),
          () => Promise.resolve('primary')
        ),
      pass: (ms: number) => (clock.aheadMs += ms),
      close: () => Promise.all(connections.map(({ close }) => close())),
    }
  }

  it('is written to at the primary, in whichever order the hosts are named', async () => {
    await store.records.append(batchOf([exampleRecord(100_000)]))
    expect(await store.records.knownIds(['record-100000'])).toEqual(['record-100000'])
  })

  it('has reads answered by the standby while it has what the primary has', async () => {
    const { ask, pass, replica, faults, close } = openReplica()
    await until(async () => (await ask()) === 'standby')
    // an hour without a write does not make it old
    pass(3_600_000)
    await until(async () => (await ask()) === 'standby')
    faults.length = 0
    await execute(standby.admin, 'select pg_wal_replay_pause()')
    await store.records.append(batchOf([exampleRecord(100_001)]))
    // what was written here must be seen
    replica.noteWrite()
    expect(await ask()).toBe('primary')
    await execute(standby.admin, 'select pg_wal_replay_resume()')
    pass(20_000)
    await until(async () => {
      pass(2_000)
      return (await ask()) === 'standby'
    })
    await close()
  })

  it('has reads answered by the primary while the standby is too far behind, or fails', async () => {
    const { ask, pass, replica, faults, close } = openReplica()
    await until(async () => (await ask()) === 'standby')
    await execute(standby.admin, 'select pg_wal_replay_pause()')
    await store.records.append(batchOf([exampleRecord(100_002)]))
    await execute(
      standby.admin,
      // the last transaction that it has replayed is older than the bound
      'select pg_sleep(greatest(0, 5.1 - extract(epoch from now() - pg_last_xact_replay_timestamp())))'
    )
    await store.records.append(batchOf([exampleRecord(100_003)]))
    pass(6_000)
    expect([await ask(), await ask()]).toEqual(['primary', 'primary'])
    // reported once
    expect(faults).toMatchObject([{ message: expect.stringMatching(/\d s behind/) as string }])
    await execute(standby.admin, 'select pg_wal_replay_resume()')
    await until(async () => {
      pass(11_000)
      return (await ask()) === 'standby'
    })
    const failing = () =>
      replica.read(
        () => Promise.reject(new Error('a column is missing')),
        () => Promise.resolve('primary')
      )
    expect([await failing(), await ask()]).toEqual(['primary', 'primary'])
    expect(faults).toHaveLength(2)
    await close()
  })

  it('is not taken for a standby itself', async () => {
    const itself = openPool(serverOf(primary.host), 1, 'standby')
    const reading = itself.read(({ $client }) => $client.query('select 1'))
    await expect(reading).rejects.toMatchObject({
      message: expect.stringContaining('it is not a standby') as string,
    })
    await itself.close()
  })

  it('shows through a store with a replica what it shows without, and nothing forgotten', async () => {
    const faults: unknown[] = []
    const options = {
      server: serverOf(primary.host),
      replica: serverOf(standby.host),
      poolSize: 2,
    }
    const reading = await openLocalStore(options, Date.now, (error) => faults.push(error))
    const query = { limit: 10, order: 'asc' } as const
    await until(async () => (await reading.records.list(query)).length === 4)
    const shown = async (from: Store) => [
      await from.records.list(query),
      await from.records.search(query),
      await from.records.traffic(0, 86_400_000),
      await from.pairs.spent(0, 86_400_000),
    ]
    expect(await shown(reading)).toEqual(await shown(store))
    const asked = `select sum(numbackends)::int as number from pg_stat_database where datname is not null`
    expect((await execute(standby.admin, asked))[0]!['number']).toBeGreaterThan(1)
    await execute(standby.admin, 'select pg_wal_replay_pause()')
    await reading.records.forget({ recordIds: ['record-100001'] })
    const left = (await reading.records.list(query)).map(({ id }) => id)
    expect(left).toEqual(['record-100000', 'record-100002', 'record-100003'])
    await execute(standby.admin, 'select pg_wal_replay_resume()')
    // an id that the log does not have is not the fault of the standby
    await expect(
      reading.records.search({ limit: 1, conversation: 'nowhere' })
    ).rejects.toMatchObject({ code: 'not-found' })
    await reading.close()
  })

  it('fails over: no acknowledged record is lost, and none is there twice', async () => {
    const acknowledged: number[] = []
    let next = 0
    const lane = async (): Promise<void> => {
      while (next < RECORDS) {
        const index = next++
        await appendPatiently(store, index)
        acknowledged.push(index)
      }
    }
    const appending = Promise.all(Array.from({ length: LANES }, lane))
    await until(() => Promise.resolve(acknowledged.length > RECORDS / 4))
    await primary.stop('SIGKILL')
    const before = acknowledged.length
    standby.promote()
    await appending
    expect(before).toBeLessThan(RECORDS)
    expect(acknowledged).toHaveLength(RECORDS)
    const ids = acknowledged.map((index) => `record-${index}`)
    expect((await store.records.knownIds(ids)).toSorted()).toEqual(ids.toSorted())
    const found = await store.records.byIds(ids)
    expect(found.map(({ request }) => request)).toEqual(
      acknowledged.map((index) => exampleRecord(index).request)
    )
    const counted = await execute(
      standby.admin,
      `select count(*)::int as rows, count(distinct id)::int as ids,
        (select sum(records)::int from promptintern.segments) as records from promptintern.records`
    )
    const expected = RECORDS + 3
    expect(counted).toEqual([{ rows: expected, ids: expected, records: expected }])
  }, 180_000)
})
