/**
 * Composition root: config → store → engine → app + worker → listen → drain. Opens every part that has
 * effects and passes it on. Only this file and the CLI import adapters, and they do it lazily.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { assemble } from './server/assemble.ts'
import type { Config } from './config/config.ts'
import { economicsSettings, loadPrices, loadUpstreams } from './config/config-files.ts'
import { loadSecrets, prepareDataDir } from './config/data-dir.ts'
import { costUsd, findPrice, type Price } from './core/cost/prices.ts'
import { createEngine } from './engine/client.ts'
import type { Engine } from './engine/engine.ts'
import { engineCommandsOf } from './worker/engine/commands.ts'
import { AppError } from './errors.ts'
import type { ReportFault, ServerFault, WorkerFault } from './fault-log.ts'
import { watchEventLoop, watchLoad } from './server/event-loop.ts'
import { watchHealth } from './server/health.ts'
import { listen } from './server/http-server.ts'
import { openAccess } from './server/issued-access.ts'
import { createLogger, type Logger } from './process/logger.ts'
import { childFault, openServerFaults } from './process/open-faults.ts'
import { Load } from './proxy/client/load.ts'
import { createLogQueue, type LogQueue } from './proxy/log-queue.ts'
import { systemTimer } from './timers.ts'
import { compileRouteTable, type RouteTable } from './core/route/route-table.ts'
import type { NamedUpstream } from './core/upstream-choice.ts'
import { createReplay } from './worker/replay.ts'
import { watchSnapshot, type SnapshotWatch } from './server/snapshot-watch.ts'
import { openEconomics } from './savings/economics.ts'
import { databasePath } from './store/sqlite/base/database.ts'
import type { KeeperEvents } from './store/thread/keeper.ts'
import { openPostgresStore, openSqliteStore } from './store/thread/open.ts'
import type { OpenStore, Store } from './store/store.ts'
import type { Tracing, TracingOptions } from './tracing/start.ts'
import {
  forkModule,
  supervise,
  type OnChildFault,
  type SupervisedChild,
} from './process/supervise.ts'
import type { WorkerDeps } from './worker/deps.ts'

/** The name of the one engine. Stored routes refer to it, so a change would break them. */
const ENGINE_NAME = 'default'
const ENGINE_CALL_TIMEOUT_MS = 600_000
const LOG_FLUSH_MS = 10_000

export interface OpenEngine {
  engine: Engine
  /** the address at which the worker process reaches the engine */
  baseUrl: string
  token: string | null
  close(): Promise<void>
}

/** Path of the database, which exists once there is data; null: it is on a server. */
export const databaseFileOf = ({ dataDir, database }: Config): string | null =>
  database === null ? databasePath(dataDir) : null

/** @throws AppError of the store that the configuration chooses */
export const openStore = async (
  { dataDir, database, proxy, redact }: Config,
  events: Partial<KeeperEvents> = {}
): Promise<OpenStore> => {
  await prepareDataDir(dataDir)
  const options = { maxBodyBytes: proxy.captureMaxBytes, redact }
  if (database === null) return openSqliteStore({ dataDir, ...options }, events)
  return openPostgresStore({ ...database, ...options }, events)
}

/** Loads OpenTelemetry only where a collector is configured. */
const openTracing = async (options: TracingOptions | null): Promise<Tracing | null> =>
  options && (await import('./tracing/start.ts')).startTracing(options)

const engineAt = (baseUrl: string, token: string | null): Engine =>
  createEngine({
    name: ENGINE_NAME,
    baseUrl,
    token,
    fetch,
    timeoutMs: ENGINE_CALL_TIMEOUT_MS,
  })

/**
 * @param onFault called when an engine that is a child of this process dies
 * @throws AppError `invalid-config` without an engine, `invalid-model` when it cannot load its model
 */
