/** One exchange as each form of logs has it, by the definitions that `src/core/log/forms` names. */
import type { ChatMessage } from '../../../src/openai/chat.ts'

export interface Asked {
  /** of the exchange, from 0 */
  number: number
  /** milliseconds since the epoch */
  at: number
  model: string
  messages: ChatMessage[]
  answer: string
}

const INPUT = 1200
const CACHED = 1024
const OUTPUT = 4

const usage = {
  prompt_tokens: INPUT,
  completion_tokens: OUTPUT,
  total_tokens: INPUT + OUTPUT,
  prompt_tokens_details: { cached_tokens: CACHED },
}

const completion = ({ number, at, model, answer }: Asked) => ({
  id: `chatcmpl-${number}`,
  object: 'chat.completion',
  created: Math.floor(at / 1000),
  model,
  choices: [{ index: 0, message: { role: 'assistant', content: answer }, finish_reason: 'stop' }],
  usage,
})

const attribute = (key: string, value: object) => ({ key, value })
const text = (key: string, value: string) => attribute(key, { stringValue: value })
const count = (key: string, value: number) => attribute(key, { intValue: String(value) })

const parts = (content: ChatMessage['content']) => [{ type: 'text', content }]

const span = (asked: Asked) => ({
  traceId: '5b8efff798038103d269b633813fc60c',
  spanId: String(asked.number).padStart(16, '0'),
  name: `chat ${asked.model}`,
  kind: 3,
  startTimeUnixNano: `${asked.at}000000`,
  attributes: [
    text('gen_ai.operation.name', 'chat'),
    text('gen_ai.request.model', asked.model),
    text(
      'gen_ai.system_instructions',
      JSON.stringify(
        asked.messages
          .filter(({ role }) => role === 'system')
          .flatMap(({ content }) => parts(content))
      )
    ),
    text(
      'gen_ai.input.messages',
      JSON.stringify(
        asked.messages
          .filter(({ role }) => role !== 'system')
          .map(({ role, content }) => ({ role, parts: parts(content) }))
      )
    ),
    text(
      'gen_ai.output.messages',
      JSON.stringify([{ role: 'assistant', parts: parts(asked.answer), finish_reason: 'stop' }])
    ),
    count('gen_ai.usage.input_tokens', INPUT),
    count('gen_ai.usage.output_tokens', OUTPUT),
    count('gen_ai.usage.cache_read.input_tokens', CACHED),
  ],
})

/** Form → the exchange in it, as one JSON value. */
export const IN_FORMS: Record<string, (asked: Asked) => object> = {
  direct: (asked) => ({
    at: asked.at,
    request: { model: asked.model, messages: asked.messages },
    response: completion(asked),
  }),
  langfuse: (asked) => ({
    id: `obs-${asked.number}`,
    traceId: 'trace',
    type: 'GENERATION',
    startTime: new Date(asked.at).toISOString(),
    model: asked.model,
    modelParameters: {},
    input: asked.messages,
    output: { role: 'assistant', content: asked.answer },
    usageDetails: {
      input: INPUT - CACHED,
      input_cached_tokens: CACHED,
      output: OUTPUT,
      total: INPUT + OUTPUT,
    },
  }),
  openTelemetry: (asked) => ({
    resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans: [span(asked)] }] }],
  }),
  liteLlm: (asked) => ({
    request_id: `chatcmpl-${asked.number}`,
    call_type: 'acompletion',
    startTime: new Date(asked.at).toISOString().replace('T', ' ').replace('Z', ''),
    model: asked.model,
    model_group: asked.model,
    prompt_tokens: INPUT,
    completion_tokens: OUTPUT,
    status: 'success',
    messages: {},
    proxy_server_request: { model: asked.model, messages: asked.messages },
    response: completion(asked),
  }),
  storedCompletions: (asked) => ({
    ...completion(asked),
    request_id: `req_${asked.number}`,
    tools: null,
    tool_choice: null,
    response_format: null,
    temperature: 1,
    top_p: 1,
    seed: asked.number,
    input_user: null,
    metadata: {},
    messages: {
      object: 'list',
      data: asked.messages.map(({ role, content }, place) => ({
        id: `chatcmpl-${asked.number}-${place}`,
        role,
        content,
        name: null,
        content_parts: null,
      })),
    },
  }),
  anthropic: (asked) => ({
    at: asked.at,
    request: {
      model: asked.model,
      system: asked.messages[0]!.content,
      messages: asked.messages.slice(1),
    },
    response: {
      id: `msg_${asked.number}`,
      type: 'message',
      role: 'assistant',
      model: asked.model,
      content: [{ type: 'text', text: asked.answer }],
      stop_reason: 'end_turn',
      usage: {
        input_tokens: INPUT - CACHED,
        cache_read_input_tokens: CACHED,
        cache_creation_input_tokens: 0,
        output_tokens: OUTPUT,
      },
    },
  }),
}
