/** What the cold path needs from outside, passed in once. */
import type { Config } from '../config.ts'
import type { Engine } from '../engine/engine.ts'
import type { Store } from '../store/store.ts'

/** Asks the upstream again with the operator's own key; null when it gave no usable answer. */
export type ReplayUpstream = (requestBody: string) => Promise<string | null>

export interface WorkerEvent {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
  /** figures and ids, never prompt text */
  data?: Record<string, unknown>
}

export interface WorkerDeps {
  store: Store
  /** null: nothing is trained, detection still runs */
  engine: Engine | null
  config: Config['internalize']
  retention: Config['retention']
  /** null when the operator gave no upstream key */
  replayUpstream: ReplayUpstream | null
  now: () => number
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  log: (event: WorkerEvent) => void
}
