/** Rollouts across processes: real kills between the judging and the rollback, and two proxies on one store. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import type { Store } from '../../src/store/store.ts'
import { exampleApproved, exampleRecord, LIVE_STATE } from '../kit/records/examples.ts'
import { changedConstants } from '../kit/process/loop-settings.ts'
import { openStore } from '../kit/store/local-store.ts'
import { TEMPLATE, TENANTS } from '../kit/proxy/lora-route.ts'
import { completion } from '../kit/records/completion.ts'
import {
  chatBody,
  respondJson,
  send,
  startUpstream,
  type FakeUpstream,
  type Responder,
} from '../kit/proxy/harness.ts'
import {
  spawnServer,
  startServerProcess,
  type ServerProcess,
} from '../kit/process/server-process.ts'

/** Its answers are never discarded, and it repeats what it is asked. */
const LORA = 'fake-base'
const ID = 'internalization-1'
const AUDITS = 40
const WAIT_MS = 40_000
const LONG = { timeout: 180_000 }

const liveRow = (): Internalization => {
  const { plan, verdict, ...row } = exampleApproved(ID, {
    tenant: TEMPLATE.tenant,
    templateVersion: TEMPLATE.version,
    state: LIVE_STATE,
  })
  const arms = plan!.arms.map((arm) => ({
    ...arm,
    results: arm.results.map((result) => ({ ...result, lora: LORA })),
  }))
  return {
    ...row,
    plan: {
      ...plan!,
      arms,
      answers: { ...plan!.answers, responseType: 'short-text', labels: null },
    },
    verdict: { ...verdict!, arms: verdict!.arms.map((arm) => ({ ...arm, threshold: -1e9 })) },
  }
}

const auditRecord = (number: number): ExchangeRecord =>
  exampleRecord(number, {
    at: Date.now(),
    tenant: TEMPLATE.tenant,
    request: chatBody(`question ${number}`),
    response: JSON.stringify(completion('violet')),
    route: {
      templateVersion: TEMPLATE.version,
      lora: LORA,
      outcome: 'skipped',
      reason: 'audit',
      confidence: null,
      promptTokensSaved: 0,
      savedUsd: null,
    },
  })

const withStore = async <T>(dataDir: string, use: (store: Store) => Promise<T>): Promise<T> => {
  const store = await openStore({ dataDir })
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

const goLive = (dataDir: string): Promise<void> =>
  withStore(dataDir, async ({ templates, internalizations }) => {
    await templates.upsert([TEMPLATE])
    await internalizations.create(liveRow())
  })

const within = async (isTrue: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + WAIT_MS
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`it did not happen within ${WAIT_MS} ms`)
    await delay(20)
  }
}

/**
 * Kills the server and then the worker itself once the store's thread has replied to a call. The thread gets
 * each call of the store as a message, so a call is a named point of the worker's code.
 */
const killAfter = (area: string, method: string): string => `
import { Worker } from 'node:worker_threads'
const post = Worker.prototype.postMessage
if (process.argv.includes('worker')) Worker.prototype.postMessage = function (call, list) {
  if (call?.area === '${area}' && call.method === '${method}')
    this.prependListener('message', ({ id }) => {
      if (id !== call.id) return
      process.kill(process.ppid, 'SIGKILL')
      process.kill(process.pid, 'SIGKILL')
    })
  return post.call(this, call, list)
}`

let upstream: FakeUpstream
let servers: ServerProcess[]

beforeEach(async () => {
  upstream = await startUpstream()
  servers = []
})
afterEach(async () => {
  for (const server of servers) await server.remove()
  upstream.close()
})

const environment = (): Record<string, string> => ({
  UPSTREAM_BASE_URL: upstream.url,
  ENGINE: 'fake',
  TENANT_SECRET: TENANTS.secret,
  ROLLOUT_STAGES: '1',
  ...changedConstants({ auditShare: 0.5 }),
  LOG_LEVEL: 'error',
})

const start = async (...[env, options]: Parameters<typeof startServerProcess>) => {
  const server = await startServerProcess({ ...environment(), ...env }, options)
  servers.push(server)
  return server
}

const ask = async ({ port }: ServerProcess, question: string): Promise<string | undefined> => {
  const { headers } = await send(port, chatBody(question))
  const reason = headers['x-promptintern-reason']
  return reason === 'audit' ? 'audit' : (headers['x-promptintern-route'] as string | undefined)
}

