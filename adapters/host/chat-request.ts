/**
 * Checks chat requests. Pure: takes a parsed body and returns a request that backends need not check
 * again. An unsupported parameter that would change the answer is an error and is never ignored.
 */
import { z } from 'zod'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { messagesSchema, parseWith } from './validation.ts'

/** Parameters that do not change the answer: accepted and dropped. */
const IGNORED = [
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'parallel_tool_calls',
] as const

const ignored = Object.fromEntries(IGNORED.map((name) => [name, z.unknown().optional()]))

/** Values with the same effect as leaving the parameter out. */
const neutral = {
  n: z.literal(1, { error: 'only n = 1 is supported' }).nullish(),
  frequency_penalty: z.literal(0, { error: 'only 0 is supported' }).nullish(),
  presence_penalty: z.literal(0, { error: 'only 0 is supported' }).nullish(),
  logit_bias: z.strictObject({}, { error: 'is not supported' }).nullish(),
  tools: z.array(z.unknown()).max(0, { error: 'are not supported' }).nullish(),
  tool_choice: z.enum(['none', 'auto'], { error: 'tools are not supported' }).nullish(),
  modalities: z.tuple([z.literal('text')], { error: 'only text is supported' }).nullish(),
}

const MAX_CHOICES = 1024
const MAX_STOPS = 4
const MAX_TOP_LOGPROBS = 20

/** Schemas that nest deeper could break an engine that follows them. */
const MAX_SCHEMA_DEPTH = 100
const MAX_FUNCTIONS = 1024

/** Not recursive: the value may be nested deeper than the stack. */
const isShallow = (root: unknown): boolean => {
  let level = [root]
  for (let depth = 0; depth < MAX_SCHEMA_DEPTH; depth++) {
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : []
    )
    if (level.length === 0) return true
  }
  return false
}

const boundCalls = z.strictObject({
  functions: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[\w.-]{1,128}$/, { error: 'is not the name of a function' }),
        parameters: z
          .unknown()
          .refine(isShallow, { error: `is nested deeper than ${MAX_SCHEMA_DEPTH} levels` })
          .optional(),
      })
    )
    .max(MAX_FUNCTIONS),
  required: z.boolean(),
  parallel: z.boolean(),
})

const stopText = z.string().min(1, { error: 'must not be empty' })

const schema = z
  .strictObject({
    ...ignored,
    ...neutral,
    model: z.string().min(1),
    messages: messagesSchema,
    stream: z.boolean().nullish(),
    stream_options: z
      .strictObject({
        include_usage: z.boolean().optional(),
        continuous_usage_stats: z.boolean().optional(),
        include_obfuscation: z.boolean().optional(),
      })
      .nullish(),
    max_tokens: z.int().positive().nullish(),
    max_completion_tokens: z.int().positive().nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    seed: z.int().nullish(),
    stop: z
      .union([stopText.transform((text) => [text]), z.array(stopText).max(MAX_STOPS)], {
        error: `must be a text or up to ${MAX_STOPS} texts, none empty`,
      })
      .nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(MAX_TOP_LOGPROBS).nullish(),
    response_format: z
      .strictObject({
        type: z.enum(['text', 'json_object'], { error: 'must be text or json_object' }),
      })
      .nullish(),
    cache_prompt: z.boolean().nullish(),
    structured_outputs: z
      .strictObject({
        choice: z.array(z.string().min(1)).nonempty().max(MAX_CHOICES).optional(),
        calls: boundCalls.optional(),
      })
      .refine(({ choice, calls }) => (choice === undefined) !== (calls === undefined), {
        error: 'must be either choice or calls',
      })
      .nullish(),
  })
  .refine((request) => !request.top_logprobs || request.logprobs === true, {
    path: ['top_logprobs'],
    error: 'needs logprobs: true',
  })
  .refine((request) => !request.stream_options || request.stream === true, {
    path: ['stream_options'],
    error: 'needs stream: true',
  })
  .refine(
    (request) =>
      !request.structured_outputs || (request.response_format?.type ?? 'text') === 'text',
    { path: ['structured_outputs'], error: 'cannot be combined with a response format' }
  )

/**
 * Checks and normalizes a request: content parts are joined to text, `developer` becomes `system`,
 * there is one `max_tokens`, `stop` is a list, and parameters that are null or at their default are
 * left out.
 * @throws AppError `invalid-request` naming the parameter
 */
export const parseChatRequest = (body: unknown): ChatRequest => {
  const parsed = parseWith(schema, body)
  const request: ChatRequest = { model: parsed.model, messages: parsed.messages }
  const maxTokens = parsed.max_completion_tokens ?? parsed.max_tokens
  if (maxTokens != null) request.max_tokens = maxTokens
  if (parsed.stream) request.stream = true
  if (parsed.stream_options?.include_usage) {
    const { continuous_usage_stats } = parsed.stream_options
    request.stream_options = {
      include_usage: true,
      ...(continuous_usage_stats ? { continuous_usage_stats } : {}),
    }
  }
  if (parsed.temperature != null) request.temperature = parsed.temperature
  if (parsed.top_p != null) request.top_p = parsed.top_p
  if (parsed.seed != null) request.seed = parsed.seed
  if (parsed.stop?.length) request.stop = parsed.stop
  if (parsed.logprobs) request.logprobs = true
  if (parsed.top_logprobs) request.top_logprobs = parsed.top_logprobs
  if (parsed.response_format?.type === 'json_object')
    request.response_format = { type: 'json_object' }
  if (parsed.cache_prompt === false) request.cache_prompt = false
  if (parsed.structured_outputs) request.structured_outputs = parsed.structured_outputs
  return request
}
