/**
 * One server of the proxy benchmark, as a process of its own so that its CPU time can be read:
 * `upstream`, `fetch` (Hono with the platform's fetch, the usual way to write a proxy), `bare` (Node's
 * server and undici with nothing between: the parts that proxies on Node are made of) or `ours` (the
 * product's hot path, logging into a real store: SQLite, or the PostgreSQL of a URL). Prints its port, then
 * serves until its input closes; `ours` then prints its counts.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { Registry } from 'prom-client'
import { Pool, type Dispatcher } from 'undici'
import { parseDatabaseUrl } from '../../src/config/database-url.ts'
import type { ReportFault, ServerFault } from '../../src/fault-log.ts'
import { systemTimer } from '../../src/timers.ts'
import { LogQueue, type LogQueueStats } from '../../src/proxy/log-queue.ts'
import { listen } from '../../src/server/http-server.ts'
import { createCredentials } from '../../src/proxy/access/credentials.ts'
import { createEnvelopes } from '../../src/proxy/envelopes.ts'
import { createBodyBudget } from '../../src/proxy/client/body-budget.ts'
import { Load } from '../../src/proxy/client/load.ts'
import { createMetrics } from '../../src/proxy/metrics/metrics.ts'
import { createProxy } from '../../src/proxy/proxy.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import type { OpenStore } from '../../src/store/store.ts'
import { openPostgresStore, openSqliteStore } from '../../src/store/thread/open.ts'
import { timeOrderedId } from '../../src/time-ordered-id.ts'
import { createUpstream } from './upstream.ts'
import { AUTHORIZATION, liveRoutes } from './traffic.ts'

const MEBIBYTE = 2 ** 20
const TEMPLATES = 200
/** connections, as by default */
const DATABASE_POOL = 10

/** Counts that `ours` prints when it ends. */
export interface ProductStats extends LogQueueStats {
  /** requests by what became of them */
  outcomes: Record<string, number>
}

const now = (): number => performance.timeOrigin + performance.now()

/** A fault would make the figures worthless, so it is shown. */
const fault: ReportFault<ServerFault> = (kind, error) => console.error(kind, error)

const announce = (port: number): void => {
  console.log(JSON.stringify({ port }))
}

const startUpstream = (): void => {
  const server = createUpstream()
  server.listen(0, '127.0.0.1', () => announce((server.address() as AddressInfo).port))
  process.stdin.on('end', () => process.exit(0)).resume()
}

const startFetchProxy = (upstreamUrl: string): void => {
  const app = new Hono().all('*', async ({ req }) => {
    const headers = new Headers(req.raw.headers)
    for (const name of ['host', 'connection', 'content-length']) headers.delete(name)
    const { pathname, search } = new URL(req.url)
    const init = { method: req.method, headers, body: req.raw.body, duplex: 'half' }
    const answer = await fetch(upstreamUrl + pathname + search, init as RequestInit)
    return new Response(answer.body, { status: answer.status, headers: answer.headers })
  })
  serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => announce(port))
  process.stdin.on('end', () => process.exit(0)).resume()
}

/** Reads nothing, keeps nothing, repeats nothing. */
const startBareProxy = (upstreamUrl: string): void => {
  const pool = new Pool(upstreamUrl, { pipelining: 1 })
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const headers = { ...incoming.headers }
      delete headers.connection
      const method = incoming.method as Dispatcher.HttpMethod
      pool.dispatch(
        { path: incoming.url ?? '/', method, headers, body: Buffer.concat(chunks) },
        {
          onConnect: () => {},
          onHeaders: (status, raw) => {
            outgoing.writeHead(status, raw!.map(String))
            return true
          },
          onData: (chunk) => outgoing.write(chunk),
          onComplete: () => void outgoing.end(),
          onError: () =>
            void (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(502).end()),
        }
      )
    })
  })
  server.listen(0, '127.0.0.1', () => announce((server.address() as AddressInfo).port))
  process.stdin.on('end', () => process.exit(0)).resume()
}

const NO_FAILOVER = {
  upstreams: [],
  breaker: { maxFailures: 5, pauseMs: 10_000 },
  retryAfterMaxMs: 0,
}

/** Wide enough for every body of the benchmark. */
const LIMITS = {
  maxBodyBytes: 32 * MEBIBYTE,
  captureMaxBytes: 4 * MEBIBYTE,
  adaptedTimeoutMs: 10_000,
  adaptedMaxTokens: 1024,
  upstreamTimeoutMs: 600_000,
  keepAliveMs: 0,
}

const openStore = (dataDir: string, databaseUrl: string): Promise<OpenStore> => {
  if (databaseUrl === '') return openSqliteStore({ dataDir })
  const parsed = parseDatabaseUrl(databaseUrl)
  if ('mistake' in parsed) throw new Error(`the database's URL ${parsed.mistake}`)
  return openPostgresStore({ server: parsed.server, poolSize: DATABASE_POOL })
}

const finish = async (
  queue: LogQueue,
  store: OpenStore,
  outcomes: ProductStats['outcomes']
): Promise<void> => {
  await queue.close(60_000)
  const stats: ProductStats = { ...queue.stats(), outcomes }
  await store.close()
  console.log(JSON.stringify(stats))
  process.exit(0)
}

const startProduct = async (
  upstreamUrl: string,
  dataDir: string,
  databaseUrl: string
): Promise<void> => {
  const store = await openStore(dataDir, databaseUrl)
  const queue = new LogQueue({
    append: store.records.append,
    maxBytes: 64 * MEBIBYTE,
    fault,
    setTimer: systemTimer,
  })
  const tenants = createTenants({ secret: 'bench', ttlMs: 3_600_000, maxEntries: 1000, now })
  const { tenant } = tenants.identify({ rawHeaders: ['authorization', AUTHORIZATION] })
  const table = compileRouteTable(liveRoutes(tenant, TEMPLATES))
  const credentials = createCredentials()
  const metrics = createMetrics(new Registry())
  const outcomes: Record<string, number> = {}
  const proxy = createProxy({
    upstreamBaseUrl: upstreamUrl,
    failover: NO_FAILOVER,
    load: new Load({ maxInFlight: 10_000, maxDelayMs: 500 }),
    routes: () => table,
    areRoutesGood: () => true,
    engines: new Map(),
    tenants,
    credentials,
    envelopeOf: createEnvelopes({ credentials, hasOwnKey: false, irrelevant: [] }),
    allowedHosts: [],
    ownSecrets: ['token-of-the-bench'],
    access: null,
    bodies: createBodyBudget(256 * MEBIBYTE, Date.now),
    keptResponses: null,
    isCaptured: () => true,
    log: (exchange) => queue.push(exchange),
    metrics: {
      ...metrics,
      request: (outcome) => {
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
        metrics.request(outcome)
      },
    },
    fault,
    limits: LIMITS,
    trace: null,
    asksForUsage: false,
    echoModel: false,
    breaker: { maxFailures: 3, pauseMs: 10_000 },
    now,
    setTimer: systemTimer,
    random: Math.random,
    newId: () => timeOrderedId(Date.now),
  })
  announce((await listen(proxy.app, { port: 0, host: '127.0.0.1' }, { fault })).port)
  process.stdin.on('end', () => void finish(queue, store, outcomes)).resume()
}

const [kind, upstreamUrl = '', dataDir = '', databaseUrl = ''] = process.argv.slice(2)
if (kind === 'upstream') startUpstream()
else if (kind === 'fetch') startFetchProxy(upstreamUrl)
else if (kind === 'bare') startBareProxy(upstreamUrl)
else await startProduct(upstreamUrl, dataDir, databaseUrl)