export const openEngine = async (config: Config, onFault: OnChildFault): Promise<OpenEngine> => {
  const dataDir = join(config.dataDir, 'engine')
  switch (config.engine.kind) {
    case 'none':
      throw new AppError('invalid-config', 'ENGINE is none: set it to onnx, http or fake')
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
      const child = await startOnnxEngine({ ...config.engine, dataDir, onFault })
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

/** An aborted sleep resolves: the signal is there to end the pause. */
export const sleep: WorkerDeps['sleep'] = (ms, signal) =>
  delay(ms, undefined, { signal }).catch(() => {})

export const workerDeps = (
  config: Config,
  store: Store,
  { engine, logger, fault, upstreams, prices }: WorkerParts
): WorkerDeps => ({
  store,
  engine,
  engineCommands: engineCommandsOf(config.engine, process.env),
  config: config.internalize,
  rollout: config.rollout,
  retention: config.retention,
  economics: openEconomics(store, economicsSettings(config, prices), Date.now),
  webhook: config.webhook && { ...config.webhook, fetch },
  replayUpstream: createReplay({ standard: config.upstream, upstreams, fetch, fault }),
  costUsd: (model, usage) => costUsd(prices, model, usage),
  deprecatedOn: (model) => findPrice(prices, model)?.deprecatedOn ?? null,
  now: Date.now,
  sleep,
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
  // the encoder is the engine's
  const env = { ...process.env, DATA_DIR: config.dataDir, ENCODER_PATH: '', ...engineEnv }
  return supervise({ spawn: () => forkModule(entry, { arguments: ['worker'], env }), onFault })
}

export interface Server {
  /** Drains and closes everything; idempotent. */
  close(): Promise<void>
  /**
   * Takes errors that no code caught. The process goes on, because it serves many clients at once, and a
   * fault in one request must not end the others.
   */
  onUncaught(error: unknown): void
}

interface Opening {
  options: { worker: boolean; isDraining: () => boolean }
  logger: Logger
  registry: Registry
  fault: ReportFault<ServerFault>
  /** Adds a function that closes a part; the functions run in reverse order. */
  onClose: (close: () => Promise<unknown> | void) => void
}

/** The processes beside the proxy: the engine, where it is embedded, and the worker. */
const openChildren = async (config: Config, { options, fault, onClose }: Opening) => {
  const engine =
    config.engine.kind === 'none'
      ? null
      : await openEngine(config, childFault(fault, 'engine-process'))
  onClose(async () => engine?.close())
  const worker = options.worker
    ? startWorker(config, engine, childFault(fault, 'worker-process'))
    : null
  onClose(async () => worker?.close())
  return { engine: engine?.engine ?? null, engineAccess: engine, worker }
}

const openQueue = (config: Config, store: Store, { fault, onClose }: Opening): LogQueue => {
  const queue = createLogQueue({
    append: store.records.append,
    maxBytes: config.proxy.logQueueMaxBytes,
    fault,
    setTimer: systemTimer,
  })
  onClose(() => queue.close(LOG_FLUSH_MS))
  return queue
}

const watchRoutes = async ({ routes }: Store, { logger, fault, onClose }: Opening) => {
  const watch = await watchSnapshot(
    {
      name: 'route table',
      revision: routes.revision,
      read: async () => compileRouteTable(await routes.list()),
    },
    logger,
    fault
  )
  onClose(watch.stop)
  return watch
}

interface Observed {
  queue: LogQueue
  engine: Engine | null
  routes: SnapshotWatch<RouteTable>
}

/** The parts that observe the others: event loop, load, spans and health. */
const openObservers = async (
  config: Config,
  { queue, engine, routes }: Observed,
  { fault, onClose }: Opening
) => {
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
    engine,
    routes: { ageMs: routes.ageMs, maxAgeMs: config.proxy.routesMaxAgeMs },
    fault,
  })
  onClose(health.stop)
  return { eventLoop, load, tracing, health }
}

const open = async (config: Config, opening: Opening): Promise<void> => {
  const { options, logger, registry, fault, onClose } = opening
  const upstreams = await loadUpstreams(config, process.env)
  let storeIsUp = true
  const store = await openStore(config, {
    onDown: (error) => {
      storeIsUp = false
      fault('store-thread', error)
    },
    onUp: () => (storeIsUp = true),
  })
  onClose(() => store.close())
  const children = await openChildren(config, opening)
  const queue = openQueue(config, store, opening)
  const routes = await watchRoutes(store, opening)
  const prices = await loadPrices(config)
  const issued = await openAccess(config, store, prices, logger, fault)
  onClose(async () => issued?.close())
  const observers = await openObservers(config, { queue, engine: children.engine, routes }, opening)
  const secrets = await loadSecrets(config.dataDir)
  const { app, proxy } = assemble(
    {
      config,
      secrets,
      upstreams,
      store,
      storeIsUp: () => storeIsUp,
      fault,
      queue,
      routes,
      prices,
      issued,
      isDraining: options.isDraining,
      ...children,
      ...observers,
    },
    registry
  )
  onClose(() => proxy.close())
  const { port, drain } = await listen(app, config, {
    ...config.server,
    fault,
    isCrowded: () => observers.load.isCrowded,
    endSlowBodies: () => proxy.arrivals.evict('connections'),
  })
  onClose(() => drain(config.server.drainMs))
  logger.info({ host: config.host, port, upstream: config.upstream.baseUrl }, 'listening')
}

/**
 * @param options.worker whether a worker process runs beside the proxy
 * @throws AppError of the part that could not be opened, after the parts that were open are closed
 */
export const startServer = async (
  config: Config,
  { worker }: { worker: boolean }
): Promise<Server> => {
  const logger = createLogger(config.logLevel)
  const registry = new Registry()
  const fault = openServerFaults(logger, registry)
  const closers: Parameters<Opening['onClose']>[0][] = []
  /** A part that fails to close does not keep the others open. */
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse())
      await Promise.resolve()
        .then(close)
        .catch((error: unknown) => fault('close', error))
  }
  let isDraining = false
  const options = { worker, isDraining: () => isDraining }
  const onClose: Opening['onClose'] = (close) => void closers.push(close)
  try {
    await open(config, { options, logger, registry, fault, onClose })
  } catch (error) {
    await closeAll()
    throw error
  }
  return {
    close: () => {
      isDraining = true
      logger.info('draining')
      return closeAll()
    },
    onUncaught: (error) => fault('uncaught', error),
  }
}
