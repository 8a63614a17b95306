/** Rollback of a route: by the admin API at once, by another process within two seconds. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCli } from '../kit/process/built.ts'
import { goLive } from '../kit/store/live-server.ts'
import { ROUTE, TEMPLATE, TENANTS } from '../kit/proxy/lora-route.ts'
import {
  ADMIN_TOKEN,
  startServerProcess,
  type ServerProcess,
} from '../kit/process/server-process.ts'
import {
  chatBody,
  eventually,
  send,
  startUpstream,
  type FakeUpstream,
} from '../kit/proxy/harness.ts'

describe('a rollback', () => {
  let upstream: FakeUpstream
  let server: ServerProcess

  const routeOf = async (question: string): Promise<unknown> =>
    (await send(server.port, chatBody(question))).headers['x-promptintern-route']

  beforeEach(async () => {
    upstream = await startUpstream()
    const env = {
      UPSTREAM_BASE_URL: upstream.url,
      ENGINE: 'fake',
      TENANT_SECRET: TENANTS.secret,
      FAKE_FAULTS: JSON.stringify({ firstTokenMs: 30 }),
    }
    server = await startServerProcess(env, { prepare: goLive })
    // the upstream accepts the key
    await routeOf('hi')
    expect(await routeOf('hi')).toBe('answered')
  })

  afterEach(async () => {
    await server.remove()
    upstream.close()
  })

  it('by the admin API takes effect before its 200, also with requests in flight', async () => {
    const state = { decidedAt: Infinity, isOver: false }
    const answers: { startedAt: number; route: unknown }[] = []
    const client = async (): Promise<void> => {
      while (!state.isOver) {
        const startedAt = performance.now()
        answers.push({ startedAt, route: await routeOf('where is my card') })
      }
    }
    const clients = Array.from({ length: 16 }, client)
    await eventually(() => answers.length > 20)
    const path = `/admin/api/internalizations/${ROUTE.internalizationId}/rollback`
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    })
    state.decidedAt = performance.now()
    expect(response.status).toBe(200)
    const later = () => answers.filter(({ startedAt }) => startedAt > state.decidedAt)
    await eventually(() => later().length > 40)
    state.isOver = true
    await Promise.all(clients)
    expect(answers.some(({ route }) => route === 'answered')).toBe(true)
    expect(later().filter(({ route }) => route === 'answered')).toEqual([])
  })

  it('by the CLI, in another process, takes effect', async () => {
    const text = await runCli({ DATA_DIR: server.dataDir }, 'rollback', TEMPLATE.version)
    expect(text).toContain('is retired')
    await eventually(async () => (await routeOf('where is my card')) === undefined)
  })
})
