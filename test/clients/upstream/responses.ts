/** The Responses API of the mock, which remembers its answers: text, structured output and functions. */
import { ResponsesLimits } from '../../fixtures/api-limits.ts'
import { piecesOf, tokensOf, type Asked, type Schema, type Speaker, type Turn } from './asked.ts'
import { requireModel } from './rest.ts'
import {
  bodyOf,
  CREATED,
  digestOf,
  eventStream,
  json,
  requireAnswered,
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
  choice: 0,
})

const itemsOf = (id: string, asked: Asked, speak: Speaker): Fields[] => {
  const { calls, text } = speak(asked)
  const idOf = (prefix: string, index: number): string =>
    `${prefix}_${digestOf({ id, index }).slice(0, 48)}`
  if (calls.length > 0)
    return calls.map(({ name, arguments: json }, index) => ({
      type: 'function_call',
      id: idOf('fc', index),
      call_id: idOf('call', index).slice(0, 29),
      name,
      arguments: json,
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
  input_tokens_details: { cached_tokens: 0 },
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
  tools: request.tools ?? [],
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

const eventsOf = (id: string, request: ResponseRequest, output: Fields[]): Event[] => [
  { type: 'response.created', response: responseOf(id, request, null) },
  { type: 'response.in_progress', response: responseOf(id, request, null) },
  ...output.flatMap((item, index) =>
    item['type'] === 'message' ? messageEvents(item, index) : callEvents(item, index)
  ),
  { type: 'response.completed', response: responseOf(id, request, output) },
]

const answerTo = (id: string, request: ResponseRequest, output: Fields[]): Answer => {
  if (request.stream !== true) return json(responseOf(id, request, output))
  return eventStream(
    eventsOf(id, request, output).map((event, sequence_number): [string, unknown] => [
      event.type,
      { ...event, sequence_number },
    ])
  )
}

/** Given before the test began, and the item of theirs. */
const EARLIER = ['resp_1', 'resp_before']
const EARLIER_ITEM = { id: 'msg_1', type: 'message', role: 'user', content: 'Hi.' }

export const createResponses = (speak: Speaker): Endpoint => {
  const limits = new ResponsesLimits()
  for (const id of EARLIER) limits.remember(id, [], [EARLIER_ITEM])
  return (call) => {
    const request = bodyOf<ResponseRequest>(call)
    requireModel(request.model)
    requireAnswered(limits.refusal({ ...request }))
    const id = `resp_${digestOf(request).slice(0, 48)}`
    const conversation = limits.conversation({ ...request })
    const output = itemsOf(id, askedOf(request, conversation), speak)
    if (request.store !== false) limits.remember(id, conversation, output)
    return answerTo(id, request, output)
  }
}
