/** Starts `train-process.ts` and passes messages to and from it. */
import { AppError, type ErrorCode } from '../../src/errors.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { forkModule, moduleBeside } from '../../src/process/supervise.ts'
import type { TrainProgress, TrainResult } from '../host/backend.ts'
import type { Precision } from './load-model.ts'

/** Where a child finds the model. */
export interface ChildSetup {
  modelPath: string
  precision: Precision
  /** flat float32 weights, shared by all children */
  cacheDir: string
  lorasDir: string
  threads: number
  /** training's time between two checkpoints; a minute by default */
  checkpointSeconds?: number
}

/** Where a child finds the encoder and puts heads. */
export interface HeadSetup {
  encoderPath: string
  headsDir: string
  threads: number
}

export type ChildRequest =
  | { kind: 'train'; setup: ChildSetup; taskFile: string }
  | { kind: 'train-head'; setup: HeadSetup; taskFile: string }
  | { kind: 'train-field-head'; setup: HeadSetup; taskFile: string }
  | { kind: 'cancel' }
  | { kind: 'loss'; setup: ChildSetup; call: number; lora: string | null; rows: TrainingRow[] }

export interface ChildError {
  code: ErrorCode
  message: string
  param: string | null
}

export type ChildReport =
  | { kind: 'progress'; progress: TrainProgress }
  | { kind: 'message'; level: 'info' | 'warn'; message: string }
  | { kind: 'trained'; result: TrainResult }
  | { kind: 'losses'; call: number; losses: number[]; tokens: number[] }
  /** `call` is null for training */
  | { kind: 'failed'; call: number | null; error: ChildError }

/** @param onReport called for every message until the end */
export const startChild = (onReport: (report: ChildReport) => void) => {
  const child = forkModule(moduleBeside(import.meta.url, 'train-process'), {
    // stderr is inherited for the messages of onnxruntime; stdout belongs to the parent
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.on('message', (message) => onReport(message as ChildReport))
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', (error) => resolve(error.message))
  })
  return {
    pid: child.pid,
    // an error of sending means that the child has died, which `ended` reports
    send: (request: ChildRequest): void => void child.send(request, () => undefined),
    kill: () => void child.kill('SIGKILL'),
    /** Resolves with the signal or exit code, as text. */
    ended,
  }
}

export type ComputeChild = ReturnType<typeof startChild>

/** @returns the error that a child has reported */
export const reportedError = (report: Extract<ChildReport, { kind: 'failed' }>): AppError => {
  const { code, message, param } = report.error
  return new AppError(code, message, param === null ? {} : { param })
}
