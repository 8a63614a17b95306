/**
 * The wire format of chat completions, as far as this project reads it. Unknown fields are allowed
 * everywhere and are kept; the index signatures stand for them.
 */

export interface ContentPart {
  type: string
  text?: string
  [field: string]: unknown
}

export interface ChatMessage {
  role: string
  content?: string | ContentPart[] | null
  name?: string
  tool_calls?: unknown[]
  tool_call_id?: string
  [field: string]: unknown
}

/** The calls that an answer may consist of, besides text. Engine contract. */
export interface BoundCalls {
  /** with a JSON Schema of the arguments; without one there are none. No functions: text alone */
  functions: { name: string; parameters?: unknown }[]
  /** whether the answer must be calls */
  required: boolean
  /** whether it may be several */
  parallel: boolean
}

export interface ChatRequest {
  model: string
  messages: ChatMessage[]
  stream?: boolean | null
  /** `continuous_usage_stats`: vLLM's field for a usage in every chunk */
  stream_options?: { include_usage?: boolean; continuous_usage_stats?: boolean } | null
  max_tokens?: number | null
  max_completion_tokens?: number | null
  temperature?: number | null
  top_p?: number | null
  seed?: number | null
  n?: number | null
  stop?: string | string[] | null
  logprobs?: boolean | null
  top_logprobs?: number | null
  tools?: unknown[] | null
  tool_choice?: unknown
  response_format?: { type: string; [field: string]: unknown } | null
  user?: string | null
  /**
   * vLLM's constrained decoding: `choice` lists the allowed answers. `calls` is the engine contract's own
   */
  structured_outputs?: { choice?: string[]; calls?: BoundCalls } | null
  /** llama.cpp's field: false computes the whole prompt again, for measurements */
  cache_prompt?: boolean | null
  [field: string]: unknown
}

export interface Usage {
  prompt_tokens: number
  completion_tokens: number
  total_tokens: number
  prompt_tokens_details?: {
    cached_tokens?: number
    cache_write_tokens?: number
    [field: string]: unknown
  }
  [field: string]: unknown
}

export interface TokenLogprob {
  token: string
  logprob: number
  bytes: number[] | null
  top_logprobs: { token: string; logprob: number; bytes: number[] | null }[]
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

export interface ChatChoice {
  index: number
  message: ChatMessage & { role: 'assistant' }
  logprobs: { content: TokenLogprob[] | null; [field: string]: unknown } | null
  finish_reason: FinishReason | null
  /** engine contract, of a label head: 1 − cosine similarity to the nearest training query, 0 to 2 */
  distance?: number
}

export interface ChatCompletion {
  id: string
  object: 'chat.completion'
  created: number
  model: string
  choices: ChatChoice[]
  usage?: Usage
  [field: string]: unknown
}

export interface ChatChunk {
  id: string
  object: 'chat.completion.chunk'
  created: number
  model: string
  choices: {
    index: number
    delta: Partial<ChatMessage>
    logprobs?: { content: TokenLogprob[] | null } | null
    finish_reason: FinishReason | null
    /** engine contract, of a label head, with the finish reason */
    distance?: number
  }[]
  usage?: Usage | null
  [field: string]: unknown
}
