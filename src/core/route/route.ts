/**
 * The live rule: template version → engine, lora, confidence threshold, traffic share; and the pure
 * functions of it: the eligibility of a request, its position in the traffic, and the request to the
 * engine. Knows nothing of connections, callers or credentials.
 */
import type { ChatRequest } from '../../openai/chat.ts'
import type { AnswerRules } from '../answer/answer-rules.ts'
import { DEFER_ANSWER } from '../answer/outcome.ts'
import { boundCalls } from '../answer/calls.ts'
import { EMPTY_PROMPT, studentMessages } from '../template/prompt.ts'
import type { ConfidenceStatistic } from './confidence.ts'
import { hasValidName, type ProvenKinds } from './request-kind.ts'
import { ineligibilityOf, type Ineligibility } from './request-members.ts'
import type { Match, Template } from '../template/template.ts'

/** Another model of the upstreams that answers with the unchanged prompt. */
export interface OtherModel {
  name: string
  /** whether it is asked for log-probabilities: without them all its answers have one confidence */
  hasLogprobs: boolean
}

export interface Route {
  template: Template
  internalizationId: string
  engine: string
  /** the lora, or the id of the other model's answers */
  lora: string
  /** that answers with the unchanged prompt in place of a lora; absent: the engine answers */
  model?: OtherModel
  confidence: ConfidenceStatistic
  /** natural-log probability; an answer below it is discarded and the upstream is asked */
  threshold: number
  /** the answers that may be given */
  answers: AnswerRules
  /** the requests that may be answered */
  kinds: ProvenKinds
  /** of the matching traffic that the lora may answer, 0 to 1 (`sideOf`) */
  trafficShare: number
  /** of the matching traffic that is audited, 0 to 1; together at most 1 */
  auditShare: number
  /** that share as a part of the one without limits of money and time (`audit-part.ts`) */
  auditPart: number
  /** tokens of the full template in the base model's tokenizer, for savings */
  templateTokens: number
}

/**
 * Whether one greedy text answer is enough for a matched request. The same function selects the exchanges of
 * a template's population and the requests that its route answers, so that the proof is about the traffic that
 * the route answers.
 * @returns the reason why it is not, or null
 */
export const eligibility = (request: ChatRequest, template: Template): Ineligibility | null =>
  request.messages.every(hasValidName) ? ineligibilityOf(request, template) : 'invalid-field'

/** Who answers a request: the lora, the upstream, or the upstream for an audit. */
export type Side = 'lora' | 'upstream' | 'audit'

/**
 * @param position of the request in the traffic, uniform in [0, 1): the lora has the beginning, the audit
 * the end. So a conversation that keeps its position keeps its side while the lora's share grows.
 */
export const sideOf = (
  { trafficShare, auditShare }: Pick<Route, 'trafficShare' | 'auditShare'>,
  position: number
): Side => {
  if (position < trafficShare) return 'lora'
  return position >= 1 - auditShare ? 'audit' : 'upstream'
}

/** The answers that are possible, for the engine; calls are bound where the answers are no closed set. */
const structuredOutputs = (
  { labels, defers }: AnswerRules,
  request: ChatRequest
): Pick<ChatRequest, 'structured_outputs'> => {
  if (labels !== null)
    return { structured_outputs: { choice: defers ? [...labels, DEFER_ANSWER] : labels } }
  const calls = boundCalls(request, defers)
  return calls === null ? {} : { structured_outputs: { calls } }
}

/**
 * The request to a lora in place of the caller's: without the prompt, greedy, with
 * log-probabilities, within the caller's limits. Evaluation and serving both use it, so that the
 * proof holds for the answers that are served.
 * @param maxTokens further limit of the answer
 */
export const adaptedRequest = (
  { lora, answers }: { lora: string; answers: AnswerRules },
  match: Match,
  request: ChatRequest,
  maxTokens = Infinity
): ChatRequest => ({
  model: lora,
  messages: studentMessages(match, EMPTY_PROMPT),
  temperature: 0,
  logprobs: true,
  ...(request.logprobs === true && request.top_logprobs
    ? { top_logprobs: request.top_logprobs }
    : {}),
  max_tokens: Math.min(
    request.max_completion_tokens ?? request.max_tokens ?? answers.maxTokens,
    answers.maxTokens,
    maxTokens
  ),
  ...structuredOutputs(answers, request),
  ...(request.stop ? { stop: request.stop } : {}),
})
