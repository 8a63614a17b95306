/** A generation as token ids: what an engine's server is asked for, and what it gives. */
import { AppError } from '../../src/errors.ts'
import type { BoundCalls } from '../../src/openai/chat.ts'
import type { Constraint } from './constraint/constraint.ts'

export interface SamplingOptions {
  /** 0 takes the most probable token */
  temperature: number
  /** nucleus: the smallest set of tokens with at least this probability; 1 takes all */
  topP: number
  /** the same seed gives the same tokens */
  seed: number
}

export interface TokenChoice {
  tokenId: number
  /** nats, at temperature 1 and before top-p; under a list of candidates, among these */
  logprob: number
}

export interface SampledToken extends TokenChoice {
  /** the most probable tokens, best first */
  top: TokenChoice[]
}

/** What an answer is limited to; at most one of them. */
export interface AnswerBounds {
  /** the only answers allowed, or null */
  choices: readonly string[] | null
  /** the calls that the answer may consist of, or null */
  calls: BoundCalls | null
  /** the answer is one JSON object */
  jsonObject: boolean
}

export interface GenerationRequest {
  promptIds: readonly number[]
  /** the lora's id, null for the base model */
  lora: string | null
  /** tokens to generate at most, the end token included */
  maxTokens: number
  sampling: SamplingOptions
  /** alternatives reported with each token */
  topLogprobs: number
  constraint: Constraint | null
  /** what the constraint was made from, for a server that has constraints of its own */
  bounds?: AnswerBounds
  /** tokens that end the generation */
  endIds: readonly number[]
  /** false computes the whole prompt and keeps none of it */
  usePrefixCache: boolean
  /** Called with every token in the step that made it; true ends the generation. */
  endsWith?(token: SampledToken): boolean
}

export interface GenerationEnd {
  finishReason: 'stop' | 'length'
  promptTokens: number
  /** tokens of the prompt that came out of the prefix cache */
  cachedTokens: number
  completionTokens: number
}

export interface TokenGenerator {
  /** tokens that prompt and completion may have together */
  readonly maxPositions: number
  /**
   * Aborting the signal, or leaving the loop, ends the generation.
   * @throws AppError `context-length-exceeded`, `overloaded`, `client-closed`, errors of loading a lora
   */
  generate(
    request: GenerationRequest,
    signal: AbortSignal
  ): AsyncGenerator<SampledToken, GenerationEnd, undefined>
}

/**
 * Tokens that an answer may have.
 * @throws AppError `context-length-exceeded` for a prompt that fills the context
 */
export const fittedTokens = (
  { promptIds, maxTokens }: GenerationRequest,
  maxPositions: number
): number => {
  const free = maxPositions - promptIds.length
  if (free < 1)
    throw new AppError(
      'context-length-exceeded',
      `the prompt has ${promptIds.length} tokens, the model takes ${maxPositions} together with the answer`,
      { param: 'messages' }
    )
  return Math.min(maxTokens, free)
}
