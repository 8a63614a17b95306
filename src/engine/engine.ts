/**
 * The client side of the engine contract: what worker and proxy ask of an engine, whatever stands
 * behind it. An engine is a `fetch` function and a base URL; `client.ts` makes this of them.
 */
import type {
  ChatCompletion,
  ChatMessage,
  ChatRequest,
  FinishReason,
  TokenLogprob,
  Usage,
} from '../openai/chat.ts'
import type {
  FileObject,
  JobEvent,
  JobObject,
  JobRequest,
  LossResponse,
  ModelObject,
  TrainingRow,
} from '../openai/fine-tuning.ts'

export interface GeneratedDelta {
  text: string
  logprobs: TokenLogprob[]
  /** set on the last delta; a stream that ends without one is an answer cut off */
  finishReason?: FinishReason | null
  /** what was really processed; comes with the last delta, or in one of its own behind it */
  usage?: Usage | null
}

/** How far a job is, by its newest events. */
export interface JobProgress {
  /** null before the first event */
  message: string | null
  /** of the newest metrics event; null before the first */
  metrics: Record<string, number | null> | null
}

/** Every method rejects with AppError `engine-unavailable` or `engine-timeout`, or the engine's own 4xx. */
export interface Engine {
  readonly name: string
  models(): Promise<ModelObject[]>
  /** @returns the file's id */
  uploadRows(rows: TrainingRow[], filename: string): Promise<string>
  /** Newest first. */
  files(): Promise<FileObject[]>
  /** Rejects with `conflict` while a job that has not finished needs it. */
  deleteFile(id: string): Promise<void>
  createJob(request: JobRequest): Promise<JobObject>
  getJob(id: string): Promise<JobObject>
  /** Jobs whose metadata has all the given pairs, newest first. */
  findJobs(metadata: Record<string, string>): Promise<JobObject[]>
  /** Events oldest first, behind the given event id. */
  jobEvents(id: string, after?: string): Promise<JobEvent[]>
  jobProgress(id: string): Promise<JobProgress>
  cancelJob(id: string): Promise<JobObject>
  complete(request: ChatRequest, options?: { signal?: AbortSignal }): Promise<ChatCompletion>
  /** Tokens as they come; ending the iteration early stops the generation. */
  stream(request: ChatRequest, options?: { signal?: AbortSignal }): AsyncIterable<GeneratedDelta>
  loss(model: string, rows: TrainingRow[]): Promise<LossResponse>
  /** Tokens of the rendered messages, chat markers included, or of a bare text. */
  countTokens(model: string, input: ChatMessage[] | string): Promise<number>
  deleteModel(id: string): Promise<void>
}
