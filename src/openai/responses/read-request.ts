/**
 * Reads a request of the Responses API as a chat request, the form that the rest of the project works on.
 * What a chat request cannot say keeps a name of its own (`responses.…`), so that nothing is taken for
 * understood that is not. Pure.
 */
import type { ChatMessage, ChatRequest, ContentPart } from '../chat.ts'
import { isFields, type Fields } from '../fields.ts'
import { chatCallOf } from './call-item.ts'

const isGiven = (value: unknown): boolean => value !== undefined && value !== null

/** Fields that both APIs have, with one meaning. */
const SHARED = [
  'model',
  'stream',
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
/** Fields that have no effect on an answer without hosted tools, within the model's context. */
const WITHOUT_EFFECT = new Set(['max_tool_calls', 'truncation'])
/** Of `include`: what an answer without reasoning has not. */
const INCLUDES_NOTHING = 'reasoning.encrypted_content'
const INCLUDES_LOGPROBS = 'message.output_text.logprobs'

const unread = (fields: Fields, prefix: string, known: readonly string[]): Fields =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([name, value]) => !known.includes(name) && isGiven(value))
      .map(([name, value]) => [`responses.${prefix}${name}`, value])
  )

/** Parts have other names; all their texts are `text`. */
const partOf = (part: unknown): unknown => {
  if (!isFields(part)) return part
  const { type, text, image_url: url, detail } = part
  if (type === 'input_text' || type === 'output_text') return { type: 'text', text }
  if (type === 'input_image' && typeof url === 'string')
    return { type: 'image_url', image_url: { url, ...(isGiven(detail) ? { detail } : {}) } }
  return part
}

/** A text in one part is the same as the text. */
const contentOf = (content: unknown): ChatMessage['content'] => {
  if (!Array.isArray(content)) return content as ChatMessage['content']
  const parts = content.map(partOf) as ContentPart[]
  const [first] = parts
  return parts.length === 1 && first?.type === 'text' && typeof first.text === 'string'
    ? first.text
    : parts
}

/** Items without effect on the wording of an answer. */
const IS_SKIPPED = new Set(['reasoning'])
const ITEM_FIELDS = new Set(['type', 'id', 'status', 'phase'])

const messageOf = (item: Fields): ChatMessage | null => {
  const { role, content, ...rest } = item
  if (typeof role !== 'string') return null
  const others = Object.entries(rest).filter(
    ([name, value]) => !ITEM_FIELDS.has(name) && isGiven(value)
  )
  const message: ChatMessage = {
    role,
    content: contentOf(content) ?? null,
    ...Object.fromEntries(others),
  }
  // `addCall` appends to it
  return Array.isArray(message.tool_calls)
    ? { ...message, tool_calls: [...message.tool_calls] }
    : message
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

/** @returns false for an item that is not known */
const addItem = (messages: ChatMessage[], item: unknown): boolean => {
  if (!isFields(item)) return false
  const { type = 'message' } = item
  if (type === 'function_call') addCall(messages, item)
  else if (type === 'function_call_output') {
    const { call_id: id, output } = item
    messages.push({ role: 'tool', tool_call_id: id as string, content: contentOf(output) ?? null })
  } else if (type === 'message') {
    const message = messageOf(item)
    if (message === null) return false
    messages.push(message)
  } else return typeof type === 'string' && IS_SKIPPED.has(type)
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

const choiceOf = (choice: unknown): unknown => {
  if (!isFields(choice)) return choice
  const { type, tools, ...rest } = choice
  if (type === 'function') return toolOf({ type, name: choice['name'] })
  return type === 'allowed_tools' && Array.isArray(tools)
    ? { type, allowed_tools: { ...rest, tools: tools.map(toolOf) } }
    : choice
}

/** Tools other than functions run at the provider, and no other answer has their results. */
const toolFields = ({ tools, tool_choice: choice }: Fields): Fields => {
  const all: unknown[] = Array.isArray(tools) ? tools : []
  return {
    ...(isGiven(tools) ? { tools: Array.isArray(tools) ? all.map(toolOf) : tools } : {}),
    ...(isGiven(choice) ? { tool_choice: choiceOf(choice) } : {}),
    ...(all.every(isFunction) ? {} : { 'responses.hosted_tools': true }),
  }
}

const formatOf = (format: Fields): Fields | undefined => {
  const { type, ...schema } = format
  if (type === 'text') return undefined
  return type === 'json_schema' ? { type, json_schema: schema } : format
}

const textFields = ({ text }: Fields): Fields => {
  if (!isGiven(text)) return {}
  if (!isFields(text)) return { 'responses.text': text }
  const { format, verbosity } = text
  const read = isFields(format) ? formatOf(format) : format
  return {
    ...(isGiven(read) ? { response_format: read } : {}),
    ...(isGiven(verbosity) ? { verbosity } : {}),
    ...unread(text, 'text.', ['format', 'verbosity']),
  }
}

const reasoningFields = ({ reasoning }: Fields): Fields => {
  if (!isGiven(reasoning)) return {}
  if (!isFields(reasoning)) return { 'responses.reasoning': reasoning }
  const { effort } = reasoning
  return {
    ...(isGiven(effort) ? { reasoning_effort: effort } : {}),
    // a summary would be an item of the answer
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

const streamFields = ({ stream_options: options }: Fields): Fields => {
  if (!isGiven(options)) return {}
  if (!isFields(options)) return { 'responses.stream_options': options }
  return unread(options, 'stream_options.', ['include_obfuscation'])
}

const READ = [
  ...SHARED,
  ...WITHOUT_EFFECT,
  'instructions',
  'input',
  'tools',
  'tool_choice',
  'text',
  'reasoning',
  'include',
  'top_logprobs',
  'stream_options',
  'max_output_tokens',
  'store',
]

/**
 * @param body parsed JSON
 * @returns null for anything but a request whose input is read whole: an unknown item, instructions that are
 * no text, or no input at all, as with a prompt that the provider keeps
 */
export const readResponsesRequest = (body: unknown): ChatRequest | null => {
  if (!isFields(body) || typeof body['model'] !== 'string') return null
  const messages = messagesOf(body)
  if (messages === null) return null
  const { max_output_tokens: maxTokens, store } = body
  const shared = SHARED.filter((name) => isGiven(body[name])).map((name) => [name, body[name]])
  return {
    ...(Object.fromEntries(shared) as { model: string }),
    messages,
    ...(isGiven(maxTokens) ? { max_completion_tokens: maxTokens as number } : {}),
    // the answer is kept unless the request says that it must not be
    ...(store === false ? {} : { 'responses.store': store ?? true }),
    ...toolFields(body),
    ...textFields(body),
    ...reasoningFields(body),
    ...includeFields(body),
    ...streamFields(body),
    ...unread(body, '', READ),
  }
}
