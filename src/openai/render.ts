/**
 * An answer of our own in OpenAI's two forms: one JSON body, or the server-sent events of a stream.
 * Pure text; writing it to a connection is for the caller.
 */
import type { ChatChunk, ChatCompletion, Usage } from './chat.ts'

export interface RenderedAnswer {
  id: string
  /** seconds since the epoch */
  created: number
  model: string
  content: string
  /** absent is not 0: an engine that counts nothing leaves it out */
  usage: Usage | null
}

/** The answer as the body of a request that does not stream. */
export const renderCompletion = (answer: RenderedAnswer): ChatCompletion => ({
  id: answer.id,
  object: 'chat.completion',
  created: answer.created,
  model: answer.model,
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: answer.content, refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  ...(answer.usage ? { usage: answer.usage } : {}),
})

const serverSentEvent = (data: string): string => `data: ${data}\n\n`

/**
 * The answer as one stream: a role chunk, the content, a finish chunk, and with `includeUsage` a
 * chunk without choices that carries the usage (then every other chunk says `usage: null`, as
 * OpenAI documents it).
 */
export const renderEvents = (answer: RenderedAnswer, includeUsage: boolean): string => {
  const chunk = (choices: ChatChunk['choices'], usage: Usage | null = null): ChatChunk => ({
    id: answer.id,
    object: 'chat.completion.chunk',
    created: answer.created,
    model: answer.model,
    choices,
    ...(includeUsage ? { usage } : {}),
  })
  const chunks = [
    chunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }]),
    ...(answer.content === ''
      ? []
      : [chunk([{ index: 0, delta: { content: answer.content }, finish_reason: null }])]),
    chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]),
    ...(includeUsage && answer.usage ? [chunk([], answer.usage)] : []),
  ]
  return [...chunks.map((part) => JSON.stringify(part)), '[DONE]'].map(serverSentEvent).join('')
}
