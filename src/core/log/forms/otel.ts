/**
 * OpenTelemetry: spans of chats in OTLP JSON, as the collector's file exporter writes them.
 *
 * Defined by open-telemetry/semantic-conventions, `docs/gen-ai/gen-ai-spans.md` (attributes),
 * `gen-ai-input-messages.json`, `gen-ai-output-messages.json`, `gen-ai-system-instructions.json` and
 * `gen-ai-tool-definitions.json` (their values, structured or as JSON texts); the types of parts were checked against
 * `opentelemetry-util-genai` 1.1b0 (`types.py`). `gen_ai.usage.input_tokens` contains cached
 * tokens. A span knows no schema of its answer, so `response_format` is missing in the exchange.
 *
 * The messages of a span in the conventions before 1.37, as events.
 *
 * Defined by open-telemetry/semantic-conventions: up to 1.27 `gen_ai.content.prompt` and `gen_ai.content.completion`
 * with the messages as JSON in the attributes `gen_ai.prompt` and `gen_ai.completion`; from 1.28 to 1.36
 * `gen_ai.<role>.message` and `gen_ai.choice`, of which each has one message. Where these are events of a span, Azure's
 * clients write the message as JSON in the attribute `gen_ai.event.content` (Azure/azure-sdk-for-python,
 * `azure-ai-inference`), others as attributes `content`, `role` and `tool_calls`.
 */
import type { ChatMessage, ContentPart, FinishReason } from '../../../openai/chat.ts'
import { answerText, callOf, completionOf, contentOf, usageOf, type Tokens } from './chat.ts'
import {
  countOf,
  isEmpty,
  nameOf,
  objectsIn,
  textOf,
  unpacked,
  fieldsIn,
  membersOf,
  foundExchange,
  type Found,
  type LogForm,
  momentOf,
} from './fields.ts'
import { isFields, type Fields } from '../../../openai/fields.ts'

/** Messages as chat completions have them. */
interface EventMessages {
  messages: Fields[]
  answer: Fields | null
  finishReason: unknown
}

const MESSAGE = /^gen_ai\.(system|user|assistant|tool)\.message$/

interface SpanEvent {
  name: string
  body: Fields
}

const eventOf = ({ name, attributes }: Fields): SpanEvent => {
  const all = attributesOf(attributes)
  return { name: textOf(name), body: { ...all, ...fieldsIn(all['gen_ai.event.content']) } }
}

const messageOf = (body: Fields, role: string): Fields => {
  const calls = unpacked(body['tool_calls'])
  const { role: named, content, id } = body
  return {
    role: typeof named === 'string' ? named : role,
    content: content ?? null,
    ...(!isEmpty(calls) && { tool_calls: calls }),
    ...(role === 'tool' && { tool_call_id: id ?? body['tool_call_id'] }),
    ...membersOf(body, ['name']),
  }
}

/** `message` of a choice may be JSON, a text, or missing, with its members beside it. */
const choiceOf = ({ message, ...beside }: Fields): Fields => {
  const found = unpacked(message)
  return typeof found === 'string'
    ? { role: 'assistant', content: found }
    : messageOf(isEmpty(found) ? beside : fieldsIn(found), 'assistant')
}

/** @returns null where no event has a message */
const eventMessages = (events: unknown): EventMessages | null => {
  const read = objectsIn(events).map(eventOf)
  const messages = read.flatMap(({ name, body }) => {
    if (name === 'gen_ai.content.prompt') return objectsIn(unpacked(body['gen_ai.prompt']))
    const role = MESSAGE.exec(name)?.[1]
    return role === undefined ? [] : [messageOf(body, role)]
  })
  if (messages.length === 0) return null
  const choice = read.find(({ name }) => name === 'gen_ai.choice')
  const completion = read.find(({ name }) => name === 'gen_ai.content.completion')
  const [completed = null] = objectsIn(unpacked(completion?.body['gen_ai.completion']))
  return {
    messages,
    answer: choice === undefined ? completed : choiceOf(choice.body),
    finishReason: choice?.body['finish_reason'],
  }
}

/**
 * Values of OTLP in JSON, as plain values. Defined by open-telemetry/opentelemetry-proto
 * (`opentelemetry/proto/common/v1/common.proto`, `AnyValue`) and the specification of OTLP, "JSON Protobuf Encoding":
 * lowerCamelCase names, and 64 bit numbers as decimal texts.
 */
const valueOf = (value: unknown): unknown => {
  if (!isFields(value)) return null
  const { stringValue, intValue, doubleValue, boolValue, arrayValue, kvlistValue } = value
  if (intValue !== undefined) return Number(textOf(intValue))
  if (isFields(arrayValue)) return objectsIn(arrayValue['values']).map(valueOf)
  if (isFields(kvlistValue)) return attributesOf(kvlistValue['values'])
  return stringValue ?? doubleValue ?? boolValue ?? null
}

