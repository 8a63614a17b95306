/**
 * What the server answers with, put together from its open parts: proxy, admin API, metrics, health.
 * Opens nothing itself.
 */
import { Registry } from 'prom-client'
import { createAdminApp } from '../admin/app.ts'
import { createApp } from './app.ts'
import type { Config } from '../config/config.ts'
import { compileCaptureRule } from '../core/log/capture-rule.ts'
import { economicsSettings } from '../config/config-files.ts'
import { costUsd, savedUsd, type Price } from '../core/cost/prices.ts'
import type { Secrets } from '../config/data-dir.ts'
import type { Engine } from '../engine/engine.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import type { EventLoopWatch } from './event-loop.ts'
import type { Health } from './health.ts'
import type { IssuedAccess } from './issued-access.ts'
import { createCredentials } from '../proxy/access/credentials.ts'
import { createBodyBudget, type Load } from '../proxy/client/load.ts'
import type { LogQueue } from '../proxy/log-queue.ts'
import { createMetrics } from '../proxy/metrics/metrics.ts'
import { registerProcessMetrics } from '../proxy/metrics/process-metrics.ts'
import { engineSecrets, type EngineAccess } from '../proxy/access/own-secrets.ts'
import { createProxy } from '../proxy/proxy.ts'
import { systemTimer } from '../proxy/timers.ts'
import type { RouteTable } from '../core/route/route-table.ts'
import { createTenants } from '../proxy/access/tenants.ts'
import type { NamedUpstream } from '../core/upstream-choice.ts'
import type { SnapshotWatch } from './snapshot-watch.ts'
import { openEconomics } from '../savings/economics.ts'
import type { Store } from '../store/store.ts'
import type { SupervisedChild } from '../process/supervise.ts'
import { timeOrderedId } from '../time-ordered-id.ts'
import type { Tracing } from '../tracing/start.ts'

const MAX_TENANTS = 100_000
const BREAKER = { maxFailures: 3, pauseMs: 10_000 }
const ADAPTED_MAX_TOKENS = 1024
const UPSTREAM_BREAKER = { maxFailures: 5, pauseMs: 10_000 }

/** Milliseconds since the epoch as it was when the process began: nobody can set this clock. */
const monotonicNow = (): number => performance.timeOrigin + performance.now()

export interface Parts {
  config: Config
  /** in place of what the configuration does not have */
  secrets: Secrets
  upstreams: NamedUpstream[]
  store: Store
  fault: ReportFault<ServerFault>
  queue: LogQueue
  engine: Engine | null
  engineAccess: EngineAccess | null
  worker: SupervisedChild | null
  routes: SnapshotWatch<RouteTable>
  prices: Price[]
  /** null where clients' own keys are forwarded */
  issued: IssuedAccess | null
  eventLoop: EventLoopWatch
  tracing: Tracing | null
  health: Health
  load: Load
  isDraining: () => boolean
}

const statusOf = (parts: Parts) => ({
  engine: parts.config.engine.kind,
  engineReachable: parts.health.engineIsReachable() === true,
  worker: parts.worker === null ? 'elsewhere' : parts.worker.isRunning() ? 'running' : 'restarting',
  log: parts.queue.stats(),
  routes: parts.routes.snapshot().byVersion.size,
})

/** Who a request is from, and what it must not carry to an upstream. */
const wallsOf = (
  { config, secrets, issued, engineAccess, upstreams }: Parts,
  adminToken: string
) => {
  const credentials = createCredentials(config.proxy.credentialNames)
  const tenantSecret = config.proxy.tenantSecret ?? secrets.tenantSecret
  const tenants = createTenants({
    secret: tenantSecret,
    ttlMs: config.proxy.credentialTtlMs,
    maxEntries: MAX_TENANTS,
    now: Date.now,
    credentials,
  })
  const ofEngine = engineSecrets(engineAccess, [config.upstream, ...upstreams])
  return {
    credentials,
    tenants: issued?.tenants ?? tenants,
    ownSecrets: [adminToken, tenantSecret, ...ofEngine],
  }
}

/** @returns the app, and the proxy within it, which sees chat completions before the app does */
export const assemble = (parts: Parts, registry: Registry) => {
  const { config, secrets, store, queue, engine, routes, prices, issued } = parts
  const { eventLoop, health, fault } = parts
  const adminToken = config.adminToken ?? secrets.adminToken
  const bodies = createBodyBudget(config.proxy.maxInFlightBytes)
  registerProcessMetrics(registry, {
    inFlight: () => parts.load.inFlight,
    bodyBytes: bodies.inUse,
    log: () => queue.stats(),
    usage: store.records.usageTotals,
    fault,
    eventLoop: eventLoop.read,
    engines: () => (engine === null ? [] : [[engine.name, health.engineIsReachable() === true]]),
  })
  const proxy = createProxy({
    upstreamBaseUrl: config.upstream.baseUrl,
    failover: {
      upstreams: parts.upstreams,
      breaker: UPSTREAM_BREAKER,
      retryAfterMaxMs: config.upstream.retryAfterMaxMs,
    },
    load: parts.load,
    routes: routes.snapshot,
    engines: new Map(engine === null ? [] : [[engine.name, engine]]),
    ...wallsOf(parts, adminToken),
    access: issued?.access ?? null,
    bodies,
    isCaptured: compileCaptureRule(config.capture, Math.random),
    log: (exchange) => queue.push(exchange),
    trace: parts.tracing && parts.tracing.trace,
    metrics: createMetrics(registry),
    fault,
    savedUsd: (model, tokens, usage) => savedUsd(prices, model, tokens, usage),
    limits: {
      maxBodyBytes: config.proxy.maxBodyBytes,
      captureMaxBytes: config.proxy.captureMaxBytes,
      adaptedTimeoutMs: config.proxy.adaptedTimeoutMs,
      adaptedMaxTokens: ADAPTED_MAX_TOKENS,
      upstreamTimeoutMs: config.upstream.timeoutMs,
      keepAliveMs: config.proxy.keepAliveMs,
    },
    asksForUsage: config.proxy.streamUsage === 'always',
    echoModel: config.proxy.echoModel,
    breaker: BREAKER,
    now: monotonicNow,
    setTimer: systemTimer,
    random: Math.random,
    newId: timeOrderedId,
  })
  const admin = createAdminApp({
    store,
    token: adminToken,
    now: Date.now,
    refreshRoutes: routes.refresh,
    status: () => statusOf(parts),
    trafficShare: config.internalize.trafficShare,
    estimatesUsage: config.estimateUsage,
    costUsd: (model, usage) => costUsd(prices, model, usage),
    economics: openEconomics(store, economicsSettings(config, prices), Date.now),
  })
  const app = createApp({
    proxy: proxy.app,
    admin,
    registry,
    adminToken,
    readiness: () => ({
      store: routes.isCurrent() && (issued?.isCurrent() ?? true),
      log: health.logIsTaken(),
    }),
    isDraining: parts.isDraining,
    onFault: (error) => fault('request', error),
  })
  return { app, proxy }
}