const routesOf = async (server: ServerProcess, count: number): Promise<(string | undefined)[]> => {
  const routes: (string | undefined)[] = []
  for (let i = 0; i < count; i++) routes.push(await ask(server, `question ${i}`))
  return routes
}

const rowsOf = (dataDir: string) =>
  withStore(dataDir, async ({ internalizations, pairs, routes }) => ({
    state: (await internalizations.get(ID))!.state,
    judged: await pairs.list({ lora: LORA, limit: 1_000 }),
    backlog: await pairs.backlog(LORA),
    routes: await routes.list(),
  }))

/** @returns the server after its end */
const killed = async (
  [area, method]: [area: string, method: string],
  ...[env, options]: Parameters<typeof spawnServer>
): Promise<ServerProcess> => {
  const code = encodeURIComponent(killAfter(area, method))
  const NODE_OPTIONS = `--import data:text/javascript,${code}`
  const server = await spawnServer(
    { ...environment(), NODE_OPTIONS, ...env },
    { worker: true, ...options }
  )
  servers.push(server)
  expect(await server.exit).toBeNull()
  return server
}

const prepare = async (folder: string): Promise<void> => {
  await goLive(folder)
  const records = Array.from({ length: AUDITS }, (_, i) => auditRecord(i))
  await withStore(folder, (store) => store.records.append(batchOf(records)))
}

describe('a server that is killed between the judging and the rollback', () => {
  it('counts every pair once, and has no route after the rollback', LONG, async () => {
    const { dataDir } = await killed(['pairs', 'judge'], {}, { prepare })
    const judged = await rowsOf(dataDir)
    expect(judged.state.name).toBe('live')
    expect(judged.judged.length).toBeGreaterThan(0)
    expect(judged.judged.length + judged.backlog.waiting).toBe(AUDITS)

    // the rollback is written, and nothing after it
    await killed(['internalizations', 'save'], { DATA_DIR: dataDir })
    const rolledBack = await rowsOf(dataDir)
    expect(rolledBack.routes).toEqual([])
    expect(rolledBack.state).toMatchObject({
      name: 'retired',
      evidence: { pairs: rolledBack.judged.length, losses: rolledBack.judged.length, credits: 0 },
    })
    expect(rolledBack.judged.length + rolledBack.backlog.waiting).toBe(AUDITS)

    const last = await start({ DATA_DIR: dataDir }, { worker: true })
    expect(new Set(await routesOf(last, 20))).toEqual(new Set([undefined]))
    expect(await rowsOf(dataDir)).toEqual(rolledBack)
  })
})

/** What the lora answers, too. */
const agree: Responder = (request, response) => {
  const { messages } = JSON.parse(request.body.toString()) as { messages: { content: string }[] }
  respondJson(completion(`You said: ${messages.at(-1)!.content}`))(request, response)
}

describe('two proxies on one data directory', () => {
  it(
    'have one evidence, and both end the route when it is rolled back',
    { timeout: 180_000 },
    async () => {
      upstream.respond = agree
      const one = await start({}, { prepare: goLive, worker: true })
      const two = await start({ DATA_DIR: one.dataDir })
      await within(async () => (await ask(one, 'hi')) === 'answered')
      await within(async () => (await ask(two, 'hi')) === 'answered')
      const routes = [await routesOf(one, 40), await routesOf(two, 40)]
      for (const seen of routes) expect(new Set(seen)).toEqual(new Set(['answered', 'audit']))

      const store = await openStore({ dataDir: one.dataDir })
      const audited = async () => {
        const records = await store.records.list({ limit: 1_000 })
        return records.filter(({ route }) => route?.reason === 'audit').map(({ id }) => id)
      }
      const judged = async () =>
        (await store.pairs.list({ lora: LORA, limit: 1_000 })).map(({ recordId }) => recordId)
      const seen = routes.flat().filter((route) => route === 'audit').length
      await within(async () => (await judged()).length >= seen)
      await within(async () => (await judged()).length === (await audited()).length)
      expect((await judged()).toSorted()).toEqual((await audited()).toSorted())

      upstream.respond = respondJson(completion('violet'))
      const isRetired = async () => (await store.internalizations.get(ID))!.state.name === 'retired'
      await within(async () => {
        await Promise.all([ask(one, 'how'), ask(two, 'how')])
        return isRetired()
      })
      for (const server of [one, two]) {
        await within(async () => (await ask(server, 'why')) === undefined)
        expect(new Set(await routesOf(server, 20))).toEqual(new Set([undefined]))
      }
      await store.close()
    }
  )
})
