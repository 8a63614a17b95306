/**
 * Which answers of a lora may be given at all, whatever their confidence. Fixed before training, and
 * the same in evaluation and in serving: an answer that a route would not give is none that a proof
 * counts.
 */
import type { ChatRequest, FinishReason } from '../../openai/chat.ts'
import type { AnswerFormats, FormatFault } from './schema/answer-schema.ts'
import type { ResponseType } from './score.ts'
import { DEFER_ANSWER } from './outcome.ts'
import { isBalanced, isJsonContainer } from './score.ts'
import type { TemplateKey } from '../template/template.ts'

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
  | FormatFault
  | 'length'
  | 'engine-error'
  | 'no-logprobs'
  | 'deferred'
  | 'empty'
  | 'too-long'
  | 'not-a-label'
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

/**
 * Whether a finished answer has the form that the request asks for and looks like the upstream's
 * answers: one of the labels where there are such, JSON where the log has nothing else.
 * @returns the reason why not, or null
 */
export const answerFault = (
  answer: string,
  request: ChatRequest,
  { answers, template }: { answers: AnswerRules; template: Pick<TemplateKey, 'responseFormat'> },
  formats: AnswerFormats
): AnswerFault | null => {
  const { responseType, labels, maxChars } = answers
  const text = answer.trim()
  if (text === DEFER_ANSWER) return 'deferred'
  if (text === '') return 'empty'
  if (answer.length > maxChars) return 'too-long'
  if (labels !== null && !labels.includes(answer)) return 'not-a-label'
  const misformed = formats.faultOf(answer, request, template.responseFormat)
  if (misformed) return misformed
  if (responseType === 'json' && !isJsonContainer(answer)) return 'not-json'
  return responseType === 'code' && !isBalanced(answer) ? 'unbalanced' : null
}

/** Text that grows past the longest known answer by more has run away. */
const MAX_LENGTH_RATIO = 2

/** @param longestChars of the longest logged answer */
export const mostChars = (longestChars: number): number => longestChars * MAX_LENGTH_RATIO + 20

/** @param longestTokens of the longest logged answer, in the base model's tokenizer */
export const mostTokens = (longestTokens: number): number => longestTokens * MAX_LENGTH_RATIO + 8
