/** Two real proxies on one store: what one of them admits, spends or decides holds for the other. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ask,
  askMany,
  fleetEnvironment,
  keyOfRequests,
  REQUEST_USD,
  startBillingUpstream,
  statusBecomes,
  type BillingUpstream,
} from '../kit/process/budget-fleet.ts'
import type { ProxyProcess } from '../kit/process/proxy-process.ts'
import { SECRET_BYTES } from '../../src/core/keys/issued-key.ts'
import { openLocalStore as openPostgres } from '../../src/store/postgres/local.ts'
import { openLocalStore as openSqlite } from '../../src/store/sqlite/local.ts'
import type { OpenStore } from '../../src/store/store.ts'
import { startServer } from '../kit/process/built.ts'
import { createDatabase, describePostgres, testServer, urlOf } from '../kit/postgres/postgres.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const REQUESTS = 160
/** two servers start, on a busy machine */
const START_MS = 240_000
const WAIT = { timeout: 40_000, interval: 100 }
const IN_BUDGET = 40

interface Place {
  env: Record<string, string>
  store: OpenStore
}

const behaves = (open: (folder: string) => Promise<Place>): void => {
  const folder = sharedFolder()
  let upstream: BillingUpstream
  let env: Record<string, string>
  let store: OpenStore
  let proxies: ProxyProcess[]
  let keys = 0

  /** Waits until both proxies know the key. */
  const issue = async (requests: number): Promise<{ id: string; secret: string }> => {
    const id = `key-${++keys}`
    const { key, secret } = keyOfRequests(id, requests, randomBytes(SECRET_BYTES))
    await store.keys.create(key)
    for (const proxy of proxies) await statusBecomes(proxy, secret, 200)
    return { id, secret }
  }

  const spentUsd = async (id: string): Promise<number> =>
    (await store.keys.spend(0)).get(id)?.usd ?? 0

  beforeAll(async () => {
    upstream = await startBillingUpstream()
    const place = await open(folder)
    store = place.store
    env = { ...fleetEnvironment(folder, upstream), ...place.env }
    proxies = await Promise.all([startServer(env), startServer(env)])
  }, START_MS)

  afterAll(async () => {
    await Promise.all(proxies.map((proxy) => proxy.stop()))
    await store.close()
    upstream.close()
  })

  it('a budget admits as many requests as it pays for, whichever proxy they come to', async () => {
    const { id, secret } = await issue(IN_BUDGET)
    const before = upstream.billed()
    const statuses = await askMany(proxies, secret, REQUESTS)
    const billed = upstream.billed() - before
    expect(billed).toBeLessThanOrEqual(IN_BUDGET)
    expect(statuses.get(200)).toBe(billed)
    // 503 where the database takes longer than a request waits for it, on a busy machine
    expect((statuses.get(429) ?? 0) + (statuses.get(503) ?? 0)).toBe(REQUESTS - billed)
    // what one proxy did not use goes back, and the other one gets it
    const usedUp = async (): Promise<number> => {
      await ask(proxies[1]!, secret)
      return upstream.billed() - before
    }
    await expect.poll(usedUp, WAIT).toBe(IN_BUDGET)
    await expect.poll(() => ask(proxies[0]!, secret), WAIT).toBe(429)
    await expect.poll(() => spentUsd(id), WAIT).toBeCloseTo(IN_BUDGET * REQUEST_USD)
    expect(upstream.billed() - before).toBe(IN_BUDGET)
  })

  it('a new key is accepted everywhere, and a revoked one refused, within two seconds', async () => {
    const { id, secret } = await issue(1)
    await store.keys.revoke(id, Date.now())
    for (const proxy of proxies) expect(await statusBecomes(proxy, secret, 401)).toBeLessThan(2000)
  })

  it(
    'kill -9 of a proxy leaves the budget as it is, and its running requests charged',
    async () => {
      const { secret } = await issue(IN_BUDGET)
      const before = upstream.billed()
      const running = askMany(proxies, secret, IN_BUDGET)
      await expect.poll(() => upstream.billed() - before, WAIT).toBeGreaterThan(IN_BUDGET / 4)
      await proxies[0]!.kill()
      await running
      await expect.poll(() => ask(proxies[1]!, secret), WAIT).toBe(429)
      proxies[0] = await startServer(env)
      for (const proxy of proxies) await expect.poll(() => ask(proxy, secret), WAIT).toBe(429)
      expect(upstream.billed() - before).toBeLessThanOrEqual(IN_BUDGET)
    },
    START_MS
  )
}

describe('two proxies on one data directory', () => {
  behaves(async (folder) => {
    const dataDir = join(folder, 'data')
    return { env: { DATA_DIR: dataDir }, store: await openSqlite({ dataDir }) }
  })
})

describePostgres('two proxies on one PostgreSQL', () => {
  behaves(async (folder) => {
    const server = await createDatabase()
    const DATABASE_URL = urlOf(await testServer(), server.database)
    return {
      env: { DATA_DIR: join(folder, 'data'), DATABASE_URL },
      store: await openPostgres({ server, poolSize: 2 }),
    }
  })
})
