/** Chat completions of the mock. */
import type OpenAI from 'openai'
import { chatRefusal } from '../../kit/upstream/api-limits.ts'
import { piecesOf, tokensOf, type Asked, type Schema, type Speaker, type Turn } from './asked.ts'
import {
  bodyOf,
  CREATED,
  digestOf,
  eventStream,
  json,
  requireAnswered,
  requireModel,
  type Endpoint,
} from './wire.ts'

type Chunk = OpenAI.ChatCompletionChunk
type ToolCall = OpenAI.ChatCompletionMessageFunctionToolCall

interface Part {
  type: string
  text: string
  image_url: { url: string }
}

interface ChatRequest {
  model: string
  messages: { role: string; content?: string | Part[] | null }[]
  stream?: boolean
  stream_options?: { include_usage?: boolean }
  /** null is none, as LlamaIndex sends it */
  tools?: { function: { name: string; parameters?: Schema } }[] | null
  response_format?: { json_schema?: { schema: Schema } }
}

interface Said {
  content: string | null
  toolCalls: ToolCall[]
}

const partText = ({ type, text, image_url: image }: Part): string =>
  type === 'text' ? text : `[image of ${image.url.length} characters]`

const contentText = (content: string | Part[] | null | undefined): string =>
  typeof content === 'string' ? content : (content ?? []).map(partText).join(' ')

const ROLES: Record<string, Turn['role']> = { developer: 'system', tool: 'result' }

const askedOf = ({ messages, tools, response_format }: ChatRequest): Asked => ({
  turns: messages.map(({ role, content }) => ({
    role: ROLES[role] ?? (role as Turn['role']),
    text: contentText(content),
  })),
  tools: (tools ?? []).map(({ function: { name, parameters = {} } }) => ({ name, parameters })),
  schema: response_format?.json_schema?.schema ?? null,
})

const sayingOf = (request: ChatRequest, speak: Speaker): Said => {
  const { calls, text } = speak(askedOf(request))
  const toolCalls = calls.map((call, index) => ({
    id: `call_${digestOf({ request, index }).slice(0, 24)}`,
    type: 'function' as const,
    function: call,
  }))
  return { toolCalls, content: calls.length > 0 ? null : text }
}

const finishReason = ({ toolCalls }: Said) => (toolCalls.length > 0 ? 'tool_calls' : 'stop')

const usageOf = (request: ChatRequest, said: Said): OpenAI.CompletionUsage => {
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

const completionOf = (request: ChatRequest, said: Said): OpenAI.ChatCompletion => ({
  id: idOf(request),
  object: 'chat.completion',
  created: CREATED,
  model: `${request.model}-2024-07-18`,
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: said.content,
        refusal: null,
        annotations: [],
        ...(said.toolCalls.length > 0 ? { tool_calls: said.toolCalls } : {}),
      },
      logprobs: null,
      finish_reason: finishReason(said),
    },
  ],
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

const choiceOf = (
  delta: Delta,
  finish_reason: Chunk['choices'][number]['finish_reason'] = null
): Chunk['choices'] => [{ index: 0, delta, logprobs: null, finish_reason }]

const choicesOf = (said: Said): Chunk['choices'][] => [
  choiceOf({ role: 'assistant', content: said.content === null ? null : '', refusal: null }),
  ...tokensOf(said.content ?? '').map((content) => choiceOf({ content })),
  ...toolDeltas(said.toolCalls).map((delta) => choiceOf(delta)),
  choiceOf({}, finishReason(said)),
]

/** The chunks of a streamed answer, the usage's included where it was asked for. */
const chunksOf = (request: ChatRequest, said: Said): Chunk[] => {
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
    ...choicesOf(said).map((choices) => chunk(choices)),
    ...(hasUsage ? [chunk([], usageOf(request, said))] : []),
  ]
}

export const createChatCompletion =
  (speak: Speaker): Endpoint =>
  (call) => {
    const request = bodyOf<ChatRequest>(call)
    requireModel(request.model)
    requireAnswered(chatRefusal({ ...request }))
    const said = sayingOf(request, speak)
    if (request.stream !== true) return json(completionOf(request, said))
    const events = chunksOf(request, said).map((chunk): [null, unknown] => [null, chunk])
    return eventStream([...events, [null, '[DONE]']])
  }
