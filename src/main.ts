/**
 * Composition root: config → store → engine → app + worker → listen → drain. Everything that has an
 * effect is opened here and passed on; only this file and the CLI import adapters, and lazily.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { createAdminApp } from './admin/app.ts'
import { createApp } from './app.ts'
import type { Config } from './config.ts'
import { compileCaptureRule } from './core/capture-rule.ts'
import { parsePrices, savedUsd, type Price } from './core/prices.ts'
import { loadSecrets, prepareDataDir } from './data-dir.ts'
import { createEngine } from './engine/client.ts'
import type { Engine } from './engine/engine.ts'
import { AppError } from './errors.ts'
import { drain, listen } from './http-server.ts'
import { createLogger, type Logger } from './logger.ts'
import { createBodyBudget } from './proxy/body-budget.ts'
import { createLogQueue, type LogQueue } from './proxy/log-queue.ts'
import { createMetrics } from './proxy/metrics.ts'
import { createProxy } from './proxy/proxy.ts'
import { createTenants } from './proxy/tenants.ts'
import { watchRoutes, type RouteWatch } from './route-watch.ts'
import { openSqliteStore } from './store/sqlite/open.ts'
import type { Store } from './store/store.ts'
import { forkModule, supervise, type SupervisedChild } from './supervise.ts'
import { timeOrderedId } from './time-ordered-id.ts'
import type { ReplayUpstream, WorkerDeps } from './worker/deps.ts'

/** The one engine of a configuration; routes carry this name, so it never changes. */
const ENGINE_NAME = 'default'
const ENGINE_CALL_TIMEOUT_MS = 600_000
const LOG_FLUSH_MS = 10_000
const MAX_TENANTS = 100_000
const BREAKER = { maxFailures: 3, pauseMs: 10_000 }
const ADAPTED_MAX_TOKENS = 1024
const REPLAY_TIMEOUT_MS = 120_000

export interface OpenEngine {
  engine: Engine
  /** where other processes of ours reach it */
  baseUrl: string
  token: string | null
  close(): Promise<void>
}

export const openStore = async (config: Config): Promise<Store> => {
  await prepareDataDir(config.dataDir)
  return openSqliteStore({
    dataDir: config.dataDir,
    maxTextBytes: config.proxy.captureMaxBytes,
    redact: config.redact,
  })
}

const engineAt = (baseUrl: string, token: string | null): Engine =>
  createEngine({
    name: ENGINE_NAME,
    baseUrl,
    token,
    fetch,
    timeoutMs: ENGINE_CALL_TIMEOUT_MS,
  })

/** @throws AppError `invalid-config` without an engine, `invalid-model` when it cannot load its model */
export const openEngine = async (config: Config): Promise<OpenEngine> => {
  const dataDir = join(config.dataDir, 'engine')
  switch (config.engine.kind) {
    case 'none':
      throw new AppError('invalid-config', 'ENGINE is none')
    case 'http': {
      const { url, token } = config.engine
      return { engine: engineAt(url, token), baseUrl: url, token, close: async () => {} }
    }
    case 'fake': {
      const { startFakeEngine } = await import('../adapters/fake/index.ts')
      const child = await startFakeEngine({ dataDir })
      return { ...child, engine: engineAt(child.baseUrl, child.token) }
    }
    case 'onnx': {
      const { startOnnxEngine } = await import('../adapters/onnx/index.ts')
      const { modelPath, threads } = config.engine
      const child = await startOnnxEngine({ dataDir, modelPath, threads })
      return { ...child, engine: engineAt(child.baseUrl, child.token) }
    }
  }
}

/** Asks the upstream with the operator's key; null on any failure, since the gate can do without. */
const createReplay = (config: Config): ReplayUpstream | null => {
  const { apiKey, baseUrl } = config.upstream
  if (apiKey === null) return null
  return async (requestBody) => {
    const { stream_options: _, ...request } = JSON.parse(requestBody) as Record<string, unknown>
    const body = { ...request, stream: false }
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REPLAY_TIMEOUT_MS),
    }).catch(() => null)
    return response?.ok ? await response.text() : null
  }
}

export const workerDeps = (
  config: Config,
  store: Store,
  engine: Engine | null,
  logger: Logger
): WorkerDeps => ({
  store,
  engine,
  config: config.internalize,
  retention: config.retention,
  replayUpstream: createReplay(config),
  now: Date.now,
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}),
  log: ({ level, message, data }) => logger[level]({ part: 'worker', ...data }, message),
})

const loadPrices = async (path: string | null): Promise<Price[]> =>
  path === null ? [] : parsePrices(await readFile(path, 'utf8'))

const startWorker = (config: Config, engine: OpenEngine | null): SupervisedChild => {
  const entry = new URL(import.meta.url.endsWith('.ts') ? './cli.ts' : './cli.js', import.meta.url)
  const engineEnv =
    engine === null
      ? { ENGINE: 'none' }
      : {
          ENGINE: 'http',
          ENGINE_URL: engine.baseUrl,
          ...(engine.token === null ? {} : { ENGINE_TOKEN: engine.token }),
        }
  const env = { ...process.env, DATA_DIR: config.dataDir, ...engineEnv }
  return supervise(() => forkModule(entry, { arguments: ['worker'], env }))
}

