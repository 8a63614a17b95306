/**
 * Files, fine-tuning jobs and models as the engine contract speaks them: OpenAI's names, plus the
 * few fields that PromptIntern needs and OpenAI lacks (marked "contract").
 */
import type { ChatMessage } from './chat.ts'

/** One line of a training file. The last message is the completion; only it carries loss. */
export interface TrainingRow {
  messages: ChatMessage[]
  /** contract: multiplies the row's loss, default 1 */
  weight?: number
  /** contract: what the teacher reads before the same completion, for `self-distillation` */
  teacher_messages?: ChatMessage[]
}

/**
 * `supervised` learns the completion; contract: `self-distillation` learns what the base model says
 * at each of the completion's tokens when it reads `teacher_messages`.
 */
export type TrainingMethod = 'supervised' | 'self-distillation'

export interface FileObject {
  id: string
  object: 'file'
  bytes: number
  created_at: number
  filename: string
  purpose: string
}

/** Every field has an engine default; see docs/contract.md. */
export interface Hyperparameters {
  rank?: number
  alpha?: number
  learning_rate?: number
  /** rows an optimizer step sees */
  batch_size?: number
  n_epochs?: number
  /** contract: overrides n_epochs when given */
  max_steps?: number
  /** contract: training stops (and the cosine reaches its end) after this many seconds */
  max_seconds?: number
  weight_decay?: number
  /** contract: share of this job's progress spent warming up, default 0.05 */
  warmup_ratio?: number
  /**
   * contract: where this job lies on the learning-rate curve of the whole internalization, as
   * shares of its total progress. [0, 1] (the default) is a whole curve of its own.
   */
  schedule_span?: [number, number]
}

const MILLION = 1e6

/**
 * Peak of the learning-rate curve where nobody sets it: 2e-4 up to 4 billion parameters, 1e-4 above;
 * models under 200 million bear, and need, five times that, those under 20 million fifteen times
 * (docs/experiments.md).
 */
export const defaultLearningRate = (parameters: number): number => {
  if (parameters < 20 * MILLION) return 3e-3
  if (parameters < 200 * MILLION) return 1e-3
  return parameters < 4000 * MILLION ? 2e-4 : 1e-4
}

export type JobStatus = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'

/** Whether a job still has work before it. */
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
  /** contract: what training cost and reached, present once it has succeeded */
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
  /** contract: the base model a lora sits on; absent for a base model */
  parent?: string
  /** contract */
  max_model_len?: number
  /** contract: training methods this model accepts as a base */
  training_methods?: TrainingMethod[]
  /** contract: stands for weights and rendering; `system_fingerprint` of its completions */
  fingerprint?: string
  /** contract: number of parameters of the base model, decides default hyperparameters */
  parameters?: number
}

/** contract: `POST /v1/tokenize`, as vLLM names it */
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
  /** nats per completion token, one entry a row, in order */
  losses: number[]
  /** completion tokens that each loss averages over */
  tokens: number[]
}
