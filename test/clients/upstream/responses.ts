/** The Responses API of the mock, which remembers its answers: text, structured output and functions. */
import { instanceOf, tokensOf, type Schema } from './chat.ts'
import { requireModel } from './rest.ts'
import { ResponsesLimits } from '../../fixtures/api-limits.ts'
import {
  bodyOf,
  CREATED,
  eventStream,
  json,
  requireAnswered,
  type Answer,
  type Endpoint,
} from './wire.ts'

interface ResponseRequest {
  model: string
  input: string | { type?: string }[]
  stream?: boolean
  tools?: { type: string; name: string; parameters: Schema }[]
  text?: { format?: { schema?: Schema } }
}

const textOf = ({ input, text }: ResponseRequest): string =>
  text?.format?.schema === undefined
    ? `Response – 回答 🙂 to ${JSON.stringify(input)}`
    : JSON.stringify(instanceOf(text.format.schema))

const callsOf = ({ input, tools = [] }: ResponseRequest) => {
  const isAnswered =
    Array.isArray(input) && input.some(({ type }) => type === 'function_call_output')
  const functions = isAnswered ? [] : tools.filter(({ type }) => type === 'function')
  return functions.map(({ name, parameters }, index) => ({
    type: 'function_call',
    id: `fc_${index}`,
    call_id: `call_${name}_${index}`,
    name,
    arguments: JSON.stringify(instanceOf(parameters)),
    status: 'completed',
  }))
}

const messageOf = (text: string) => ({
  type: 'message',
  id: 'msg_0',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text, annotations: [], logprobs: [] }],
})

const itemsOf = (request: ResponseRequest) => {
  const calls = callsOf(request)
  return calls.length > 0 ? calls : [messageOf(textOf(request))]
}

const responseOf = ({ model }: ResponseRequest, output: unknown[], status: string) => ({
  id: 'resp_mock',
  object: 'response',
  created_at: CREATED,
  status,
  error: null,
  incomplete_details: null,
  model: `${model}-2024-07-18`,
  output,
  usage: {
    input_tokens: 11,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 7,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 18,
  },
})

const eventsOf = (request: ResponseRequest): ({ type: string } & Record<string, unknown>)[] => {
  const items = itemsOf(request)
  return [
    { type: 'response.created', response: responseOf(request, [], 'in_progress') },
    ...items.flatMap((item, output_index) => [
      { type: 'response.output_item.added', output_index, item },
      ...('content' in item ? tokensOf(item.content[0]!.text) : []).map((delta) => ({
        type: 'response.output_text.delta',
        output_index,
        item_id: item.id,
        content_index: 0,
        delta,
        logprobs: [],
      })),
      { type: 'response.output_item.done', output_index, item },
    ]),
    { type: 'response.completed', response: responseOf(request, items, 'completed') },
  ]
}

const answerTo = (request: ResponseRequest): Answer => {
  if (request.stream !== true) return json(responseOf(request, itemsOf(request), 'completed'))
  return eventStream(
    eventsOf(request).map((event, sequence_number): [string, unknown] => [
      event.type,
      { ...event, sequence_number },
    ])
  )
}

/** Given before the test began, and the item of theirs. */
const EARLIER = ['resp_1', 'resp_before']
const EARLIER_ITEM = { id: 'msg_1', type: 'message', role: 'user', content: 'Hi.' }

export const createResponses = (): Endpoint => {
  const limits = new ResponsesLimits()
  for (const id of EARLIER) limits.remember(id, [], [EARLIER_ITEM])
  return (call) => {
    const request = bodyOf<ResponseRequest>(call)
    requireModel(request.model)
    requireAnswered(limits.refusal({ ...request }))
    const output = itemsOf(request)
    limits.remember('resp_mock', limits.conversation({ ...request }), output)
    return answerTo(request)
  }
}
