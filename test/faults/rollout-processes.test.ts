/** A rollout across processes: two proxies on one store. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import { exampleApproved, LIVE_STATE } from '../kit/records/examples.ts'
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
import { startServerProcess, type ServerProcess } from '../kit/process/server-process.ts'

/** Its answers are never discarded, and it repeats what it is asked. */
const LORA = 'fake-base'
const ID = 'internalization-1'
const WAIT_MS = 40_000

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

const goLive = async (dataDir: string): Promise<void> => {
  const store = await openStore({ dataDir })
  await store.templates.upsert([TEMPLATE])
  await store.internalizations.create(liveRow())
  await store.close()
}

const within = async (isTrue: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + WAIT_MS
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`it did not happen within ${WAIT_MS} ms`)
    await delay(20)
  }
}

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