/** Attributes of a span, an event or a nested value, by key. */
export const attributesOf = (list: unknown): Fields =>
  Object.fromEntries(objectsIn(list).map(({ key, value }) => [textOf(key), valueOf(value)]))

/** All spans of an export, which a file has one of on each line. */
const spansOf = (resourceSpans: unknown): Fields[] =>
  objectsIn(resourceSpans)
    .flatMap(({ scopeSpans }) => objectsIn(scopeSpans))
    .flatMap(({ spans }) => objectsIn(spans))

const HOW =
  'set OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental and ' +
  'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY'

/** Spans around a chat, of agents and tools, repeat its messages. */
const CHATS = new Set(['chat', 'generate_content'])
const SKIPPED_PARTS = new Set(['reasoning', 'thinking'])
const TEXT_OR_TOOL = new Set(['text', 'tool_call', 'tool_call_response'])

const isImage = ({ type, modality }: Fields): boolean =>
  modality === 'image' && (type === 'blob' || type === 'uri')

const isReadable = (part: Fields): boolean =>
  TEXT_OR_TOOL.has(textOf(part['type'])) || SKIPPED_PARTS.has(textOf(part['type'])) || isImage(part)

const contentPart = (part: Fields): ContentPart[] => {
  if (part['type'] === 'text') return [{ type: 'text', text: textOf(part['content']) }]
  if (!isImage(part)) return []
  const { uri, mime_type, content } = part
  const url = uri ?? `data:${textOf(mime_type)};base64,${textOf(content)}`
  return [{ type: 'image_url', image_url: { url } }]
}

/** The schema calls a result `response`; before 1.38 it was `result`. */
const toolMessage = ({ id, response, result }: Fields): ChatMessage => ({
  role: 'tool',
  tool_call_id: textOf(id),
  content: textOf(response ?? result),
})

const partsOf = ({ parts, content }: Fields): Fields[] =>
  parts === undefined && typeof content === 'string'
    ? [{ type: 'text', content }]
    : objectsIn(parts)

const callsOf = (parts: Fields[]): Fields[] =>
  parts
    .filter(({ type }) => type === 'tool_call')
    .map(({ id, name, arguments: given }) => callOf(id, name, given))

const messagesOf = (message: Fields): ChatMessage[] => {
  const parts = partsOf(message)
  const results = parts.filter(({ type }) => type === 'tool_call_response').map(toolMessage)
  const content = parts.flatMap(contentPart)
  const calls = callsOf(parts)
  if (content.length + calls.length === 0) return results
  const own: ChatMessage = { role: textOf(message['role']), content: contentOf(content) }
  return [...results, calls.length === 0 ? own : { ...own, tool_calls: calls }]
}

/** Of the schema, of chat completions or of Anthropic's messages: a definition is in its system's own format. */
const toolOf = (tool: Fields): Fields => {
  if (isFields(tool['function'])) return tool
  const { name, description, parameters, input_schema } = tool
  const schema = parameters ?? input_schema
  return {
    type: 'function',
    function: {
      name,
      ...(typeof description === 'string' && { description }),
      ...(!isEmpty(schema) && { parameters: schema }),
    },
  }
}

const PARAMETERS: Record<string, string> = {
  temperature: 'temperature',
  top_p: 'top_p',
  top_k: 'top_k',
  max_tokens: 'max_tokens',
  seed: 'seed',
  frequency_penalty: 'frequency_penalty',
  presence_penalty: 'presence_penalty',
  stop_sequences: 'stop',
  'choice.count': 'n',
}

const parametersOf = (attributes: Fields): Fields =>
  Object.fromEntries(
    Object.entries(PARAMETERS).flatMap(([name, parameter]) => {
      const value =
        attributes[`gen_ai.request.${name}`] ?? attributes[`gen_ai.openai.request.${name}`]
      return isEmpty(value) ? [] : [[parameter, value]]
    })
  )

/** Some instrumentations of Anthropic's client write its count, which excludes the cache, as the input. */
const tokensOf = (attributes: Fields): Tokens => {
  const count = (...names: string[]): number | null =>
    countOf(
      names.map((name) => attributes[`gen_ai.usage.${name}`]).find((value) => value !== undefined)
    )
  const input = count('input_tokens', 'prompt_tokens')
  const cacheRead = count('cache_read.input_tokens', 'cache_read_input_tokens')
  const cacheWrite = count(
    'cache_creation.input_tokens',
    'cache_write.input_tokens',
    'cache_creation_input_tokens'
  )
  const cache = (cacheRead ?? 0) + (cacheWrite ?? 0)
  return {
    input: input !== null && cache > input ? input + cache : input,
    output: count('output_tokens', 'completion_tokens'),
    cacheRead,
    cacheWrite,
  }
}

