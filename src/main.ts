/**
 * Composition root: config → store → engine → app + worker → listen → drain. Everything that has an
 * effect is opened here and passed on; only this file and the CLI import adapters, and lazily.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { assemble, type Parts } from './server/assemble.ts'
import { createClosers, type Closers } from './process/closers.ts'
import type { Config } from './config/config.ts'
import { economicsSettings, loadPrices, loadUpstreams } from './config/config-files.ts'
import { loadSecrets, prepareDataDir } from './config/data-dir.ts'
import type { Price } from './core/cost/prices.ts'
import { createEngine } from './engine/client.ts'
import type { Engine } from './engine/engine.ts'
import { engineCommandsOf } from './worker/engine/commands.ts'
import { AppError } from './errors.ts'
import type { ReportFault, ServerFault, WorkerFault } from './fault-log.ts'
import { watchEventLoop } from './server/event-loop.ts'
import { watchHealth } from './server/health.ts'
import { listen } from './server/http-server.ts'
import { openAccess } from './server/issued-access.ts'
import { watchLoad } from './server/load-watch.ts'
import { createLogger, type Logger } from './process/logger.ts'
import { childFault, openServerFaults } from './process/open-faults.ts'
import { Load } from './proxy/client/load.ts'
import { createLogQueue } from './proxy/log-queue.ts'
import { systemTimer } from './proxy/timers.ts'
import { compileRouteTable } from './core/route/route-table.ts'
import type { NamedUpstream } from './core/upstream-choice.ts'
import { createReplay } from './worker/replay.ts'
import { watchSnapshot } from './server/snapshot-watch.ts'
import { openEconomics } from './savings/economics.ts'
import { openSqliteStore } from './store/sqlite/open.ts'
import type { Store } from './store/store.ts'
import { openTracing } from './tracing/open.ts'
import {
  forkModule,
  supervise,
  type OnChildFault,
  type SupervisedChild,
} from './process/supervise.ts'
import type { WorkerDeps } from './worker/deps.ts'

/** The one engine of a configuration; routes carry this name, so it never changes. */
const ENGINE_NAME = 'default'
const ENGINE_CALL_TIMEOUT_MS = 600_000
const LOG_FLUSH_MS = 10_000

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

/**
 * @param onFault takes the deaths of an engine that is a child of this process
 * @throws AppError `invalid-config` without an engine, `invalid-model` when it cannot load its model
 */
export const openEngine = async (config: Config, onFault: OnChildFault): Promise<OpenEngine> => {
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
      const child = await startFakeEngine({ dataDir, onFault })
      return { ...child, engine: engineAt(child.baseUrl, child.token) }
    }
    case 'onnx': {
      const { startOnnxEngine } = await import('../adapters/onnx/index.ts')
      const { modelPath, threads } = config.engine
      const child = await startOnnxEngine({ dataDir, modelPath, threads, onFault })
      return { ...child, engine: engineAt(child.baseUrl, child.token) }
    }
  }
}

export interface WorkerParts {
  engine: Engine | null
  logger: Logger
  fault: ReportFault<WorkerFault>
  upstreams: readonly NamedUpstream[]
  prices: Price[]
}

export const workerDeps = (
  config: Config,
  store: Store,
  { engine, logger, fault, upstreams, prices }: WorkerParts
): WorkerDeps => ({
  store,
  engine,
  engineCommands: engineCommandsOf(config.engine, process.env),
  config: config.internalize,
  retention: config.retention,
  economics: openEconomics(store, economicsSettings(config, prices), Date.now),
  replayUpstream: createReplay({ standard: config.upstream, upstreams, fetch, fault }),
  now: Date.now,
  // the signal ends the pause: that is its purpose
  sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}),
  fault,
  log: ({ level, message, data }) => logger[level]({ part: 'worker', ...data }, message),
})

const startWorker = (
  config: Config,
  engine: OpenEngine | null,
  onFault: OnChildFault
): SupervisedChild => {
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
  return supervise({ spawn: () => forkModule(entry, { arguments: ['worker'], env }), onFault })
}

export interface Server {
  /** Drains and closes everything; idempotent. */
  close(): Promise<void>
  /**
   * For errors that nothing caught: the process goes on, because it serves many clients at once, and one
   * request's fault must not end the others.
   */
  onUncaught(error: unknown): void
}

