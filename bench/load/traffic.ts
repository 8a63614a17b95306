/**
 * The traffic of the proxy benchmark: requests whose prompt is a near miss of all live templates (the
 * same opening, another end), so that all of matching is paid and the upstream answers. Every request
 * is another one: a log that stores equal bodies once gets no discount.
 */
import { liveRoute } from '../../test/kit/records/route-rules.ts'
import type { Route } from '../../src/core/route/route.ts'

export const AUTHORIZATION = 'Bearer sk-bench-0123456789abcdef0123456789abcdef'
export const CHAT_PATH = '/v1/chat/completions'
/** replaced by digits, so that the length stays the same */
export const SERIAL = '0000000000'

const MODEL = 'gpt-4o-mini'
const OPENING = 'You are a careful assistant for ACME. Follow policy 12. '
  .repeat(110)
  .slice(0, 6144)
const QUESTION = 'Customer asks about order 4711, please help. '
const KILOBYTE = 1024

export interface BodyOptions {
  kilobytes: number
  stream?: boolean
  /** text after the opening; by default text that no template has */
  variant?: string
}

const PARAMETERS = { temperature: 0.2 }

/** With `SERIAL` in it. */
export const requestBody = ({ kilobytes, stream = false, variant }: BodyOptions): string => {
  const questions = Math.ceil((kilobytes * KILOBYTE - OPENING.length) / QUESTION.length)
  return JSON.stringify({
    model: MODEL,
    ...PARAMETERS,
    ...(stream ? { stream } : {}),
    messages: [
      { role: 'system', content: `${OPENING} variant ${variant ?? 'of nobody'}` },
      { role: 'user', content: `${QUESTION.repeat(questions)}${SERIAL}` },
    ],
  })
}

export const REQUEST_HEADERS: Record<string, string> = {
  'content-type': 'application/json',
  authorization: AUTHORIZATION,
  'user-agent': 'OpenAI/JS 6.1.0',
  'x-stainless-lang': 'js',
  'x-stainless-package-version': '6.1.0',
  'x-stainless-runtime': 'node',
}

/** Routes of templates that differ only at the end of their prompt. */
export const liveRoutes = (tenant: string, count: number): Route[] =>
  Array.from({ length: count }, (_unused, i) =>
    liveRoute({
      tenant,
      model: MODEL,
      prompt: `${OPENING} variant ${i}`,
      version: `version-${i}`,
      engine: 'none',
      lora: `lora-${i}`,
      templateTokens: 1200,
      parameters: PARAMETERS,
    })
  )

export const UPSTREAM_HEADERS = {
  'x-request-id': 'req_0123456789abcdef',
  'openai-processing-ms': '12',
  'x-ratelimit-remaining-requests': '9999',
  'openai-version': '2020-10-01',
}

export const UPSTREAM_ANSWER = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-abc123abc123abc123abc123abc1',
    object: 'chat.completion',
    created: 1760000000,
    model: 'gpt-4o-mini-2024-07-18',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'card', refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: {
      prompt_tokens: 1543,
      completion_tokens: 37,
      total_tokens: 1580,
      prompt_tokens_details: { cached_tokens: 1408, audio_tokens: 0 },
    },
    service_tier: 'default',
    system_fingerprint: 'fp_0123456789',
  })
)
