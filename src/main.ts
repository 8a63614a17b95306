/**
 * Composition root: config → store → engine → app + worker → listen → drain. Opens every part that has
 * effects and passes it on.
 */
import { Registry } from 'prom-client'
import type { Config } from './config/config.ts'
import { loadPrices, loadUpstreams, trainingTerms } from './config/config-files.ts'
import { CHANGED_CONSTANTS, isChanged } from './config/constants.ts'
import { loadSecrets } from './config/data-dir.ts'
import { compileRouteTable, type RouteTable } from './core/route/route-table.ts'
import type { Engine } from './engine/engine.ts'
import type { ReportFault, ServerFault } from './fault-log.ts'
import { openEngine, openStore, type OpenEngine } from './opening.ts'
import { createLogger, type Logger } from './process/logger.ts'
import { childFault, openServerFaults } from './process/open-faults.ts'
import { forkModule, moduleBeside, supervise, type OnChildFault } from './process/supervise.ts'
import { Load } from './proxy/client/load.ts'
import { LogQueue } from './proxy/log-queue.ts'
import { assemble } from './server/assemble.ts'
import { watchEventLoop, watchLoad } from './server/event-loop.ts'
import { watchHealth } from './server/health.ts'
import { listen } from './server/http-server.ts'
import { openAccess } from './server/issued-access.ts'
import { watchSnapshot, type SnapshotWatch } from './server/snapshot-watch.ts'
import type { Store } from './store/store.ts'
import { systemTimer } from './timers.ts'
import type { Tracing, TracingOptions } from './tracing/start.ts'

const LOG_FLUSH_MS = 10_000

/** Loads OpenTelemetry only where a collector is configured. */
const openTracing = async (options: TracingOptions | null): Promise<Tracing | null> =>
  options && (await import('./tracing/start.ts')).startTracing(options)

/** The worker beside the proxy. */
const startWorker = (config: Config, engine: OpenEngine | null, onFault: OnChildFault) => {
  const entry = moduleBeside(import.meta.url, 'cli')
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
  /** that it listens on */
  port: number
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

/** The store, and whether its thread runs. */
const openWatchedStore = async (config: Config, { fault, onClose }: Opening) => {
  let isUp = true
  const store = await openStore(config, {
    onDown: (error) => {
      isUp = false
      fault('store-thread', error)
    },
    onUp: () => (isUp = true),
  })
  onClose(() => store.close())
  return { store, storeIsUp: () => isUp }
}

/** @returns the port that the server listens on */
const open = async (config: Config, opening: Opening): Promise<number> => {
  const { options, logger, registry, fault, onClose } = opening
  if (isChanged(config)) logger.warn(config.changedConstants, CHANGED_CONSTANTS)
  const upstreams = await loadUpstreams(config, process.env)
  for (const consent of trainingTerms(config, upstreams).idleConsent)
    logger.warn({ consent }, 'TRAINING_CONSENT names a host that no upstream has')
  const { store, storeIsUp } = await openWatchedStore(config, opening)
  const queue = new LogQueue({
    append: store.records.append,
    maxBytes: config.proxy.logQueueMaxBytes,
    fault,
    setTimer: systemTimer,
  })
  const children = await openChildren(config, opening)
  // before the worker ends
  onClose(() => queue.close(LOG_FLUSH_MS))
  const routes = await watchRoutes(store, opening)
  const prices = await loadPrices(config)
  const issued = await openAccess(config, store, prices, logger, fault)
  onClose(async () => issued?.close())
  const observers = await openObservers(config, { queue, engine: children.engine, routes }, opening)
  const secrets = await loadSecrets(config.dataDir)
  const { app, proxy, loadAdmin } = assemble(
    {
      config,
      secrets,
      upstreams,
      store,
      storeIsUp,
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
  // not before: until then nobody is served
  void loadAdmin().catch((error: unknown) => fault('uncaught', error))
  return port
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
  let port: number
  try {
    port = await open(config, { options, logger, registry, fault, onClose })
  } catch (error) {
    await closeAll()
    throw error
  }
  return {
    port,
    close: () => {
      isDraining = true
      logger.info('draining')
      return closeAll()
    },
    onUncaught: (error) => fault('uncaught', error),
  }
}
