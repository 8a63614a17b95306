/** Builds the app from the parts that are open: proxy, feedback, admin API, metrics, health. Opens nothing. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Hono } from 'hono'
import type { Registry } from 'prom-client'
import { bearerToken, mayUse, type AdminTokens } from '../admin/access/roles.ts'
import { addressOf, createTokenGate, type TokenGate } from '../admin/access/token-gate.ts'
import type { AdminDeps, ProcessStatus } from '../admin/deps.ts'
import { createApp } from './app.ts'
import type { Config } from '../config/config.ts'
import { compileCaptureRule } from '../core/log/selection.ts'
import { economicsSettings, trainingTerms } from '../config/config-files.ts'
import { costUsd, type Price } from '../core/cost/prices.ts'
import type { Secrets } from '../config/data-dir.ts'
import type { Engine } from '../engine/engine.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import type { EventLoopWatch } from './event-loop.ts'
import type { Health } from './health.ts'
import type { IssuedAccess } from './issued-access.ts'
import type { SupervisedChild } from '../process/supervise.ts'
import { createCredentials } from '../proxy/access/credentials.ts'
import { createEnvelopes } from '../proxy/envelopes.ts'
import { createBodyBudget, type BodyBudget } from '../proxy/client/body-budget.ts'
import type { Load } from '../proxy/client/load.ts'
import type { LogQueue } from '../proxy/log-queue.ts'
import { AnsweredTenants } from '../proxy/feedback/answered-tenants.ts'
import { createFeedbackApp, type FeedbackApp } from '../proxy/feedback/feedback-app.ts'
import { createMetrics } from '../proxy/metrics/metrics.ts'
import { registerProcessMetrics } from '../proxy/metrics/process-metrics.ts'
import { engineSecrets, type EngineAccess } from '../proxy/access/own-secrets.ts'
import { createProxy } from '../proxy/proxy.ts'
import { systemTimer } from '../timers.ts'
import type { RouteTable } from '../core/route/route-table.ts'
import { createTenants } from '../proxy/access/tenants.ts'
import type { NamedUpstream } from '../core/upstream-choice.ts'
import { registerRolloutMetrics } from './rollout-metrics.ts'
import type { SnapshotWatch } from './snapshot-watch.ts'
import { openEconomics } from '../savings/economics.ts'
import type { Store } from '../store/store.ts'
import { timeOrderedId } from '../time-ordered-id.ts'
import type { Tracing } from '../tracing/start.ts'

const MAX_TENANTS = 100_000
/** how long the upstream's acceptance of credentials is good */
const ACCEPTED_MS = 60 * 60 * 1000
const BREAKER = { maxFailures: 3, pauseMs: 10_000 }
const ADAPTED_MAX_TOKENS = 1024
const UPSTREAM_BREAKER = { maxFailures: 5, pauseMs: 10_000 }

/** Milliseconds since the epoch by a clock that cannot be set back while the process runs. */
const monotonicNow = (): number => performance.timeOrigin + performance.now()

export interface Parts {
  config: Config
  /** used if the configuration sets no secrets */
  secrets: Secrets
  upstreams: NamedUpstream[]
  store: Store
  /** false while the store's thread is started again */
  storeIsUp: () => boolean
  fault: ReportFault<ServerFault>
  queue: LogQueue
  engine: Engine | null
  engineAccess: EngineAccess | null
  worker: Pick<SupervisedChild, 'isRunning'> | null
  routes: SnapshotWatch<RouteTable>
  prices: Price[]
  /** null with ACCESS=forward */
  issued: IssuedAccess | null
  eventLoop: EventLoopWatch
  tracing: Tracing | null
  health: Health
  load: Load
  isDraining: () => boolean
}

const statusOf = (parts: Parts): ProcessStatus => ({
  engine: parts.config.engine.kind,
  engineReachable: parts.health.engineIsReachable() === true,
  store: parts.storeIsUp() ? 'running' : 'restarting',
  worker: parts.worker === null ? 'elsewhere' : parts.worker.isRunning() ? 'running' : 'restarting',
  log: parts.queue.stats(),
  logIsTaken: parts.health.logIsTaken(),
  routes: parts.routes.snapshot().byVersion.size,
})

const tenantSecretOf = ({ config, secrets }: Parts): string =>
  config.proxy.tenantSecret ?? secrets.tenantSecret

/** How the proxy tells tenants apart, and the secrets that it never forwards to an upstream. */
const accessOf = (parts: Parts, adminToken: string) => {
  const { config, issued, engineAccess, upstreams } = parts
  const { adminReadToken } = config
  const credentials = createCredentials(config.proxy.credentialNames)
  const tenantSecret = tenantSecretOf(parts)
  const tenants = createTenants({
    secret: tenantSecret,
    ttlMs: ACCEPTED_MS,
    maxEntries: MAX_TENANTS,
    now: Date.now,
    credentials,
  })
  const ofEngine = engineSecrets(engineAccess, [config.upstream, ...upstreams])
  const ofWebhook = config.webhook?.secret == null ? [] : [config.webhook.secret]
  return {
    access: issued?.access ?? null,
    credentials,
    envelopeOf: createEnvelopes({
      credentials,
      hasOwnKey: issued !== null,
      irrelevant: config.proxy.irrelevantHeaders,
    }),
    tenants: issued?.tenants ?? tenants,
    ownSecrets: [
      adminToken,
      ...(adminReadToken === null ? [] : [adminReadToken]),
      tenantSecret,
      ...ofEngine,
      ...ofWebhook,
    ],
  }
}

