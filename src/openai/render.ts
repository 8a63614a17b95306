/** Renders a lora's answer in OpenAI's two forms: one JSON body, or the events of a stream. Pure. */
import type { RenderedAnswer, RenderedCall } from './answer.ts'
import type { ChatChunk, ChatCompletion, Usage } from './chat.ts'

const callOf = ({ id, name, arguments: given }: RenderedCall) => ({
  id,
  type: 'function' as const,
  function: { name, arguments: given },
})

const finishOf = ({ calls }: RenderedAnswer): 'stop' | 'tool_calls' =>
  calls.length === 0 ? 'stop' : 'tool_calls'

const messageOf = ({ content, calls }: RenderedAnswer) => ({
  role: 'assistant' as const,
  ...(calls.length === 0 ? { content } : { content: null, tool_calls: calls.map(callOf) }),
  refusal: null,
})

/** The body for a request that does not stream. */
export const renderCompletion = (answer: RenderedAnswer): ChatCompletion => {
  const { id, created, model, usage } = answer
  return {
    id,
    object: 'chat.completion',
    created,
    model,
    choices: [
      { index: 0, message: messageOf(answer), logprobs: null, finish_reason: finishOf(answer) },
    ],
    ...(usage ? { usage } : {}),
  }
}

type Delta = ChatChunk['choices'][number]['delta']

/** A call begins with its name, and its arguments follow. */
const deltasOf = ({ content, calls }: RenderedAnswer): Delta[] => {
  if (calls.length === 0)
    return [{ role: 'assistant', content: '' }, ...(content === '' ? [] : [{ content }])]
  return [
    { role: 'assistant', content: null },
    ...calls.flatMap((call, index): Delta[] => [
      { tool_calls: [{ index, ...callOf({ ...call, arguments: '' }) }] },
      { tool_calls: [{ index, function: { arguments: call.arguments } }] },
    ]),
  ]
}

/**
 * The events of a stream: a role chunk, the content, a finish chunk. With `includeUsage` another chunk
 * has the usage and no choices, and all others have `usage: null`, as OpenAI documents it.
 */
export const renderEvents = (answer: RenderedAnswer, includeUsage: boolean): string => {
  const { id, created, model, usage } = answer
  const chunk = (choices: ChatChunk['choices'], counted: Usage | null = null): ChatChunk => ({
    id,
    object: 'chat.completion.chunk',
    created,
    model,
    choices,
    ...(includeUsage ? { usage: counted } : {}),
  })
  const chunks = [
    ...deltasOf(answer).map((delta) => chunk([{ index: 0, delta, finish_reason: null }])),
    chunk([{ index: 0, delta: {}, finish_reason: finishOf(answer) }]),
    ...(includeUsage && usage ? [chunk([], usage)] : []),
  ]
  const events = [...chunks.map((each) => JSON.stringify(each)), '[DONE]']
  return events.map((data) => `data: ${data}\n\n`).join('')
}
