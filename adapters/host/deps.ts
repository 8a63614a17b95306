/** Dependencies of the contract's app and of its routes. */
import type { EngineBackend } from './backend.ts'
import type { FileStore } from './files.ts'
import type { JobQueue } from './jobs.ts'
import type { Log } from './log.ts'

export interface AppLimits {
  /** JSON bodies */
  maxBodyBytes: number
  /** uploads; their multipart envelope may add 64 KiB */
  maxFileBytes: number
  maxConcurrentCompletions: number
}

export interface AppDeps {
  backend: EngineBackend
  files: FileStore
  jobs: JobQueue
  /** bearer token that every route but /healthz asks for */
  token: string
  limits: AppLimits
  /** milliseconds since the epoch */
  now: () => number
  newId: () => string
  log: Log
}
