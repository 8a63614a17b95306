/** Answers on their way between a dialect and the rest: from a stream, and to a caller. */
import type { Usage } from './chat.ts'

export interface RenderedCall {
  id: string
  /** of its item in a response */
  itemId: string
  name: string
  /** JSON */
  arguments: string
}

/** A lora's answer. */
export interface RenderedAnswer {
  id: string
  /** of its message's item in a response */
  itemId: string
  /** seconds since the epoch */
  created: number
  model: string
  /** '' where functions are called */
  content: string
  /** of functions, in order; without any the answer is its content */
  calls: readonly RenderedCall[]
  /** null when the engine counts no tokens; then the answer has no usage */
  usage: Usage | null
}

/** Makes the body of an answer from a stream. Bytes may be cut anywhere. */
export interface AnswerAccumulator {
  push(bytes: Uint8Array): void
  /** the last error that the stream sent */
  readonly error: unknown
  /** As without streaming; null while there is none. */
  answer(): { usage?: Usage } | null
}
