/**
 * The answers of a lora that may be given, at any confidence. The rules are fixed before training
 * and are the same in evaluation and in serving, so a proof counts only answers that a route gives.
 */
import type { ChatRequest, FinishReason } from '../../openai/chat.ts'
import type { AnswerFormats, FormatFault } from './schema/answer-schema.ts'
import { isCallText, parseCalls, toolFault, type ToolFault } from './calls.ts'
import { DEFER_ANSWER } from './outcome.ts'
import type { Comparison } from './agreement.ts'
import { branchNames } from '../form/branch-names.ts'
import type { Form } from '../form/form.ts'
import { formFault, type FormFault } from './response-type.ts'
import type { TemplateKey } from '../template/template.ts'

/** What answers of a template may state although no request has it. A value of JSON. */
export interface KnownFacts {
  /** kinds and normal forms, sorted: `number:14 d`, `url:example.com/help` */
  atoms: readonly string[]
}

export interface AnswerRules extends Comparison {
  /** the only answers allowed, when the response type is a label */
  labels: string[] | null
  /** of the answers, where they have one (`core/form`); it tells their parts */
  form?: Form
  /** names of answers that a live route no longer gives (`core/rollout/withheld.ts`); absent: it gives all */
  withheld?: readonly string[]
  /** that answers may state although no request has them, where a judge compares answers; absent: they may state anything */
  facts?: KnownFacts
  /** whether training had outcomes other than plain text, so that the lora may say `DEFER_ANSWER` */
  defers: boolean
  /** a longer answer is refused: the generation did not end where it should */
  maxChars: number
  /** limit of a lora's generation */
  maxTokens: number
}

export type AnswerFault =
  | FormatFault
  | FormFault
  | ToolFault
  | 'length'
  | 'engine-error'
  | 'no-logprobs'
  | 'deferred'
  | 'empty'
  | 'too-long'
  | 'not-a-label'
  | 'withheld'
  | 'not-a-call'
  | 'invented-fact'

/**
 * Checks the end of a generation.
 * @param finishReason null where the stream was cut off
 * @param tokens number of tokens with a log-probability: with 0 every answer would look sure; null where all answers
 * have one confidence
 * @returns the fault, or null
 */
export const endingFault = (
  finishReason: FinishReason | null,
  tokens: number | null
): AnswerFault | null => {
  if (finishReason === 'length') return 'length'
  if (finishReason !== 'stop') return 'engine-error'
  return tokens === 0 ? 'no-logprobs' : null
}

/** Names of the parts of a route that an answer is of. */
export const partNamesOf = ({ labels, form }: AnswerRules, answer: string): string[] => {
  if (labels !== null) return [answer]
  return form === undefined ? [] : branchNames(form, answer)
}

/**
 * Checks that a finished answer has the form that the request asks for and the form of the
 * upstream's answers: one of the labels if there are labels, JSON if all logged answers are JSON. Calls are of
 * functions that the request has, with arguments that fit their schemas.
 * @returns the fault, or null
 */
export const answerFault = (
  answer: string,
  request: ChatRequest,
  {
    answers,
    template,
  }: { answers: AnswerRules; template: Pick<TemplateKey, 'responseFormat' | 'tools'> },
  formats: AnswerFormats
): AnswerFault | null => {
  const { responseType, labels, withheld, maxChars } = answers
  const text = answer.trim()
  if (text === DEFER_ANSWER) return 'deferred'
  if (text === '') return 'empty'
  if (answer.length > maxChars) return 'too-long'
  if (labels !== null && !labels.includes(answer)) return 'not-a-label'
  if (withheld && partNamesOf(answers, answer).some((name) => withheld.includes(name)))
    return 'withheld'
  if (isCallText(answer)) {
    const calls = parseCalls(answer)
    if (calls === null) return 'not-a-call'
    return toolFault(calls, request) ?? formats.faultOfCalls(calls, request, template.tools)
  }
  return (
    formFault(responseType, answer) ??
    toolFault(null, request) ??
    formats.faultOf(answer, request, template.responseFormat)
  )
}

/** An answer may be longer than the longest logged one by this factor. */
const MAX_LENGTH_RATIO = 2

/** @param longestChars of the longest logged answer */
export const mostChars = (longestChars: number): number => longestChars * MAX_LENGTH_RATIO + 20

/** @param longestTokens of the longest logged answer, in the base model's tokenizer */
export const mostTokens = (longestTokens: number): number => longestTokens * MAX_LENGTH_RATIO + 8
