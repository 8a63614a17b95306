/** The Responses API of the mock over HTTP and WebSocket, which remembers its answers: text, structured output, functions. */
import { ResponsesLimits } from '../../kit/upstream/api-limits.ts'
import type { Serve } from '../../kit/upstream/websocket-upstream.ts'
import { piecesOf, tokensOf, type Asked, type Schema, type Speaker, type Turn } from './asked.ts'
import {
  bodyOf,
  CREATED,
  digestOf,
  eventStream,
  json,
  Refusal,
  requireAnswered,
  requireModel,
  type Answer,
  type Endpoint,
} from './wire.ts'

type Fields = Record<string, unknown>

interface ResponseRequest {
  model: string
  input: string | Fields[]
  instructions?: string | null
  previous_response_id?: string | null
  stream?: boolean
  store?: boolean
  metadata?: object
  temperature?: number
  top_p?: number
  parallel_tool_calls?: boolean
  tool_choice?: unknown
  tools?: { type: string; name: string; parameters: Schema }[]
  text?: { format?: { schema?: Schema } }
}

interface Part {
  type: string
  text?: string
}

const textOf = (content: unknown): string =>
  typeof content === 'string'
    ? content
    : ((content ?? []) as Part[]).map(({ type, text }) => text ?? `[${type}]`).join(' ')

const turnOf = ({ type = 'message', role, content, output }: Fields): Turn[] => {
  if (type === 'function_call_output') return [{ role: 'result', text: textOf(output) }]
  if (type !== 'message') return []
  return [{ role: role === 'developer' ? 'system' : (role as Turn['role']), text: textOf(content) }]
}

const askedOf = (request: ResponseRequest, conversation: Fields[]): Asked => ({
  turns: [
    ...(request.instructions ? [{ role: 'system' as const, text: request.instructions }] : []),
    ...conversation.flatMap(turnOf),
  ],
  tools: (request.tools ?? []).filter(({ type }) => type === 'function'),
  schema: request.text?.format?.schema ?? null,
})

const itemsOf = (id: string, asked: Asked, speak: Speaker): Fields[] => {
  const { calls, text } = speak(asked)
  const idOf = (prefix: string, index: number): string =>
    `${prefix}_${digestOf({ id, index }).slice(0, 48)}`
  if (calls.length > 0)
    return calls.map(({ name, arguments: given }, index) => ({
      type: 'function_call',
      id: idOf('fc', index),
      call_id: idOf('call', index).slice(0, 29),
      name,
      arguments: given,
      status: 'completed',
    }))
  return [
    {
      type: 'message',
      id: idOf('msg', 0),
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text, annotations: [], logprobs: [] }],
    },
  ]
}

const USAGE = {
  input_tokens: 11,
  input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 18,
}

/** @param output null while it is made */
const responseOf = (id: string, request: ResponseRequest, output: Fields[] | null): Fields => ({
  id,
  object: 'response',
  created_at: CREATED,
  completed_at: output === null ? null : CREATED,
  status: output === null ? 'in_progress' : 'completed',
  background: false,
  error: null,
  incomplete_details: null,
  instructions: request.instructions ?? null,
  max_output_tokens: null,
  max_tool_calls: null,
  model: `${request.model}-2024-07-18`,
  output: output ?? [],
  parallel_tool_calls: request.parallel_tool_calls ?? true,
  previous_response_id: request.previous_response_id ?? null,
  reasoning: { effort: null, summary: null },
  service_tier: 'default',
  store: request.store ?? true,
  temperature: request.temperature ?? 1,
  text: { format: { type: 'text' }, verbosity: 'medium', ...request.text },
  tool_choice: request.tool_choice ?? 'auto',
  tools: (request.tools ?? []).map((tool) => ({ strict: true, ...tool })),
  top_logprobs: 0,
  top_p: request.top_p ?? 1,
  truncation: 'disabled',
  usage: output === null ? null : USAGE,
  user: null,
  metadata: request.metadata ?? {},
})

type Event = { type: string } & Fields

const callEvents = (item: Fields, output_index: number): Event[] => {
  const place = { item_id: item['id'], output_index }
  const text = String(item['arguments'])
  const started = { ...item, arguments: '', status: 'in_progress' }
  return [
    { type: 'response.output_item.added', output_index, item: started },
    ...piecesOf(text).map((delta) => ({
      type: 'response.function_call_arguments.delta',
      ...place,
      delta,
    })),
    {
      type: 'response.function_call_arguments.done',
      ...place,
      name: item['name'],
      arguments: text,
    },
    { type: 'response.output_item.done', output_index, item },
  ]
}

