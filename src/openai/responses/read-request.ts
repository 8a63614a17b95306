/**
 * Reads a request of the Responses API as a chat request, the form that the rest of the project works on.
 * What a chat request cannot say keeps a name of its own (`responses.…`), so that nothing is taken for
 * understood that is not. Pure.
 */
import type { ChatMessage, ChatRequest, ContentPart } from '../chat.ts'
import { carriesNothing, isFields, type Fields } from '../fields.ts'
import { chatCallOf } from './read-response.ts'

const isGiven = (value: unknown): boolean => value !== undefined && value !== null

/** Fields that both APIs have, with one meaning. */
const SHARED = [
  'stream',
  'stream_options',
  'temperature',
  'top_p',
  'parallel_tool_calls',
  'metadata',
  'user',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'service_tier',
]
/** Of `include`: what an answer without reasoning has not. */
const INCLUDES_NOTHING = 'reasoning.encrypted_content'
const INCLUDES_LOGPROBS = 'message.output_text.logprobs'

const unread = (fields: Fields, prefix: string, known: readonly string[]): Fields =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([name]) => !known.includes(name))
      .map(([name, value]) => [`responses.${prefix}${name}`, value])
  )

const isEmpty = (value: unknown): boolean =>
  !isGiven(value) || (Array.isArray(value) && value.length === 0)

const TEXT_TYPES = new Set<unknown>(['input_text', 'output_text'])

const textTypeOf = (role: unknown): string => (role === 'assistant' ? 'output_text' : 'input_text')

/** Parts have other names; all their texts are `text`. A part that the role cannot have is of no type. */
const partOf = (part: unknown, role: unknown): unknown => {
  if (!isFields(part)) return part
  const { type, image_url: url, detail, ...others } = part
  if (type === 'text' || (TEXT_TYPES.has(type) && type !== textTypeOf(role)))
    return { ...part, type: `responses.${type}` }
  if (TEXT_TYPES.has(type)) {
    const isAnswer = type === 'output_text'
    const rest = Object.entries(part).filter(
      ([name, value]) => name !== 'type' && !(isAnswer && carriesNothing(name, value, part['text']))
    )
    return { type: 'text', ...Object.fromEntries(rest) }
  }
  if (Object.keys(others).length > 0) return part
  if (type === 'input_image' && typeof url === 'string')
    return { type: 'image_url', image_url: { url, ...(isGiven(detail) ? { detail } : {}) } }
  return part
}

/** A text in one part is the same as the text. */
const contentOf = (content: unknown, role: unknown): ChatMessage['content'] => {
  if (!Array.isArray(content)) return content as ChatMessage['content']
  const parts = content.map((part) => partOf(part, role)) as ContentPart[]
  const [first] = parts
  if (parts.length !== 1 || first?.type !== 'text' || typeof first.text !== 'string') return parts
  return Object.keys(first).length === 2 ? first.text : parts
}

/** Members of all items, which no model reads. A text that broke off has another status. */
const isUnread = (name: string, value: unknown): boolean =>
  name === 'type' || name === 'id' || (name === 'status' && (value ?? 'completed') === 'completed')

/** Members that a message has in both APIs. */
const SHARED_IN_MESSAGES = new Set(['name', 'phase'])

/** What an item has beside the members of its type: a chat would understand some names that a response does not. */
const othersOf = (item: Fields, known: readonly string[]): Fields =>
  Object.fromEntries(
    Object.entries(item)
      .filter(([name, value]) => !known.includes(name) && !isUnread(name, value))
      .map(([name, value]) => [SHARED_IN_MESSAGES.has(name) ? name : `responses.${name}`, value])
  )

const messageOf = (item: Fields): ChatMessage | null => {
  const { role, content } = item
  if (typeof role !== 'string') return null
  return { role, content: contentOf(content, role) ?? null, ...othersOf(item, ['role', 'content']) }
}

/**
 * The calls of one answer are items of their own, behind its text. The list grows in place: a copy at every
 * call would be quadratic in their number.
 */
const addCall = (messages: ChatMessage[], item: Fields): void => {
  const last = messages.at(-1)
  const call = chatCallOf(item)
  if (last?.role !== 'assistant')
    messages.push({ role: 'assistant', content: null, tool_calls: [call] })
  else if (Array.isArray(last.tool_calls)) last.tool_calls.push(call)
  else last.tool_calls = [call]
}

const CALL_FIELDS = ['call_id', 'name', 'arguments']
const RESULT_FIELDS = ['call_id', 'output']

const isReasoning = (item: unknown): item is Fields =>
  isFields(item) && item['type'] === 'reasoning'

/** What a model thought before; a text of it could be anything, and some upstreams let the model read it. */
const isOpaque = ({ summary, content }: Fields): boolean => isEmpty(summary) && isEmpty(content)

/** @returns false for an item that is not known */
const addItem = (messages: ChatMessage[], item: unknown): boolean => {
  if (!isFields(item)) return false
  const { type = 'message' } = item
  if (isReasoning(item)) return isOpaque(item)
  if (type === 'message') {
    const message = messageOf(item)
    if (message !== null) messages.push(message)
    return message !== null
  }
  if (type === 'function_call') {
    addCall(messages, item)
    return Object.entries(othersOf(item, CALL_FIELDS)).every(([name, value]) =>
      carriesNothing(name.replace('responses.', ''), value, item['arguments'])
    )
  }
  if (type !== 'function_call_output') return false
  const { call_id: id, output } = item
  messages.push({
    role: 'tool',
    tool_call_id: id as string,
    content: contentOf(output, 'tool') ?? null,
    ...othersOf(item, RESULT_FIELDS),
  })
  return true
}

