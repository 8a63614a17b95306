/**
 * Opens the store and the engine that the configuration chooses, for the server and for commands. Adapters are
 * loaded where they are needed.
 */
import { join } from 'node:path'
import type { Config } from './config/config.ts'
import { prepareDataDir } from './config/data-dir.ts'
import { createEngine } from './engine/client.ts'
import type { Engine } from './engine/engine.ts'
import { AppError } from './errors.ts'
import type { OnChildFault } from './process/supervise.ts'
import { databasePath } from './store/sqlite/base/database-path.ts'
import type { OpenStore } from './store/store.ts'
import type { KeeperEvents } from './store/thread/keeper.ts'
import { openPostgresStore, openSqliteStore } from './store/thread/open.ts'

/** The name of the one engine. Stored routes refer to it, so a change would break them. */
const ENGINE_NAME = 'default'
const ENGINE_CALL_TIMEOUT_MS = 600_000

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
