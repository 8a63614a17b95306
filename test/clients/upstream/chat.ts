/** Chat completions of the mock. */
import type OpenAI from 'openai'
import { chatRefusal } from '../../kit/upstream/api-limits.ts'
import { piecesOf, tokensOf, type Asked, type Schema, type Speaker, type Turn } from './asked.ts'
import { requireModel } from './rest.ts'
import {
  bodyOf,
  CREATED,
  digestOf,
  eventStream,
  json,
  requireAnswered,
  type Endpoint,
} from './wire.ts'

type Chunk = OpenAI.ChatCompletionChunk
type ToolCall = OpenAI.ChatCompletionMessageFunctionToolCall

interface Part {
  type: string
  text: string
  image_url: { url: string }
  input_audio: { data: string; format: string }
}

interface ChatRequest {
  model: string
  messages: { role: string; content?: string | Part[] | null }[]
  stream?: boolean
  stream_options?: { include_usage?: boolean }
  /** null is none, as LlamaIndex sends it */
  tools?: { function: { name: string; parameters?: Schema } }[] | null
  response_format?: { json_schema?: { schema: Schema } }
  n?: number
  logprobs?: boolean
  top_logprobs?: number
}

interface Said {
  content: string | null
  toolCalls: ToolCall[]
}

const partText = ({ type, text, image_url: image, input_audio: audio }: Part): string => {
  if (type === 'text') return text
  if (type === 'image_url') return `[image of ${image.url.length} characters]`
  return `[${audio.format} of ${audio.data.length} characters]`
}

const contentText = (content: string | Part[] | null | undefined): string =>
  typeof content === 'string' ? content : (content ?? []).map(partText).join(' ')

const ROLES: Record<string, Turn['role']> = { developer: 'system', tool: 'result' }

const askedOf = ({ messages, tools, response_format }: ChatRequest, choice: number): Asked => ({
  turns: messages.map(({ role, content }) => ({
    role: ROLES[role] ?? (role as Turn['role']),
    text: contentText(content),
  })),
  tools: (tools ?? []).map(({ function: { name, parameters = {} } }) => ({ name, parameters })),
  schema: response_format?.json_schema?.schema ?? null,
  choice,
})

const sayings = (request: ChatRequest, speak: Speaker): Said[] =>
  Array.from({ length: request.n ?? 1 }, (_, choice) => {
    const { calls, text } = speak(askedOf(request, choice))
    const toolCalls = calls.map((call, index) => ({
      id: `call_${digestOf({ request, choice, index }).slice(0, 24)}`,
      type: 'function' as const,
      function: call,
    }))
    return { toolCalls, content: calls.length > 0 ? null : text }
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

const idOf = (request: ChatRequest): string => `chatcmpl-mock${digestOf(request).slice(0, 25)}`

const completionOf = (request: ChatRequest, said: Said[]): OpenAI.ChatCompletion => ({
  id: idOf(request),
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
})

type Delta = Chunk['choices'][number]['delta']

/** A call begins with its name; its arguments come in pieces behind it. */
const toolDeltas = (toolCalls: ToolCall[]): Delta[] =>
  toolCalls.flatMap(({ id, type, function: { name, arguments: text } }, index) => [
    { tool_calls: [{ index, id, type, function: { name, arguments: '' } }] },
    ...piecesOf(text).map((piece) => ({
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
const chunksOf = (request: ChatRequest, said: Said[]): Chunk[] => {
  const hasUsage = request.stream_options?.include_usage === true
  const chunk = (choices: Chunk['choices'], usage: Chunk['usage'] = null): Chunk => ({
    id: idOf(request),
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

export const createChatCompletion =
  (speak: Speaker): Endpoint =>
  (call) => {
    const request = bodyOf<ChatRequest>(call)
    requireModel(request.model)
    requireAnswered(chatRefusal({ ...request }))
    const said = sayings(request, speak)
    if (request.stream !== true) return json(completionOf(request, said))
    const events = chunksOf(request, said).map((chunk): [null, unknown] => [null, chunk])
    return eventStream([...events, [null, '[DONE]']])
  }
