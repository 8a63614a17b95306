/** Renders a lora's answer as the Responses API does: one JSON body, or the events of a stream. Pure. */
import type { TokenLogprob, Usage } from '../chat.ts'
import { contentPieces, piecesOf, type RenderedAnswer, type RenderedCall } from '../answer.ts'
import { isFields, type Fields } from '../fields.ts'

const usageOf = ({
  prompt_tokens: input,
  completion_tokens: output,
  prompt_tokens_details: details,
}: Usage): Fields => ({
  input_tokens: input,
  input_tokens_details: {
    cached_tokens: details?.cached_tokens ?? 0,
    cache_write_tokens: details?.cache_write_tokens ?? 0,
  },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: input + output,
})

/** Fields of a response that repeat the request, with the values that they have where it says nothing. */
const REPEATED: Fields = {
  frequency_penalty: 0,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  parallel_tool_calls: true,
  presence_penalty: 0,
  previous_response_id: null,
  prompt_cache_key: null,
  prompt_cache_retention: null,
  safety_identifier: null,
  store: true,
  temperature: 1,
  tool_choice: 'auto',
  top_logprobs: 0,
  top_p: 1,
  truncation: 'disabled',
  user: null,
}

/** The API checks functions strictly unless the request says otherwise. */
const toolOf = (tool: unknown): unknown =>
  isFields(tool)
    ? { description: null, parameters: null, ...tool, strict: tool['strict'] ?? true }
    : tool

const repeated = (request: Fields): Fields => ({
  ...Object.fromEntries(
    Object.entries(REPEATED).map(([name, usual]) => [name, request[name] ?? usual])
  ),
  reasoning: { effort: null, summary: null, ...(request['reasoning'] as Fields | null) },
  text: { format: { type: 'text' }, verbosity: 'medium', ...(request['text'] as Fields | null) },
  tools: Array.isArray(request['tools']) ? request['tools'].map(toolOf) : [],
  // there is no other here
  service_tier: 'default',
})

/** The response in one of its states. */
const responseOf = (
  { id, created, completed, model, usage }: RenderedAnswer,
  request: Fields,
  output: Fields[] | null
): Fields => ({
  id,
  object: 'response',
  created_at: created,
  status: output === null ? 'in_progress' : 'completed',
  background: false,
  completed_at: output === null ? null : completed,
  error: null,
  incomplete_details: null,
  model,
  output: output ?? [],
  ...repeated(request),
  ...(output === null ? { usage: null } : usage && { usage: usageOf(usage) }),
})

const partOf = (text: string, logprobs: readonly TokenLogprob[]): Fields => ({
  type: 'output_text',
  annotations: [],
  logprobs,
  text,
})

const statusOf = (isDone: boolean): string => (isDone ? 'completed' : 'in_progress')

const messageOf = ({ itemId, content, logprobs }: RenderedAnswer, isDone: boolean): Fields => ({
  id: itemId,
  type: 'message',
  status: statusOf(isDone),
  content: isDone ? [partOf(content, logprobs ?? [])] : [],
  role: 'assistant',
})

const callOf = ({ id, itemId, name, arguments: given }: RenderedCall, isDone: boolean): Fields => ({
  id: itemId,
  type: 'function_call',
  status: statusOf(isDone),
  call_id: id,
  name,
  arguments: isDone ? given : '',
})

const outputOf = (answer: RenderedAnswer): Fields[] =>
  answer.calls.length === 0
    ? [messageOf(answer, true)]
    : answer.calls.map((call) => callOf(call, true))

/** @param request the caller's, whose settings a response repeats */
export const renderResponse = (answer: RenderedAnswer, request: Fields): Fields =>
  responseOf(answer, request, outputOf(answer))

/** Those of events have no bytes. */
const eventLogprobs = (logprobs: readonly TokenLogprob[] | null): Fields[] =>
  (logprobs ?? []).map(({ token, logprob, top_logprobs: others }) => ({
    token,
    logprob,
    top_logprobs: others.map((other) => ({ token: other.token, logprob: other.logprob })),
  }))

const messageEvents = (answer: RenderedAnswer): Fields[] => {
  const { content } = answer
  const done = messageOf(answer, true)
  const place = { item_id: done['id'], output_index: 0, content_index: 0 }
  return [
    { type: 'response.output_item.added', output_index: 0, item: messageOf(answer, false) },
    { type: 'response.content_part.added', ...place, part: partOf('', []) },
    ...contentPieces(answer).map(({ text, logprobs }) => ({
      type: 'response.output_text.delta',
      ...place,
      delta: text,
      logprobs: eventLogprobs(logprobs),
    })),
    {
      type: 'response.output_text.done',
      ...place,
      text: content,
      logprobs: eventLogprobs(answer.logprobs),
    },
    {
      type: 'response.content_part.done',
      ...place,
      part: partOf(content, answer.logprobs ?? []),
    },
    { type: 'response.output_item.done', output_index: 0, item: done },
  ]
}

const callEvents = (call: RenderedCall, place: number): Fields[] => {
  const done = callOf(call, true)
  const { name, arguments: given } = call
  const item = { item_id: done['id'], output_index: place }
  return [
    { type: 'response.output_item.added', output_index: place, item: callOf(call, false) },
    ...piecesOf(given).map((delta) => ({
      type: 'response.function_call_arguments.delta',
      ...item,
      delta,
    })),
    { type: 'response.function_call_arguments.done', ...item, name, arguments: given },
    { type: 'response.output_item.done', output_index: place, item: done },
  ]
}

/** The events that OpenAI sends for an answer, numbered from 0. */
export const renderResponseEvents = (answer: RenderedAnswer, request: Fields): string => {
  const begun = responseOf(answer, request, null)
  const events: Fields[] = [
    { type: 'response.created', response: begun },
    { type: 'response.in_progress', response: begun },
    ...(answer.calls.length === 0 ? messageEvents(answer) : answer.calls.flatMap(callEvents)),
    { type: 'response.completed', response: renderResponse(answer, request) },
  ]
  return events
    .map(({ type, ...event }, number) => {
      const data = JSON.stringify({ type, sequence_number: number, ...event })
      return `event: ${String(type)}\ndata: ${data}\n\n`
    })
    .join('')
}