export interface Server {
  /** Drains and closes everything; idempotent. */
  close(): Promise<void>
}

interface Parts {
  config: Config
  store: Store
  logger: Logger
  queue: LogQueue
  engine: OpenEngine | null
  worker: SupervisedChild | null
  routes: RouteWatch
}

const statusOf = (parts: Parts) => ({
  engine: parts.config.engine.kind,
  engineReachable: parts.engine !== null,
  worker: parts.worker === null ? 'elsewhere' : parts.worker.isRunning() ? 'running' : 'restarting',
  log: parts.queue.stats(),
  routes: parts.routes.table().byVersion.size,
})

const buildApp = async (parts: Parts, registry: Registry) => {
  const { config, store, queue, engine, routes } = parts
  const secrets = await loadSecrets(config.dataDir)
  const adminToken = config.adminToken ?? secrets.adminToken
  const prices = await loadPrices(config.pricesFile)
  const proxy = createProxy({
    upstreamBaseUrl: config.upstream.baseUrl,
    routes: routes.table,
    engines: new Map(engine === null ? [] : [[ENGINE_NAME, engine.engine]]),
    tenants: createTenants({
      secret: config.proxy.tenantSecret ?? secrets.tenantSecret,
      ttlMs: config.proxy.credentialTtlMs,
      maxEntries: MAX_TENANTS,
      now: Date.now,
    }),
    bodies: createBodyBudget(config.proxy.maxInFlightBytes),
    isCaptured: compileCaptureRule(config.capture, Math.random),
    log: (exchange) => queue.push(exchange),
    metrics: createMetrics(registry, () => queue.stats()),
    savedUsd: (model, tokens, usage) => savedUsd(prices, model, tokens, usage),
    limits: {
      maxBodyBytes: config.proxy.maxBodyBytes,
      captureMaxBytes: config.proxy.captureMaxBytes,
      adaptedTimeoutMs: config.proxy.adaptedTimeoutMs,
      adaptedMaxTokens: ADAPTED_MAX_TOKENS,
      upstreamTimeoutMs: config.upstream.timeoutMs,
      keepAliveMs: config.proxy.keepAliveMs,
    },
    echoModel: config.proxy.echoModel,
    breaker: BREAKER,
    now: () => performance.timeOrigin + performance.now(),
    newId: timeOrderedId,
  })
  const admin = createAdminApp({
    store,
    token: adminToken,
    now: Date.now,
    status: () => statusOf(parts),
    trafficShare: config.internalize.trafficShare,
  })
  const app = createApp({
    proxy: proxy.app,
    admin,
    registry,
    adminToken,
    readiness: () => ({ store: routes.isCurrent() }),
    onUnexpected: (error) => parts.logger.error({ error: String(error) }, 'unexpected'),
  })
  return { app, proxy }
}

/** What was opened, closed in reverse order; the first failure does not keep the rest open. */
const createClosers = () => {
  const closers: (() => Promise<void> | void)[] = []
  return {
    add: (close: () => Promise<void> | void): void => void closers.push(close),
    async closeAll(): Promise<void> {
      for (const close of closers.splice(0).reverse())
        await Promise.resolve(close()).catch(() => {})
    },
  }
}

const open = async (
  config: Config,
  options: { worker: boolean },
  onClose: ReturnType<typeof createClosers>['add']
): Promise<Logger> => {
  const logger = createLogger(config.logLevel)
  const store = await openStore(config)
  onClose(() => store.close())
  const engine = config.engine.kind === 'none' ? null : await openEngine(config)
  onClose(async () => engine?.close())
  const worker = options.worker ? startWorker(config, engine) : null
  onClose(async () => worker?.close())
  const queue = createLogQueue({
    append: store.records.append,
    maxBytes: config.proxy.logQueueMaxBytes,
  })
  onClose(() => queue.close(LOG_FLUSH_MS))
  const routes = await watchRoutes(store, logger)
  onClose(routes.stop)
  const parts: Parts = { config, store, logger, queue, engine, worker, routes }
  const { app, proxy } = await buildApp(parts, new Registry())
  onClose(() => proxy.close())
  const { server, port } = await listen(app, proxy.takes, config)
  onClose(() => drain(server))
  logger.info({ host: config.host, port, upstream: config.upstream.baseUrl }, 'listening')
  return logger
}

/**
 * @param options.worker whether the cold path runs beside the proxy
 * @throws AppError of the part that could not be opened; what was open by then is closed
 */
export const startServer = async (
  config: Config,
  options: { worker: boolean }
): Promise<Server> => {
  const closers = createClosers()
  try {
    const logger = await open(config, options, closers.add)
    return {
      close: () => {
        logger.info('draining')
        return closers.closeAll()
      },
    }
  } catch (error) {
    await closers.closeAll()
    throw error
  }
}
