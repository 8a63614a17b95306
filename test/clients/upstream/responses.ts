/** The Responses API of the mock, without state: text, structured output and functions. */
import type OpenAI from 'openai'
import { tokensOf } from './chat.ts'
import { instanceOf } from './instance.ts'
import { requireModel } from './models.ts'
import { responseRequest, type ResponseRequest } from './responses-request.ts'
import { CREATED, eventStream, json, jsonBody, type Answer, type Call } from './wire.ts'

type Response = OpenAI.Responses.Response
type Item = OpenAI.Responses.ResponseOutputMessage | OpenAI.Responses.ResponseFunctionToolCall
/** an event but for its number */
type Event = { type: string } & Record<string, unknown>

const textOf = ({ input, text }: ResponseRequest): string =>
  text?.format?.type === 'json_schema'
    ? JSON.stringify(instanceOf(text.format.schema))
    : `Response – 回答 🙂 to ${JSON.stringify(input)}`

const isAnswered = ({ input }: ResponseRequest): boolean =>
  Array.isArray(input) && input.some((item) => item.type === 'function_call_output')

const itemsOf = (request: ResponseRequest): Item[] => {
  const { tools = [], tool_choice: choice } = request
  if (tools.length > 0 && choice !== 'none' && !isAnswered(request))
    return tools.map(({ name, parameters }, index) => ({
      type: 'function_call',
      id: `fc_${index}`,
      call_id: `call_${name}_${index}`,
      name,
      arguments: JSON.stringify(instanceOf(parameters)),
      status: 'completed',
    }))
  const text = textOf(request)
  const part = { type: 'output_text' as const, text, annotations: [], logprobs: [] }
  return [{ type: 'message', id: 'msg_0', role: 'assistant', status: 'completed', content: [part] }]
}

const responseOf = (
  request: ResponseRequest,
  output: Item[],
  isDone: boolean
): Omit<Response, 'output_text'> => ({
  id: 'resp_mock',
  object: 'response',
  created_at: CREATED,
  status: isDone ? 'completed' : 'in_progress',
  error: null,
  incomplete_details: null,
  instructions: request.instructions ?? null,
  max_output_tokens: request.max_output_tokens ?? null,
  model: `${request.model}-2024-07-18`,
  output,
  parallel_tool_calls: request.parallel_tool_calls ?? true,
  temperature: 1,
  top_p: 1,
  tool_choice: 'auto',
  tools: [],
  metadata: {},
  usage: isDone
    ? {
        input_tokens: 11,
        input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: 18,
      }
    : undefined,
})

const messageEvents = (item: OpenAI.Responses.ResponseOutputMessage, place: Event): Event[] => {
  const part = item.content[0] as OpenAI.Responses.ResponseOutputText
  const inPart = { ...place, item_id: item.id, content_index: 0 }
  return [
    { ...inPart, type: 'response.content_part.added', part: { ...part, text: '' } },
    ...tokensOf(part.text).map((delta) => ({
      ...inPart,
      type: 'response.output_text.delta',
      delta,
      logprobs: [],
    })),
    { ...inPart, type: 'response.output_text.done', text: part.text, logprobs: [] },
    { ...inPart, type: 'response.content_part.done', part },
  ]
}

const callEvents = (item: OpenAI.Responses.ResponseFunctionToolCall, place: Event): Event[] => {
  const inItem = { ...place, item_id: item.id }
  return [
    { ...inItem, type: 'response.function_call_arguments.delta', delta: item.arguments },
    {
      ...inItem,
      type: 'response.function_call_arguments.done',
      name: item.name,
      arguments: item.arguments,
    },
  ]
}

const begun = (item: Item): Item =>
  item.type === 'message'
    ? { ...item, status: 'in_progress', content: [] }
    : { ...item, status: 'in_progress', arguments: '' }

const eventsOf = (request: ResponseRequest): Event[] => {
  const items = itemsOf(request)
  const before = responseOf(request, [], false)
  return [
    { type: 'response.created', response: before },
    { type: 'response.in_progress', response: before },
    ...items.flatMap((item, index): Event[] => {
      const place = { type: '', output_index: index }
      return [
        { ...place, type: 'response.output_item.added', item: begun(item) },
        ...(item.type === 'message' ? messageEvents(item, place) : callEvents(item, place)),
        { ...place, type: 'response.output_item.done', item },
      ]
    }),
    { type: 'response.completed', response: responseOf(request, items, true) },
  ]
}

export const createResponse = (call: Call): Answer => {
  const request = jsonBody(responseRequest, call)
  requireModel(request.model)
  if (request.stream !== true) return json(responseOf(request, itemsOf(request), true))
  return eventStream(
    eventsOf(request).map((event, sequence_number): [string, unknown] => [
      event.type,
      { ...event, sequence_number },
    ])
  )
}
