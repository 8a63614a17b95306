/**
 * A finished completion as a span by OpenTelemetry's conventions for generative AI: model, route,
 * tokens and times, never text. Pure.
 */
import type { CapturedExchange } from '../core/log/exchange-batch.ts'
import { dialectOfRecord, type Dialect } from '../openai/dialect.ts'
import { isFields, parseJson, type Fields } from '../openai/fields.ts'
import type { ReadAnswer } from '../openai/read-answer.ts'
import { tokenCounts } from '../openai/usage/usage.ts'

export interface ChatSpan {
  name: string
  /** milliseconds since the epoch */
  startMs: number
  endMs: number
  attributes: Record<string, string | number | string[]>
  /** null for a status under 400 */
  errorType: string | null
}

type Attributes = Record<string, unknown>

const MAX_NAME_CHARS = 100

/** Removes absent attributes: a missing count is not 0. */
const present = (attributes: Attributes): ChatSpan['attributes'] =>
  Object.fromEntries(
    Object.entries(attributes).filter(([, value]) => value !== null && value !== undefined)
  ) as ChatSpan['attributes']

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

const finishReasons = (responded: Fields, { completionOf }: Dialect): string[] | null => {
  const choices = completionOf(responded)?.choices
  if (!Array.isArray(choices)) return null
  const reasons = choices.flatMap((choice) => textOf(choice?.finish_reason) ?? [])
  return reasons.length === 0 ? null : reasons
}

const responseAttributes = ({ response, usage }: ReadAnswer, dialect: Dialect): Attributes => {
  const parsed = parseJson(response?.toString('utf8') ?? '{}')
  const responded = isFields(parsed) ? parsed : {}
  const counts = usage && tokenCounts(usage)
  return {
    'gen_ai.response.id': textOf(responded['id']),
    'gen_ai.response.model': textOf(responded['model']),
    'gen_ai.response.finish_reasons': finishReasons(responded, dialect),
    'gen_ai.usage.input_tokens': counts?.input,
    'gen_ai.usage.output_tokens': counts?.output,
    'gen_ai.usage.cache_read.input_tokens': counts?.cachedInput,
  }
}

/** @param upstream host and port of the upstream, for requests that no lora answered */
export const chatSpan = (
  { head }: CapturedExchange,
  answer: ReadAnswer,
  upstream: { address: string; port: number }
): ChatSpan => {
  const { route, status, model } = head
  const isOwn = route?.outcome === 'answered'
  const errorType = status >= 400 ? String(status) : null
  return {
    name: `chat ${model}`.trim().slice(0, MAX_NAME_CHARS),
    startMs: head.at,
    endMs: head.at + head.durationMs,
    errorType,
    attributes: present({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': isOwn ? 'promptintern' : 'openai',
      'gen_ai.request.model': model,
      ...responseAttributes(answer, dialectOfRecord(head)),
      'server.address': isOwn ? null : upstream.address,
      'server.port': isOwn ? null : upstream.port,
      'http.response.status_code': status,
      'error.type': errorType,
      'promptintern.route': route?.outcome ?? 'unmatched',
      'promptintern.reason': route?.reason,
      'promptintern.template': route?.templateVersion,
      'promptintern.lora': route?.lora,
      'promptintern.prompt_tokens_saved': isOwn ? route.promptTokensSaved : null,
    }),
  }
}
