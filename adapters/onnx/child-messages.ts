/** IPC messages between the serving process and its training and loss processes. */
import type { ErrorCode } from '../../src/errors.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
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