const openProxy = (
  parts: Parts,
  registry: Registry,
  bodies: BodyBudget,
  access: ReturnType<typeof accessOf>,
  answered: AnsweredTenants
) => {
  const { config, queue, engine, routes, fault } = parts
  return createProxy({
    upstreamBaseUrl: config.upstream.baseUrl,
    failover: {
      upstreams: parts.upstreams,
      breaker: UPSTREAM_BREAKER,
      retryAfterMaxMs: config.upstream.retryAfterMaxMs,
    },
    load: parts.load,
    routes: routes.snapshot,
    areRoutesGood: () => routes.ageMs() <= config.proxy.routesMaxAgeMs,
    engines: new Map(engine === null ? [] : [[engine.name, engine]]),
    ...access,
    allowedHosts: config.server.allowedHosts,
    bodies,
    // redacted, a conversation could not go on
    keptResponses: config.redact === null ? parts.store.keptResponses : null,
    isCaptured: compileCaptureRule(config.capture, Math.random),
    log: (exchange) => {
      answered.note(exchange.head)
      queue.push(exchange)
    },
    trace: parts.tracing && parts.tracing.trace,
    metrics: createMetrics(registry),
    fault,
    limits: {
      maxBodyBytes: config.proxy.maxBodyBytes,
      captureMaxBytes: config.proxy.captureMaxBytes,
      adaptedTimeoutMs: config.proxy.adaptedTimeoutMs,
      keepAliveMs: config.proxy.keepAliveMs,
      adaptedMaxTokens: ADAPTED_MAX_TOKENS,
      upstreamTimeoutMs: config.upstream.timeoutMs,
    },
    asksForUsage: config.proxy.streamUsage === 'always',
    echoModel: config.proxy.echoModel,
    breaker: BREAKER,
    now: monotonicNow,
    setTimer: systemTimer,
    random: Math.random,
    newId: () => timeOrderedId(Date.now),
  })
}

const feedbackOf = (
  { store, issued }: Parts,
  { tenants }: ReturnType<typeof accessOf>,
  answered: AnsweredTenants
): FeedbackApp =>
  createFeedbackApp({
    tenants,
    isKnown: (tenant) => issued !== null || answered.has(tenant),
    put: ({ record: recordId, rating, comment }, tenant, at) => {
      const by = 'application'
      return rating === null
        ? store.feedback.remove(recordId, by, tenant)
        : store.feedback.put({ recordId, by, rating, comment, at }, tenant)
    },
    now: monotonicNow,
  })

const adminDepsOf = (parts: Parts, tokens: AdminTokens, gate: TokenGate): AdminDeps => {
  const { config, store, routes, prices, fault } = parts
  return {
    store,
    tokens,
    gate,
    onFault: (error) => fault('request', error),
    now: Date.now,
    newId: randomUUID,
    randomBytes,
    terms: trainingTerms(config, parts.upstreams),
    neededRequests: config.internalize.startExchanges,
    blindSecret: tenantSecretOf(parts),
    refreshRoutes: routes.refresh,
    status: () => statusOf(parts),
    rollout: config.rollout,
    settings: () => config.settings,
    costUsd: (model, usage) => costUsd(prices, model, usage),
    prices,
    economics: openEconomics(store, economicsSettings(config, prices), Date.now),
  }
}

/** Pages and schemas are half of all modules, and a request needs none of them. */
const adminLoader = (deps: AdminDeps): (() => Promise<Hono>) => {
  let loaded: Promise<Hono> | null = null
  return () => (loaded ??= import('../admin/app.ts').then((admin) => admin.createAdminApp(deps)))
}

/** @returns the app; the proxy within it, which is closed after the last request; loads the admin app ahead of its use */
export const assemble = (parts: Parts, registry: Registry) => {
  const { config, secrets, store, engine, routes, issued, health, fault } = parts
  const adminToken = config.adminToken ?? secrets.adminToken
  const bodies = createBodyBudget(config.proxy.maxInFlightBytes, monotonicNow)
  registerProcessMetrics(registry, {
    inFlight: () => parts.load.inFlight,
    bodyBytes: bodies.inUse,
    log: () => parts.queue.stats(),
    storeIsUp: parts.storeIsUp,
    routesAgeMs: routes.ageMs,
    usage: store.records.usageTotals,
    fault,
    eventLoop: parts.eventLoop.read,
    engines: () => (engine === null ? [] : [[engine.name, health.engineIsReachable() === true]]),
  })
  registerRolloutMetrics(registry, {
    routes: () => routes.snapshot().byVersion.values(),
    store,
    fault,
    now: Date.now,
    setTimer: systemTimer,
  })
  const access = accessOf(parts, adminToken)
  const tokens = { full: adminToken, read: config.adminReadToken }
  const gate = createTokenGate(tokens, monotonicNow)
  const answered = new AnsweredTenants()
  const proxy = openProxy(parts, registry, bodies, access, answered)
  const admin = adminLoader(adminDepsOf(parts, tokens, gate))
  const app = createApp({
    proxy: proxy.app,
    feedback: feedbackOf(parts, access, answered),
    admin,
    registry,
    mayReadMetrics: (authorization, env) => {
      const role = gate.judge(bearerToken(authorization), addressOf(env?.incoming))
      return role !== null && mayUse(role, 'GET', '/metrics')
    },
    readiness: () => ({
      store: parts.storeIsUp() && routes.isCurrent() && (issued?.isCurrent() ?? true),
      log: health.logIsTaken(),
    }),
    isDraining: parts.isDraining,
    arrivals: proxy.arrivals,
    onFault: (error) => fault('request', error),
  })
  return { app, proxy, loadAdmin: admin }
}
