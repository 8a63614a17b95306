/** What the cold path needs from outside, passed in once. */
import type { InternalizeOptions } from '../core/lifecycle/internalization.ts'
import type { Engine } from '../engine/engine.ts'
import type { Economics } from '../savings/economics.ts'
import type { ReportFault, WorkerFault } from '../fault-log.ts'
import type { Store } from '../store/store.ts'

/** Asks the upstream again with the operator's own key; null when it gave no usable answer. */
export type ReplayUpstream = (requestBody: string) => Promise<string | null>

export interface WorkerEvent {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
  /** figures and ids, never prompt text */
  data?: Record<string, unknown>
}

export interface CommandResult {
  /** null when a signal ended it */
  exitCode: number | null
  /** `limit`: it took too long; `caller`: the worker stopped */
  endedBy: 'itself' | 'limit' | 'caller'
  /** of its output, without secrets; null when it said nothing */
  lastLine: string | null
}

/** Never rejects; the signal kills it. */
export type EngineCommand = (signal: AbortSignal) => Promise<CommandResult>

/** How the worker starts and stops the engine's machine. */
export interface EngineCommands {
  start: EngineCommand
  /** null: it is never stopped */
  stop: EngineCommand | null
  /** how long the engine may take to answer after the start command */
  startMs: number
  idleMs: number
}

export interface WorkerDeps {
  store: Store
  /** null: nothing is trained, detection still runs */
  engine: Engine | null
  /** null: the engine comes and goes by itself */
  engineCommands: EngineCommands | null
  config: InternalizeOptions
  /** age at which bodies and records are deleted */
  retention: { bodiesMs: number; recordsMs: number }
  economics: Economics
  /** null when the operator gave no upstream key */
  replayUpstream: ReplayUpstream | null
  now: () => number
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
  log: (event: WorkerEvent) => void
  /** takes every exception after which the worker goes on */
  fault: ReportFault<WorkerFault>
}