const FINISH_REASONS = new Map<string, FinishReason>(
  Object.entries({
    stop: 'stop',
    length: 'length',
    content_filter: 'content_filter',
    tool_call: 'tool_calls',
    tool_calls: 'tool_calls',
  })
)

interface Chat {
  messages: Fields[]
  answer: Partial<ChatMessage> | null
  finishReason: unknown
}

const answerOf = (output: Fields): Partial<ChatMessage> => {
  const parts = partsOf(output)
  const texts = parts.filter(({ type }) => type === 'text').map(({ content }) => textOf(content))
  return { content: answerText(texts), tool_calls: callsOf(parts) }
}

/** @returns null where the attributes have no messages; a text: why they cannot be read */
const chatOf = (attributes: Fields): Chat | string | null => {
  const input = objectsIn(unpacked(attributes['gen_ai.input.messages']))
  const system = unpacked(attributes['gen_ai.system_instructions'])
  const instructions =
    typeof system === 'string' ? [{ type: 'text', content: system }] : objectsIn(system)
  const [output] = objectsIn(unpacked(attributes['gen_ai.output.messages']))
  if (input.length === 0) return null
  const parts = [...instructions, ...[...input, ...(output ? [output] : [])].flatMap(partsOf)]
  const foreign = parts.find((part) => !isReadable(part))
  if (foreign !== undefined) return `it has a part of type ${nameOf(foreign['type'])}`
  const first = contentOf(instructions.flatMap(contentPart))
  return {
    messages: [
      ...(first === null ? [] : [{ role: 'system', content: first }]),
      ...input.flatMap(messagesOf),
    ],
    answer: output === undefined ? null : answerOf(output),
    finishReason: output?.['finish_reason'],
  }
}

const isChat = (attributes: Fields): boolean => {
  const operation = attributes['gen_ai.operation.name']
  return operation === undefined
    ? attributes['gen_ai.request.model'] !== undefined
    : CHATS.has(textOf(operation))
}

/** With the attributes of the event that may carry the messages for a span. */
const attributesOfSpan = ({ attributes, events }: Fields): Fields => {
  const details = objectsIn(events).find(
    ({ name }) => name === 'gen_ai.client.inference.operation.details'
  )
  return { ...attributesOf(details?.['attributes']), ...attributesOf(attributes) }
}

const readSpan = (span: Fields, attributes: Fields): Found => {
  const { traceId, spanId, startTimeUnixNano, events } = span
  const model = attributes['gen_ai.request.model'] ?? attributes['gen_ai.response.model']
  const chat = chatOf(attributes) ?? eventMessages(events)
  if (typeof chat === 'string') return { reason: `span ${nameOf(spanId)}: ${chat}` }
  if (chat === null)
    return { reason: `span ${nameOf(spanId)} has no gen_ai.input.messages: ${HOW}` }
  if (typeof model !== 'string')
    return { reason: `span ${nameOf(spanId)} has no gen_ai.request.model` }
  const tools = objectsIn(unpacked(attributes['gen_ai.tool.definitions']))
  const request = {
    ...parametersOf(attributes),
    model,
    messages: chat.messages,
    ...(tools.length > 0 && { tools: tools.map(toolOf) }),
  }
  const response =
    chat.answer &&
    completionOf({
      message: chat.answer,
      model,
      finishReason: FINISH_REASONS.get(textOf(chat.finishReason)) ?? null,
      usage: usageOf(tokensOf(attributes)),
    })
  const id = typeof spanId === 'string' ? `${textOf(traceId)}/${spanId}` : null
  return foundExchange(id, momentOf(startTimeUnixNano), request, response)
}

export const OPEN_TELEMETRY: LogForm = {
  name: "OpenTelemetry's GenAI spans (OTLP JSON)",
  read: (value) => {
    if ('resourceLogs' in value || 'resourceMetrics' in value)
      return [{ reason: 'it is an export of OpenTelemetry without spans: export traces' }]
    if (!Array.isArray(value['resourceSpans'])) return null
    const chats = spansOf(value['resourceSpans'])
      .map((span) => ({ span, attributes: attributesOfSpan(span) }))
      .filter(({ attributes }) => isChat(attributes))
    return chats.length === 0
      ? [{ reason: 'it has no span of a chat (gen_ai.operation.name chat)' }]
      : chats.map(({ span, attributes }) => readSpan(span, attributes))
  },
}
