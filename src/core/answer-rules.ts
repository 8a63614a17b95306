/**
 * Which answers of a lora may be given at all, whatever their confidence. Fixed before training, and
 * the same in evaluation and in serving: an answer that a route would not give is none that a proof
 * counts.
 */
import type { ChatRequest, FinishReason } from '../openai/chat.ts'
import type { ResponseType } from './gate.ts'
import { isJson } from './json.ts'
import { DEFER_ANSWER } from './outcome.ts'
import { isBalanced, isJsonContainer } from './score.ts'

export interface AnswerRules {
  responseType: ResponseType
  /** the only answers allowed, when the response type is a label */
  labels: string[] | null
  /** whether training had outcomes that are no plain text, so that the lora may say `DEFER_ANSWER` */
  defers: boolean
  /** a longer answer has run away */
  maxChars: number
  /** a lora's answer is cut there */
  maxTokens: number
}

export type AnswerFault =
  | 'length'
  | 'engine-error'
  | 'no-logprobs'
  | 'deferred'
  | 'empty'
  | 'too-long'
  | 'not-a-label'
  | 'not-json'
  | 'unbalanced'

/**
 * Whether generation ended as it must.
 * @param finishReason null where the stream was cut off
 * @param tokens with a log-probability: without them every answer would look sure
 */
export const endingFault = (
  finishReason: FinishReason | null,
  tokens: number
): AnswerFault | null => {
  if (finishReason === 'length') return 'length'
  if (finishReason !== 'stop') return 'engine-error'
  return tokens === 0 ? 'no-logprobs' : null
}

const wantsJson = ({ response_format: format }: ChatRequest): boolean =>
  format?.type === 'json_object' || format?.type === 'json_schema'

/**
 * Whether a finished answer keeps the promises of the request and looks like the upstream's answers:
 * one of the labels where there are such, JSON where the request or the log has JSON.
 * @returns the reason why not, or null
 */
export const answerFault = (
  answer: string,
  request: ChatRequest,
  { responseType, labels, maxChars }: AnswerRules
): AnswerFault | null => {
  const text = answer.trim()
  if (text === DEFER_ANSWER) return 'deferred'
  if (text === '') return 'empty'
  if (answer.length > maxChars) return 'too-long'
  if (labels !== null && !labels.includes(answer)) return 'not-a-label'
  if (wantsJson(request) && !isJson(answer)) return 'not-json'
  if (responseType === 'json' && !isJsonContainer(answer)) return 'not-json'
  return responseType === 'code' && !isBalanced(answer) ? 'unbalanced' : null
}

/** Text that grows past the longest known answer by more has run away. */
const MAX_LENGTH_RATIO = 2

/** @param longestChars of the longest logged answer */
export const mostChars = (longestChars: number): number => longestChars * MAX_LENGTH_RATIO + 20

/** @param longestTokens of the longest logged answer, in the base model's tokenizer */
export const mostTokens = (longestTokens: number): number => longestTokens * MAX_LENGTH_RATIO + 8
