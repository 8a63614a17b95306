/** A primary with a standby behind one address: the fail-over while records are appended. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { openLocalStore } from '../../src/store/postgres/local.ts'
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
import { startTcpGate, type TcpGate } from '../kit/postgres/tcp-gate.ts'

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
  let address: TcpGate
  let store: OpenStore

  beforeAll(async () => {
    primary = await startNode()
    standby = await startStandby(primary)
    address = await startTcpGate(primary.host)
    const server = serverOf({ host: '127.0.0.1', port: address.port })
    store = await openLocalStore({ server, poolSize: 4 })
  }, 120_000)

  afterAll(async () => {
    await store.close()
    address.close()
    await primary.remove()
    await standby.remove()
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
    address.pointTo(standby.host)
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
        (select count(*)::int from promptintern.bodies) as bodies from promptintern.records`
    )
    expect(counted).toEqual([{ rows: RECORDS, ids: RECORDS, bodies: RECORDS }])
  }, 180_000)
})
