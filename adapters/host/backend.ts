/**
 * The interface that a TypeScript engine implements. `app.ts` adds the HTTP contract and `jobs.ts` the
 * queue.
 */
import type { ChatMessage, ChatRequest, TokenLogprob, Usage } from '../../src/openai/chat.ts'
import type {
  Hyperparameters,
  ModelObject,
  TrainingMethod,
  TrainingMetrics,
  TrainingRow,
} from '../../src/openai/fine-tuning.ts'

export interface TokenDelta {
  /** '' while a character's bytes are incomplete */
  text: string
  logprobs: TokenLogprob[]
}

export interface CompletionEnd {
  finishReason: 'stop' | 'length'
  usage: Usage
  /** of a label head: 1 − cosine similarity to the nearest training query */
  distance?: number
}

export interface TrainInput {
  /** base model or lora to start from */
  model: string
  rows: TrainingRow[]
  validationRows: TrainingRow[]
  method: TrainingMethod
  hyperparameters: Hyperparameters
  seed: number
  suffix: string | null
  metadata: Record<string, string>
  /** folder of this job's checkpoints, kept when the job is restarted */
  checkpointDir: string
}

/** The data of a metrics event. */
export type TrainProgress = {
  step: number
  total_steps: number
  tokens_per_second: number
  train_loss: number
  valid_loss: number | null
  eta_seconds: number
}

export interface TrainHooks {
  onProgress(progress: TrainProgress): void
  onMessage(level: 'info' | 'warn', message: string): void
  signal: AbortSignal
}

export interface TrainResult {
  /** the new lora's or head's id: a hash of weights and manifest */
  model: string
  trainedTokens: number
  metrics: TrainingMetrics
}

/** Every method throws AppError, `not-found` for an unknown model. */
export interface EngineBackend {
  models(): ModelObject[]
  /** The model's `fingerprint`, or null without one. Called for every completion. */
  fingerprint(model: string): string | null
  /**
   * Finds errors before the job is created: no rows, a row over the context, a lora of another base.
   * @param method what trains on the rows; without one they are to validate with, and may all have one label
   * @throws AppError `invalid-request`, `context-length-exceeded`, `not-found`
   */
  validateTraining(model: string, rows: TrainingRow[], method?: TrainingMethod): Promise<void>
  train(input: TrainInput, hooks: TrainHooks): Promise<TrainResult>
  /** Greedy when temperature is 0 or absent. Aborting the signal stops the generation. */
  complete(
    request: ChatRequest,
    signal: AbortSignal
  ): AsyncGenerator<TokenDelta, CompletionEnd, undefined>
  /** Mean nats per completion token of every row. */
  loss(model: string, rows: TrainingRow[]): Promise<{ losses: number[]; tokens: number[] }>
  countTokens(model: string, input: ChatMessage[] | string): Promise<number>
  /** @throws AppError `conflict` while requests use it */
  deleteModel(id: string): Promise<void>
  close(): Promise<void>
}
