/**
 * Pairs of a request and an answer of Anthropic's `POST /v1/messages`, as chat completions. A line is
 * `{request, response}` with both bodies, or the request's members with the answer as `response`.
 *
 * Defined by Anthropic's API reference, "Create a Message"; the names were checked against the types of the client
 * `anthropic` 2.14.0 (`types/message_create_params.py`, `types/message.py`, `types/usage.py`). What a chat completion
 * cannot say (tools that run at Anthropic, documents, citations) makes a line unreadable: without it the answer would
 * not follow from the request.
 */
import type { ChatMessage, ContentPart, FinishReason } from '../../../openai/chat.ts'
import { answerText, callOf, completionOf, contentOf, usageOf } from './chat.ts'
import {
  countOf,
  fieldsIn,
  membersOf,
  nameOf,
  objectsIn,
  textOf,
  unpacked,
  foundExchange,
  type Found,
  type LogForm,
  momentOf,
} from './fields.ts'
import { isFields, type Fields } from '../../../openai/fields.ts'

/** Of a message that is asked with; a model's thoughts are not part of a chat completion. */
const READ_BLOCKS = new Set(['text', 'image', 'tool_use', 'tool_result'])
const THOUGHTS = new Set(['thinking', 'redacted_thinking'])

const FINISH_REASONS = new Map<string, FinishReason>(
  Object.entries({
    end_turn: 'stop',
    stop_sequence: 'stop',
    max_tokens: 'length',
    model_context_window_exceeded: 'length',
    tool_use: 'tool_calls',
    refusal: 'content_filter',
  })
)

/** Of the same name and meaning in both APIs, or without one in chat completions. */
const KEPT = ['max_tokens', 'temperature', 'top_p', 'top_k', 'stream', 'thinking', 'service_tier']

const blocksOf = (content: unknown): Fields[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : objectsIn(content)

const isThought = ({ type }: Fields): boolean => THOUGHTS.has(textOf(type))

/** @returns the type of the first block that a chat completion cannot hold */
const foreignBlock = (blocks: Fields[]): string | undefined =>
  blocks
    .filter((block) => !isThought(block))
    .flatMap((block) =>
      block['type'] === 'tool_result' ? [block, ...blocksOf(block['content'])] : [block]
    )
    .map(({ type }) => textOf(type))
    .find((type) => !READ_BLOCKS.has(type))

const partOf = ({ type, text, source }: Fields): ContentPart[] => {
  if (type === 'text') return [{ type: 'text', text: textOf(text) }]
  if (type !== 'image') return []
  const { url, media_type, data } = fieldsIn(source)
  const address = url ?? `data:${textOf(media_type)};base64,${textOf(data)}`
  return [{ type: 'image_url', image_url: { url: address } }]
}

const toolMessage = ({ tool_use_id, content }: Fields): ChatMessage => ({
  role: 'tool',
  tool_call_id: textOf(tool_use_id),
  content: contentOf(blocksOf(content).flatMap(partOf)) ?? '',
})

const callsOf = (blocks: Fields[]): Fields[] =>
  blocks
    .filter(({ type }) => type === 'tool_use')
    .map(({ id, name, input }) => callOf(id, name, input))

/** Results of tools are messages of their own, before what the user says with them. */
const messagesOf = ({ role, content }: Fields): ChatMessage[] => {
  const blocks = blocksOf(content)
  const results = blocks.filter(({ type }) => type === 'tool_result').map(toolMessage)
  const parts = blocks.flatMap(partOf)
  const calls = callsOf(blocks)
  if (parts.length + calls.length === 0) return results
  const own: ChatMessage = { role: textOf(role), content: contentOf(parts) }
  return [...results, calls.length === 0 ? own : { ...own, tool_calls: calls }]
}

const toolOf = ({ name, description, input_schema }: Fields): Fields => ({
  type: 'function',
  function: { name, ...(description !== undefined && { description }), parameters: input_schema },
})

const CHOICES = new Map([
  ['auto', 'auto'],
  ['any', 'required'],
  ['none', 'none'],
])

const choiceOf = ({ type, name, disable_parallel_tool_use }: Fields): Fields => ({
  tool_choice:
    type === 'tool'
      ? { type: 'function', function: { name } }
      : (CHOICES.get(textOf(type)) ?? 'auto'),
  ...(disable_parallel_tool_use === true && { parallel_tool_calls: false }),
})

const formatOf = (config: unknown): Fields => {
  const { schema } = fieldsIn(fieldsIn(config)['format'])
  return isFields(schema)
    ? {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'answer', schema, strict: true },
        },
      }
    : {}
}

