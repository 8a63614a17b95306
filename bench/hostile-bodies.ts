/**
 * How long does one body of 32 MiB delay another request? The real server, bodies that are made to keep
 * it busy, one after the other, and `/healthz` polled meanwhile; each beside a harmless body of the same
 * size that passes unread, which costs what its transfer costs. A figure is the median of its rounds,
 * and the worst is the shape with the largest one. Needs a machine with two cores to itself: on a busy
 * one it measures who gets them.
 *
 *   npm run bench:hostile-bodies -- [--out file.json] [--rounds 5] [--mib 32]
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  hashOfSecret,
  secretOf,
  tenantOfLabel,
  type IssuedKey,
  type KeyLimits,
} from '../src/core/keys/issued-key.ts'
import { MAX_PARSED_BYTES } from '../src/core/request/json-scan.ts'
import { createTenants } from '../src/proxy/access/tenants.ts'
import { openSqliteStore } from '../src/store/thread/open.ts'
import { liveRoute } from '../test/kit/records/route-rules.ts'
import { fromRoot } from '../test/kit/process/from-root.ts'
import { startProxy, type ProxyProcess } from '../test/kit/process/proxy-process.ts'
import { pathOf, PROMPT, SHAPES, SMALL_SHAPES } from './hostile-bodies/shapes.ts'
import type { Order } from './hostile-bodies-process.ts'
import { spread, withBar, type Figures } from '../test/kit/report.ts'
import { readOptions } from './harness/options.ts'
import { benchmark } from './harness/measure.ts'
import { changedConstants } from '../test/kit/process/loop-settings.ts'

const BAR_MS = 100
const HARMLESS = 'one_string'
const BYPASS = { 'x-promptintern-bypass': 'true' }
const AUTHORIZATION = 'Bearer sk-bench'
const TENANT_SECRET = 'bench'
const SECRET = secretOf(Buffer.alloc(32, 7))
const POLL_EVERY_MS = 2
/** Time for the log and the collector to settle. */
const REST_MS = 300

const args = readOptions({
  rounds: 5,
  mib: 32,
})
const BODY_BYTES = args.mib * 2 ** 20 - 1024

const start = (role: 'upstream' | 'sender'): ChildProcess =>
  fork(fromRoot('bench/hostile-bodies-process.ts'), [role], { execArgv: process.execArgv })

/** @returns milliseconds until `/healthz` has answered */
const poll = (url: string, agent: Agent): Promise<number> =>
  new Promise((resolve, reject) => {
    const at = performance.now()
    get(`${url}/healthz`, { agent }, (response) => {
      response.resume().on('end', () => resolve(performance.now() - at))
    }).on('error', reject)
  })

/** Polls until it is told to stop. */
const watch = (url: string): { stop: () => Promise<number> } => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const end = new AbortController()
  const run = async (): Promise<number> => {
    let worst = 0
    while (!end.signal.aborted) {
      worst = Math.max(worst, await poll(url, agent))
      await delay(POLL_EVERY_MS)
    }
    agent.destroy()
    return worst
  }
  const worst = run()
  return {
    stop: () => {
      end.abort()
      return worst
    },
  }
}

/** @returns the longest that `/healthz` took meanwhile, milliseconds */
const measure = async (sender: ChildProcess, url: string, order: Order): Promise<number> => {
  sender.send(order)
  await once(sender, 'message')
  const watching = watch(url)
  const [status] = (await once(sender, 'message')) as [unknown]
  // work behind the answer delays other requests, too
  await delay(REST_MS)
  const worst = await watching.stop()
  if (typeof status !== 'number') throw new Error(`${order.shape}: ${String(status)}`)
  return worst
}

interface Target {
  name: string
  proxy: ProxyProcess
  headers: Record<string, string>
  /** of what passes unread, which a limited key may not send */
  harmless: Record<string, string>
}

const LIMITS: KeyLimits = {
  models: ['routed'],
  requestsPerMinute: null,
  tokensPerMinute: 1e12,
  budget: { usd: 1e9, period: 'total' },
}
const NO_LIMITS: KeyLimits = { ...LIMITS, models: null, tokensPerMinute: null, budget: null }

const keyOf = (id: string, secret: string, limits: KeyLimits): IssuedKey => ({
  id,
  name: id,
  hash: hashOfSecret(secret),
  tenant: tenantOfLabel(id),
  limits,
  createdAt: 1,
  revokedAt: null,
})

