/**
 * The most that a chat request can cost, so that a budget holds for every request. A token of text has at
 * least one byte, so a prompt has no more tokens than its body has bytes; a completion has no more than the
 * stated limit, or than its model can write. A field that is not known here may add to the cost, so it is
 * refused. Knows nothing of budgets.
 */
import { AppError } from '../../errors.ts'
import type { ChatRequest, ContentPart } from '../../openai/chat.ts'
import { bytesOfText, type ChatReading } from '../request/chat-reading.ts'
import { priceAt, PER_MILLION, type Price } from './prices.ts'

/** Providers write a preamble for tools, of up to some 700 tokens. */
const TOOLS_PREAMBLE_TOKENS = 1000

const names = (text: string): ReadonlySet<unknown> => new Set(text.split(' '))

/** Fields that cost no more than their bytes as a prompt, or that are checked below. */
const BOUNDED_FIELDS = names(
  'model messages stream stream_options max_tokens max_completion_tokens temperature top_p top_k ' +
    'min_p seed n stop logprobs top_logprobs tools tool_choice parallel_tool_calls functions ' +
    'function_call response_format structured_outputs modalities presence_penalty ' +
    'frequency_penalty repetition_penalty logit_bias user metadata store service_tier ' +
    'safety_identifier prompt_cache_key prompt_cache_retention cache_prompt reasoning_effort verbosity ' +
    'responses.store'
)
/** `audio` is missing: it refers to an earlier answer of any length. */
const BOUNDED_MESSAGE_FIELDS = names(
  'role content name phase refusal annotations parsed tool_calls tool_call_id function_call reasoning ' +
    'reasoning_content'
)
const TEXT_PART_FIELDS = names('type text role refusal cache_control annotations logprobs parsed')
const IMAGE_PART_FIELDS = names('type image_url cache_control')
/** Tiers at the price of the price file or below; `priority` costs more. */
const BOUNDED_TIERS = names('auto default flex')
/** Other tools run at the provider, at a price for each call. */
const BOUNDED_TOOLS = names('function custom')

const isGiven = (value: unknown): boolean => value !== undefined && value !== null

const unbounded = (param: string, why: string): AppError =>
  new AppError('invalid-request', `this key has a budget, and ${why}`, { param })

const requireFields = (value: object, known: ReadonlySet<unknown>, place: string): void => {
  for (const [name, field] of Object.entries(value)) {
    if (known.has(name) || !isGiven(field)) continue
    const param = `${place}${name.slice(0, 100)}`
    throw unbounded(param, `the cost of ${param} has no bound: leave it out`)
  }
}

const itemsOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

const requireBounded = (request: ChatRequest): void => {
  requireFields(request, BOUNDED_FIELDS, '')
  const { service_tier: tier, modalities, tools } = request
  if (isGiven(tier) && !BOUNDED_TIERS.has(tier))
    throw unbounded('service_tier', 'service_tier must be auto, default or flex')
  if (itemsOf(modalities).some((modality) => modality !== 'text'))
    throw unbounded('modalities', 'modalities must be text')
  if (itemsOf(tools).some((tool) => !BOUNDED_TOOLS.has((tool as { type?: unknown } | null)?.type)))
    throw unbounded('tools', 'the type of a tool must be function or custom')
}

/** A whole number of at least 1. @returns null where none is given */
const countIn = (
  request: ChatRequest,
  field: 'n' | 'max_tokens' | 'max_completion_tokens'
): number | null => {
  const value: unknown = request[field]
  if (!isGiven(value)) return null
  if (Number.isInteger(value) && (value as number) >= 1) return value as number
  throw new AppError('invalid-request', `${field} must be a whole number of at least 1`, {
    param: field,
  })
}

/**
 * Of all choices together.
 * @param fallback for one choice, where the request sets no limit
 * @throws AppError `invalid-request` for a limit that is not a whole number of at least 1
 */
export const completionTokensOf = (request: ChatRequest, fallback: number): number => {
  const limits = [countIn(request, 'max_completion_tokens'), countIn(request, 'max_tokens')]
  const given = limits.filter((limit) => limit !== null)
  // upstreams differ in which of the two limits they apply
  return (countIn(request, 'n') ?? 1) * (given.length > 0 ? Math.max(...given) : fallback)
}

const completionBound = (request: ChatRequest, { maxOutputTokens }: Price): number => {
  const bound = completionTokensOf(request, maxOutputTokens ?? Infinity)
  if (bound !== Infinity) return bound
  throw unbounded(
    'max_completion_tokens',
    'the length of an answer has no bound: set max_completion_tokens'
  )
}

interface Media {
  images: number
  /** of their data, which is not read as text */
  bytes: number
}

const addImage = (media: Media, part: ContentPart, reading: ChatReading): void => {
  requireFields(part, IMAGE_PART_FIELDS, 'messages.content.')
  const url = (part['image_url'] as { url?: unknown } | null | undefined)?.url
  media.images++
  if (typeof url === 'string') media.bytes += bytesOfText(reading, url)
}

const addPart = (media: Media, part: unknown, reading: ChatReading, price: Price): void => {
  if (typeof part === 'string') return
  const { type } = (part ?? {}) as ContentPart
  if (type === 'text' || type === 'refusal')
    return requireFields(part as object, TEXT_PART_FIELDS, 'messages.content.')
  if (type === 'image_url' && price.maxImageTokens !== undefined)
    return addImage(media, part as ContentPart, reading)
  const name = JSON.stringify(type)?.slice(0, 100) ?? 'without a type'
  throw unbounded('messages', `the cost of a message part ${name} is not known`)
}

const mediaIn = (reading: ChatReading, price: Price): Media => {
  const media: Media = { images: 0, bytes: 0 }
  for (const { content, ...message } of reading.request.messages) {
    requireFields(message, BOUNDED_MESSAGE_FIELDS, 'messages.')
    if (isGiven(content) && typeof content !== 'string' && !Array.isArray(content))
      throw unbounded('messages', 'the content of a message must be a text or a list of parts')
    for (const part of itemsOf(content)) addPart(media, part, reading, price)
  }
  return media
}

export interface TokenBound {
  promptTokens: number
  completionTokens: number
}

/** @throws AppError `invalid-request` that names the field whose cost has no bound */
export const boundTokens = (reading: ChatReading, price: Price): TokenBound => {
  const { request, bytes } = reading
  requireBounded(request)
  const media = mediaIn(reading, price)
  const hasTools = isGiven(request.tools) || isGiven(request.functions)
  return {
    promptTokens:
      bytes -
      media.bytes +
      media.images * (price.maxImageTokens ?? 0) +
      (hasTools ? TOOLS_PREAMBLE_TOKENS : 0),
    completionTokens: completionBound(request, price),
  }
}

/** US dollars, with every token at the highest price that it can have in the standard tier. */
export const boundUsd = (price: Price, { promptTokens, completionTokens }: TokenBound): number => {
  const prices = [price, priceAt(price, promptTokens, null)]
  const dearest = prices.flatMap(({ input, cachedInput, cacheWrite = 0 }) => [
    input,
    cachedInput,
    cacheWrite,
  ])
  const output = Math.max(...prices.map((each) => each.output))
  return PER_MILLION * (promptTokens * Math.max(...dearest) + completionTokens * output)
}
