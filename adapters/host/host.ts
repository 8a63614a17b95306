/**
 * Assembles an engine from backend, file store, job queue and app, and listens on a port. Works with
 * any backend.
 */
import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type ServerType, serve } from '@hono/node-server'
// before `serve`, as in the server: else a proxy in the same process sends its answers twice
import '@hono/node-server/utils/response'
import type { Hono } from 'hono'
import { createContractApp } from './app.ts'
import type { EngineBackend } from './backend.ts'
import type { AppLimits } from './deps.ts'
import { FileStore } from './files.ts'
import { createJobStore } from './job-store.ts'
import { JobQueue, type JobQueueOptions } from './jobs.ts'
import type { Log } from './log.ts'

const MIB = 1024 * 1024
const KEEP_ALIVE_MS = 120_000

const DEFAULT_LIMITS = {
  maxBodyBytes: 32 * MIB,
  maxFileBytes: 256 * MIB,
  maxTotalFileBytes: 4096 * MIB,
  maxConcurrentCompletions: 256,
}

export interface EngineHostOptions {
  backend: EngineBackend
  /** gets the folders `files` and `jobs`; everything else in it belongs to the backend */
  dataDir: string
  token: string
  log: Log
  limits?: Partial<AppLimits & { maxTotalFileBytes: number }>
  queue?: Partial<
    Pick<JobQueueOptions, 'maxRunning' | 'maxUnfinished' | 'maxResumes' | 'metricsIntervalMs'>
  >
  now?: () => number
  newId?: () => string
}

/**
 * Jobs that were interrupted run again when it resolves.
 * @throws AppError `store-unavailable` when the data directory cannot be used
 */
export const openEngineHost = async (options: EngineHostOptions) => {
  const { backend, dataDir, token, log, queue, now = Date.now, newId = randomUUID } = options
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const files = await FileStore.open({
    dir: join(dataDir, 'files'),
    maxFileBytes: limits.maxFileBytes,
    maxTotalBytes: limits.maxTotalFileBytes,
    now,
    newId,
    log,
  })
  const store = createJobStore(join(dataDir, 'jobs'), log)
  const jobs = await JobQueue.open({ store, files, backend, now, newId, log, ...queue })
  return {
    app: createContractApp({ backend, files, jobs, token, limits, now, newId, log }),
    /** Stops training where a restart can go on, then closes the backend. */
    async close() {
      await jobs.close()
      await backend.close()
    },
  }
}

/** @public for tests */
export type EngineHost = Awaited<ReturnType<typeof openEngineHost>>

export interface ListeningServer {
  port: number
  /** Ends open connections too. */
  close(): Promise<void>
}

/** @param port 0 for a free one */
export const listen = (app: Hono, port = 0, hostname = '127.0.0.1'): Promise<ListeningServer> =>
  new Promise((resolve, reject) => {
    const server: ServerType = serve(
      {
        fetch: app.fetch,
        hostname,
        port,
        // long, because a training step can block this process while a client reuses the connection
        serverOptions: { keepAliveTimeout: KEEP_ALIVE_MS },
      },
      (info: AddressInfo) =>
        resolve({
          port: info.port,
          close: () =>
            new Promise((closed) => {
              server.close(() => closed())
              if ('closeAllConnections' in server) server.closeAllConnections()
            }),
        })
    )
    server.on('error', reject)
  })
