/** Renders a lora's answer in OpenAI's two forms: one JSON body, or the events of a stream. Pure. */
import { contentPieces, piecesOf, type RenderedAnswer, type RenderedCall } from './answer.ts'
import type { ChatChunk, ChatCompletion, FinishReason, Usage } from './chat.ts'
import { detailedUsage } from './usage/usage.ts'

const callOf = ({ id, name, arguments: given }: RenderedCall) => ({
  id,
  type: 'function' as const,
  function: { name, arguments: given },
})

const finishOf = ({ calls }: RenderedAnswer): FinishReason =>
  calls.length === 0 ? 'stop' : 'tool_calls'

const messageOf = ({ content, calls }: RenderedAnswer) => ({
  role: 'assistant' as const,
  ...(calls.length === 0 ? { content } : { content: null, tool_calls: calls.map(callOf) }),
  refusal: null,
  annotations: [],
})

const logprobsOf = (logprobs: RenderedAnswer['logprobs']) =>
  logprobs && { content: [...logprobs], refusal: null }

/** Members that a completion and its chunks have alike; no tier but the usual one exists here. */
const headOf = ({ id, created, model, fingerprint }: RenderedAnswer) => ({
  id,
  created,
  model,
  service_tier: 'default',
  system_fingerprint: fingerprint,
})

/** The body for a request that does not stream. */
export const renderCompletion = (answer: RenderedAnswer): ChatCompletion => ({
  ...headOf(answer),
  object: 'chat.completion',
  choices: [
    {
      index: 0,
      message: messageOf(answer),
      logprobs: logprobsOf(answer.logprobs),
      finish_reason: finishOf(answer),
    },
  ],
  ...(answer.usage ? { usage: detailedUsage(answer.usage) } : {}),
})

type Choice = ChatChunk['choices'][number]

const choiceOf = (delta: Choice['delta'], logprobs: Choice['logprobs'] = null): Choice => ({
  index: 0,
  delta,
  logprobs,
  finish_reason: null,
})

/** A call begins with its name, and its arguments follow. */
const choicesOf = (answer: RenderedAnswer): Choice[] => {
  const { calls } = answer
  if (calls.length === 0)
    return [
      choiceOf({ role: 'assistant', content: '', refusal: null }),
      ...contentPieces(answer).map(({ text, logprobs }) =>
        choiceOf({ content: text }, logprobsOf(logprobs))
      ),
    ]
  return [
    choiceOf({ role: 'assistant', content: null, refusal: null }),
    ...calls.flatMap((call, index) => [
      choiceOf({ tool_calls: [{ index, ...callOf({ ...call, arguments: '' }) }] }),
      ...piecesOf(call.arguments).map((piece) =>
        choiceOf({ tool_calls: [{ index, function: { arguments: piece } }] })
      ),
    ]),
  ]
}

const dataOf = (data: string): string => `data: ${data}\n\n`

/**
 * The events of a stream: a role chunk, the content in pieces, a finish chunk. With `includeUsage` another chunk has the
 * usage and no choices, and all others have `usage: null`, as OpenAI documents it.
 */
export const renderEvents = (answer: RenderedAnswer, includeUsage: boolean): string => {
  const event = (choices: Choice[], counted: Usage | null = null): string => {
    const chunk: ChatChunk = {
      ...headOf(answer),
      object: 'chat.completion.chunk',
      choices,
      ...(includeUsage ? { usage: counted } : {}),
    }
    return dataOf(JSON.stringify(chunk))
  }
  return [
    ...choicesOf(answer).map((choice) => event([choice])),
    event([{ ...choiceOf({}), finish_reason: finishOf(answer) }]),
    ...(includeUsage && answer.usage ? [event([], detailedUsage(answer.usage))] : []),
    dataOf('[DONE]'),
  ].join('')
}