const FREE_SECRET = secretOf(Buffer.alloc(32, 8))

const fill = async (dataDir: string): Promise<void> => {
  mkdirSync(dataDir)
  const tenants = createTenants({ secret: TENANT_SECRET, ttlMs: 1, maxEntries: 1, now: Date.now })
  const store = await openSqliteStore({ dataDir })
  await store.routes.put(
    liveRoute({
      tenant: tenants.identify({ rawHeaders: ['authorization', AUTHORIZATION] }).tenant,
      model: 'routed',
      prompt: PROMPT,
      version: 'version-bench',
      engine: 'default',
      lora: 'lora-bench',
      templateTokens: 40,
      parameters: { max_tokens: 5 },
    })
  )
  await store.keys.create(keyOf('limited', SECRET, LIMITS))
  await store.keys.create(keyOf('free', FREE_SECRET, NO_LIMITS))
  await store.close()
}

const openTargets = async (folder: string, upstreamPort: number): Promise<Target[]> => {
  const prices = join(folder, 'prices.json')
  const price = { asOf: '2026-11-01', input: 1, cachedInput: 1, output: 1, maxOutputTokens: 10 }
  writeFileSync(prices, JSON.stringify([{ model: 'routed', ...price }]))
  const shared = {
    UPSTREAM_BASE_URL: `http://127.0.0.1:${upstreamPort}/v1`,
    TENANT_SECRET,
    AUTO_INTERNALIZE: 'false',
    ...changedConstants({ shedDelayMs: 0 }),
  }
  const [open, keyed] = ['open', 'keyed'].map((name) => join(folder, name))
  await fill(open!)
  await fill(keyed!)
  const forward = await startProxy({ ...shared, DATA_DIR: open!, STREAM_USAGE: 'always' })
  const issued = await startProxy({
    ...shared,
    DATA_DIR: keyed!,
    ACCESS: 'keys',
    UPSTREAM_API_KEY: 'sk-operator',
    PRICES_FILE: prices,
  })
  const authorization = AUTHORIZATION
  return [
    {
      name: 'unlimited',
      proxy: forward,
      headers: { authorization },
      harmless: { authorization, ...BYPASS },
    },
    {
      name: 'limited',
      proxy: issued,
      headers: { authorization: `Bearer ${SECRET}` },
      harmless: { authorization: `Bearer ${FREE_SECRET}`, ...BYPASS },
    },
  ]
}

const sizes = (): [shape: string, bytes: number, name: string][] => [
  ...Object.keys(SHAPES).map((shape): [string, number, string] => [shape, BODY_BYTES, shape]),
  ...SMALL_SHAPES.map((shape): [string, number, string] => [
    shape,
    MAX_PARSED_BYTES,
    `${shape}_small`,
  ]),
]

const run = async (folder: string): Promise<Figures> => {
  const [upstream, sender] = [start('upstream'), start('sender')]
  const [port] = (await once(upstream, 'message')) as [number]
  const targets = await openTargets(folder, port)
  const figures: Figures = {}
  try {
    for (const { name, proxy, headers, harmless } of targets) {
      const time = (shape: string, bytes: number, own: Record<string, string>): Promise<number> => {
        const url = `${proxy.baseUrl}${pathOf(shape)}`
        return measure(sender, proxy.baseUrl, { url, headers: own, shape, bytes })
      }
      // the first bodies find cold code and no memory
      for (let round = 0; round < 2; round++) await time(HARMLESS, BODY_BYTES, headers)
      for (const [shape, bytes, label] of sizes()) {
        const delays: number[] = []
        for (let round = 0; round < args.rounds; round++) {
          const transfer = await time(HARMLESS, bytes, harmless)
          delays.push(Math.max(0, (await time(shape, bytes, headers)) - transfer))
        }
        const figure = withBar(spread(delays, 'ms'), '<=', BAR_MS)
        figures[`healthz_delay_${name}_${label}_ms`] = figure
      }
    }
  } finally {
    for (const { proxy } of targets) await proxy.stop()
    upstream.kill()
    sender.kill()
  }
  const worst = Object.values(figures).toSorted((a, b) => Number(b.value) - Number(a.value))[0]!
  return { ...figures, healthz_delay_worst_ms: worst }
}

await benchmark('hostile-bodies', args.out, run)
