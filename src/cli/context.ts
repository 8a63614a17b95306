/** Opens the configuration, the store and, where a command needs one, an engine. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseConfig, type Config } from '../config/config.ts'
import { CHANGED_CONSTANTS, isChanged } from '../config/constants.ts'
import { economicsSettings, loadPrices, loadRubric, loadUpstreams } from '../config/config-files.ts'
import { loadWorkerId, lockDataDir, lockHolder } from '../config/data-dir.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import type { Template } from '../core/template/template.ts'
import { AppError } from '../errors.ts'
import { databaseFileOf, openEngine, openStore } from '../opening.ts'
import { workerHasEngine } from '../lifecycle/worker-note.ts'
import { openEconomics, type Economics } from '../savings/economics.ts'
import type { ReportFault, WorkerFault } from '../fault-log.ts'
import type { OpenStore, Store } from '../store/store.ts'
import { createLogger, type Logger } from '../process/logger.ts'
import { childFault, openWorkerFaults } from '../process/open-faults.ts'
import type { WorkerDeps } from '../worker/deps.ts'
import { LEAD } from '../worker/leases.ts'
import type { OpenWorkerDeps } from '../worker/worker.ts'
import { EXIT } from '../process/exit.ts'
import { findInternalization, findTemplate } from '../lifecycle/find.ts'
import { whileLeading } from './leading.ts'
import { workerDeps } from './worker-deps.ts'
import { openScreen, writeError, type OutputOptions, type Screen } from './output.ts'

const POLL_MS = 500
/** `serve` starts a worker that died again within this time. */
const WORKER_ABSENCE_MS = 15_000

/** @param id or the start of it. @throws AppError `not-found`, `conflict` */
export const internalizationOf = async (store: Store, id: string): Promise<Internalization> => {
  const found = await findInternalization(store, id)
  if (found === null)
    throw new AppError(
      'not-found',
      `there is no internalization ${id}: promptintern template <template> lists them`
    )
  return found
}

/** @param version or the start of it. @throws AppError `not-found`, `conflict` */
export const templateOf = async (store: Store, version: string): Promise<Template> => {
  const found = await findTemplate(store, version)
  if (found === null)
    throw new AppError(
      'not-found',
      `there is no template ${version}: promptintern status lists the templates`
    )
  return found
}

/** The configuration of a command that opens no port. */
export const readConfig = (): Config => parseConfig(process.env, { serves: false })

const openExisting = async (config: Config): Promise<OpenStore> => {
  const file = databaseFileOf(config)
  if (file !== null && !existsSync(file))
    throw new AppError(
      'not-found',
      `there is no data in DATA_DIR ${config.dataDir} yet: start the proxy (promptintern serve), ` +
        'import a log (promptintern import), or set DATA_DIR'
    )
  return openStore(config)
}

/**
 * @param options.creates whether the command makes the data directory where there is none
 * @throws AppError `not-found` without data, unless it is made
 */
export const withStore = async <T>(
  use: (store: OpenStore, config: Config) => Promise<T>,
  { creates = false }: { creates?: boolean } = {}
): Promise<T> => {
  const config = readConfig()
  const store = await (creates ? openStore : openExisting)(config)
  try {
    return await use(store, config)
  } finally {
    await store.close()
  }
}

export const openStoreEconomics = async (store: Store, config: Config): Promise<Economics> =>
  openEconomics(store, economicsSettings(config, await loadPrices(config)), Date.now)

/** The worker's work in this process. */
export interface Here {
  deps: WorkerDeps
  screen: Screen
}

/** The worker of another process, which does the work. */
export interface There {
  store: Store
  screen: Screen
  /**
   * Polls until there is a value.
   * @throws AppError `worker-unavailable` when the worker has ended
   */
  until<T>(poll: () => Promise<T | null>): Promise<T>
}

interface Opened {
  config: Config
  store: Store
  logger: Logger
  fault: ReportFault<WorkerFault>
}

