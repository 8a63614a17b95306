/**
 * The real server whose PostgreSQL stalls, ends, or is not there when it starts: requests go on, loras answer
 * for as long as the routes are good, and each logged request is in the log once afterwards.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { OpenStore, Store } from '../../src/store/store.ts'
import { putLive } from '../kit/store/live-server.ts'
import { TENANTS } from '../kit/proxy/lora-route.ts'
import { describePostgres, execute } from '../kit/postgres/postgres.ts'
import { serverOf, startNode, startStandby, type Node } from '../kit/postgres/postgres-nodes.ts'
import { PASSWORD, USER } from '../kit/postgres/postgres-process.ts'
import { freePort } from '../kit/process/free-port.ts'
import { startTcpGate, type TcpGate } from '../kit/postgres/tcp-gate.ts'
import { chatBody, send, startUpstream, type FakeUpstream } from '../kit/proxy/harness.ts'
import {
  spawnServer,
  startServerProcess,
  type ServerProcess,
} from '../kit/process/server-process.ts'
import { changedConstants } from '../kit/process/loop-settings.ts'

const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries === 500) throw new Error('it did not happen')
    await delay(100)
  }
}

const urlOf = (port: number): string => `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/postgres`

/** A metric without labels. */
const metric = async ({ metrics }: ServerProcess, name: string): Promise<number> =>
  Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await metrics())?.[1])

/** Waits until the queue is empty. */
const requireLoggedOnce = async (
  server: ServerProcess,
  store: Store,
  requests: number
): Promise<void> => {
  await until(async () => (await metric(server, 'promptintern_log_queued_records')) === 0)
  expect(await metric(server, 'promptintern_log_dropped_total')).toBe(0)
  const ids: string[] = []
  for (let after: number | undefined; ;) {
    const page = await store.records.list({ limit: 500, ...(after !== undefined && { after }) })
    if (page.length === 0) break
    ids.push(...page.map(({ id }) => id))
    after = page.at(-1)!.sequence
  }
  expect([ids.length, new Set(ids).size]).toEqual([requests, requests])
}

