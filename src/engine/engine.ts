/**
 * The client side of the engine contract, for proxy and worker. `client.ts` implements it for any
 * engine, over a base URL and a `fetch` function.
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
  /** set on the last delta; without it, the answer was cut off */
  finishReason?: FinishReason | null
  /** tokens that the engine processed; in the last delta, or in a delta of its own after it */
  usage?: Usage | null
}

/** A job's progress, from its newest events. */
export interface JobProgress {
  /** null before the first event */
  message: string | null
  /** of the newest metrics event; null before the first */
  metrics: Record<string, number | null> | null
}

/** Methods reject with AppError `engine-unavailable` or `engine-timeout`, or the code of a 4xx answer. */
export interface Engine {
  readonly name: string
  models(): Promise<ModelObject[]>
  /** @returns the file's id */
  uploadRows(rows: TrainingRow[], filename: string): Promise<string>
  /** Newest first. */
  files(): Promise<FileObject[]>
  /** Rejects with `conflict` while an unfinished job reads the file. */
  deleteFile(id: string): Promise<void>
  createJob(request: JobRequest): Promise<JobObject>
  getJob(id: string): Promise<JobObject>
  /** Jobs with all the given pairs in their metadata, newest first. */
  findJobs(metadata: Record<string, string>): Promise<JobObject[]>
  /** Events after the given event id, oldest first. */
  jobEvents(id: string, after?: string): Promise<JobEvent[]>
  jobProgress(id: string): Promise<JobProgress>
  cancelJob(id: string): Promise<JobObject>
  complete(request: ChatRequest, options?: { signal?: AbortSignal }): Promise<ChatCompletion>
  /** Tokens as they are generated. Leaving the loop early stops the generation. */
  stream(request: ChatRequest, options?: { signal?: AbortSignal }): AsyncIterable<GeneratedDelta>
  loss(model: string, rows: TrainingRow[]): Promise<LossResponse>
  /** Tokens of the rendered messages, chat markers included, or of a bare text. */
  countTokens(model: string, input: ChatMessage[] | string): Promise<number>
  deleteModel(id: string): Promise<void>
}
