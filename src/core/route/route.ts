/**
 * The live rule: template version → engine, lora, confidence threshold, traffic share; and the
 * pure questions about it: may this request be answered by a lora, which share of the traffic does
 * it fall into, what is the engine asked, is the answer one that may be given. Knows nothing of
 * how a request arrived or of who sent it.
 */
import { hash } from 'node:crypto'
import type { ChatRequest, TokenLogprob } from '../../openai/chat.ts'
import type { AnswerRules } from '../answer/answer-rules.ts'
import { DEFER_ANSWER } from '../answer/outcome.ts'
import { EMPTY_PROMPT, studentMessages } from '../template/prompt.ts'
import type { ProvenKinds } from './request-kind.ts'
import type { Match, Template } from '../template/template.ts'

/** Of the log-probabilities of an answer's tokens. */
export type ConfidenceStatistic = 'sum' | 'min'

export interface Route {
  template: Template
  internalizationId: string
  engine: string
  lora: string
  confidence: ConfidenceStatistic
  /** natural-log probability; an answer below it is discarded and the upstream asked */
  threshold: number
  /** the answers that may be given */
  answers: AnswerRules
  /** the requests that may be answered */
  kinds: ProvenKinds
  /** 0 to 1, sticky by request hash */
  trafficShare: number
  /** tokens of the full template in the base model's tokenizer, for savings */
  templateTokens: number
}

/** Why a request that matched a live template is none that a lora can answer. */
export type Ineligibility =
  'several-choices' | 'logprobs' | 'tools' | 'modality' | 'sampling' | 'unsupported-field'

/**
 * Fields that leave the wording of an answer alone, or that a check below reads. A field that is
 * not listed may change what the caller expects in a way nobody here has heard of, so it sends the
 * request to the upstream: fidelity before coverage.
 */
const UNDERSTOOD = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'seed',
  'n',
  'stop',
  'logprobs',
  'top_logprobs',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'functions',
  'function_call',
  'response_format',
  'modalities',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'reasoning_effort',
  'verbosity',
])

/** OpenAI's default is 1; above it the caller asks for variety, and a lora answers greedily. */
const MAX_TEMPERATURE = 1

const isPresent = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== false

const hasItems = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.length > 0
    : typeof value === 'object' && value !== null && Object.keys(value).length > 0

const wantsTools = (request: ChatRequest, template: Template): boolean =>
  hasItems(request.functions) || (hasItems(request.tools) && template.tools === '')

const wantsOtherThanText = (request: ChatRequest): boolean =>
  Array.isArray(request.modalities) && request.modalities.some((modality) => modality !== 'text')

const hasExtremeSampling = (request: ChatRequest): boolean =>
  (request.temperature ?? 1) > MAX_TEMPERATURE ||
  (request.presence_penalty ?? 0) !== 0 ||
  (request.frequency_penalty ?? 0) !== 0 ||
  hasItems(request.logit_bias)

/**
 * Whether a matched request asks for nothing but one greedy text answer. `temperature` up to 1,
 * `top_p`, `seed`, `stop` and token limits are served (greedily, within the limits); `store` asks
 * the upstream to keep the exchange, so only the upstream can fulfil it. Decides which exchanges are a
 * template's population and which requests its route answers, so that a proof is about the same.
 * @returns the reason why not, or null
 */
export const eligibility = (request: ChatRequest, template: Template): Ineligibility | null => {
  if ((request.n ?? 1) !== 1) return 'several-choices'
  if (isPresent(request.logprobs) || isPresent(request.top_logprobs)) return 'logprobs'
  if (wantsTools(request, template)) return 'tools'
  if (wantsOtherThanText(request)) return 'modality'
  if (hasExtremeSampling(request)) return 'sampling'
  if (isPresent(request.store)) return 'unsupported-field'
  const unknown = Object.keys(request).some(
    (field) => !UNDERSTOOD.has(field) && isPresent(request[field])
  )
  return unknown ? 'unsupported-field' : null
}

/**
 * Where a request falls in [0, 1): the same question to the same template always falls into the
 * same place, so that a share of the traffic is a fixed set of questions and a conversation stays
 * where it began.
 */
export const trafficPosition = (match: Match): number =>
  Number.parseInt(
    hash('sha256', `${match.template.version}\n${match.query}`, 'hex').slice(0, 8),
    16
  ) /
  2 ** 32

/**
 * What a lora is asked in place of a request, in evaluation and in serving alike: the prompt removed,
 * greedy, with log-probabilities, within the limits of the request. So what was proven is what
 * answers.
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
  max_tokens: Math.min(
    request.max_completion_tokens ?? request.max_tokens ?? answers.maxTokens,
    answers.maxTokens,
    maxTokens
  ),
  ...(answers.labels && { structured_outputs: { choice: choicesOf(answers.labels, answers) } }),
  ...(request.stop ? { stop: request.stop } : {}),
})

const choicesOf = (labels: string[], { defers }: AnswerRules): string[] =>
  defers ? [...labels, DEFER_ANSWER] : labels

/** The confidence of a whole answer. */
export const confidenceOf = (
  statistic: ConfidenceStatistic,
  { logprobSum, logprobMin }: { logprobSum: number; logprobMin: number }
): number => (statistic === 'sum' ? logprobSum : logprobMin)

/** Neutral element of a statistic: the confidence of an answer without tokens. */
export const FULL_CONFIDENCE = 0

/**
 * The statistic after more tokens. Both can only fall (a log-probability is at most 0), so an
 * answer that is below its threshold in mid-generation stays below it.
 */
export const updateConfidence = (
  statistic: ConfidenceStatistic,
  confidence: number,
  logprobs: TokenLogprob[]
): number => {
  let updated = confidence
  for (const { logprob } of logprobs) {
    updated = statistic === 'sum' ? updated + logprob : Math.min(updated, logprob)
  }
  return updated
}