interface Opened {
  /** The first thing of a drain: those who ask whether the server is ready are told no. */
  beginDrain(): void
}

interface Reporting {
  logger: Logger
  registry: Registry
  fault: ReportFault<ServerFault>
}

/** The processes beside the proxy: its engine, where that is embedded, and the worker. */
const openChildren = async (
  config: Config,
  options: { worker: boolean },
  fault: ReportFault<ServerFault>,
  onClose: Closers['add']
): Promise<{ engine: OpenEngine | null; worker: SupervisedChild | null }> => {
  const engine =
    config.engine.kind === 'none'
      ? null
      : await openEngine(config, childFault(fault, 'engine-process'))
  onClose(async () => engine?.close())
  const worker = options.worker
    ? startWorker(config, engine, childFault(fault, 'worker-process'))
    : null
  onClose(async () => worker?.close())
  return { engine, worker }
}

const watchRoutes = ({ routes }: Store, { logger, fault }: Reporting) =>
  watchSnapshot(
    {
      name: 'route table',
      revision: routes.revision,
      read: async () => compileRouteTable(await routes.list()),
    },
    logger,
    fault
  )

const open = async (
  config: Config,
  options: { worker: boolean },
  reporting: Reporting,
  onClose: Closers['add']
): Promise<Opened> => {
  const { logger, registry, fault } = reporting
  const upstreams = await loadUpstreams(config, process.env)
  const store = await openStore(config)
  onClose(() => store.close())
  const { engine, worker } = await openChildren(config, options, fault, onClose)
  const queue = createLogQueue({
    append: store.records.append,
    maxBytes: config.proxy.logQueueMaxBytes,
    fault,
    setTimer: systemTimer,
  })
  onClose(() => queue.close(LOG_FLUSH_MS))
  const routes = await watchRoutes(store, reporting)
  onClose(routes.stop)
  const prices = await loadPrices(config)
  const issued = await openAccess(config, store, prices, logger, fault)
  onClose(async () => issued?.close())
  const eventLoop = watchEventLoop()
  onClose(eventLoop.stop)
  const load = new Load(config.shed)
  if (config.shed.maxDelayMs > 0) onClose(watchLoad(load))
  const tracing = await openTracing(
    config.tracing && {
      ...config.tracing,
      upstreamBaseUrl: config.upstream.baseUrl,
      maxAnswerBytes: config.proxy.captureMaxBytes,
      onFault: (error) => fault('traces', error),
    }
  )
  onClose(async () => tracing?.close())
  const health = watchHealth({
    logStats: () => queue.stats(),
    engine: engine?.engine ?? null,
    fault,
  })
  onClose(health.stop)
  let isDraining = false
  const parts: Parts = {
    config,
    secrets: await loadSecrets(config.dataDir),
    upstreams,
    store,
    fault,
    queue,
    engine: engine?.engine ?? null,
    engineAccess: engine,
    worker,
    routes,
    prices,
    issued,
    eventLoop,
    tracing,
    health,
    load,
    isDraining: () => isDraining,
  }
  const { app, proxy } = assemble(parts, registry)
  onClose(() => proxy.close())
  const { port, drain } = await listen(app, config, { ...config.server, fault })
  onClose(() => drain(config.server.drainMs))
  logger.info({ host: config.host, port, upstream: config.upstream.baseUrl }, 'listening')
  return {
    beginDrain: () => {
      isDraining = true
      logger.info('draining')
    },
  }
}

/**
 * @param options.worker whether the cold path runs beside the proxy
 * @throws AppError of the part that could not be opened; what was open by then is closed
 */
export const startServer = async (
  config: Config,
  options: { worker: boolean }
): Promise<Server> => {
  const logger = createLogger(config.logLevel)
  const registry = new Registry()
  const fault = openServerFaults(logger, registry)
  const closers = createClosers((error) => fault('close', error))
  try {
    const { beginDrain } = await open(config, options, { logger, registry, fault }, closers.add)
    return {
      close: () => {
        beginDrain()
        return closers.closeAll()
      },
      onUncaught: (error) => fault('uncaught', error),
    }
  } catch (error) {
    await closers.closeAll()
    throw error
  }
}
