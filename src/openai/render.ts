/** Renders a lora's answer in OpenAI's two forms: one JSON body, or the events of a stream. Pure. */
import type { RenderedAnswer } from './answer.ts'
import type { ChatChunk, ChatCompletion, Usage } from './chat.ts'

/** The body for a request that does not stream. */
export const renderCompletion = ({
  id,
  created,
  model,
  content,
  usage,
}: RenderedAnswer): ChatCompletion => ({
  id,
  object: 'chat.completion',
  created,
  model,
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content, refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  ...(usage ? { usage } : {}),
})

/**
 * The events of a stream: a role chunk, the content, a finish chunk. With `includeUsage` another chunk
 * has the usage and no choices, and all others have `usage: null`, as OpenAI documents it.
 */
export const renderEvents = (
  { id, created, model, content, usage }: RenderedAnswer,
  includeUsage: boolean
): string => {
  const chunk = (choices: ChatChunk['choices'], counted: Usage | null = null): ChatChunk => ({
    id,
    object: 'chat.completion.chunk',
    created,
    model,
    choices,
    ...(includeUsage ? { usage: counted } : {}),
  })
  const delta = (fields: ChatChunk['choices'][number]['delta'], finish: 'stop' | null = null) =>
    chunk([{ index: 0, delta: fields, finish_reason: finish }])
  const chunks = [
    delta({ role: 'assistant', content: '' }),
    ...(content === '' ? [] : [delta({ content })]),
    delta({}, 'stop'),
    ...(includeUsage && usage ? [chunk([], usage)] : []),
  ]
  const events = [...chunks.map((each) => JSON.stringify(each)), '[DONE]']
  return events.map((data) => `data: ${data}\n\n`).join('')
}
