/**
 * Files, fine-tuning jobs and models of the engine contract: OpenAI's names, plus some fields that
 * OpenAI does not have (marked "contract").
 */
import type { ChatMessage } from './chat.ts'

/** One line of a training file. The last message is the completion, and the loss is computed on it. */
export interface TrainingRow {
  messages: ChatMessage[]
  /** contract: multiplies the row's loss, default 1 */
  weight?: number
  /** contract: the teacher's prompt for the same completion, for `self-distillation` */
  teacher_messages?: ChatMessage[]
}

/**
 * `supervised` learns the completion. Contract: `self-distillation` learns the base model's
 * distribution at each token of the completion behind `teacher_messages`; `label-head` learns which of the
 * completions belongs to a text, with a classifier on an encoder; `field-head` learns from which words of a text
 * its completion is made, with a tagger on an encoder.
 */
export const TRAINING_METHODS = [
  'supervised',
  'self-distillation',
  'label-head',
  'field-head',
] as const
export type TrainingMethod = (typeof TRAINING_METHODS)[number]

export interface FileObject {
  id: string
  object: 'file'
  bytes: number
  created_at: number
  filename: string
  purpose: string
}

/** Every field has a default of the engine; see docs/contract.md. */
export interface Hyperparameters {
  rank?: number
  alpha?: number
  learning_rate?: number
  /** rows of an optimizer step */
  batch_size?: number
  n_epochs?: number
  /** contract: overrides n_epochs when given */
  max_steps?: number
  /** contract: training ends, and with it the cosine, after this many seconds */
  max_seconds?: number
  weight_decay?: number
  /** contract: share of this job that is warm-up, default 0.05 */
  warmup_ratio?: number
  /**
   * contract: this job's part of the learning-rate curve of the whole internalization, in shares of
   * its progress. The default [0, 1] is a whole curve.
   */
  schedule_span?: [number, number]
}

const MILLION = 1e6

/**
 * Default peak of the learning-rate curve. Small models need, and tolerate, a higher one: five times
 * 2e-4 under 200 million parameters, fifteen times under 20 million (docs/experiments.md#demo).
 */
export const defaultLearningRate = (parameters: number): number => {
  if (parameters < 20 * MILLION) return 3e-3
  if (parameters < 200 * MILLION) return 1e-3
  return parameters < 4000 * MILLION ? 2e-4 : 1e-4
}

export type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'

export const isUnfinished = ({ status }: { status: JobStatus }): boolean =>
  status === 'queued' || status === 'running'

export interface JobRequest {
  model: string
  training_file: string
  validation_file?: string | null
  hyperparameters?: Hyperparameters
  method?: { type: TrainingMethod }
  seed?: number
  suffix?: string | null
  metadata?: Record<string, string>
}

export interface JobObject {
  id: string
  object: 'fine_tuning.job'
  created_at: number
  finished_at: number | null
  model: string
  fine_tuned_model: string | null
  status: JobStatus
  training_file: string
  validation_file: string | null
  hyperparameters: Hyperparameters
  method: { type: TrainingMethod }
  seed: number
  metadata: Record<string, string>
  trained_tokens: number | null
  error: { code: string; message: string; param: string | null } | null
  /** contract: present when the job has succeeded */
  result_metrics?: TrainingMetrics
}

export interface TrainingMetrics {
  steps: number
  seconds: number
  tokens_per_second: number
  train_loss: number
  valid_loss: number | null
  peak_memory_bytes: number
}

export interface JobEvent {
  object: 'fine_tuning.job.event'
  id: string
  created_at: number
  level: 'info' | 'warn' | 'error'
  type: 'message' | 'metrics'
  message: string
  /** metrics events: {step, total_steps, tokens_per_second, train_loss, valid_loss?, eta_seconds} */
  data?: Record<string, number | null>
}

export interface ModelObject {
  id: string
  object: 'model'
  created: number
  owned_by: string
  /** contract: the base model of a lora, the encoder of a head; absent for these two */
  parent?: string
  /** contract: absent for a model that generates text */
  kind?: 'encoder' | 'head'
  /** contract */
  max_model_len?: number
  /** contract: methods by which a lora of this base model can be trained */
  training_methods?: TrainingMethod[]
  /** contract: hash of weights and rendering; `system_fingerprint` of its completions */
  fingerprint?: string
  /** contract: parameters of the base model; default hyperparameters depend on it */
  parameters?: number
}

/** contract: `POST /v1/tokenize`, as in vLLM */
export interface TokenizeRequest {
  model: string
  messages?: ChatMessage[]
  prompt?: string
}

/** contract: `POST /v1/loss`: mean negative log-likelihood of each row's completion */
export interface LossRequest {
  model: string
  rows: TrainingRow[]
}

export interface LossResponse {
  /** nats per completion token, one entry for each row, in order */
  losses: number[]
  /** number of completion tokens of each row */
  tokens: number[]
}
