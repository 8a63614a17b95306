/**
 * The real server whose PostgreSQL stalls, ends, or is not there when it starts: requests go on, loras answer
 * for as long as the routes are good, and each logged request is in the log once afterwards.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openLocalStore } from '../../src/store/postgres/local.ts'
import type { Store } from '../../src/store/store.ts'
import { putLive } from '../fixtures/live-server.ts'
import { TENANTS } from '../fixtures/lora-route.ts'
import { describePostgres } from '../fixtures/postgres.ts'
import { serverOf, startNode, type Node } from '../fixtures/postgres-nodes.ts'
import { freePort, PASSWORD, USER } from '../fixtures/postgres-process.ts'
import { startTcpGate, type TcpGate } from '../fixtures/tcp-gate.ts'
import { chatBody, send, startUpstream, type FakeUpstream } from '../proxy/harness.ts'
import { spawnServer, startServerProcess, type ServerProcess } from './server-process.ts'

const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries === 500) throw new Error('it did not happen')
    await delay(100)
  }
}

const urlOf = (port: number): string => `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/postgres`

describePostgres('a server without its database', () => {
  let node: Node
  let gate: TcpGate
  let upstream: FakeUpstream
  let server: ServerProcess
  /** past the gate */
  let store: Store
  let asked = 0

  beforeAll(async () => {
    node = await startNode()
    gate = await startTcpGate(node.host)
    upstream = await startUpstream()
    store = await openLocalStore({ server: serverOf(node.host), poolSize: 2 }, Date.now)
    await putLive(store)
    server = await startServerProcess({
      UPSTREAM_BASE_URL: upstream.url,
      DATABASE_URL: urlOf(gate.port),
      ENGINE: 'fake',
      TENANT_SECRET: TENANTS.secret,
      ROUTES_MAX_AGE_SECONDS: '3',
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

  const metric = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await server.metrics())?.[1])

  const requireAllLoggedOnce = async (): Promise<void> => {
    await until(async () => (await metric('promptintern_log_queued_records')) === 0)
    expect(await metric('promptintern_log_dropped_total')).toBe(0)
    const ids: string[] = []
    for (let after: number | undefined; ;) {
      const page = await store.records.list({ limit: 500, ...(after !== undefined && { after }) })
      if (page.length === 0) break
      ids.push(...page.map(({ id }) => id))
      after = page.at(-1)!.sequence
    }
    expect([ids.length, new Set(ids).size]).toEqual([asked, asked])
  }

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
    expect(await metric('promptintern_routes_age_seconds')).toBeGreaterThan(3)
    await until(() =>
      Promise.resolve(server.faults().some(({ kind }) => kind === 'routes-too-old'))
    )
    gate.resume()
    await until(isAnsweredByLora)
    await requireAllLoggedOnce()
  })

  it.each(['SIGQUIT', 'SIGKILL'] as const)(
    'goes on while the server ends by %s',
    async (signal) => {
      await node.stop(signal)
      for (let number = 0; number < 20; number++) expect((await ask()).status).toBe(200)
      await until(async () => (await metric('promptintern_log_store_failures_total')) > 0)
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