/** @throws AppError `invalid-config` without an engine where one is needed */
const useHere = async <T>(
  { config, store, logger, fault }: Opened,
  needsEngine: boolean,
  use: (deps: WorkerDeps) => Promise<T>
): Promise<T> => {
  if (needsEngine && config.engine.kind === 'none')
    throw new AppError(
      'invalid-config',
      'this command needs an engine: set ENGINE and ENCODER_PATH or MODEL_PATH, or start the proxy with them'
    )
  const upstreams = await loadUpstreams(config, process.env)
  const prices = await loadPrices(config)
  const rubric = await loadRubric(config)
  const engine = needsEngine ? await openEngine(config, childFault(fault, 'engine-process')) : null
  try {
    const parts = { engine: engine?.engine ?? null, logger, fault, upstreams, prices, rubric }
    return await use(workerDeps(config, store, parts))
  } finally {
    await engine?.close()
  }
}

const openThere = ({ dataDir }: Config, store: OpenStore, screen: Screen): There => ({
  store,
  screen,
  async until(poll) {
    let seenAt = Date.now()
    for (;;) {
      const value = await poll()
      if (value !== null) return value
      const isHere = (await lockHolder(dataDir, 'worker')) !== null
      if (isHere || (await store.leases.holder(LEAD)) !== null) seenAt = Date.now()
      else if (Date.now() - seenAt > WORKER_ABSENCE_MS)
        throw new AppError(
          'worker-unavailable',
          'the worker that was executing this command has ended: start the proxy, or run the command again'
        )
      await delay(POLL_MS)
    }
  },
})

export interface Work<T> {
  needsEngine: boolean
  /** throws where an id is unknown, before an engine starts */
  check?: (store: Store) => Promise<unknown>
  /** with the engine of `needsEngine` */
  here: (here: Here) => Promise<T>
  /** where a worker runs already */
  there: (there: There) => Promise<T>
}

/**
 * Does the worker's work: in this process, or by the worker that already runs.
 * @throws AppError `not-found` without data, `invalid-config` without an engine where one is needed
 */
export const withWorker = async <T>({ needsEngine, check, here, there }: Work<T>): Promise<T> => {
  const config = readConfig()
  const store = await openExisting(config)
  const screen = openScreen(config.logLevel)
  const { logger } = screen
  const fault = openWorkerFaults(logger)
  try {
    await check?.(store)
    const done = await whileLeading({ config, store, fault }, (led) =>
      useHere({ config, store: led, logger, fault }, needsEngine, (deps) => here({ deps, screen }))
    )
    return done === null ? await there(openThere(config, store, screen)) : done.value
  } finally {
    screen.progress.stop()
    await store.close()
  }
}

/** Runs as the worker of the data directory. @throws AppError `conflict` while another one runs */
export const asWorker = async (use: (deps: OpenWorkerDeps) => Promise<void>): Promise<void> => {
  const config = readConfig()
  const unlock = await lockDataDir(config.dataDir, 'worker')
  const logger = createLogger(config.logLevel)
  if (isChanged(config)) logger.warn(config.changedConstants, CHANGED_CONSTANTS)
  const fault = openWorkerFaults(logger)
  const store = await openStore(config, {
    // a worker without its store must not count as running: its supervisor starts it again
    onDown: (error) => {
      fault('store-thread', error)
      process.exit(EXIT.unavailable)
    },
  })
  try {
    const needsEngine = config.engine.kind !== 'none'
    const workerId = await loadWorkerId(config.dataDir)
    await useHere({ config, store, logger, fault }, needsEngine, (deps) =>
      use({ ...deps, store, workerId })
    )
  } finally {
    await store.close()
    await unlock()
  }
}

/** @throws AppError `engine-unavailable` when the running worker has no engine */
export const requireWorkersEngine = async (store: Store): Promise<void> => {
  if (!(await workerHasEngine(store)))
    throw new AppError(
      'engine-unavailable',
      'the running proxy has no engine: restart it with ENGINE and ENCODER_PATH or MODEL_PATH'
    )
}

/** Tells where the work is done; in text only. */
export const sayHandedOver = ({ json }: OutputOptions): void => {
  if (!json) writeError('the running worker does this; Ctrl+C ends only this view\n')
}