/** @returns null where an item is not known: what the upstream reads is then not known either */
const messagesOf = ({ instructions, input }: Fields): ChatMessage[] | null => {
  const messages: ChatMessage[] = []
  if (isGiven(instructions)) {
    if (typeof instructions !== 'string') return null
    messages.push({ role: 'system', content: instructions })
  }
  if (typeof input === 'string') messages.push({ role: 'user', content: input })
  else if (Array.isArray(input)) {
    for (const item of input) if (!addItem(messages, item)) return null
  } else if (isGiven(input)) return null
  return messages.length === 0 ? null : messages
}

const isFunction = (tool: unknown): tool is Fields => isFields(tool) && tool['type'] === 'function'

const toolOf = (tool: unknown): unknown => {
  if (!isFunction(tool)) return tool
  const { type, ...rest } = tool
  return { type, function: rest }
}

/** A function of a response is strict where it does not say otherwise; one of a chat is not. */
const definedOf = (tool: unknown): unknown =>
  toolOf(isFunction(tool) ? { ...tool, strict: tool['strict'] ?? true } : tool)

const choiceOf = (choice: unknown): unknown => {
  if (!isFields(choice)) return choice
  const { type, tools, ...rest } = choice
  if (type === 'function') return toolOf(choice)
  return type === 'allowed_tools' && Array.isArray(tools)
    ? { type, allowed_tools: { ...rest, tools: tools.map(toolOf) } }
    : choice
}

/** Tools other than functions run at the provider, and no other answer has their results. */
const toolFields = ({ tools, tool_choice: choice }: Fields): Fields => {
  const all: unknown[] = Array.isArray(tools) ? tools : []
  return {
    // unlike a chat request, a response may have an empty list
    ...(tools === undefined || (isGiven(tools) && isEmpty(tools))
      ? {}
      : { tools: Array.isArray(tools) ? all.map(definedOf) : tools }),
    ...(choice === undefined ? {} : { tool_choice: choiceOf(choice) }),
    ...(all.every(isFunction) ? {} : { 'responses.hosted_tools': true }),
  }
}

/** @returns undefined for a text without rules */
const formatOf = (format: unknown): unknown => {
  if (!isFields(format)) return format
  const { type, ...schema } = format
  if (type === 'text' && Object.keys(schema).length === 0) return undefined
  return type === 'json_schema' ? { type, json_schema: schema } : format
}

const textFields = ({ text }: Fields): Fields => {
  if (text === undefined) return {}
  if (!isFields(text)) return { 'responses.text': text }
  return {
    response_format: formatOf(text['format']),
    verbosity: text['verbosity'],
    ...unread(text, 'text.', ['format', 'verbosity']),
  }
}

const reasoningFields = ({ reasoning }: Fields): Fields => {
  if (!isGiven(reasoning)) return {}
  if (!isFields(reasoning)) return { 'responses.reasoning': reasoning }
  return {
    reasoning_effort: reasoning['effort'],
    ...unread(reasoning, 'reasoning.', ['effort']),
  }
}

const includeFields = ({ include, top_logprobs: top }: Fields): Fields => {
  const wanted: unknown[] = Array.isArray(include) ? include : []
  const others = wanted.filter((name) => name !== INCLUDES_NOTHING && name !== INCLUDES_LOGPROBS)
  return {
    ...(wanted.includes(INCLUDES_LOGPROBS) ? { logprobs: true } : {}),
    ...(isGiven(top) && top !== 0 ? { top_logprobs: top } : {}),
    ...(others.length > 0 || (isGiven(include) && !Array.isArray(include))
      ? { 'responses.include': include }
      : {}),
  }
}

const READ = [
  ...SHARED,
  'model',
  'instructions',
  'input',
  'tools',
  'tool_choice',
  'text',
  'reasoning',
  'include',
  'top_logprobs',
  'max_output_tokens',
  'store',
]

const withoutUndefined = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

/**
 * @param body parsed JSON
 * @returns null for anything but a request whose input is read whole: an unknown item, instructions that are
 * no text, or no input at all, as with a prompt that the provider keeps
 */
export const readResponsesRequest = (body: unknown): ChatRequest | null => {
  if (!isFields(body) || typeof body['model'] !== 'string') return null
  const messages = messagesOf(body)
  if (messages === null) return null
  const { max_output_tokens: maxTokens, store, input } = body
  return {
    ...withoutUndefined({
      ...Object.fromEntries(SHARED.map((name) => [name, body[name]])),
      max_completion_tokens: maxTokens,
      // the answer is kept unless the request says that it must not be
      'responses.store': store === false ? undefined : (store ?? true),
      ...toolFields(body),
      ...textFields(body),
      ...reasoningFields(body),
      ...includeFields(body),
      ...unread(body, '', READ),
      // no lora reads them, so that a proof without them says nothing of requests with them
      'responses.reasoning_items':
        Array.isArray(input) && input.some(isReasoning) ? true : undefined,
    }),
    model: body['model'],
    messages,
  }
}