const messageEvents = (item: Fields, output_index: number): Event[] => {
  const place = { item_id: item['id'], output_index, content_index: 0 }
  const [part] = item['content'] as [{ text: string }]
  const { text } = part
  const started = { ...item, content: [], status: 'in_progress' }
  return [
    { type: 'response.output_item.added', output_index, item: started },
    { type: 'response.content_part.added', ...place, part: { ...part, text: '' } },
    ...tokensOf(text).map((delta) => ({
      type: 'response.output_text.delta',
      ...place,
      delta,
      logprobs: [],
    })),
    { type: 'response.output_text.done', ...place, text, logprobs: [] },
    { type: 'response.content_part.done', ...place, part },
    { type: 'response.output_item.done', output_index, item },
  ]
}

const eventsOf = (id: string, request: ResponseRequest, output: Fields[]): Event[] => {
  const events: Event[] = [
    { type: 'response.created', response: responseOf(id, request, null) },
    { type: 'response.in_progress', response: responseOf(id, request, null) },
    ...output.flatMap((item, index) =>
      item['type'] === 'message' ? messageEvents(item, index) : callEvents(item, index)
    ),
    { type: 'response.completed', response: responseOf(id, request, output) },
  ]
  return events.map((event, sequence_number) => ({ ...event, sequence_number }))
}

/** Given before the test began, and the item of theirs. */
const EARLIER = ['resp_1', 'resp_before']
const EARLIER_ITEM = { id: 'msg_1', type: 'message', role: 'user', content: 'Hi.' }

interface Answered {
  id: string
  output: Fields[]
  conversation: Fields[]
}

class ResponsesApi {
  readonly kept = new ResponsesLimits()

  constructor(private readonly speak: Speaker) {
    for (const id of EARLIER) this.kept.remember(id, [], [EARLIER_ITEM])
  }

  /** @param limits what the API knows @throws Refusal */
  answer(request: ResponseRequest, limits = this.kept): Answered {
    requireModel(request.model)
    requireAnswered(limits.refusal({ ...request }))
    const id = `resp_${digestOf(request).slice(0, 48)}`
    const conversation = limits.conversation({ ...request })
    return { id, conversation, output: itemsOf(id, askedOf(request, conversation), this.speak) }
  }
}

const httpAnswer = (id: string, request: ResponseRequest, output: Fields[]): Answer =>
  request.stream === true
    ? eventStream(eventsOf(id, request, output).map((event) => [event.type, event]))
    : json(responseOf(id, request, output))

/** `POST /v1/responses` and `POST /v1/responses/compact`. */
export const createResponses = (speak: Speaker): { create: Endpoint; compact: Endpoint } => {
  const api = new ResponsesApi(speak)
  return {
    create: (call) => {
      const request = bodyOf<ResponseRequest>(call)
      const { id, conversation, output } = api.answer(request)
      if (request.store !== false) api.kept.remember(id, conversation, output)
      return httpAnswer(id, request, output)
    },
    compact: (call) => {
      const request = bodyOf<ResponseRequest>(call)
      const { id, conversation } = api.answer(request)
      const output = [
        ...conversation.filter(({ role }) => role === 'user'),
        { id: `cmp_${id.slice(5)}`, type: 'compaction', encrypted_content: 'c2xhdGU=' },
      ]
      return json({ id, object: 'response.compaction', created_at: CREATED, output, usage: USAGE })
    },
  }
}

const errorEvent = (error: unknown): Fields => {
  if (!(error instanceof Refusal)) throw error
  const { status, message, code, param } = error
  return { type: 'error', status, error: { type: 'invalid_request_error', code, message, param } }
}

/**
 * The API over WebSocket. A connection keeps its newest response that is not stored; one that cannot be continued is
 * forgotten.
 */
export const serveResponses = (speak: Speaker): Serve => {
  const api = new ResponsesApi(speak)
  return (socket) => {
    let own = new ResponsesLimits()
    const answer = ({ type, ...request }: ResponseRequest & { type: string }): Fields[] => {
      if (type !== 'response.create') throw new Refusal(400, `Unknown event: ${type}`, null)
      const isOwn = own.knows(String(request.previous_response_id))
      const limits = isOwn ? own : api.kept
      if (isOwn) own = new ResponsesLimits()
      const { id, conversation, output } = api.answer(request, limits)
      const memory = request.store === false ? own : api.kept
      memory.remember(id, conversation, output)
      return eventsOf(id, request, output)
    }
    socket.on('message', (data) => {
      let events: Fields[]
      try {
        events = answer(JSON.parse(String(data)) as ResponseRequest & { type: string })
      } catch (error) {
        events = [errorEvent(error)]
      }
      for (const event of events) socket.send(JSON.stringify(event))
    })
  }
}