const requestOf = (body: Fields): Fields => {
  const { model, system, messages, tools, tool_choice, stop_sequences, metadata } = body
  const instructions = contentOf(blocksOf(system).flatMap(partOf))
  const user = fieldsIn(metadata)['user_id']
  return {
    ...(model !== undefined && { model }),
    messages: [
      ...(instructions === null ? [] : [{ role: 'system', content: instructions }]),
      ...(messages as Fields[]).flatMap(messagesOf),
    ],
    ...(Array.isArray(tools) && tools.length > 0 && { tools: tools.filter(isFields).map(toolOf) }),
    ...(isFields(tool_choice) && choiceOf(tool_choice)),
    ...(Array.isArray(stop_sequences) && { stop: stop_sequences }),
    ...formatOf(body['output_config']),
    ...membersOf(body, KEPT),
    ...(typeof user === 'string' && { user }),
  }
}

/** Anthropic's input excludes what the cache read and wrote. */
const tokensOf = (usage: Fields) => {
  const input = countOf(usage['input_tokens'])
  const cacheRead = countOf(usage['cache_read_input_tokens'])
  const cacheWrite = countOf(usage['cache_creation_input_tokens'])
  return {
    input: input === null ? null : input + (cacheRead ?? 0) + (cacheWrite ?? 0),
    output: countOf(usage['output_tokens']),
    cacheRead,
    cacheWrite,
  }
}

const responseOf = ({ content, model, stop_reason, usage }: Fields): Fields => {
  const blocks = blocksOf(content)
  const texts = blocks.filter(({ type }) => type === 'text').map(({ text }) => textOf(text))
  return completionOf({
    message: { content: answerText(texts), tool_calls: callsOf(blocks) },
    model: textOf(model),
    finishReason: FINISH_REASONS.get(textOf(stop_reason)) ?? null,
    usage: usageOf(tokensOf(fieldsIn(usage))),
  })
}

/** Whether a value is an answer of `/v1/messages`. */
export const isAnthropicAnswer = (value: unknown): value is Fields =>
  isFields(value) && value['type'] === 'message' && Array.isArray(value['content'])

const fault = (body: Fields, answer: Fields): string | null => {
  const { messages, system, tools } = body
  if (!Array.isArray(messages) || messages.length === 0 || !messages.every(isFields))
    return 'its request to Anthropic has no messages: log the whole body of the request'
  const asked = messages.flatMap(({ content }) => blocksOf(content))
  const block = foreignBlock([...blocksOf(system), ...asked, ...blocksOf(answer['content'])])
  if (block !== undefined)
    return `it has a block of type ${nameOf(block)}, which chat completions have not`
  const hosted = (Array.isArray(tools) ? tools : []).find(
    (tool) => !isFields(tool) || !isFields(tool['input_schema'])
  )
  return hosted === undefined ? null : 'it has a tool that runs at Anthropic'
}

/**
 * The exchange of two bodies of `/v1/messages`.
 * @param id that the log gave it; by default the answer's
 */
export const anthropicExchange = (
  body: Fields,
  answer: Fields,
  at: number | null,
  id: unknown = answer['id']
): Found => {
  const reason = fault(body, answer)
  if (reason !== null) return { reason }
  return foundExchange(id, at, requestOf(body), responseOf(answer))
}

export const ANTHROPIC: LogForm = {
  name: "pairs of Anthropic's /v1/messages",
  read: (line) => {
    const answer = unpacked(line['response'])
    if (!isAnthropicAnswer(answer)) return null
    const body = line['request'] === undefined ? line : fieldsIn(line['request'])
    const times = [line['at'], line['created'], line['created_at']].map(momentOf)
    return [anthropicExchange(body, answer, times.find((time) => time !== null) ?? null)]
  },
}
