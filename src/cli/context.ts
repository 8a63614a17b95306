/** Opens the configuration, the store and, where a command needs one, an engine. */
import { parseConfig, type Config } from '../config/config.ts'
import { economicsSettings, loadPrices, loadUpstreams } from '../config/config-files.ts'
import type { Internalization } from '../core/lifecycle/internalization.ts'
import { AppError } from '../errors.ts'
import { lockDataDir } from '../config/data-dir.ts'
import { openEngine, openStore, workerDeps, type OpenEngine } from '../main.ts'
import { openEconomics, type Economics } from '../savings/economics.ts'
import type { Store } from '../store/store.ts'
import { createLogger } from '../process/logger.ts'
import { childFault, openWorkerFaults } from '../process/open-faults.ts'
import type { WorkerDeps } from '../worker/deps.ts'

/** @throws AppError `not-found` */
export const internalizationOf = async (store: Store, id: string): Promise<Internalization> => {
  const found = await store.internalizations.get(id)
  if (found === null)
    throw new AppError('not-found', `no internalization ${id}: see promptintern status --json`)
  return found
}

export const withStore = async <T>(
  use: (store: Store, config: Config) => Promise<T>
): Promise<T> => {
  const config = parseConfig(process.env)
  const store = await openStore(config)
  try {
    return await use(store, config)
  } finally {
    await store.close()
  }
}

export const openStoreEconomics = async (store: Store, config: Config): Promise<Economics> =>
  openEconomics(store, economicsSettings(config, await loadPrices(config)), Date.now)

/**
 * Opens the dependencies of the worker.
 * @throws AppError `conflict` while another worker uses the data directory, `invalid-config` without an
 * engine where one is needed
 */
export const withWorker = async <T>(
  use: (deps: WorkerDeps, config: Config) => Promise<T>,
  options: { engine: 'needed' | 'optional' }
): Promise<T> => {
  const config = parseConfig(process.env)
  if (options.engine === 'needed' && config.engine.kind === 'none')
    throw new AppError('invalid-config', 'this command needs an engine: set ENGINE and MODEL_PATH')
  const unlock = await lockDataDir(config.dataDir, 'worker')
  const store = await openStore(config)
  let engine: OpenEngine | null = null
  try {
    const logger = createLogger(config.logLevel)
    const fault = openWorkerFaults(logger)
    if (options.engine === 'needed')
      engine = await openEngine(config, childFault(fault, 'engine-process'))
    const upstreams = await loadUpstreams(config, process.env)
    const prices = await loadPrices(config)
    const parts = { engine: engine?.engine ?? null, logger, fault, upstreams, prices }
    return await use(workerDeps(config, store, parts), config)
  } finally {
    await engine?.close()
    await store.close()
    await unlock()
  }
}