describePostgres('a server without its database', () => {
  let node: Node
  let gate: TcpGate
  let upstream: FakeUpstream
  let server: ServerProcess
  /** past the gate */
  let store: OpenStore
  let asked = 0

  beforeAll(async () => {
    node = await startNode()
    gate = await startTcpGate(node.host)
    upstream = await startUpstream()
    store = await openLocalStore({ server: serverOf(node.host), poolSize: 2 })
    await putLive(store)
    server = await startServerProcess({
      UPSTREAM_BASE_URL: upstream.url,
      DATABASE_URL: urlOf(gate.port),
      ENGINE: 'fake',
      TENANT_SECRET: TENANTS.secret,
      ...changedConstants({ routesMaxAgeSeconds: 3 }),
    })
  }, 120_000)

  afterAll(async () => {
    await server.remove()
    await store.close()
    upstream.close()
    gate.close()
    await node.remove()
  })

  /** @returns what became of the next request */
  const ask = async () => {
    const { status, headers } = await send(server.port, chatBody(`question ${asked++}`))
    const route = headers['x-promptintern-route']
    return { status, route, reason: headers['x-promptintern-reason'] }
  }

  const isAnsweredByLora = async (): Promise<boolean> => {
    const { status, route } = await ask()
    expect(status).toBe(200)
    return route === 'answered'
  }

  const readiness = async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/readyz`)
    const body = (await response.json()) as { status: string; checks: { store: boolean } }
    return { http: response.status, status: body.status, store: body.checks.store }
  }

  const requireAllLoggedOnce = (): Promise<void> => requireLoggedOnce(server, store, asked)

  it('lets loras answer, then the upstream, and the log waits, while the connection stalls', async () => {
    // the first answer of the upstream accepts the caller's key
    await until(isAnsweredByLora)
    expect(await readiness()).toEqual({ http: 200, status: 'ready', store: true })
    gate.stall()
    expect(await ask()).toMatchObject({ status: 200, route: 'answered' })
    await until(async () => !(await isAnsweredByLora()))
    expect(await ask()).toEqual({ status: 200, route: 'skipped', reason: 'routes-too-old' })
    await until(async () => (await readiness()).status === 'degraded')
    expect(await readiness()).toEqual({ http: 200, status: 'degraded', store: false })
    expect(await metric(server, 'promptintern_routes_age_seconds')).toBeGreaterThan(3)
    await until(() =>
      Promise.resolve(server.faults().some(({ kind }) => kind === 'routes-too-old'))
    )
    gate.resume()
    await until(isAnsweredByLora)
    await requireAllLoggedOnce()
  })

  it('goes on when a process of the server is killed, which then starts anew', async () => {
    const backends = await execute(
      node.admin,
      `select pid from pg_stat_activity
        where client_addr is not null and backend_type = 'client backend'`
    )
    expect(backends.length).toBeGreaterThan(0)
    process.kill(Number(backends[0]!['pid']), 'SIGKILL')
    for (let number = 0; number < 20; number++) expect((await ask()).status).toBe(200)
    await until(isAnsweredByLora)
    await requireAllLoggedOnce()
  })

  it.each(['SIGQUIT', 'SIGKILL'] as const)(
    'goes on while the server ends by %s',
    async (signal) => {
      await node.stop(signal)
      for (let number = 0; number < 20; number++) expect((await ask()).status).toBe(200)
      await until(async () => (await metric(server, 'promptintern_log_store_failures_total')) > 0)
      await until(async () => (await ask()).reason === 'routes-too-old')
      await node.start()
      await until(isAnsweredByLora)
      await until(async () => (await readiness()).status === 'ready')
      await requireAllLoggedOnce()
      expect(server.child.exitCode).toBeNull()
    }
  )

  it('does not start without it, and says why', async () => {
    const env = { DATABASE_URL: urlOf(await freePort()), UPSTREAM_BASE_URL: upstream.url }
    const unstarted = await spawnServer(env)
    expect(await unstarted.exit).toBe(6)
    expect(unstarted.log()).toContain('no server listens there: check host and port')
    expect(unstarted.log()).not.toContain(PASSWORD)
    await unstarted.remove()
    expect(server.log()).not.toContain(PASSWORD)
  })
})

describePostgres('a server whose database fails over', () => {
  it('answers every request, and logs each once, in the new primary', async () => {
    const primary = await startNode()
    const standby = await startStandby(primary)
    const address = await startTcpGate(primary.host)
    const upstream = await startUpstream()
    const server = await startServerProcess({
      UPSTREAM_BASE_URL: upstream.url,
      DATABASE_URL: urlOf(address.port),
    })
    const statuses: number[] = []
    const state = { isOver: false }
    const client = async (): Promise<void> => {
      while (!state.isOver) {
        statuses.push((await send(server.port, chatBody(`question ${statuses.length}`))).status)
        await delay(10)
      }
    }
    const clients = Promise.all([client(), client()])
    await until(async () => (await metric(server, 'promptintern_log_written_total')) > 50)
    await primary.stop('SIGKILL')
    await until(async () => (await metric(server, 'promptintern_log_store_failures_total')) > 0)
    standby.promote()
    address.pointTo(standby.host)
    const written = await metric(server, 'promptintern_log_written_total')
    await until(async () => (await metric(server, 'promptintern_log_written_total')) > written)
    state.isOver = true
    await clients
    expect(new Set(statuses)).toEqual(new Set([200]))
    const store = await openLocalStore({ server: serverOf(standby.host), poolSize: 1 })
    await requireLoggedOnce(server, store, statuses.length)
    await store.close()
    await server.remove()
    upstream.close()
    address.close()
    await primary.remove()
    await standby.remove()
  }, 120_000)
})
