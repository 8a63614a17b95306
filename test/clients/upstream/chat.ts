/** Chat completions of the mock: what is said follows from what was asked. */
import type OpenAI from 'openai'
import { chatRequest, type ChatRequest } from './chat-request.ts'
import { instanceOf } from './instance.ts'
import { requireModel } from './models.ts'
import { CREATED, eventStream, json, jsonBody, type Answer, type Call } from './wire.ts'

type Chunk = OpenAI.ChatCompletionChunk
type ToolCall = OpenAI.ChatCompletionMessageFunctionToolCall

interface Said {
  content: string | null
  toolCalls: ToolCall[]
}

/** A word with the blank before it; joined they give the text back. */
export const tokensOf = (text: string): string[] => text.match(/\s*\S+|\s+$/g) ?? []

const heard = (content: ChatRequest['messages'][number]['content']): string => {
  if (typeof content === 'string') return content
  return (content ?? [])
    .map((part) => {
      if (part.type === 'text') return part.text
      if (part.type === 'image_url') return `[image of ${part.image_url.url.length} characters]`
      return `[${part.input_audio.format} of ${part.input_audio.data.length} characters]`
    })
    .join(' ')
}

const calledTools = (request: ChatRequest): ToolCall[] => {
  const { tools = [], tool_choice: choice = 'auto', parallel_tool_calls: parallel = true } = request
  const isAnswered = request.messages.at(-1)!.role === 'tool'
  if (choice === 'none' || isAnswered) return []
  const wanted =
    typeof choice === 'object'
      ? tools.filter((tool) => tool.function.name === choice.function.name)
      : tools.slice(0, parallel ? tools.length : 1)
  return wanted.map(({ function: { name, parameters = {} } }, index) => ({
    id: `call_${name}_${index}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(instanceOf(parameters)) },
  }))
}

const textOf = (request: ChatRequest, choice: number): string => {
  const { messages, response_format: format } = request
  if (format?.type === 'json_schema') return JSON.stringify(instanceOf(format.json_schema.schema))
  if (format?.type === 'json_object') return JSON.stringify({ choice })
  const said = messages.map((message) => `${message.role}: ${heard(message.content)}`).join(' | ')
  return `Choice ${choice} – 回答 🙂 to ${said}`
}

const sayings = (request: ChatRequest): Said[] =>
  Array.from({ length: request.n ?? 1 }, (_, choice) => {
    const toolCalls = calledTools(request)
    return { toolCalls, content: toolCalls.length > 0 ? null : textOf(request, choice) }
  })

const tokenLogprob = (token: string, alternatives: number) => {
  const entry = { token, logprob: -0.25, bytes: [...Buffer.from(token)] }
  const top_logprobs = Array.from({ length: alternatives }, (_, index) => ({
    ...entry,
    logprob: -0.25 - index,
  }))
  return { ...entry, top_logprobs }
}

const logprobsOf = (request: ChatRequest, tokens: string[]) =>
  request.logprobs === true
    ? {
        content: tokens.map((token) => tokenLogprob(token, request.top_logprobs ?? 0)),
        refusal: null,
      }
    : null

const finishReason = ({ toolCalls }: Said) => (toolCalls.length > 0 ? 'tool_calls' : 'stop')

const usageOf = (request: ChatRequest, said: Said[]): OpenAI.CompletionUsage => {
  const prompt_tokens = tokensOf(JSON.stringify(request.messages)).length
  const completion_tokens = tokensOf(JSON.stringify(said)).length
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  }
}

const completionOf = (request: ChatRequest): OpenAI.ChatCompletion => {
  const said = sayings(request)
  return {
    id: 'chatcmpl-mock',
    object: 'chat.completion',
    created: CREATED,
    model: `${request.model}-2024-07-18`,
    choices: said.map(({ content, toolCalls }, index) => ({
      index,
      message: {
        role: 'assistant',
        content,
        refusal: null,
        annotations: [],
        ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}),
      },
      logprobs: logprobsOf(request, tokensOf(content ?? '')),
      finish_reason: finishReason({ content, toolCalls }),
    })),
    usage: usageOf(request, said),
    service_tier: 'default',
    system_fingerprint: 'fp_mock',
  }
}

type Delta = Chunk['choices'][number]['delta']

/** A call begins with its name; its arguments come in pieces behind it. */
const toolDeltas = (toolCalls: ToolCall[]): Delta[] =>
  toolCalls.flatMap(({ id, type, function: { name, arguments: text } }, index) => [
    { tool_calls: [{ index, id, type, function: { name, arguments: '' } }] },
    ...(text.match(/[^]{1,7}/gu) ?? []).map((piece) => ({
      tool_calls: [{ index, function: { arguments: piece } }],
    })),
  ])

const choiceChunks = (request: ChatRequest, said: Said, index: number): Chunk['choices'][] => {
  const choice = (delta: Delta, tokens: string[] = []): Chunk['choices'] => [
    { index, delta, logprobs: logprobsOf(request, tokens), finish_reason: null },
  ]
  return [
    choice({ role: 'assistant', content: said.content === null ? null : '', refusal: null }),
    ...tokensOf(said.content ?? '').map((token) => choice({ content: token }, [token])),
    ...toolDeltas(said.toolCalls).map((delta) => choice(delta)),
    [{ index, delta: {}, logprobs: null, finish_reason: finishReason(said) }],
  ]
}

/** The chunks of a streamed answer, the usage's included where it was asked for. */
const chunksOf = (request: ChatRequest): Chunk[] => {
  const said = sayings(request)
  const hasUsage = request.stream_options?.include_usage === true
  const chunk = (choices: Chunk['choices'], usage: Chunk['usage'] = null): Chunk => ({
    id: 'chatcmpl-mock',
    object: 'chat.completion.chunk',
    created: CREATED,
    model: `${request.model}-2024-07-18`,
    service_tier: 'default',
    system_fingerprint: 'fp_mock',
    choices,
    ...(hasUsage ? { usage } : {}),
  })
  return [
    ...said.flatMap((one, index) =>
      choiceChunks(request, one, index).map((choices) => chunk(choices))
    ),
    ...(hasUsage ? [chunk([], usageOf(request, said))] : []),
  ]
}

export const createChatCompletion = (call: Call): Answer => {
  const request = jsonBody(chatRequest, call)
  requireModel(request.model)
  if (request.stream !== true) return json(completionOf(request))
  const events = chunksOf(request).map((chunk): [null, unknown] => [null, chunk])
  return eventStream([...events, [null, '[DONE]']])
}
